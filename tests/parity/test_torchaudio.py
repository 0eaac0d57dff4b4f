"""Models of torchaudio: its files through the spellings of the shipped entry, and its Conv-TasNet, beside numzoo's."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from integers import integer_array, integer_weights
from sequences import CONV_TASNET, WAV2VEC2

from numzoo import engine, hub
from numzoo.audio import models
from numzoo.hub.loading.contract import fit
from numzoo.hub.registry.names import open_registry

for package in ("torch", "torchaudio"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"models of torchaudio are compared where {package} is installed", allow_module_level=True)

ENTRY = "wav2vec2_base.960h-torchaudio"


def spelt(name: str, older: bool) -> str:
    """The names of before PyTorch 2.1, as in the published file, or those of now."""
    if not older:
        return name
    name = name.replace("parametrizations.weight.original0", "weight_g")
    return name.replace("parametrizations.weight.original1", "weight_v")


@pytest.mark.parametrize("older", [False, True])
def test_every_name_of_the_published_size_has_its_place(older: bool, reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import wav2vec2_base

    entry = open_registry().entry(ENTRY)
    with torch.device("meta"):
        theirs = wav2vec2_base(aux_num_out=32).state_dict()
    nothing = np.zeros((), np.float32)
    state = {spelt(name, older): np.broadcast_to(nothing, tuple(value.shape)) for name, value in theirs.items()}
    model = models.wav2vec2_ctc(**entry.config)
    fit(state, model.state_dict(), name=entry.name, source="torchaudio", sha256="", keys=entry.keys)


@pytest.mark.filterwarnings("ignore")  # theirs: of its own parts that will go
@pytest.mark.parametrize("older", [False, True])
def test_a_file_of_torchaudio_loads_by_the_entrys_spellings_and_gives_its_logits(
    older: bool, reference: SimpleNamespace, tmp_path: Path
) -> None:
    import torch
    from torchaudio.models import wav2vec2_model

    torch.manual_seed(0)
    layers = list(zip(WAV2VEC2["conv_dim"], WAV2VEC2["conv_kernel"], WAV2VEC2["conv_stride"], strict=True))
    theirs = wav2vec2_model(
        extractor_mode="group_norm", extractor_conv_layer_config=layers, extractor_conv_bias=False, encoder_embed_dim=48,
        encoder_projection_dropout=0.1, encoder_pos_conv_kernel=16, encoder_pos_conv_groups=4, encoder_num_layers=3,
        encoder_num_heads=4, encoder_attention_dropout=0.1, encoder_ff_interm_features=96, encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.1, encoder_layer_norm_first=False, encoder_layer_drop=0.05, aux_num_out=32,
    ).eval()  # fmt: skip
    state = {spelt(name, older): torch.nn.Parameter(value) for name, value in theirs.state_dict().items()}
    torch.save(state, tmp_path / "speech.pth")
    content = (tmp_path / "speech.pth").read_bytes()
    shipped: dict[str, Any] = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_text())
    entry = shipped["models"][ENTRY] | {"config": {**WAV2VEC2, "vocab_size": 32}}
    file = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "format": "torch-zip"}
    entry |= {"files": [{**file, "sources": ["file:speech.pth"]}]}
    del entry["parameters"]
    (tmp_path / "mine.json").write_text(json.dumps({"schema": 1, "models": {"speech.small": entry}}))
    model = hub.load("speech", registry=tmp_path / "mine.json")
    assert set(model.load_report.initialised) == {"wav2vec2.masked_spec_embed"}
    sound = integer_array(5, (2, 800))
    with torch.no_grad(), engine.no_grad():
        wanted, found = theirs(torch.from_numpy(sound))[0].numpy(), model(sound).numpy()
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("samples", [397, 400, 16, 3])
@pytest.mark.parametrize("more", [{}, {"msk_activate": "relu", "num_sources": 2}, {"enc_kernel_size": 15}])
def test_conv_tasnet_separates_as_torchaudios(more: dict[str, Any], samples: int, reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import ConvTasNet

    settings: dict[str, Any] = {**CONV_TASNET, **more}
    ours, theirs = models.conv_tasnet_base(**settings).eval(), ConvTasNet(**settings).eval()
    shapes = {name: tuple(value.shape) for name, value in sorted(ours.state_dict().items())}
    assert shapes == {name: tuple(value.shape) for name, value in sorted(theirs.state_dict().items())}
    weights = integer_weights(shapes, 1.0)
    ours.load_state_dict(weights, assign=True)
    theirs.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    mixture = integer_array(5, (2, 1, samples))
    with torch.no_grad(), engine.no_grad():
        wanted, found = theirs(torch.from_numpy(mixture)).numpy(), ours(mixture).numpy()
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_the_defaults_of_conv_tasnet_are_torchaudios(reference: SimpleNamespace) -> None:
    import torch
    from torchaudio.models import conv_tasnet_base

    with torch.device("meta"):
        theirs = conv_tasnet_base().state_dict()
    ours = models.conv_tasnet_base().state_dict()
    assert {name: tuple(value.shape) for name, value in ours.items()} == {
        name: tuple(value.shape) for name, value in theirs.items()
    }
