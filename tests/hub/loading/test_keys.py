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

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

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


JOIN = [{"match": r"part(\d)\.(weight|bias)", "to": r"classifier.0.\2[\1/3]"}]


def state(model: Any) -> Arrays:
    return {name: np.array(tensor.numpy()) for name, tensor in model.state_dict().items()}


def apart(weights: Arrays) -> Arrays:
    """The first linear layer in three parts of 40 rows."""
    rest = {name: array for name, array in weights.items() if not name.startswith("classifier.0.")}
    for place in range(3):
        for kind in ("weight", "bias"):
            rest[f"part{place}.{kind}"] = weights[f"classifier.0.{kind}"][40 * place : 40 * place + 40]
    return rest


def test_parts_are_joined_in_their_order(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Any]
) -> None:
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(apart(weights), keys={"rename": JOIN})}))
    np.testing.assert_array_equal(state(model)["classifier.0.weight"], weights["classifier.0.weight"])
    assert model.load_report.renamed["part1.bias"] == "classifier.0.bias[1/3]"


def test_a_missing_part_is_an_error_unless_it_is_declared_zero(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Any]
) -> None:
    parts = apart(weights)
    del parts["part1.bias"]
    with pytest.raises(LoadError, match=r"missing from the file: part 2 of 3 of classifier\.0\.bias"):
        hub.load("lenet", registry=registry_of({"lenet.test": entry_of(parts, keys={"rename": JOIN})}))
    keys = {"rename": JOIN, "zero": [r"classifier\.0\.bias\[1/3\]"]}
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(parts, keys=keys)}))
    bias = state(model)["classifier.0.bias"]
    assert not bias[40:80].any()
    np.testing.assert_array_equal(bias[80:], weights["classifier.0.bias"][80:])


def test_parts_that_cannot_be_joined_are_an_error(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Any]
) -> None:
    for wrong, said in (
        (np.zeros(41, np.float32), "parts of other shapes"),
        (np.zeros(40, np.float16), "cannot be joined"),
    ):
        parts = {**apart(weights), "part2.bias": wrong}
        with pytest.raises(LoadError, match=said):
            hub.load("lenet", registry=registry_of({"lenet.test": entry_of(parts, keys={"rename": JOIN})}))
    both = {**apart(weights), "classifier.0.bias": weights["classifier.0.bias"]}
    with pytest.raises(LoadError, match=r"parts and the whole of one tensor: classifier\.0\.bias"):
        hub.load("lenet", registry=registry_of({"lenet.test": entry_of(both, keys={"rename": JOIN})}))


def test_what_is_declared_zero_reshaped_or_transposed_is_so_and_nothing_else(
    weights: Arrays, entry_of: Callable[..., Any], registry_of: Callable[..., Any]
) -> None:
    other = {name: array for name, array in weights.items() if name != "classifier.3.bias"}
    other["classifier.0.weight"] = weights["classifier.0.weight"].reshape(120, 48, 5, 5)
    other["classifier.3.weight"] = np.ascontiguousarray(weights["classifier.3.weight"].T)
    keys = {
        "zero": [r"classifier\.3\.bias"],
        "reshape": [r"classifier\.0\.weight"],
        "transpose": [r"classifier\.3\.weight"],
    }
    model = hub.load("lenet", registry=registry_of({"lenet.test": entry_of(other, keys=keys)}))
    loaded = state(model)
    assert not loaded["classifier.3.bias"].any()
    assert model.load_report.zeros == ("classifier.3.bias",)
    assert "zeros        classifier.3.bias" in str(model.load_report)
    for name in ("classifier.0.weight", "classifier.3.weight"):
        np.testing.assert_array_equal(loaded[name], weights[name])
    for kind in keys:
        left = {name: patterns for name, patterns in keys.items() if name != kind}
        registry = registry_of({"lenet.test": entry_of(other, keys=left)})
        with pytest.raises(LoadError):
            hub.load("lenet", registry=registry)


def test_a_pattern_that_would_take_for_ever_is_refused_before_any_name_is_matched(
    weights: Any, entry_of: Callable[..., Any], registry_of: Callable[..., Registry]
) -> None:
    keys = {"rename": [{"match": r"((a+)+)+b", "to": r"\1"}]}
    arrays = {**weights, "a" * 60: np.zeros(1, np.float32)}
    with pytest.raises(FormatError, match=r"keys\.rename\[0\]\.match is no regular expression of the kind"):
        hub.load("lenet", registry=registry_of({"lenet.test": entry_of(arrays, keys=keys)}))
