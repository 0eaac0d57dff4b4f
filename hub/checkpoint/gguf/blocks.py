"""The quantised types of GGUF: what their blocks of bytes mean, as vectorised decoders to float32.

A block holds a fixed number of elements: one or two scales, and small integers packed into bytes. Each decoder takes
blocks as rows of bytes and the byte order of their wider fields (`<` or `>`), and gives rows of elements.
Layout: ggml's ggml-common.h; the meaning of each field: ggml-quants.c (dequantize_row_*).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint.gguf import grids

__all__ = ["QUANTISED", "BlockType", "decode"]

Bytes = NDArray[Any]
Floats = NDArray[Any]

# How many elements are decoded at a time, so that the steps between stay in the processor's cache.
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class BlockType:
    """A quantised type: its name, the elements and the bytes of a block, the decoder, and whether any byte order will do.

    What the types with grids look like in a big-endian file, nobody has written down.
    """

    name: str
    elements: int
    bytes: int
    decode: Callable[[Bytes, str], Floats]
    any_order: bool = True


def decode(kind: BlockType, raw: Bytes, order: str, shape: tuple[int, ...]) -> Floats:
    """Give the blocks in `raw` as an array of `shape`. Beside the result it takes about a megabyte."""
    rows = raw.reshape(-1, kind.bytes)
    out = np.empty((len(rows), kind.elements), np.float32)
    step = _PIECE // kind.elements
    with np.errstate(over="ignore", invalid="ignore"):  # a scale may be infinite, or no number, in a damaged file
        for begin in range(0, len(rows), step):
            out[begin : begin + step] = kind.decode(rows[begin : begin + step], order)
    return out.reshape(shape)


def _half(rows: Bytes, at: int, order: str) -> Floats:
    """The float16 at byte `at` of every block, as a column."""
    return np.ascontiguousarray(rows[:, at : at + 2]).view(f"{order}f2").astype(np.float32)


def _nibbles(packed: Bytes) -> Bytes:
    """The low halves of all bytes, then the high halves."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _bits(packed: Bytes, shifts: tuple[int, ...], mask: int) -> Bytes:
    """(n, width) bytes -> (n, len(shifts), width): every byte shifted by each of `shifts` and masked."""
    return (packed[:, None, :] >> np.array(shifts, np.uint8)[:, None]) & np.uint8(mask)


def _signed(values: Bytes, zero: int) -> Floats:
    return values.astype(np.float32) - np.float32(zero)


def _q4_0(rows: Bytes, order: str) -> Floats:
    return _half(rows, 0, order) * _signed(_nibbles(rows[:, 2:]), 8)


def _q4_1(rows: Bytes, order: str) -> Floats:
    return _half(rows, 0, order) * _nibbles(rows[:, 4:]) + _half(rows, 2, order)


def _fifth_bits(rows: Bytes, at: int, order: str) -> Bytes:
    """The 32 bits of the integer at byte `at`, each moved to the place of 16."""
    word = np.ascontiguousarray(rows[:, at : at + 4]).view(f"{order}u4").astype(np.uint32)
    return ((word >> np.arange(32, dtype=np.uint32) & 1) << 4).astype(np.uint8)


def _q5_0(rows: Bytes, order: str) -> Floats:
    return _half(rows, 0, order) * _signed(_nibbles(rows[:, 6:]) | _fifth_bits(rows, 2, order), 16)


def _q5_1(rows: Bytes, order: str) -> Floats:
    return _half(rows, 0, order) * (_nibbles(rows[:, 8:]) | _fifth_bits(rows, 4, order)) + _half(rows, 2, order)


def _q8_0(rows: Bytes, order: str) -> Floats:
    return _half(rows, 0, order) * rows[:, 2:].view(np.int8)


# The types with blocks of 256: 16 groups of 16, or 8 of 32, each with a small scale of its own.


def _groups(scales: Floats, values: Floats) -> Floats:
    """Multiply each group of values with its scale."""
    count, groups = scales.shape
    elements: Floats = scales[:, :, None] * values.reshape(count, groups, -1)
    return elements.reshape(count, -1)


def _two_bits(packed: Bytes) -> Bytes:
    """256 numbers of 2 bits from 64 bytes: each half of the bytes gives four runs of 32."""
    return _bits(packed.reshape(-1, 32), (0, 2, 4, 6), 3).reshape(-1, 256)


def _q2_k(rows: Bytes, order: str) -> Floats:
    scale, least = _half(rows, 80, order), _half(rows, 82, order)
    scales, values = rows[:, :16], _two_bits(rows[:, 16:80])
    low = np.repeat(least * (scales >> 4), 16, axis=1)
    elements: Floats = _groups(scale * (scales & 15), values.astype(np.float32)) - low
    return elements


def _q3_k(rows: Bytes, order: str) -> Floats:
    packed = rows[:, 96:108]
    low = _nibbles(packed[:, :8])
    high = _bits(packed[:, 8:], (0, 2, 4, 6), 3).reshape(-1, 16)
    scales = _half(rows, 108, order) * _signed(low | high << 4, 32)
    third = _bits(rows[:, :32], tuple(range(8)), 1).reshape(-1, 256)
    return _groups(scales, _signed(_two_bits(rows[:, 32:96]) | third << 2, 4))


def _six_bits(packed: Bytes) -> tuple[Bytes, Bytes]:
    """Eight scales and eight minima of 6 bits from 12 bytes."""
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([first & 63, (third & 15) | (first >> 6) << 4], axis=1)
    minima = np.concatenate([second & 63, (third >> 4) | (second >> 6) << 4], axis=1)
    return scales, minima


def _scaled(rows: Bytes, order: str, values: Bytes) -> Floats:
    """What Q4_K and Q5_K share: scale * value - minimum, by groups of 32."""
    scales, minima = _six_bits(rows[:, 4:16])
    low = np.repeat(_half(rows, 2, order) * minima, 32, axis=1)
    elements: Floats = _groups(_half(rows, 0, order) * scales, values.astype(np.float32)) - low
    return elements


def _four_bits(packed: Bytes) -> Bytes:
    """256 numbers of 4 bits from 128 bytes: each 32 bytes give their low halves, then their high ones."""
    return _bits(packed.reshape(-1, 32), (0, 4), 15).reshape(-1, 256)


def _q4_k(rows: Bytes, order: str) -> Floats:
    return _scaled(rows, order, _four_bits(rows[:, 16:]))


def _q5_k(rows: Bytes, order: str) -> Floats:
    fifth = _bits(rows[:, 16:48], tuple(range(8)), 1).reshape(-1, 256)
    return _scaled(rows, order, _four_bits(rows[:, 48:]) | fifth << 4)


def _q6_k(rows: Bytes, order: str) -> Floats:
    low = _bits(rows[:, :128].reshape(-1, 64), (0, 4), 15).reshape(-1, 256)
    high = _two_bits(rows[:, 128:192])
    scales = _half(rows, 208, order) * rows[:, 192:208].view(np.int8)
    return _groups(scales, _signed(low | high << 4, 32))


def _q8_k(rows: Bytes, order: str) -> Floats:
    scale = np.ascontiguousarray(rows[:, :4]).view(f"{order}f4").astype(np.float32)
    return scale * rows[:, 4:260].view(np.int8)


# Types whose small integers are indices into a table.

_IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
_FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)


def _iq4_nl(rows: Bytes, order: str) -> Floats:
    return _half(rows, 0, order) * _IQ4[_nibbles(rows[:, 2:])]


def _iq4_xs(rows: Bytes, order: str) -> Floats:
    word = np.ascontiguousarray(rows[:, 2:4]).view(f"{order}u2").astype(np.uint16)
    high = (word >> np.arange(0, 16, 2, dtype=np.uint16) & 3).astype(np.uint8)
    low = np.stack([rows[:, 4:8] & 15, rows[:, 4:8] >> 4], axis=2).reshape(-1, 8)
    scales = _half(rows, 0, order) * _signed(low | high << 4, 32)
    values = _nibbles(rows[:, 8:].reshape(-1, 8, 16))
    return _groups(scales, _IQ4[values].reshape(-1, 256))


def _mxfp4(rows: Bytes, order: str) -> Floats:
    # The table holds twice the values, so that the exponent's bias is 128 and not 127.
    return np.ldexp(_FP4[_nibbles(rows[:, 1:])], rows[:, :1].astype(np.int32) - 128)


# Types of three values, -1, 0 and 1.


def _thirds(packed: Bytes, count: int) -> Bytes:
    """`count` digits to the base 3 of every byte, the first in the highest place: (n, width) -> (n, count * width)."""
    powers = np.array([1, 3, 9, 27, 81][:count], np.uint8)[:, None]
    digits = (packed[:, None, :] * powers).astype(np.uint16) * 3 >> 8
    return digits.astype(np.uint8).reshape(len(packed), -1)


def _tq1_0(rows: Bytes, order: str) -> Floats:
    digits = [_thirds(rows[:, :32], 5), _thirds(rows[:, 32:48], 5), _thirds(rows[:, 48:52], 4)]
    return _half(rows, 52, order) * _signed(np.concatenate(digits, axis=1), 1)


def _tq2_0(rows: Bytes, order: str) -> Floats:
    return _half(rows, 64, order) * _signed(_two_bits(rows[:, :64]), 1)


# The number that a file gives -> the type.
QUANTISED: dict[int, BlockType] = {
    2: BlockType("Q4_0", 32, 18, _q4_0),
    3: BlockType("Q4_1", 32, 20, _q4_1),
    6: BlockType("Q5_0", 32, 22, _q5_0),
    7: BlockType("Q5_1", 32, 24, _q5_1),
    8: BlockType("Q8_0", 32, 34, _q8_0),
    10: BlockType("Q2_K", 256, 84, _q2_k),
    11: BlockType("Q3_K", 256, 110, _q3_k),
    12: BlockType("Q4_K", 256, 144, _q4_k),
    13: BlockType("Q5_K", 256, 176, _q5_k),
    14: BlockType("Q6_K", 256, 210, _q6_k),
    15: BlockType("Q8_K", 256, 292, _q8_k),
    16: BlockType("IQ2_XXS", 256, 66, grids.iq2_xxs, False),
    17: BlockType("IQ2_XS", 256, 74, grids.iq2_xs, False),
    18: BlockType("IQ3_XXS", 256, 98, grids.iq3_xxs, False),
    19: BlockType("IQ1_S", 256, 50, grids.iq1_s, False),
    20: BlockType("IQ4_NL", 32, 18, _iq4_nl),
    21: BlockType("IQ3_S", 256, 110, grids.iq3_s, False),
    22: BlockType("IQ2_S", 256, 82, grids.iq2_s, False),
    23: BlockType("IQ4_XS", 256, 136, _iq4_xs),
    29: BlockType("IQ1_M", 256, 56, grids.iq1_m, False),
    34: BlockType("TQ1_0", 256, 54, _tq1_0),
    35: BlockType("TQ2_0", 256, 66, _tq2_0),
    39: BlockType("MXFP4", 32, 17, _mxfp4),
}
