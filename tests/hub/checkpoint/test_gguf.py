"""GGUF: every type of tensor and of metadata, both byte orders, and files that lie."""

from __future__ import annotations

import hashlib
import struct
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from handmade import gguf

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.checkpoint.gguf.blocks import QUANTISED, decode
from numzoo.hub.errors import FormatError, UnsafeFileError

PLAIN = {0: np.float32, 1: np.float16, 24: np.int8, 25: np.int16, 26: np.int32, 27: np.int64, 28: np.float64,
         30: ml_dtypes.bfloat16}  # fmt: skip


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_tensors_are_read_with_their_dimensions_turned_round(save, kind, order):
    array = np.arange(6).reshape(2, 3).astype(PLAIN[kind])
    raw = array if order == "<" else array.view(f"u{array.itemsize}").byteswap()
    found = read_checkpoint(save(gguf.build([("w", (3, 2), kind, raw.tobytes())], order=order)))["w"]
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, (2, 3), array.tobytes())
    found[:] = 1


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [kind for kind in QUANTISED if kind in gguf.SIZES])
def test_a_quantised_tensor_is_what_its_elements_are_one_by_one(save, kind, order):
    elements, size = gguf.SIZES[kind]
    raw = np.random.default_rng(kind).integers(0, 250, (4, size), dtype=np.uint8)
    for at in {2: (0,), 3: (0, 2), 6: (0,), 7: (0, 2), 8: (0,), 10: (80, 82), 11: (108,), 12: (0, 2), 13: (0, 2),
               14: (208,), 15: (), 20: (0,), 23: (0,), 34: (52,), 35: (64,), 39: ()}[kind]:  # fmt: skip
        halves = np.linspace(-2, 3, 4).astype(order + "f2")  # any bits would give infinities and numbers beyond float32
        raw[:, at : at + 2] = halves.view(np.uint8).reshape(4, 2)
    if kind == 15:
        raw[:, :4] = np.linspace(-2, 3, 4).astype(order + "f4").view(np.uint8).reshape(4, 4)
    if kind == 39:
        raw[:, 0] = 120, 127, 0, 1
    path = save(gguf.build([("w", (elements * 2, 2), kind, raw.tobytes())], order=order))
    found = read_checkpoint(path)["w"]
    assert (found.dtype, found.shape) == (np.float32, (2, 2 * elements))
    wanted = [gguf.element(kind, row.tobytes(), i, order) for row in raw for i in range(elements)]
    np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-6, atol=1e-6 * float(np.abs(wanted).max()))
    (info,) = read_metadata(path).tensors
    assert (info.stored, info.dtype, info.bytes) == (QUANTISED[kind].name, "float32", found.nbytes)


# The types with grids: bytes of a block, and the sha256 of what the gguf package makes of 200 blocks.
GRIDS = {
    16: (66, "4d8c9b7ac0352d0f401594061fa5482dcc4c97799da11b8446245f66100f87e2"),
    17: (74, "ca75eff7b74b7acac00ef01a2057ec9944fba6b30ecc08e919a0a861ff83ec55"),
    18: (98, "7ab37bf18208b587bcd03a7deda596b7f953f73236af8116a468ac9a5e56c4bc"),
    19: (50, "b79d17020e9f202f10a3954fdf4c360d14dbaa0432a2a2541e5d1389b9120770"),
    21: (110, "0d2a82a35a5a12657f274e60fa1e14e33a5ecf5a4d1b4df3bdbcfcb94b61b3ad"),
    22: (82, "ecd8f022cc2807adf8ed393702e39e84e4bae8e336d82a0c39c7007e2ab341e9"),
    29: (56, "635b0bfdd0cae4a23ccea9d6b753894ebf65f65e16152e64df68f0c36a239533"),
}


@pytest.mark.parametrize("kind", GRIDS)
def test_a_tensor_on_a_grid_is_what_gguf_makes_of_it(save, kind):
    size, wanted = GRIDS[kind]
    raw = np.random.default_rng(kind).integers(0, 256, (200, size), dtype=np.uint8)
    raw[:, 55 if kind == 29 else 1] &= 0x3F  # the high bits of the block's scale, which then is finite
    found = read_checkpoint(save(gguf.build([("w", (256, 200), kind, raw.tobytes())])))["w"] + 0
    assert hashlib.sha256(found.astype("<f4").tobytes()).hexdigest() == wanted
    with pytest.raises(FormatError, match=f"{QUANTISED[kind].name} in big-endian order"):
        read_checkpoint(save(gguf.build([("w", (256, 200), kind, raw.tobytes())], order=">")))


def test_blocks_can_be_had_as_they_are(save):
    raw = np.arange(4 * 18, dtype=np.uint8).reshape(2, 36)
    path = save(gguf.build([("w", (64, 2), 2, raw.tobytes())]))
    found = read_checkpoint(path, dequantise=False)["w"]
    assert found.tolist() == raw.tolist()
    assert read_metadata(path, dequantise=False).tensors[0].shape == (2, 36)


def test_a_long_tensor_is_decoded_in_pieces_and_takes_little_beside_itself(save):
    raw = np.random.default_rng(0).integers(0, 120, (40_000, 34), dtype=np.uint8)
    path = save(gguf.build([("w", (32, 40_000), 8, raw.tobytes())]))
    tracemalloc.start()
    found = read_checkpoint(path)["w"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < found.nbytes + 2 * limits.MEBIBYTE
    for row in (0, 2047, 2048, 39_999):
        scale = raw[row, :2].view("<f2").astype(np.float32)
        assert found[row].tolist() == (scale * raw[row, 2:].view(np.int8)).tolist()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [2, 3])
def test_metadata_of_every_kind_are_read(save, order, version):
    values = [
        *((f"number.{kind}", kind, 1) for kind in gguf.CODES),
        ("negative", gguf.INT64, -5),
        ("text", gguf.TEXT, "größe"),
        ("bytes", gguf.TEXT, b"\xff"),
        ("texts", gguf.ARRAY, (gguf.TEXT, ["a", "", "b"])),
        ("numbers", gguf.ARRAY, (gguf.FLOAT32, [0.5, 1.5])),
        ("lists", gguf.ARRAY, (gguf.ARRAY, [(gguf.BOOL, [True, False]), (gguf.TEXT, ["x"])])),
        ("none", gguf.ARRAY, (gguf.UINT8, [])),
    ]
    found = read_metadata(save(gguf.build([], values, order=order, version=version)))
    assert (found.format, found.tensors) == ("gguf", ())
    assert found.values == {
        "gguf.version": version,
        **{f"number.{kind}": 1 for kind in gguf.CODES},
        "negative": -5,
        "text": "größe",
        "bytes": "\udcff",
        "texts": ["a", "", "b"],
        "numbers": [0.5, 1.5],
        "lists": [[True, False], ["x"]],
        "none": [],
    }
    assert found.values["number.7"] is True


def test_the_alignment_of_the_file_holds(save):
    tensors = [("a", (1,), 24, b"\1"), ("b", (2,), 24, b"\2\3")]
    path = save(gguf.build(tensors, [("general.alignment", gguf.UINT32, 64)], alignment=64))
    assert {name: array.tolist() for name, array in read_checkpoint(path).items()} == {"a": [1], "b": [2, 3]}


W = ("w", (4,), 0, bytes(16))


def tensor(name="w", dimensions=(4,), kind=0, raw=bytes(16), *offset):
    return [(name, dimensions, kind, raw, *offset)]


LIES = {
    "version 1": (gguf.build([W], version=1), FormatError, "version 1"),
    "version 4": (gguf.build([W], version=4), FormatError, "version 4"),
    "too many tensors": (gguf.build([W], counts=(2, 0)), FormatError, "GGUF"),
    "2^63 tensors": (gguf.build([W], counts=(1 << 63, 0)), FormatError, "claims 9223372036854775808 tensors"),
    "2^63 values": (gguf.build([W], counts=(1, 1 << 63)), FormatError, "and 9223372036854775808 values"),
    "more values than there are": (gguf.build([], counts=(0, 3)), FormatError, "cut short"),
    "a name twice": (gguf.build([W, W]), FormatError, "twice"),
    "a key twice": (gguf.build([], [("a", 4, 1), ("a", 4, 1)]), FormatError, "key 'a' twice"),
    "NUL in a name": (gguf.build(tensor("a\0b")), UnsafeFileError, "NUL"),
    "../ in a name": (gguf.build(tensor("../b")), UnsafeFileError, "path"),
    "a name that is not UTF-8": (gguf.build(tensor(b"\xff")), FormatError, "not UTF-8"),
    "a long name": (gguf.build(tensor("n" * 5000)), FormatError, "name of 5000 bytes"),
    "five dimensions": (gguf.build(tensor(dimensions=(1, 1, 1, 1, 4))), FormatError, "5 dimensions"),
    "dimensions that overflow": (gguf.build(tensor(dimensions=(1 << 63, 2))), FormatError, "larger than any file"),
    "dimensions that wrap around": (gguf.build(tensor(dimensions=(1 << 62, 4, 4, 4))), FormatError, "larger than any"),
    "an unknown type": (gguf.build(tensor(kind=99)), FormatError, "the type 99"),
    "a type that is not read": (gguf.build(tensor(kind=40)), FormatError, "NVFP4, which is not read"),
    "half a block": (gguf.build(tensor(dimensions=(16,), kind=2)), FormatError, "blocks of 32"),
    "a scalar of blocks": (gguf.build(tensor(dimensions=(), kind=2)), FormatError, "blocks of 32"),
    "a crooked offset": (gguf.build(tensor("w", (4,), 0, bytes(16), 4)), FormatError, "no multiple of 32"),
    "an offset outside the file": (gguf.build(tensor("w", (4,), 0, bytes(16), 1 << 40)), UnsafeFileError, "gap"),
    "data that end early": (gguf.build(tensor(dimensions=(64,))), FormatError, "cut short"),
    "two tensors on the same bytes": (
        gguf.build([("a", (4,), 0, bytes(16)), ("b", (4,), 0, bytes(16), 0)]), UnsafeFileError, "overlaps"),
    "a hole": (gguf.build([("a", (4,), 0, bytes(64)), ("b", (4,), 0, bytes(16))]), UnsafeFileError, "leaves a gap"),
    "bytes behind the tensors": (gguf.build([W], tail=bytes(1)), UnsafeFileError, "goes on for 1 bytes"),
    "bytes behind no tensors": (gguf.build([], tail=bytes(99)), UnsafeFileError, "goes on"),
    "an alignment of 3": (gguf.build([W], [("general.alignment", 4, 3)]), FormatError, "power of two"),
    "no alignment": (gguf.build([W], [("general.alignment", 4, 0)]), FormatError, "power of two"),
    "an alignment of text": (gguf.build([W], [("general.alignment", gguf.TEXT, "x")]), FormatError, "power of two"),
    "a huge alignment": (gguf.build([W], [("general.alignment", 10, 1 << 40)]), FormatError, "power of two"),
    "an array of 2^61 texts": (
        gguf.build([], [("a", 4, 1)])[:-8] + struct.pack("<IIQ", 9, 8, 1 << 61), FormatError, "more than 2000000 values"),
    "an array of 2^61 numbers": (
        gguf.build([], [("a", 4, 1)])[:-8] + struct.pack("<IIQ", 9, 0, 1 << 61), FormatError, "more than 2000000 values"),
    "an array longer than the file": (
        gguf.build([], [("a", 4, 1)])[:-8] + struct.pack("<IIQ", 9, 0, 99), FormatError, "cut short inside 'a'"),
    "arrays that nest": (
        gguf.build([], [("a", 4, 1)])[:-8] + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 40, FormatError, "nests"),
    "a text longer than the file": (
        gguf.build([], [("a", 4, 1)])[:-8] + struct.pack("<IQ", 8, 1 << 50), FormatError, "a text of"),
    "a value of an unknown kind": (
        gguf.build([], [("a", 4, 1)])[:-8] + struct.pack("<I", 13), FormatError, "unknown type 13"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_refused(save, name):
    content, error, why = LIES[name]
    for read in (read_checkpoint, read_metadata):
        with pytest.raises(error, match=why):
            read(save(content))


def test_a_file_cut_anywhere_is_refused(save):
    whole = gguf.build([("w", (8,), 0, bytes(32))], [("a", gguf.ARRAY, (gguf.TEXT, ["x", "y"]))])
    for size in range(1, len(whole)):
        with pytest.raises(FormatError):
            read_checkpoint(save(whole[:size]))


def test_metadata_take_at_most_a_bounded_multiple_of_their_bytes(save):
    """The worst are texts of two characters: 10 bytes in the file, 59 in memory."""
    path = save(gguf.build([], [("a", gguf.ARRAY, (gguf.TEXT, [f"{index % 100:02}" for index in range(200_000)]))]))
    tracemalloc.start()
    read_metadata(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * path.stat().st_size


def test_a_damaged_scale_gives_infinities_and_no_warning():
    raw = np.full((1, 18), 0xFF, np.uint8)
    raw[0, :2] = np.float16([np.inf]).view(np.uint8)
    assert not np.isfinite(decode(QUANTISED[2], raw, "<", (32,))).any()
