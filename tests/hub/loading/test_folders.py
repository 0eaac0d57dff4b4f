"""`hub.load` of a folder: which file is meant, shards and their index, files of `hub.save`, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.errors import FormatError, LoadError, NotFoundError, UsageError
from numzoo.vision import models

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

CONFIG = {"architecture": "resnet18", "num_classes": 3}


@pytest.fixture(scope="module")
def tensors() -> Arrays:
    generator = np.random.default_rng(5)
    state = models.resnet18(classes=3).state_dict()
    return {
        name: np.zeros((), np.int64) if tensor.dtype == np.int64 else generator.random(tensor.shape, np.float32)
        for name, tensor in state.items()
    }


@pytest.fixture
def folder(tmp_path: Path, tensors: Arrays) -> Path:
    write_safetensors(tmp_path / "model.safetensors", tensors)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def shard(folder: Path, tensors: Arrays, **changes: Any) -> None:
    """Three files and their index in place of one."""
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for number in range(3):
        name = f"model-0000{number + 1}-of-00003.safetensors"
        part = {key: array for place, (key, array) in enumerate(tensors.items()) if place % 3 == number}
        write_safetensors(folder / name, part)
        weight_map |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map | changes}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def same(model: Any, tensors: Arrays) -> bool:
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return state.keys() == tensors.keys() and all(np.array_equal(state[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("kind", [str, Path])
def test_an_index_stands_for_the_shards_that_it_lists(folder: Path, tensors: Arrays, kind: Any) -> None:
    shard(folder, tensors)
    write_safetensors(folder / "model.safetensors", {"other": np.ones(1, np.float32)})  # which the folder would mean
    assert same(hub.load(kind(folder / "model.safetensors.index.json")), tensors)
    (folder / "config.json").unlink()
    assert same(hub.load(kind(folder / "model.safetensors.index.json"), model="resnet18", classes=3), tensors)


def test_a_folder_says_its_model_itself(folder: Path, tensors: Arrays) -> None:
    model = hub.load(folder)
    assert same(model, tensors)
    assert model.load_report.model == "vision.models.resnet18"
    assert same(hub.load(str(folder)), tensors)


def test_a_folder_in_the_present_one_needs_no_slash(
    folder: Path, tensors: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    assert same(hub.load(folder.name), tensors)


def test_other_classes_leave_a_fresh_head(folder: Path) -> None:
    model = hub.load(folder, classes=9)
    assert model.load_report.initialised == ("fc.weight", "fc.bias")


def test_shards_are_joined_by_their_index(folder: Path, tensors: Arrays) -> None:
    shard(folder, tensors)
    model = hub.load(folder)
    assert same(model, tensors)
    assert model.load_report.source.endswith("(3 files)")


INDICES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a way out": ({"fc.bias": "../elsewhere.safetensors"}, FormatError, "only files right beside it"),
    "an absolute path": ({"fc.bias": "/etc/passwd"}, FormatError, "only files right beside it"),
    "a backslash": ({"fc.bias": "..\\x.safetensors"}, FormatError, "only files right beside it"),
    "no name": ({"fc.bias": 3}, FormatError, "without a weight_map of names to files"),
    "a file that is missing": ({"fc.bias": "model-4.safetensors"}, NotFoundError, "lacks model-4.safetensors"),
    "a tensor elsewhere": (
        {"fc.bias": "model-00001-of-00003.safetensors", "fc.weight": "model-00001-of-00003.safetensors"},
        FormatError,
        "the index of a sharded checkpoint says",
    ),
    "a tensor that is missing": ({"more": "model-00001-of-00003.safetensors"}, FormatError, "lacks the tensor 'more'"),
}


@pytest.mark.parametrize("case", INDICES)
def test_an_index_that_lies_is_refused(case: str, folder: Path, tensors: Arrays) -> None:
    changes, kind, reason = INDICES[case]
    shard(folder, tensors, **changes)
    with pytest.raises(kind, match=reason):
        hub.load(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "{", '{"a": 1, "a": 2}'])
def test_an_index_that_is_none_is_refused(text: str, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(FormatError):
        hub.load(folder)


def test_safetensors_goes_before_a_pickle(folder: Path, tensors: Arrays) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02not looked at")
    assert same(hub.load(folder), tensors)


def test_several_files_that_could_be_meant_are_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    (folder / "b.safetensors").write_bytes((folder / "a.safetensors").read_bytes())
    with pytest.raises(UsageError, match=r"holds a\.safetensors, b\.safetensors: name the file"):
        hub.load(folder)


def test_a_folder_without_weights_says_what_is_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    with pytest.raises(NotFoundError, match=r"tf_model\.h5 is not read here"):
        hub.load(folder)


def test_a_folder_without_a_configuration_needs_a_model(folder: Path, tensors: Arrays) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(UsageError, match=r"has no config\.json .* Give model="):
        hub.load(folder)
    assert same(hub.load(folder, model="vision.models.resnet18", classes=3), tensors)


def test_a_folder_of_ones_own_needs_nothing(tmp_path: Path, folder: Path, tensors: Arrays) -> None:
    own = tmp_path / "own"
    own.mkdir()
    model = hub.load(folder)
    hub.save(model, own / "model.safetensors")
    assert same(hub.load(own), tensors)


def test_tensors_of_another_shape_end_in_the_contracts_report(folder: Path, tensors: Arrays) -> None:
    write_safetensors(folder / "model.safetensors", {**tensors, "fc.bias": np.zeros(7, np.float32)})
    with pytest.raises(LoadError, match=r"another shape: fc\.bias is \(7,\), the model wants \(3,\)"):
        hub.load(folder)


def test_a_wrapped_file_is_refused_and_its_beginning_is_proposed(folder: Path, tensors: Arrays) -> None:
    write_safetensors(folder / "model.safetensors", {f"_orig_mod.module.{name}": a for name, a in tensors.items()})
    with pytest.raises(LoadError, match=r"give prefix='_orig_mod\.module\.'"):
        hub.load(folder)
    assert same(hub.load(folder, prefix="_orig_mod.module."), tensors)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"architecture": "resnet18", "architecture": "x"}', "NaN"])
def test_a_configuration_that_is_no_json_object_is_refused(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(FormatError, match=r"config\.json"):
        hub.load(folder)


def test_a_configuration_nested_without_end_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ' * 100_000)
    with pytest.raises(FormatError, match=r"config\.json is not valid JSON"):
        hub.load(folder)


def test_a_configuration_beyond_the_bound_is_not_read(folder: Path) -> None:
    with open(folder / "config.json", "wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(FormatError, match="larger than 64 MiB"):
        hub.load(folder)
