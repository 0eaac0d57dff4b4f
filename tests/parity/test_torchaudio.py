"""Models of torchaudio: its files through the spellings of the shipped entries, and its Conv-TasNet, beside numzoo's."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from integers import integer_array, integer_weights
from published_layouts import OURS, published
from sequences import CONV_TASNET, WAV2VEC2

from numzoo import engine, hub
from numzoo.audio import models
from numzoo.audio.models.wav2vec2 import Wav2Vec2Config
from numzoo.hub.registry.names import open_registry

for package in ("torch", "torchaudio"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"models of torchaudio are compared where {package} is installed", allow_module_level=True)

REGISTRY = open_registry()
NAMES = [
    name
    for name in REGISTRY.names()
    if REGISTRY.entry(name).source == "https://github.com/pytorch/audio"
    and not REGISTRY.entry(name).model.startswith(OURS)
]


def spelt(name: str, older: bool) -> str:
    """The names of before PyTorch 2.1, as in the published file, or those of now."""
    if not older:
        return name
    name = name.replace("parametrizations.weight.original0", "weight_g")
    return name.replace("parametrizations.weight.original1", "weight_v")


def theirs_of(config: dict[str, Any], builder: str) -> Any:
    """Their model for an entry's config and builder."""
    from torchaudio.models import wav2vec2_model, wavlm_model

    said = {**asdict(Wav2Vec2Config()), **config}
    if builder.startswith("audio.models.squim_subjective"):
        import torchaudio_reference

        return torchaudio_reference.subjective(said, 32, 5)
    layers = list(zip(said["conv_dim"], said["conv_kernel"], said["conv_stride"], strict=True))
    gated = builder.startswith("audio.models.wavlm")
    kind: Any = partial(wavlm_model, encoder_num_buckets=320, encoder_max_distance=800) if gated else wav2vec2_model
    return kind(
        extractor_mode=f"{said['feat_extract_norm']}_norm", extractor_conv_layer_config=layers,
        extractor_conv_bias=said["conv_bias"], encoder_embed_dim=said["hidden_size"], encoder_projection_dropout=0.1,
        encoder_pos_conv_kernel=said["num_conv_pos_embeddings"], encoder_pos_conv_groups=said["num_conv_pos_embedding_groups"],
        encoder_num_layers=said["num_hidden_layers"], encoder_num_heads=said["num_attention_heads"],
        encoder_attention_dropout=0.1, encoder_ff_interm_features=said["intermediate_size"], encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.1, encoder_layer_norm_first=said["do_stable_layer_norm"], encoder_layer_drop=0.05,
        aux_num_out=config.get("vocab_size"),
    ).eval()  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # theirs: of its own parts that will go
@pytest.mark.parametrize("name", NAMES)
def test_the_published_layouts_are_theirs(
    name: str, reference: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    entry = REGISTRY.entry(name)
    with torch.device("meta"):
        state = {
            key: tuple(value.shape) for key, value in theirs_of(dict(entry.config), entry.model).state_dict().items()
        }
    older, today = published(entry.config, entry.model)
    assert today == state
    assert older == {spelt(key, True): shape for key, shape in state.items()}


@pytest.mark.filterwarnings("ignore")  # theirs: of its own parts that will go
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    "entry_name",
    [
        "wav2vec2_base.960h-torchaudio",
        "wav2vec2_large_lv60k.960h",
        "hubert_large.pretrained",
        "wav2vec2_mms.alignment",
        "wavlm_base.pretrained",
        "wavlm_base_plus.pretrained",
        "wavlm_large.pretrained",
    ],
)
def test_a_file_of_torchaudio_loads_by_the_entrys_spellings_and_gives_its_results(
    entry_name: str, older: bool, reference: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    shipped: dict[str, Any] = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_text())
    entry = shipped["models"][entry_name]
    config = {**entry["config"], **WAV2VEC2}
    config |= {
        key: entry["config"][key]
        for key in ("feat_extract_norm", "conv_bias", "do_stable_layer_norm")
        if key in entry["config"]
    }
    torch.manual_seed(0)
    theirs = theirs_of(config, entry["model"])
    state = {spelt(name, older): torch.nn.Parameter(value) for name, value in theirs.state_dict().items()}
    torch.save(state, tmp_path / "speech.pth")
    content = (tmp_path / "speech.pth").read_bytes()
    entry = {**entry, "config": config, "license": "MIT"}
    file = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "format": "torch-zip"}
    entry |= {"files": [{**file, "sources": ["file:speech.pth"]}]}
    del entry["parameters"]
    (tmp_path / "mine.json").write_text(json.dumps({"schema": 1, "models": {"speech.small": entry}}))
    model = hub.load("speech", registry=tmp_path / "mine.json")
    assert [name.rpartition(".")[2] for name in model.load_report.initialised] == ["masked_spec_embed"]
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
