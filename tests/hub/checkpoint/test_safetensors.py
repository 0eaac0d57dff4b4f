"""safetensors: read without copies, equal to the reference library; malformed headers refused; written whole or not."""

from __future__ import annotations

import json
import os
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata, write_safetensors
from numzoo.hub.errors import FormatError, HubError, StorageError, UnsafeFileError, UsageError

EXTRA = {
    "brain": np.array([1.5, -2], ml_dtypes.bfloat16),
    "eighth": np.array([1, 2, 3], ml_dtypes.float8_e4m3fn),
    "eighth2": np.array([1, 2, 3], ml_dtypes.float8_e5m2),
    "scale": np.array([1, 2], ml_dtypes.float8_e8m0fnu),
    "u16": np.array([65535], np.uint16),
    "u32": np.array([1 << 31], np.uint32),
    "u64": np.array([1 << 63], np.uint64),
}


def everything(forge) -> dict[str, np.ndarray]:
    return {**{name: array for name, array in forge.arrays().items() if array.dtype != np.complex128}, **EXTRA}


def test_what_is_written_is_read_back_to_the_bit(forge, tmp_path):
    arrays = everything(forge)
    write_safetensors(tmp_path / "w", arrays, {"author": "größe", "step": "3"})
    found = read_checkpoint(tmp_path / "w", format="safetensors")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable
        assert found[name].flags.aligned
    metadata = read_metadata(tmp_path / "w")
    assert metadata.notes == {"author": "größe", "step": "3"}
    assert {t.name: (t.shape, t.dtype, t.bytes) for t in metadata.tensors} == {
        name: (array.shape, array.dtype.name, array.nbytes) for name, array in arrays.items()
    }


def test_the_reference_library_reads_what_is_written(forge, tmp_path):
    arrays = {name: array for name, array in everything(forge).items() if array.dtype.isbuiltin == 1}
    write_safetensors(tmp_path / "w", arrays, {"a": "b"})
    found = safetensors.numpy.load_file(tmp_path / "w")
    assert found.keys() == arrays.keys()
    assert all(found[name].tobytes() == array.tobytes() for name, array in arrays.items())
    with safetensors.safe_open(tmp_path / "w", "numpy") as file:
        assert file.metadata() == {"a": "b"}


def test_the_reference_library_accepts_every_dtype_that_is_written(forge, tmp_path):
    write_safetensors(tmp_path / "w", everything(forge))
    with safetensors.safe_open(tmp_path / "w", "numpy") as file:
        assert set(file.keys()) == everything(forge).keys()


def test_what_the_reference_library_writes_is_read(forge, tmp_path, same):
    arrays = {name: array for name, array in everything(forge).items() if array.dtype.isbuiltin == 1}
    safetensors.numpy.save_file(arrays, tmp_path / "w", {"a": "b"})
    found = read_checkpoint(tmp_path / "w")
    same({name: found[name] for name in arrays}, arrays)
    assert read_metadata(tmp_path / "w").notes == {"a": "b"}


def test_orders_in_memory_do_not_matter_for_writing(tmp_path):
    grid = np.arange(12, dtype=np.int32).reshape(3, 4)
    write_safetensors(
        tmp_path / "w", {"t": grid.T, "b": grid.astype(">i4"), "s": grid[:, ::2], "f": np.asfortranarray(grid)}
    )
    found = read_checkpoint(tmp_path / "w")
    assert found["t"].tolist() == grid.T.tolist()
    assert found["b"].tolist() == found["f"].tolist() == grid.tolist()
    assert found["s"].tolist() == grid[:, ::2].tolist()


def test_reading_takes_no_copy(tmp_path):
    array = np.zeros(8 << 20, np.float32)
    write_safetensors(tmp_path / "w", {"w": array})
    tracemalloc.start()
    found = read_checkpoint(tmp_path / "w")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["w"].nbytes == 32 << 20
    assert peak < 1 << 20


def test_unaligned_tensors_are_copied_and_right(forge, save):
    """A header of any length is legal; so the data may lie anywhere."""
    data = np.float64([1, 2, 3])
    for pad in range(9):
        header = json.dumps({"w": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}}).encode() + b" " * pad
        found = read_checkpoint(save(forge.safetensors(header, data.tobytes())))["w"]
        assert found.tolist() == [1, 2, 3]
        assert found.ctypes.data % 8 == 0
        found[:] = 0


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


W = '"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'

# name: (header, bytes of data). The reference library refuses these too.
BOTH = {
    "no JSON": (b"{xx", 8),
    "a list": (b'["w"]', 8),
    "a text": (b'"w"', 8),
    "not UTF-8": (b'{"\xff":1}', 8),
    "a trailing comma": (b"{" + W.encode() + b",}", 8),
    "something behind the header": (b"{" + W.encode() + b"}x", 8),
    "a second header": (b"{" + W.encode() + b"}{}", 8),
    "an entry that is a number": (b'{"w":1}', 8),
    "no dtype": ({"w": {"shape": [2], "data_offsets": [0, 8]}}, 8),
    "no shape": ({"w": {"dtype": "F32", "data_offsets": [0, 8]}}, 8),
    "no offsets": ({"w": {"dtype": "F32", "shape": [2]}}, 8),
    "an unknown dtype": ({"w": entry("F99")}, 8),
    "a small dtype": ({"w": entry("f32")}, 8),
    "a number as dtype": ({"w": entry(3)}, 8),
    "a negative size": ({"w": entry(shape=(-2,))}, 8),
    "a fractional size": ({"w": entry(shape=(2.0,))}, 8),
    "an exponent as size": (b'{"w":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}', 8),
    "minus zero as size": (b'{"w":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}', 0),
    "a text as size": ({"w": entry(shape=("2",))}, 8),
    "a boolean as size": ({"w": entry(shape=(True,), offsets=(0, 4))}, 4),
    "null as size": ({"w": entry(shape=(None,))}, 8),
    "NaN as size": (b'{"w":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', 8),
    "a size above 64 bits": ({"w": entry(shape=(1 << 64,))}, 8),
    "a size of 9000 digits": (b'{"w":{"dtype":"F32","shape":[' + b"9" * 9000 + b'],"data_offsets":[0,8]}}', 8),
    "sizes that overflow": ({"w": entry(shape=(1 << 62, 1 << 62, 0), offsets=(0, 0))}, 0),
    "sizes that wrap around to the truth": ({"w": entry(shape=(1 << 62, 4, 2))}, 8),
    "a shape that is a number": ({"w": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}, 8),
    "three offsets": ({"w": entry(offsets=(0, 4, 8))}, 8),
    "one offset": ({"w": entry(offsets=(0,))}, 8),
    "offsets backwards": ({"w": entry(offsets=(8, 0))}, 8),
    "offsets below zero": ({"w": entry(offsets=(-8, 0))}, 8),
    "offsets outside the file": ({"w": entry(offsets=(8, 16))}, 8),
    "fewer bytes than the shape": ({"w": entry(shape=(3,))}, 8),
    "more bytes than the shape": ({"w": entry(shape=(1,))}, 8),
    "a hole at the beginning": ({"w": entry(offsets=(4, 12))}, 12),
    "a hole in the middle": ({"v": entry(), "w": entry(offsets=(12, 20))}, 20),
    "a hole at the end": ({"w": entry()}, 12),
    "an overlap": ({"v": entry(), "w": entry(offsets=(4, 12))}, 12),
    "two tensors on the same bytes": ({"v": entry(), "w": entry()}, 8),
    "data that ends early": ({"w": entry()}, 7),
    "no data": ({"w": entry()}, 0),
    "data without tensors": ({}, 8),
    "metadata that is a list": ({"__metadata__": [], "w": entry()}, 8),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "w": entry()}, 8),
    "metadata that nests": ({"__metadata__": {"a": {"b": "c"}}, "w": entry()}, 8),
    "a lone surrogate as name": (b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "a lone surrogate in metadata": (b'{"__metadata__":{"a":"\\udfff"},' + W.encode() + b"}", 8),
    "a control character in a name": (b'{"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "nested 100000 deep": (b'{"w":' + b"[" * 100_000, 8),
    "nested 500 deep": (b'{"w":' + b"[" * 500 + b"]" * 500 + b"}", 8),
    "a dtype twice": (b'{"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    "metadata twice": (b'{"__metadata__":{},"__metadata__":{},' + W.encode() + b"}", 8),
}

# What the reference library lets pass, and should not.
OURS = {
    "a tensor twice": (b"{" + W.encode() + b"," + W.encode() + b"}", 8, FormatError),
    "a tensor twice, spelt otherwise": (
        b"{" + W.encode() + b"," + W.replace("w", "\\u0077").encode() + b"}",
        8,
        FormatError,
    ),
    "a metadata key twice": (b'{"__metadata__":{"a":"b","a":"c"},' + W.encode() + b"}", 8, FormatError),
    "NUL in a name": ({"a\0b": entry()}, 8, UnsafeFileError),
    "../ in a name": ({"../../etc/passwd": entry()}, 8, UnsafeFileError),
    "..\\ in a name": ({"..\\evil": entry()}, 8, UnsafeFileError),
    "/.. at the end of a name": ({"a/..": entry()}, 8, UnsafeFileError),
    "an unknown field": ({"w": {**entry(), "code": "x"}}, 8, FormatError),
    "33 dimensions": ({"w": entry(shape=(1,) * 32 + (2,))}, 8, FormatError),
}


@pytest.mark.parametrize("name", BOTH)
def test_what_the_reference_library_refuses_is_refused(forge, save, name):
    header, size = BOTH[name]
    content = forge.safetensors(header, bytes(size))
    with pytest.raises(Exception):  # noqa: B017, PT011 (the reference raises one class for all, or TypeError)
        safetensors.deserialize(content)
    for read in (read_checkpoint, read_metadata):
        with pytest.raises(FormatError):
            read(save(content))


@pytest.mark.parametrize("name", OURS)
def test_what_the_reference_library_overlooks_is_refused(forge, save, name):
    header, size, error = OURS[name]
    content = forge.safetensors(header, bytes(size))
    safetensors.deserialize(content)
    with pytest.raises(error):
        read_checkpoint(save(content))


def test_a_tensor_of_too_many_dimensions_is_named(forge, save):
    header, size, error = OURS["33 dimensions"]
    with pytest.raises(error, match="tensor 'w' has 33 dimensions"):
        read_checkpoint(save(forge.safetensors(header, bytes(size))))


def test_a_header_that_readers_would_refuse_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SAFETENSORS_HEADER", 100)
    with pytest.raises(UsageError, match="more than the format allows"):
        write_safetensors(tmp_path / "w", {"n" * 100: np.zeros(1)})
    assert list(tmp_path.iterdir()) == []


def test_booleans_above_1_are_refused(forge, save):
    header = {"w": entry("BOOL", (3,), (0, 3))}
    assert read_checkpoint(save(forge.safetensors(header, b"\0\1\0")))["w"].tolist() == [False, True, False]
    with pytest.raises(FormatError, match="neither 0 nor 1"):
        read_checkpoint(save(forge.safetensors(header, b"\0\1\2")))


SIZES = {
    "above the limit": 100_000_001,
    "of all bits": (1 << 64) - 1,
    "of half the bits": 1 << 63,
    "one above the file": None,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_header_size_that_lies_is_refused(forge, save, name):
    whole = forge.safetensors({"w": entry()}, bytes(8))
    size = SIZES[name] if SIZES[name] is not None else len(whole) - 7
    with pytest.raises(FormatError, match="header claims"):
        read_checkpoint(save(size.to_bytes(8, "little") + whole[8:]))


def test_a_header_above_the_limit_is_refused_even_where_the_file_has_it(forge, save, monkeypatch):
    monkeypatch.setattr(limits, "SAFETENSORS_HEADER", 100)
    with pytest.raises(FormatError, match="the limit is 100"):
        read_checkpoint(save(forge.safetensors(json.dumps({"w": entry()}).encode() + b" " * 100, bytes(8))))


def test_a_file_cut_anywhere_is_refused(forge, save):
    whole = forge.safetensors({"w": entry()}, bytes(8))
    for size in range(len(whole)):
        with pytest.raises(FormatError):
            read_checkpoint(save(whole[:size]))


BOMBS = {
    "lists": b'{"w":[' + b"[]," * 3_000_000 + b"[]]}",
    "dictionaries": b'{"w":[' + b"{}," * 3_000_000 + b"{}]}",
    "numbers": b'{"w":[' + b"1," * 4_000_000 + b"1]}",
    "texts": b'{"w":[' + b'"",' * 3_000_000 + b'""]}',
    "metadata": b'{"__metadata__":{' + b",".join(b'"%x":""' % index for index in range(900_000)) + b"}}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_blows_up_stays_below_the_files_size_and_64_megabytes(forge, save, name):
    path = save(forge.safetensors(BOMBS[name], b""))
    tracemalloc.start()
    with pytest.raises(FormatError):
        read_checkpoint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size + 64 * limits.MEBIBYTE


def test_a_large_honest_header_is_read(tmp_path):
    arrays = {f"model.layers.{index}.weight": np.full(2, index, np.float32) for index in range(8_000)}
    write_safetensors(tmp_path / "w", arrays)
    found = read_checkpoint(tmp_path / "w")
    assert len(found) == 8_000
    assert found["model.layers.777.weight"].tolist() == [777, 777]


def test_empty_files_of_no_tensors_are_fine(tmp_path):
    write_safetensors(tmp_path / "w", {})
    assert read_checkpoint(tmp_path / "w") == {}


UNWRITABLE = {
    "an unknown dtype": ({"w": np.zeros(1, np.complex128)}, None, "complex128"),
    "objects": ({"w": np.array([None])}, None, "object"),
    "a list": ({"w": [1, 2]}, None, "list"),
    "a number as name": ({3: np.zeros(1)}, None, "3"),
    "the name of the metadata": ({"__metadata__": np.zeros(1)}, None, "__metadata__"),
    "a name that steps up": ({"../w": np.zeros(1)}, None, "path"),
    "a lone surrogate": ({"\ud800": np.zeros(1)}, None, "Unicode"),
    "metadata of numbers": ({"w": np.zeros(1)}, {"a": 1}, "texts"),
    "metadata that is no text": ({"w": np.zeros(1)}, {"a": "\ud800"}, "Unicode"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_the_format_cannot_hold_is_not_written(tmp_path, name):
    arrays, metadata, why = UNWRITABLE[name]
    with pytest.raises(UsageError, match=why):
        write_safetensors(tmp_path / "w", arrays, metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "w"
    write_safetensors(path, {"w": np.zeros(2)})
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_safetensors(path, {"w": np.ones(2)})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        write_safetensors(tmp_path / "none" / "w", {"w": np.zeros(2)})


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_safetensors(tmp_path / "w", {"w": np.zeros(2)})
    assert (tmp_path / "w").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writing_over_a_mapped_file_leaves_the_arrays_alone(tmp_path):
    path = tmp_path / "w"
    write_safetensors(path, {"w": np.zeros(2)})
    found = read_checkpoint(path)
    write_safetensors(path, {"w": found["w"] + 1})
    assert found["w"].tolist() == [0, 0]
    assert read_checkpoint(path)["w"].tolist() == [1, 1]


def test_the_error_is_one_of_the_hub_and_names_the_file(forge, save):
    with pytest.raises(HubError, match=r"cut\.safetensors: ") as caught:
        read_checkpoint(save(forge.safetensors({"w": entry()}, b""), "cut.safetensors"))
    assert caught.value.exit_code == 5
    assert isinstance(caught.value, ValueError)


def test_only_a_regular_file_is_ever_replaced(tmp_path):
    """A rename would put a file in place of a device or a pipe, too: /dev/null itself must survive being named."""
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for target in (folder, pipe):
        before = target.stat().st_ino
        with pytest.raises(UsageError, match="is written to a file"):
            write_safetensors(target, {"w": np.zeros(2)})
        assert target.stat().st_ino == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_writing_follows_a_symbolic_link(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    for value in (1.0, 2.0):
        write_safetensors(link, {"w": np.full(2, value)})
        assert link.is_symlink()
        np.testing.assert_array_equal(read_checkpoint(tmp_path / "target")["w"], np.full(2, value))


@pytest.mark.parametrize("path", [None, 5, "", b"w", ["w"]])
def test_what_is_no_path_is_a_usage_error(path):
    with pytest.raises(UsageError, match="written to a path"):
        write_safetensors(path, {"w": np.zeros(2)})
