"""A writer of ONNX models by hand, field by field, from the wire format of protobuf."""

from __future__ import annotations

import struct

import numpy as np

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
         "float64": 11, "uint32": 12, "uint64": 13, "complex64": 14, "complex128": 15, "bfloat16": 16,
         "float8_e4m3fn": 17, "float8_e4m3fnuz": 18, "float8_e5m2": 19, "float8_e5m2fnuz": 20,
         "float8_e8m0fnu": 24}  # fmt: skip


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes | str) -> bytes:
    """A field: a number as a varint, bytes and text with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def packed(number: int, values: list[int]) -> bytes:
    return field(number, b"".join(map(varint, values)))


def tensor(name: str | bytes, kind: int, shape: tuple, *parts: bytes) -> bytes:
    """A TensorProto; `parts` are the fields that hold the elements."""
    return b"".join(field(1, size) for size in shape) + field(2, kind) + field(8, name) + b"".join(parts)


def raw(name: str, array: np.ndarray) -> bytes:
    return tensor(name, TYPES[array.dtype.name], array.shape, field(9, array.tobytes()))


def beside(name: str, kind: int, shape: tuple, **told: str) -> bytes:
    """A tensor whose bytes lie in another file."""
    entries = [field(13, field(1, key) + field(2, value)) for key, value in told.items()]
    return tensor(name, kind, shape, *entries, field(14, 1))


def node(operator: str, output: str, *attributes: bytes, name: str = "") -> bytes:
    return field(2, output) + field(3, name) + field(4, operator) + b"".join(field(5, each) for each in attributes)


def attribute(name: str, **what: bytes) -> bytes:
    """A tensor (`t=`) or a graph (`g=`) under a name."""
    return field(1, name) + b"".join(field({"t": 5, "g": 6}[key], value) for key, value in what.items())


def graph(tensors: list[bytes], nodes: list[bytes] | None = None) -> bytes:
    return b"".join(field(1, each) for each in nodes or []) + b"".join(field(5, each) for each in tensors)


def model(tensors: list[bytes], nodes: list[bytes] | None = None, *, extra: bytes = b"") -> bytes:
    return field(1, 8) + field(2, "hand") + extra + field(7, graph(tensors, nodes)) + field(8, field(2, 17))


def small() -> bytes:
    """A model with a tensor of every type and form: what fuzzers start from."""
    import ml_dtypes

    made = [raw(name, np.ones((2, 2), getattr(ml_dtypes, name, name))) for name in TYPES]
    typed = [
        tensor("floats", 1, (2,), field(4, struct.pack("<2f", 1, 2))),
        tensor("doubles", 11, (1,), field(10, struct.pack("<d", 3))),
        tensor("bytes", 3, (3,), packed(5, [1, -1, 127])),
        tensor("halves", 10, (2,), packed(5, [0x3C00, 0xC000])),
        tensor("longs", 7, (2,), packed(7, [-5, 1 << 40])),
        tensor("words", 12, (1,), packed(11, [(1 << 32) - 1])),
        tensor("nibbles", 22, (3,), field(9, b"\x1f\x08")),
        tensor("unsigned", 21, (3,), packed(5, [0xF1, 0x02])),
        tensor("texts", 8, (1,), field(6, b"text")),
    ]
    inner = graph([raw("w", np.zeros(1, np.float32))])
    nodes = [
        node("Constant", "made", attribute("value", t=raw("", np.array(7, np.int64)))),
        node("If", "out", attribute("then_branch", g=inner), attribute("else_branch", g=inner), name="choice"),
    ]
    return model(made + typed, nodes, extra=field(14, field(1, "author") + field(2, "hand")))
