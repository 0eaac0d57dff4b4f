"""MATLAB files: what SciPy writes is read the same, and what is damaged or asks for too much is refused."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from numzoo.vision.datasets import mat as reader
from numzoo.vision.datasets import read_mat
from numzoo.vision.errors import DatasetError, MissingDatasetError


def written(variables: dict[str, Any], *, packed: bool = True) -> bytes:
    held = io.BytesIO()
    scipy.io.savemat(held, variables, do_compression=packed)
    return held.getvalue()


def read(tmp_path: Path, body: bytes) -> dict[str, Any]:
    path = tmp_path / "a.mat"
    path.write_bytes(body)
    return read_mat(path)


TYPES = [np.dtype(name) for name in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "?")]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), packed=st.booleans())
def test_arrays_of_any_type_and_shape_are_as_scipy_wrote_them(
    data: st.DataObject, packed: bool, tmp_path_factory: Any
) -> None:
    dtype = data.draw(st.sampled_from(TYPES))
    shape = data.draw(arrays.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=4))
    array = data.draw(arrays.arrays(dtype, shape))
    found = read(tmp_path_factory.mktemp("mat"), written({"x": array, "y": 5}, packed=packed))
    assert found["x"].dtype == dtype
    assert found["x"].shape == shape
    np.testing.assert_array_equal(found["x"], array)
    assert found["y"].item() == 5


def test_texts_cells_and_structures_are_read(tmp_path: Path) -> None:
    cell = np.empty((1, 3), object)
    cell[0, :] = ["text", np.arange(3.0), np.empty(0)]
    record = np.zeros((2, 1), [("id", object), ("name", object)])
    record[0, 0], record[1, 0] = (7, "seven"), (8, "acht ü")
    found = read(tmp_path, written({"t": "hello", "rows": np.array(["ab", "cd"]), "c": cell, "s": record}))
    assert (found["t"], found["rows"]) == ("hello", ["ab", "cd"])
    assert found["c"][0] == "text"
    assert found["c"][1].tolist() == [[0, 1, 2]]
    assert [(int(each["id"].item()), each["name"]) for each in found["s"]] == [(7, "seven"), (8, "acht ü")]


def test_a_file_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">2I", kind, len(data)) + data + bytes(-len(data) % 8)

    matrix = element(6, struct.pack(">2I", 11, 0)) + element(5, struct.pack(">2i", 1, 2)) + element(1, b"x")
    matrix += element(4, struct.pack(">2H", 258, 3))
    body = b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI" + element(14, matrix)
    assert read(tmp_path, body)["x"].tolist() == [[258, 3]]


REFUSED: dict[str, Any] = {
    "complex": np.array([[1j]]),
    "sparse": __import__("scipy.sparse", fromlist=["x"]).csc_matrix(np.eye(2)),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_no_data_set_needs_is_refused(tmp_path: Path, why: str) -> None:
    with pytest.raises(DatasetError, match="not read here"):
        read(tmp_path, written({"x": REFUSED[why]}))


def test_what_is_no_matlab_file_is_refused(tmp_path: Path) -> None:
    for body in (b"", b"MATLAB 5.0", b"\x89HDF" + bytes(200), b"x" * 200):
        with pytest.raises(DatasetError, match="not a MATLAB file"):
            read(tmp_path, body)
    with pytest.raises(MissingDatasetError):
        read_mat(tmp_path / "missing.mat")
    with pytest.raises(DatasetError):
        read_mat(tmp_path)


def test_a_file_that_was_cut_short_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="ends within an element"):
        read(tmp_path, written({"x": np.arange(100.0)}, packed=False)[:-9])
    with pytest.raises(DatasetError, match="ends within an element"):
        read(tmp_path, written({"x": np.arange(100.0)})[:-9])


def test_a_text_has_as_many_letters_as_its_shape_says(tmp_path: Path) -> None:
    body = written({"t": "ab"}, packed=False)
    with pytest.raises(DatasetError, match=r"a text \(1, 5\) has 2 characters"):
        read(tmp_path, body.replace(struct.pack("<2i", 1, 2), struct.pack("<2i", 1, 5)))


@pytest.mark.parametrize("size", [0, -1, 65, 1 << 30])
def test_a_structure_has_field_names_of_a_length_that_can_be(tmp_path: Path, size: int) -> None:
    body = bytearray(written({"s": {"one": 1, "two": 2}}, packed=False))
    place = body.index(struct.pack("<2H", 5, 4)) + 4  # the length of its field names, in a tag
    struct.pack_into("<i", body, place, size)
    with pytest.raises(DatasetError, match=f"field names of {size} bytes"):
        read(tmp_path, bytes(body))


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = written({"x": np.zeros((1000, 1000))})
    assert len(body) < 20_000
    monkeypatch.setattr(reader, "MAX_BYTES", 1 << 20)
    with pytest.raises(DatasetError, match="unpacks to more"):
        read(tmp_path, body)
    monkeypatch.setattr(reader, "MAX_BYTES", 100)
    with pytest.raises(DatasetError, match="larger than"):
        read(tmp_path, body)


def test_cells_without_end_and_without_bottom_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested: Any = 1
    for _ in range(20):
        cell = np.empty((1, 1), object)
        cell[0, 0] = nested
        nested = cell
    with pytest.raises(DatasetError, match="nested deeper"):
        read(tmp_path, written({"x": nested}))
    monkeypatch.setattr(reader, "_ITEMS", 10)
    with pytest.raises(DatasetError, match="more than 10 cells"):
        read(tmp_path, written({"x": np.full((4, 4), "a", object)}))


SEED = {
    "x": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "t": "ab",
    "s": np.array([(1, "a")], [("i", object), ("n", object)]),
}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data(), packed=st.booleans())
def test_a_damaged_file_is_a_typed_error(data: st.DataObject, packed: bool, tmp_path_factory: Any) -> None:
    body = bytearray(written(SEED, packed=False))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(126, len(body) - 1))
        if data.draw(st.booleans()):
            body[place] = data.draw(st.sampled_from([0, 1, 5, 14, 15, 127, 255]))
        else:
            del body[place : place + data.draw(st.integers(1, 9))]
            body = body if len(body) > 140 else bytearray(200)
    if packed:
        inner = zlib.compress(bytes(body[128:]))
        body = body[:128] + struct.pack("<2I", 15, len(inner)) + inner
    with contextlib.suppress(DatasetError):
        read(tmp_path_factory.mktemp("mat"), bytes(body))
