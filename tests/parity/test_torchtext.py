"""Models of torchtext: its files through the spellings of the shipped entries, beside its own model code.

torchtext 0.18, the last, has a compiled library that a newer PyTorch cannot load; its models do not need it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from published_layouts import published, torchtext_roberta

from numzoo import engine, hub
from numzoo.hub.registry.names import shipped_registry

for package in ("torch", "torchtext"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"models of torchtext are compared where {package} is installed", allow_module_level=True)

REGISTRY = shipped_registry()
NAMES = [name for name in REGISTRY.names() if REGISTRY.entry(name).source == "https://github.com/pytorch/text"]
SHIPPED: dict[str, Any] = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_text())["models"]
ROBERTA = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
}
T5 = {"vocab_size": 50, "d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4}


@pytest.fixture(scope="module")
def theirs() -> Iterator[SimpleNamespace]:
    """Their two model modules, without what their packages run at import."""
    place = Path(str(importlib.util.find_spec("torchtext").origin)).parent  # type: ignore[union-attr]
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchtext"}
    for name in ("torchtext", "torchtext.models", "torchtext.models.roberta", "torchtext.models.t5"):
        bare = ModuleType(name)
        bare.__path__ = [str(place.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = bare
    models = ("torchtext.models.roberta.model", "torchtext.models.t5.model")
    yield SimpleNamespace(**dict(zip(("roberta", "t5"), map(importlib.import_module, models), strict=True)))
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchtext"]:
        del sys.modules[name]
    sys.modules.update(before)


def build(theirs: SimpleNamespace, name: str, config: dict[str, Any]) -> Any:
    """Their model for an entry's config."""
    if "roberta" in name:
        said = theirs.roberta.RobertaEncoderConf(
            vocab_size=config["vocab_size"], embedding_dim=config["hidden_size"], padding_idx=config["pad_token_id"],
            ffn_dimension=config["intermediate_size"], num_attention_heads=config["num_attention_heads"],
            num_encoder_layers=config["num_hidden_layers"], max_seq_len=config["max_position_embeddings"],
        )  # fmt: skip
        return theirs.roberta.RobertaModel(said)
    said = theirs.t5.T5Conf(
        encoder_only=name.endswith("-encoder"), linear_head=name.endswith(".torchtext"), embedding_dim=config["d_model"],
        qkv_dim=config["d_kv"], num_attention_heads=config["num_heads"], num_encoder_layers=config["num_layers"],
        num_decoder_layers=config["num_decoder_layers"], ffn_dimension=config["d_ff"], vocab_size=config["vocab_size"],
        feed_forward_proj=config["feed_forward_proj"],
    )  # fmt: skip
    return theirs.t5.T5Model(said)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_layouts_are_theirs(name: str, theirs: SimpleNamespace, reference: SimpleNamespace) -> None:
    import torch

    entry = REGISTRY.entry(name)
    with torch.device("meta"):
        state = build(theirs, name, dict(entry.config)).state_dict()
    *_, today = published(entry.config, entry.model)
    assert today == {key: tuple(value.shape) for key, value in state.items()}


def test_the_older_names_are_those_that_their_code_still_reads(
    theirs: SimpleNamespace, reference: SimpleNamespace
) -> None:
    import torch

    config = {**SHIPPED["roberta_base.torchtext"]["config"], **ROBERTA}
    older = {name: torch.zeros(shape) for name, shape in torchtext_roberta(config, older=True).items()}
    found = build(theirs, "roberta", config).load_state_dict(older)
    assert not found.missing_keys
    assert not found.unexpected_keys


@pytest.mark.filterwarnings("ignore")  # theirs: of nested tensors
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    "name", ["xlm_roberta_base.torchtext", "roberta_large.torchtext", "distilroberta_base.torchtext"]
)
def test_roberta_gives_their_vectors(
    name: str, older: bool, theirs: SimpleNamespace, reference: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    torch.manual_seed(1)
    config = {**SHIPPED[name]["config"], **ROBERTA}
    model = build(theirs, name, config).eval()
    spellings = dict(zip(torchtext_roberta(config), torchtext_roberta(config, older=True), strict=True))
    state = {spellings[key] if older else key: stirred(key, value) for key, value in model.state_dict().items()}
    model.load_state_dict(dict(state))
    ours = loaded(tmp_path, name, config, state)
    assert ours.load_report.initialised == ()
    tokens = np.array([[0, 17, 5, 33, 9, 2], [0, 8, 2, 1, 1, 1]])
    with torch.no_grad(), engine.no_grad():
        wanted = model(torch.from_numpy(tokens)).numpy()
        found = ours(tokens, tokens != 1).last_hidden_state.numpy()
    assert np.abs(found - wanted)[tokens != 1].max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", [name for name in NAMES if "t5_base" in name or "t5_large" in name])
def test_t5_gives_their_vectors_and_logits(
    name: str, theirs: SimpleNamespace, reference: SimpleNamespace, tmp_path: Path
) -> None:
    import torch

    torch.manual_seed(2)
    config = {**SHIPPED[name]["config"], **T5}
    model = build(theirs, name, config).eval()
    state = {key: stirred(key, value) for key, value in model.state_dict().items()}
    state["encoder.token_embeddings.weight"] = state["token_embeddings.weight"]  # one tensor under two names
    model.load_state_dict(dict(state))
    ours = loaded(tmp_path, name, config, state)
    assert ours.load_report.initialised == ()
    source = np.array([[17, 5, 33, 9, 21, 1], [8, 30, 1, 0, 0, 0]])
    answer = np.array([[0, 7, 12, 44], [0, 3, 3, 6]])
    with torch.no_grad(), engine.no_grad():
        said = model(torch.from_numpy(source), None if model.decoder is None else torch.from_numpy(answer))
        if model.decoder is None:
            wanted, found = said["encoder_output"].numpy(), ours(source, source != 0).numpy()
            wanted, found = wanted[source != 0], found[source != 0]
        else:
            wanted, found = said["decoder_output"].numpy(), ours(source, source != 0, answer).numpy()
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def stirred(name: str, value: Any) -> Any:
    """Random weights of their size, and norms that are not all ones."""
    import torch

    if value.ndim == 1:
        return value + 0.2 * torch.rand_like(value)
    return torch.randn_like(value) * (0.5 if "embedding" in name else value.shape[1] ** -0.5)


def loaded(folder: Path, name: str, config: dict[str, Any], state: dict[str, Any]) -> Any:
    """Ours, from a file that torch wrote, by the entry's spellings."""
    import torch

    torch.save(state, folder / "model.pt")
    content = (folder / "model.pt").read_bytes()
    file = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "format": "torch-zip"}
    entry = {**SHIPPED[name], "config": config, "files": [{**file, "sources": ["file:model.pt"]}]}
    del entry["parameters"]
    (folder / "mine.json").write_text(json.dumps({"schema": 1, "models": {"texts.small": entry}}))
    return hub.load("texts", registry=folder / "mine.json")
