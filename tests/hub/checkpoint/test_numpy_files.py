"""NumPy's own files: equal to what numpy.save wrote, and no pickle of theirs is opened."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.errors import FormatError, UnsafeFileError


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    raw = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(raw)) + raw + data


@pytest.mark.parametrize("packed", [False, True])
def test_archives_come_back_to_the_bit(forge, tmp_path, same, packed):
    arrays = forge.arrays()
    (np.savez_compressed if packed else np.savez)(tmp_path / "w.npz", **arrays)
    same(read_checkpoint(tmp_path / "w.npz", format="npz"), arrays)


def test_single_arrays_and_all_orders_are_read(tmp_path):
    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    for array in (grid, np.asfortranarray(grid), grid.astype(">f4"), grid.T, np.float32(3), grid[:0]):
        np.save(tmp_path / "w.npy", array)
        found = read_checkpoint(tmp_path / "w.npy", format="npy")["tensor"]
        np.testing.assert_array_equal(found, array)
        assert found.dtype == np.float32
        assert found.flags.writeable
    for version in ((1, 0), (2, 0), (3, 0)):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, grid, version=version)
        assert read_checkpoint(buffer)["tensor"].tolist() == grid.tolist()


def test_arrays_of_objects_are_refused(tmp_path):
    np.save(tmp_path / "w.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(tmp_path / "w.npz", w=np.array([None]), v=np.zeros(2))
    for name in ("w.npy", "w.npz"):
        for read in (read_checkpoint, read_metadata):
            with pytest.raises(UnsafeFileError, match="pickle"):
                read(tmp_path / name)


FOUR = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"

MALFORMED = {
    "cut short": (npy(FOUR, bytes(7)), "needs 8 bytes, but 7"),
    "too long": (npy(FOUR, bytes(9)), "needs 8 bytes, but 9"),
    "no header": (b"\x93NUMPY\x01\x00\xff\xff{}    ", "header of 65535"),
    "an unknown version": (npy(FOUR, bytes(8), b"\x04\x00"), "version 4.0"),
    "a call in the header": (
        npy("{'descr': __import__('os').system('x'), 'fortran_order': False, 'shape': ()}"),
        "damaged",
    ),
    "a call in the shape": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (print(1),)}"), "damaged"),
    "a negative shape": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"), "damaged"),
    "a shape that overflows": (npy(FOUR.replace("(2,)", f"({1 << 62}, {1 << 62})")), "needs"),
    "an empty shape that overflows": (npy(FOUR.replace("(2,)", f"(0, {1 << 62}, {1 << 62})")), "larger than"),
    "a record": (npy(FOUR.replace("'<f4'", "[('a', '<f4')]"), bytes(8)), "plain numbers"),
    "texts": (npy(FOUR.replace("<f4", "<U4"), bytes(32)), "plain numbers"),
    "dates": (npy(FOUR.replace("<f4", "<M8[s]"), bytes(16)), "plain numbers"),
    "a wide float": (npy(FOUR.replace("<f4", "<f16"), bytes(32)), "plain numbers"),
    "33 dimensions": (npy(FOUR.replace("(2,)", "(" + "1, " * 33 + ")"), bytes(4)), "33 dimensions"),
    "no brace": (npy("'descr'"), "damaged"),
    "a huge header": (npy(FOUR + " " * 20_000, bytes(8)), "header of"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_array_is_refused(forge, save, name):
    content, why = MALFORMED[name]
    with pytest.raises(FormatError, match=why):
        read_checkpoint(save(content))
    with pytest.raises(FormatError, match=why):
        read_checkpoint(save(forge.zip([forge.Entry("w.npy", content)])))


def test_a_member_that_is_no_array_is_refused(forge, save):
    for content in (b"hello", b"\x93NUMP", b"\x00NUMPY" + npy(FOUR, bytes(8))[6:]):
        with pytest.raises(FormatError, match="does not begin like"):
            read_checkpoint(save(forge.zip([forge.Entry("w.npy", content)])))


def test_an_archive_that_would_fill_the_memory_is_refused(forge, save, monkeypatch):
    monkeypatch.setattr(limits, "INFLATED_FREE", 1 << 20)
    whole = npy(FOUR.replace("(2,)", f"({225 << 10},)"), bytes(900 << 10))
    assert len(read_checkpoint(save(forge.zip([forge.Entry("a.npy", whole, method=8)])))) == 1
    with pytest.raises(UnsafeFileError, match="would grow to more than"):
        read_checkpoint(save(forge.zip([forge.Entry(f"{name}.npy", whole, method=8) for name in "abc"])))


def test_booleans_that_are_neither_0_nor_1_are_refused(save):
    with pytest.raises(FormatError, match="neither 0 nor 1"):
        read_checkpoint(save(npy(FOUR.replace("<f4", "|b1"), b"\x01\x02")))
