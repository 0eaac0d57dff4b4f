"""ONNX: every type and form of a tensor, inner graphs, files beside the model, and models that lie."""

from __future__ import annotations

import os
import struct

import ml_dtypes
import numpy as np
import pytest
from handmade import onnx
from handmade.onnx import attribute, beside, field, graph, model, node, packed, raw, tensor, varint

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.checkpoint.onnx.wire import Wire, count_varints, decode_varints
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.errors import FormatError, UnsafeFileError

W = np.arange(4, dtype=np.float32)


def test_every_type_is_read_from_raw_bytes(save, same):
    arrays = {name: np.arange(2).reshape(2, 1).astype(getattr(ml_dtypes, name, name)) for name in onnx.TYPES}
    arrays |= {"scalar": np.array(3.5, np.float32), "nothing": np.zeros((0, 3), np.int64)}
    same(read_checkpoint(save(model([raw(name, array) for name, array in arrays.items()]))), arrays)


TYPED = {
    "floats": (1, np.float32([1.5, -2]), field(4, struct.pack("<2f", 1.5, -2))),
    "pairs": (14, np.complex64([1 + 2j]), field(4, struct.pack("<2f", 1, 2))),
    "doubles": (11, np.float64([3]), field(10, struct.pack("<d", 3))),
    "bytes": (3, np.int8([1, -1, -128]), packed(5, [1, -1, -128])),
    "unsigned bytes": (2, np.uint8([255]), packed(5, [255])),
    "shorts": (5, np.int16([-300, 300]), packed(5, [-300, 300])),
    "unsigned shorts": (4, np.uint16([65535]), packed(5, [65535])),
    "integers": (6, np.int32([-(1 << 31), 7]), packed(5, [-(1 << 31), 7])),
    "longs": (7, np.int64([-(1 << 63), 1 << 40]), packed(7, [-(1 << 63), 1 << 40])),
    "words": (12, np.uint32([(1 << 32) - 1]), packed(11, [(1 << 32) - 1])),
    "long words": (13, np.uint64([(1 << 64) - 1]), packed(11, [(1 << 64) - 1])),
    "flags": (9, np.array([True, False]), packed(5, [1, 0])),
    "halves": (10, np.float16([1, -2]), packed(5, [0x3C00, 0xC000])),
    "brains": (16, np.array([1.5], ml_dtypes.bfloat16), packed(5, [0x3FC0])),
    "eighths": (17, np.array([1.5], ml_dtypes.float8_e4m3fn), packed(5, [0x3C])),
    "in two pieces": (6, np.int32([1, 2, 3]), packed(5, [1]) + packed(5, [2, 3])),
    "nibbles": (22, np.int8([-1, 1, -8]), packed(5, [0x1F, 0x08])),
    "unsigned nibbles": (21, np.uint8([15, 1]), packed(5, [0x1F])),
    "raw nibbles": (22, np.int8([-1, 1, -8]), field(9, b"\x1f\x08")),
}


@pytest.mark.parametrize("name", TYPED)
def test_typed_numbers_are_read(save, same, name):
    kind, array, part = TYPED[name]
    path = save(model([tensor("w", kind, array.shape, part)]))
    same(read_checkpoint(path), {"w": array})
    (info,) = read_metadata(path).tensors
    assert (info.dtype, info.shape, info.bytes) == (array.dtype.name, array.shape, array.nbytes)


def test_numbers_of_every_length_are_decoded_across_pieces(monkeypatch):
    monkeypatch.setattr(limits, "MEBIBYTE", 37)  # so that numbers lie across the borders of pieces
    values = [(1 << bits) + low for bits in range(64) for low in (-1, 0)]
    data = np.frombuffer(b"".join(map(varint, values)), np.uint8)
    assert count_varints(data) == len(values)
    assert decode_varints(data, len(values)).tolist() == [value % (1 << 64) for value in values]


def test_constants_and_inner_graphs_are_named_by_where_they_stand(save):
    found = read_checkpoint(save(onnx.small()))
    assert found["made"].tolist() == 7
    assert "choice.then_branch.w" in found
    assert "choice.else_branch.w" in found
    values = read_metadata(save(onnx.small())).values
    assert values == {
        "onnx.ir_version": 8, "onnx.producer": "hand", "onnx.opset.ai.onnx": 17, "metadata.author": "hand",
        "texts": "texts", "onnx.nodes": 2}  # fmt: skip


def test_dimensions_may_be_packed_too(save):
    body = packed(1, [2, 2]) + field(2, 1) + field(8, "w") + field(9, W.tobytes())
    assert read_checkpoint(save(model([body])))["w"].shape == (2, 2)


def test_files_beside_the_model_are_read(save, same):
    save(b"head" + W.tobytes() + b"\x21", "weights.data")
    entries = [
        beside("w", 1, (4,), location="weights.data", offset="4", length="16"),
        beside("tied", 1, (2, 2), location="weights.data", offset="4"),
        beside("nibbles", 21, (2,), location="weights.data", offset="20", length="1"),
    ]
    path = save(model(entries), "model.onnx")
    found = read_checkpoint(path)
    same(found, {"w": W, "tied": W.reshape(2, 2), "nibbles": np.uint8([1, 2])})
    assert np.shares_memory(found["w"], found["tied"])


def test_a_symbolic_link_beside_the_model_is_followed_as_caches_make_them(save, tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "ab").write_bytes(W.tobytes())
    os.symlink("blobs/ab", tmp_path / "w.data")
    path = save(model([beside("w", 1, (4,), location="w.data")]))
    assert read_checkpoint(path)["w"].tolist() == W.tolist()


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "sub/file", "..", ".", "", "a\\b", "C:x", "\\\\host\\x", "a\0b"]
)
def test_no_path_leads_out_of_the_models_folder(save, tmp_path, location):
    (tmp_path / "secret").write_bytes(W.tobytes())
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(W.tobytes())
    path = save(model([beside("w", 1, (4,), location=location)]), "sub/model.onnx")
    for read in (read_checkpoint, read_metadata):
        with pytest.raises(UnsafeFileError, match="plain name in its own folder"):
            read(path)


BESIDE = {
    "no such file": ({"location": "none"}, FormatError, "not in the folder"),
    "an offset outside": ({"location": "w.data", "offset": "8"}, FormatError, "which has 16"),
    "a length of another": ({"location": "w.data", "length": "8"}, FormatError, "names 8"),
    "a negative offset": ({"location": "w.data", "offset": "-4"}, FormatError, "natural number"),
    "a huge offset": ({"location": "w.data", "offset": "9" * 40}, FormatError, "natural number"),
    "an unknown key": ({"location": "w.data", "url": "x"}, FormatError, "described by 'url'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_a_place_beside_the_model_that_lies_is_refused(save, name):
    told, error, why = BESIDE[name]
    save(W.tobytes(), "w.data")
    with pytest.raises(error, match=why):
        read_checkpoint(save(model([beside("w", 1, (4,), **told)])))


def test_runs_of_bytes_beside_the_model_may_not_overlap(save):
    save(bytes(64), "w.data")
    two = [beside(f"w{at}", 1, (4,), location="w.data", offset=str(at)) for at in (0, 8)]
    with pytest.raises(UnsafeFileError, match="overlap at byte 8"):
        read_checkpoint(save(model(two)))


def test_an_open_file_has_no_files_beside_it(save):
    path = save(model([beside("w", 1, (4,), location="w.data")]))
    with path.open("rb") as file, pytest.raises(FormatError, match="give the model's path"):
        read_checkpoint(file)


def deep(levels: int) -> bytes:
    inner = graph([raw("w", W)])
    for _ in range(levels):
        inner = graph([], [node("If", "o", attribute("b", g=inner))])
    return field(1, 8) + field(2, "x") + field(7, inner) + field(8, b"")


LIES = {
    "no graph": (field(1, 8) + field(2, "x"), FormatError, "no graph"),
    "no operators": (field(1, 8) + field(2, "x") + field(7, graph([])), FormatError, "no version of its operators"),
    "two graphs": (model([raw("w", W)]) + field(7, graph([])), UnsafeFileError, "two graphs"),
    "a graph that is a number": (field(1, 8) + field(2, "x") + field(7, 5), FormatError, "field 7 is damaged"),
    "a name twice": (model([raw("w", W), raw("w", W)]), FormatError, "'w' twice"),
    "a constant with the name of a tensor": (
        model([raw("w", W)], [node("Constant", "w", attribute("value", t=raw("", W)))]), FormatError, "'w' twice"),
    "no name": (model([raw("", W)]), FormatError, "name of 0 characters"),
    "a long name": (model([raw("n" * 5000, W)]), FormatError, "name of 5000"),
    "a name that is not UTF-8": (model([tensor(b"\xff", 1, (0,))]), FormatError, "not UTF-8"),
    "NUL in a name": (model([raw("a\0b", W)]), UnsafeFileError, "NUL"),
    "../ in a name": (model([raw("../b", W)]), UnsafeFileError, "path"),
    "an unknown type": (model([tensor("w", 99, (1,), field(9, b"x"))]), FormatError, "the type 99"),
    "no type": (model([field(8, "w") + field(9, b"")]), FormatError, "the type 0"),
    "a type that is not read": (model([tensor("w", 23, (2,), field(9, b"x"))]), FormatError, "float4e2m1"),
    "fewer bytes than the shape": (model([tensor("w", 1, (4,), field(9, b"x"))]), FormatError, "needs 16 bytes"),
    "no bytes": (model([tensor("w", 1, (4,))]), FormatError, "needs 16 bytes, but has 0"),
    "a negative dimension": (model([tensor("w", 1, (-1,), field(9, b""))]), FormatError, "larger than any file"),
    "dimensions that wrap around": (
        model([tensor("w", 1, (1 << 62, 4), field(9, b""))]), FormatError, "larger than any file"),
    "33 dimensions": (model([tensor("w", 1, (1,) * 33, field(9, bytes(4)))]), FormatError, "more than 32 dimensions"),
    "33 packed dimensions": (
        model([packed(1, [1] * 10_000) + field(2, 1) + field(8, "w")]), FormatError, "more than 32 dimensions"),
    "raw bytes twice": (model([tensor("w", 1, (1,), field(9, bytes(4)) * 2)]), FormatError, "field 9 twice"),
    "a type twice": (model([tensor("w", 1, (1,), field(2, 7))]), FormatError, "field 2 twice"),
    "raw bytes and numbers": (
        model([tensor("w", 1, (1,), field(9, bytes(4)), field(4, bytes(4)))]), FormatError, "two places"),
    "numbers of two kinds": (
        model([tensor("w", 1, (1,), field(4, bytes(4)), packed(5, [1]))]), FormatError, "two places"),
    "numbers of another kind": (model([tensor("w", 1, (1,), packed(5, [1]))]), FormatError, "another type"),
    "numbers that are not packed": (model([tensor("w", 6, (1,), field(5, 1))]), FormatError, "not packed"),
    "floats in two pieces": (model([tensor("w", 1, (2,), field(4, bytes(4)) * 2)]), FormatError, "2 pieces"),
    "too few numbers": (model([tensor("w", 6, (2,), packed(5, [1]))]), FormatError, "has 1 numbers"),
    "a number beyond its type": (model([tensor("w", 3, (1,), packed(5, [128]))]), FormatError, "beyond its type"),
    "a flag of 2": (model([tensor("w", 9, (1,), packed(5, [2]))]), FormatError, "beyond its type"),
    "a half of 17 bits": (model([tensor("w", 10, (1,), packed(5, [1 << 16]))]), FormatError, "beyond its type"),
    "a raw flag of 2": (model([tensor("w", 9, (1,), field(9, b"\2"))]), FormatError, "neither 0 nor 1"),
    "a number of 11 bytes": (
        model([tensor("w", 6, (1,), field(5, b"\x80" * 10 + b"\1"))]), FormatError, "packed numbers"),
    "numbers without an end": (model([tensor("w", 6, (1,), field(5, b"\x80"))]), FormatError, "packed numbers"),
    "an external place without a file": (model([tensor("w", 1, (1,), field(14, 1))]), FormatError, "unknown one"),
    "an unknown place": (model([tensor("w", 1, (1,), field(14, 2))]), FormatError, "unknown one"),
    "numbers of a strange wire type": (
        model([tensor("w", 1, (1,), varint(4 << 3 | 1) + bytes(8))]), FormatError, "typed numbers of the wire type 1"),
    "a type that is a text": (model([field(8, "w") + field(2, b"x")]), FormatError, "whose field 2 is damaged"),
    "a name that is a number": (model([field(8, 5) + field(2, 1)]), FormatError, "whose field 8 is damaged"),
    "a segment": (model([tensor("w", 1, (1,), field(3, b""))]), FormatError, "segment"),
    "a sparse tensor": (field(1, 8) + field(2, "") + field(7, field(15, b"")) + field(8, b""), FormatError, "sparse"),
    "graphs 17 deep": (deep(17), FormatError, "nests graphs"),
    "a field that leaves its message": (model([b"\x0a\x7f"]), FormatError, "leaves its message"),
    "a group": (model([b"\x0b"]), FormatError, "wire type 3"),
    "field 0": (model([b"\x02\x00"]), FormatError, "leaves its message"),
    "a tag above 64 bits": (model([b"\xff" * 11]), FormatError, "damaged number"),
    "cut short": (model([raw("w", W)])[:30], FormatError, "leaves its message"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_model_that_lies_is_refused(save, name):
    content, error, why = LIES[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(content))
    if "beyond" in why or "neither" in why:  # found only when the elements are looked at
        return
    with pytest.raises(error, match=why):
        read_metadata(save(content))


def test_graphs_16_deep_are_read(save):
    assert list(read_checkpoint(save(deep(16)))) == ["o.b." * 16 + "w"]


def test_a_text_above_the_limit_is_refused(save, monkeypatch):
    monkeypatch.setattr(limits, "TEXT", 10)
    with pytest.raises(FormatError, match="a tensor's name of 20 bytes"):
        read_checkpoint(save(model([raw("n" * 20, W)])))


def test_a_model_of_many_tiny_fields_is_refused_in_bounded_time(save, monkeypatch):
    monkeypatch.setattr(limits, "FIELDS", 1000)
    with pytest.raises(FormatError, match="more than 1000 fields"):
        read_checkpoint(save(model([], [b""] * 2000)))


def test_a_model_whose_first_tensor_looks_like_a_header_is_an_onnx_model(save):
    """Byte 8 may be a brace, as in safetensors."""
    content = field(1, 8) + field(2, "hand{") + field(7, graph([raw("w", W)])) + field(8, b"")
    assert content[8:9] == b"{"
    assert read_metadata(save(content)).format == "onnx"


NUMBERS = {
    "its message ends within it": (b"\x80\x01", 1, "before byte 1"),
    "it has no end": (b"\x80" * 4096, 4096, "before byte 10"),
    "it is of 65 bits": (b"\xff" * 9 + b"\x02", 10, "before byte 10"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_cannot_be_is_refused_where_it_stands(name):
    data, end, why = NUMBERS[name]
    with pytest.raises(FormatError, match=f"{why}\\."):
        Wire(Source(memoryview(data))).varint(0, end)


def test_a_text_that_is_longer_than_any_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "TEXT", 8)
    with pytest.raises(FormatError, match="a name of 9 bytes"):
        Wire(Source(memoryview(b"n" * 9))).text(0, 9, "a name")


def test_numbers_that_grow_beyond_the_files_by_far_are_refused(save, monkeypatch):
    """Two of 4 bits become two bytes; what lies beside the model counts as the model's own bytes."""
    monkeypatch.setattr(limits, "DECODED_FREE", 0)
    monkeypatch.setattr(limits, "DECODED_RATIO", 1)
    half = tensor("w", 22, (4000,), field(9, b"\x12" * 2000))
    with pytest.raises(UnsafeFileError, match="to 4000 bytes"):
        read_metadata(save(model([half])))
    save(b"\x12" * 2000, "w.data")
    small = beside("w", 22, (4000,), location="w.data")
    with pytest.raises(UnsafeFileError, match="to 4000 bytes"):
        read_metadata(save(model([small])))
    monkeypatch.setattr(limits, "DECODED_RATIO", 2)
    assert read_checkpoint(save(model([small])))["w"].shape == (4000,)
