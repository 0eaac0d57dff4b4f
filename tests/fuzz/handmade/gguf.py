"""A writer of GGUF files by hand, from the format's description, and a slow decoder of its blocks, element by element."""

from __future__ import annotations

import struct

import numpy as np

UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, TEXT, ARRAY, UINT64, INT64, FLOAT64 = range(13)
CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# number of the type: (elements, bytes) of a block
SIZES = {0: (1, 4), 1: (1, 2), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
         2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144),
         13: (256, 176), 14: (256, 210), 15: (256, 292), 20: (32, 18), 23: (256, 136), 34: (256, 54), 35: (256, 66),
         39: (32, 17)}  # fmt: skip


def text(value: str | bytes, order: str = "<") -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(order + "Q", len(raw)) + raw


def value(kind: int, given: object, order: str = "<") -> bytes:
    """The bytes of a value; an array is (kind of the items, items)."""
    if kind == TEXT:
        return text(given, order)
    if kind == ARRAY:
        inner, items = given
        return struct.pack(order + "IQ", inner, len(items)) + b"".join(value(inner, item, order) for item in items)
    return struct.pack(order + CODES[kind], given)


def build(
    tensors: list | None = None,
    values: list | None = None,
    *,
    version: int = 3,
    order: str = "<",
    alignment: int = 32,
    counts: tuple[int, int] | None = None,
    tail: bytes = b"",
) -> bytes:
    """Tensors are (name, dimensions, type, data[, offset]), the dimensions fastest first; values are (key, kind, value)."""
    tensors, values = tensors or [], values or []
    many, few = counts or (len(tensors), len(values))
    out = b"GGUF" + struct.pack(order + "IQQ", version, many, few)
    for key, kind, given in values:
        out += text(key, order) + struct.pack(order + "I", kind) + value(kind, given, order)
    data = b""
    for name, dimensions, kind, raw, *offset in tensors:
        out += text(name, order) + struct.pack(f"{order}I{len(dimensions)}Q", len(dimensions), *dimensions)
        out += struct.pack(order + "IQ", kind, offset[0] if offset else len(data))
        data += raw + bytes(-len(raw) % alignment)
    out += bytes(-len(out) % alignment) if tensors else b""
    return out + data + tail


def small(order: str = "<") -> bytes:
    """A file with a tensor of every type and metadata of every kind: what fuzzers start from."""
    random = np.random.default_rng(3)
    values = [
        ("general.architecture", TEXT, "llama"),
        ("general.alignment", UINT32, 32),
        ("tokenizer.ggml.tokens", ARRAY, (TEXT, ["<s>", "a", "größe"])),
        ("tokenizer.ggml.scores", ARRAY, (FLOAT32, [0.5, 1.0])),
        ("nested", ARRAY, (ARRAY, [(INT8, [1, -1]), (BOOL, [True])])),
        *((f"kind.{kind}", kind, 1) for kind in CODES),
    ]
    tensors = []
    grids = {16: 66, 17: 74, 18: 98, 19: 50, 21: 110, 22: 82, 29: 56} if order == "<" else {}
    for kind, (elements, size) in {**SIZES, **{kind: (256, size) for kind, size in grids.items()}}.items():
        raw = random.integers(0, 128, 2 * size, dtype=np.uint8).tobytes()
        tensors.append((f"blk.{kind}.weight", (elements, 2), kind, raw))
    return build(tensors, values, order=order)


IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]


def element(kind: int, block: bytes, i: int, order: str = "<") -> float:
    """Element `i` of one block, in Python's own floats (double precision)."""
    half = lambda at: struct.unpack_from(order + "e", block, at)[0]  # noqa: E731
    signed = lambda at: struct.unpack_from("b", block, at)[0]  # noqa: E731
    nibble = lambda at: block[at + i % 16] >> 4 * (i // 16) & 15  # noqa: E731
    fifth = lambda at: (struct.unpack_from(order + "I", block, at)[0] >> i & 1) << 4  # noqa: E731
    two = lambda at: block[at + 32 * (i // 128) + i % 32] >> 2 * (i % 128 // 32) & 3  # noqa: E731
    four = lambda at: block[at + 32 * (i // 64) + i % 32] >> 4 * (i % 64 // 32) & 15  # noqa: E731
    if kind == 2:
        return half(0) * (nibble(2) - 8)
    if kind == 3:
        return half(0) * nibble(4) + half(2)
    if kind == 6:
        return half(0) * ((nibble(6) | fifth(2)) - 16)
    if kind == 7:
        return half(0) * (nibble(8) | fifth(4)) + half(2)
    if kind == 8:
        return half(0) * signed(2 + i)
    if kind == 10:
        scale = block[i // 16]
        return half(80) * (scale & 15) * two(16) - half(82) * (scale >> 4)
    if kind == 11:
        group = i // 16
        low = block[96 + group % 8] >> 4 * (group // 8) & 15
        scale = low | (block[104 + group % 4] >> 2 * (group // 4) & 3) << 4
        third = block[i % 32] >> i // 32 & 1
        return half(108) * (scale - 32) * (two(32) + 4 * third - 4)
    if kind in (12, 13):
        group, packed = i // 32, block[4:16]
        if group < 4:
            scale, least = packed[group] & 63, packed[group + 4] & 63
        else:
            scale = packed[group + 4] & 15 | packed[group - 4] >> 6 << 4
            least = packed[group + 4] >> 4 | packed[group] >> 6 << 4
        quant = four(16) if kind == 12 else four(48) | (block[16 + i % 32] >> i // 32 & 1) << 4
        return half(0) * scale * quant - half(2) * least
    if kind == 14:
        low = block[64 * (i // 128) + i % 64] >> 4 * (i % 128 // 64) & 15
        return half(208) * signed(192 + i // 16) * ((low | two(128) << 4) - 32)
    if kind == 15:
        return struct.unpack_from(order + "f", block)[0] * signed(4 + i)
    if kind == 20:
        return half(0) * IQ4[nibble(2)]
    if kind == 23:
        group, within = i // 32, i % 32
        high = struct.unpack_from(order + "H", block, 2)[0] >> 2 * group & 3
        scale = (block[4 + group // 2] >> 4 * (group % 2) & 15 | high << 4) - 32
        return half(0) * scale * IQ4[block[8 + 16 * group + within % 16] >> 4 * (within // 16) & 15]
    if kind == 34:
        if i < 160:
            byte, power = block[i % 32], i // 32
        elif i < 240:
            byte, power = block[32 + (i - 160) % 16], (i - 160) // 16
        else:
            byte, power = block[48 + (i - 240) % 4], (i - 240) // 4
        return half(52) * ((byte * 3**power % 256 * 3 >> 8) - 1)
    if kind == 35:
        return half(64) * (two(0) - 1)
    assert kind == 39
    return FP4[nibble(1)] * 2.0 ** (block[0] - 127)
