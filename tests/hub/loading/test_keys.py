"""Files that spell a model otherwise: tensors cut into pieces, and several files with a beginning each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import FormatError, LoadError
from numzoo.hub.registry.names import Registry

CUT = {"split": [{"match": r"both\.(weight|bias)", "to": [r"classifier.0.\1", None]}]}


@pytest.fixture
def fused(weights: Any) -> Any:
    """LeNet's weights, the first linear layer stacked upon another that the model does not have."""
    arrays = dict(weights)
    for part in ("weight", "bias"):
        own = arrays.pop(f"classifier.0.{part}")
        arrays[f"both.{part}"] = np.concatenate([own, own + 1])
    return arrays


def test_a_tensor_is_cut_and_the_piece_without_a_name_ignored(
    fused: Any, weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(fused, keys=CUT)}))
    for name, tensor in model.state_dict().items():
        assert np.array_equal(tensor.numpy(), weights[name]), name
    assert "both.bias (piece 2 of 2)" in model.load_report.ignored
    assert model.load_report.initialised == ()


def test_pieces_are_renamed_as_names_of_the_file_are(
    fused: Any, weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    keys = {
        "split": [{"match": r"both\.(weight|bias)", "to": [r"first.\1", None]}],
        "rename": [{"match": r"first\.(.*)", "to": r"classifier.0.\1"}],
    }
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(fused, keys=keys)}))
    assert np.array_equal(model.state_dict()["classifier.0.bias"].numpy(), weights["classifier.0.bias"])
    assert model.load_report.renamed["first.bias"] == "classifier.0.bias"


def test_a_tensor_that_does_not_divide_is_named(
    fused: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    keys = {
        "split": [{"match": r"both\.(weight|bias)", "to": [r"classifier.0.\1", None, None, None, None, None, None]}]
    }
    with pytest.raises(LoadError, match=r"both.bias \(240,\) cannot be cut into the 7 equal pieces"):
        hub.load("lenet", registry=registry_of({"lenet.test": entry_of(fused, keys=keys)}))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ({"match": "(", "to": ["a", "b"]}, r"keys.split\[0\].match is no regular expression"),
        ({"match": "a", "to": [r"\1", "b"]}, r"keys.split\[0\].to is .*may only name"),
        ({"match": "a", "to": ["b"]}, "keys.split"),
    ],
)
def test_malformed_cuts_are_refused(
    pair: Any, message: str, fused: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    with pytest.raises(FormatError, match=message):
        hub.load("lenet", registry=registry_of({"lenet.test": entry_of(fused, keys={"split": [pair]})}))


def test_several_files_make_one_model_each_below_its_own_beginning(
    weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry], tmp_path: Path
) -> None:
    entry = entry_of({"unused": np.zeros(1, np.float32)})
    entry["files"] = []
    for prefix in ("features.", "classifier."):
        path = tmp_path / f"{prefix}safetensors"
        write_safetensors(path, {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry["files"].append(
            {"sha256": digest, "format": "safetensors", "sources": [f"file:{path.name}"], "prefix": prefix}
        )
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry}))
    for name, tensor in model.state_dict().items():
        assert np.array_equal(tensor.numpy(), weights[name]), name
