"""Checkpoints in several files: the index and its files must agree to the name and the byte."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata, write_safetensors
from numzoo.hub.checkpoint.scan import scan
from numzoo.hub.errors import FormatError, UnsafeFileError, UsageError

A = {"layer.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "layer.0.bias": np.ones(3, np.float16)}
B = {"layer.1.weight": np.arange(4, dtype=np.int64)}
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
MAP = {**dict.fromkeys(A, ONE), **dict.fromkeys(B, TWO)}
TOTAL = {"total_size": 24 + 6 + 32}


@pytest.fixture
def shards(tmp_path):
    """Write both files and an index with what is given; give the index's path."""
    write_safetensors(tmp_path / ONE, A, {"format": "pt"})
    write_safetensors(tmp_path / TWO, B, {"format": "pt"})

    def index(where=MAP, metadata=TOTAL, name="model.safetensors.index.json", **more):
        path = tmp_path / name
        path.write_text(json.dumps({"metadata": metadata, "weight_map": where, **more}, indent=2))
        return path

    return index


def test_all_files_are_read_in_the_indexs_order(shards, same):
    order = dict(sorted(MAP.items(), reverse=True))
    path = shards(order)
    found = read_checkpoint(path)
    same(found, {name: {**A, **B}[name] for name in order})
    metadata = read_metadata(path)
    assert (metadata.format, metadata.notes, metadata.bytes) == ("sharded", {"format": "pt"}, 62)


def test_a_folder_stands_for_its_index(shards, tmp_path):
    write_safetensors(tmp_path / "model.safetensors", {"other": np.zeros(1)})
    shards()
    assert len(read_checkpoint(tmp_path)) == 3
    (tmp_path / "model.safetensors.index.json").unlink()
    assert list(read_checkpoint(tmp_path)) == ["other"]


def test_a_folder_without_a_checkpoint_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"holds neither model\.safetensors nor"):
        read_checkpoint(tmp_path)


def test_files_of_torch_save_are_read(forge, save, tmp_path, same):
    save(forge.state_zip(A), "pytorch_model-00001-of-00002.bin")
    save(forge.state_legacy(B), "pytorch_model-00002-of-00002.bin")
    where = {
        **dict.fromkeys(A, "pytorch_model-00001-of-00002.bin"),
        **dict.fromkeys(B, "pytorch_model-00002-of-00002.bin"),
    }
    path = save(json.dumps({"weight_map": where}).encode(), "pytorch_model.bin.index.json")
    same(read_checkpoint(tmp_path), {**A, **B})
    found = scan(path)
    assert found.format == "sharded"
    assert found.pickles[0].label == "pytorch_model-00001-of-00002.bin, model/data.pkl"
    assert len(found.pickles) == 1 + 5


def test_a_hostile_file_of_many_is_found_by_a_scan(forge, save):
    save(forge.state_zip(A), "a.bin")
    save(forge.torch_zip(forge.named("os", "system"), {}), "b.bin")
    path = save(json.dumps({"weight_map": {**dict.fromkeys(A, "a.bin"), "x": "b.bin"}}).encode())
    with pytest.raises(UnsafeFileError, match=r"os\.system"):
        read_checkpoint(path)
    found = scan(path)
    assert found.unsafe
    assert [use.name for part in found.pickles for use in part.names if not use.allowed] == ["os.system"]


def test_tensors_of_one_storage_may_be_counted_once_or_twice(forge, save):
    storage = forge.storage("FloatStorage", "0", 2)
    items = {name: forge.rebuild(storage, 0, (2,), (1,)) for name in "ab"}
    save(forge.torch_zip(forge.ordered(items), {"0": bytes(8)}), "x.bin")
    for total in (8, 16):
        index = {"metadata": {"total_size": total}, "weight_map": dict.fromkeys("ab", "x.bin")}
        assert len(read_checkpoint(save(json.dumps(index).encode()))) == 2


def test_symbolic_links_are_followed_as_caches_make_them(shards, tmp_path, same):
    path = shards()
    (tmp_path / "blobs").mkdir()
    os.rename(tmp_path / ONE, tmp_path / "blobs" / "ab")
    os.symlink("blobs/ab", tmp_path / ONE)
    same(read_checkpoint(path), {**A, **B})


LIES = {
    "a file that is not there": ({**MAP, "x": "none.safetensors"}, TOTAL, FormatError, "not in the folder"),
    "a tensor that is not in its file": ({**MAP, "x": ONE}, TOTAL, FormatError, "lacks the tensor 'x', which the index of a sharded checkpoint says it holds"),
    "a tensor in another file": (
        {**MAP, "layer.1.weight": ONE}, TOTAL, FormatError, "lacks the tensor 'layer.1.weight'"),
    "a tensor that the index does not name": (
        {name: place for name, place in MAP.items() if name != "layer.0.bias"}, TOTAL, FormatError, "is nowhere"),
    "another total": (MAP, {"total_size": 63}, FormatError, "63 bytes in all, but the tensors have 62"),
    "a total that is a text": (MAP, {"total_size": "62"}, FormatError, "'62' bytes"),
    "a total that is true": (MAP, {"total_size": True}, FormatError, "True bytes"),
    "a step up": ({**MAP, "x": "../x.safetensors"}, TOTAL, UnsafeFileError, "plain name"),
    "an absolute path": ({**MAP, "x": "/etc/passwd"}, TOTAL, UnsafeFileError, "plain name"),
    "a folder": ({**MAP, "x": "."}, TOTAL, UnsafeFileError, "plain name"),
    "an index that names itself": (
        {**MAP, "x": "model.safetensors.index.json"}, TOTAL, FormatError, "no checkpoint that is known"),
    "a place that is a number": ({**MAP, "x": 3}, TOTAL, FormatError, "without a weight_map"),
    "a map that is a list": ([1], TOTAL, FormatError, "without a weight_map"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_an_index_that_lies_is_refused(shards, name):
    where, metadata, error, why = LIES[name]
    path = shards(where, metadata)
    for read in (read_checkpoint, read_metadata):
        with pytest.raises(error, match=why):
            read(path)


def test_a_tensor_in_two_files_is_refused(shards, tmp_path):
    write_safetensors(tmp_path / TWO, {**B, "layer.0.bias": A["layer.0.bias"]})
    with pytest.raises(FormatError, match=f"holds the tensor 'layer.0.bias', which the .* says is in '{ONE}'"):
        read_checkpoint(shards())


def test_a_file_of_another_kind_is_refused(shards, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(2))
    with pytest.raises(FormatError, match="has the format npy; wanted safetensors"):
        read_checkpoint(shards({**MAP, "tensor": "x.npy"}))


BROKEN = {
    "no JSON": (b'{"weight_map": {', "not JSON"),
    "a name twice": (b'{"weight_map": {"a": "x", "a": "y"}}', "names 'a' twice"),
    "a map twice": (b'{"weight_map": {}, "weight_map": {}}', "names 'weight_map' twice"),
    "another JSON file": (b'{"hidden_size": 768, "eps": 1e-12, "low": -3}', "without a weight_map"),
    "an infinity": (b'{"weight_map": {}, "x": Infinity}', "holds Infinity"),
    "a size of 9000 digits": (b'{"weight_map": {}, "x": ' + b"9" * 9000 + b"}", "holds the number"),
    "nested 100000 deep": (b'{"weight_map": ' + b"[" * 100_000, "not JSON"),
    "a bomb": (b'{"weight_map": [' + b"[]," * 3_000_000 + b"[]]}", "to parse"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_index_is_refused(save, name):
    content, why = BROKEN[name]
    with pytest.raises(FormatError, match=why):
        read_checkpoint(save(content))


def test_an_index_above_a_limit_is_refused(shards, monkeypatch):
    path = shards()
    monkeypatch.setattr(limits, "SHARDS", 1)
    with pytest.raises(FormatError, match="names more than 1 files"):
        read_checkpoint(path)
    monkeypatch.setattr(limits, "INDEX_BYTES", 100)
    with pytest.raises(FormatError, match="the limit is 100"):
        read_checkpoint(path)


def test_an_open_file_has_no_files_beside_it(shards):
    with shards().open("rb") as file, pytest.raises(UsageError, match="path of its index"):
        read_checkpoint(file)


def test_a_total_that_is_true_is_not_one_byte(shards, tmp_path):
    write_safetensors(tmp_path / "one.safetensors", {"x": np.zeros(1, np.uint8)})
    with pytest.raises(FormatError, match="True bytes in all"):
        read_checkpoint(shards({"x": "one.safetensors"}, {"total_size": True}))
    assert list(read_checkpoint(shards({"x": "one.safetensors"}, {"total_size": 1}))) == ["x"]


def test_a_safetensors_file_whose_header_has_123_bytes_is_no_index(save):
    """The size of its header begins with the byte of a brace."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().ljust(123)
    content = len(header).to_bytes(8, "little") + header + bytes(8)
    assert content[:1] == b"{"
    assert list(read_checkpoint(save(content))) == ["w"]


def test_a_brace_and_little_else_is_no_checkpoint(save):
    with pytest.raises(FormatError, match="no checkpoint that is known"):
        read_checkpoint(save(b'{"a"'))


def test_an_index_in_an_index_is_not_followed_by_a_scan(shards, tmp_path, forge, save):
    """Else two indices that name each other would never end."""
    save(forge.torch_zip(forge.named("os", "system"), {}), "hostile.bin")
    (tmp_path / "second.json").write_text(json.dumps({"weight_map": {"y": "hostile.bin", "x": "first.json"}}))
    (tmp_path / "first.json").write_text(json.dumps({"weight_map": {"x": "second.json"}}))
    found = scan(tmp_path / "first.json")
    assert not found.readable
    assert found.pickles == ()


def test_a_scan_of_an_index_whose_files_are_gone_says_so(shards, tmp_path):
    path = shards()
    (tmp_path / ONE).unlink()
    found = scan(path)
    assert "not in the folder" in found.refusal
    assert found.pickles == ()
