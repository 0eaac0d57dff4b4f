"""Entries of torchtext and torchaudio: every tensor of the published files has its place in the model, and none is left over."""

from __future__ import annotations

import math

import numpy as np
import pytest
from published_layouts import OURS, published

from numzoo import hub
from numzoo.hub.errors import LoadError, TrustError
from numzoo.hub.loading.contract import fit
from numzoo.hub.loading.report import LoadReport
from numzoo.hub.loading.resolve import build
from numzoo.hub.registry.manifest import Entry
from numzoo.hub.registry.names import shipped_registry

REGISTRY = shipped_registry()
PUBLISHERS = ("https://github.com/pytorch/text", "https://github.com/pytorch/audio")
ENTRIES = [REGISTRY.entry(name) for name in REGISTRY.names() if REGISTRY.entry(name).source in PUBLISHERS]
LAID_OUT = [entry for entry in ENTRIES if not entry.model.startswith(OURS)]


def described(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    nothing = np.zeros((), np.float32)
    return {name: np.broadcast_to(nothing, shape) for name, shape in shapes.items()}


def placed(entry: Entry, shapes: dict[str, tuple[int, ...]]) -> LoadReport:
    model = build(entry.model, "models", entry.config, who=entry.name)
    arrays = described(shapes)
    return fit(arrays, model.state_dict(), name=entry.name, source="file", sha256="", keys=entry.keys)[1]


def test_all_that_both_published_and_numzoo_has_a_model_for_is_there() -> None:
    text = [entry for entry in ENTRIES if entry.model.startswith("text.")]
    assert (len(text), len(ENTRIES) - len(text)) == (32, 45)


@pytest.mark.parametrize("entry", LAID_OUT, ids=lambda entry: entry.name)
def test_every_tensor_of_the_published_file_has_its_place(entry: Entry) -> None:
    for shapes in published(entry.config, entry.model):
        report = placed(entry, shapes)
        assert all(name.endswith("masked_spec_embed") for name in report.initialised)
        assert set(report.zeros) <= {"embeddings.token_type_embeddings.weight"}
        assert set(report.ignored) <= {"encoder.token_embeddings.weight"}  # the same tensor as token_embeddings.weight
        read = sum(math.prod(shape) for name, shape in shapes.items() if name not in report.ignored)
        fresh = {*report.initialised, *report.zeros}
        state = build(entry.model, "models", entry.config, who=entry.name).state_dict()
        assert read == sum(math.prod(value.shape) for name, value in state.items() if name not in fresh)


@pytest.mark.parametrize("name", ["roberta_base.torchtext", "t5_base.torchtext", "hubert_base.pretrained"])
def test_a_file_that_lacks_a_tensor_or_has_one_more_does_not_load(name: str) -> None:
    entry = REGISTRY.entry(name)
    shapes = next(published(entry.config, entry.model))
    gone = next(each for each in shapes if ".layers.1." in each)
    for changed in ({**shapes, "more.weight": (3,)}, {each: shape for each, shape in shapes.items() if each != gone}):
        with pytest.raises(LoadError):
            placed(entry, changed)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_digest_that_nobody_told_us_is_not_made_up(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = entry.files[0]
    assert (weights.sha256 is not None) == (entry.name == "wav2vec2_base.960h-torchaudio")
    assert weights.sha256_prefix is None
    assert weights.md5 is None
    if weights.sha256 is None:
        monkeypatch.setenv("NUMZOO_ACCEPT_LICENSE", entry.license)
        with pytest.raises(TrustError, match="--trust-first-use"):
            hub.load(entry.name, offline=True)
