"""The quantised types of GGUF whose blocks name rows of a grid: IQ1, IQ2 and IQ3.

A row holds the sizes of 4 or 8 neighbouring elements; their signs stand apart. The grids are tables of ggml's
ggml-common.h, kept in `grids.bin` as indices into the few sizes that occur, 2 or 4 bits each. Blocks have 256 elements.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["iq1_m", "iq1_s", "iq2_s", "iq2_xs", "iq2_xxs", "iq3_s", "iq3_xxs"]

Bytes = NDArray[Any]
Floats = NDArray[Any]

_TWO, _THREE, _ONE = (8, 25, 43), (4, 12, 20, 28, 36, 44, 52, 62), (-1, 0, 1)
# In the file's order: rows, elements of a row, bits of an index, the sizes.
_GRIDS: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "iq2_xxs": (256, 8, 2, _TWO),
    "iq2_xs": (512, 8, 2, _TWO),
    "iq2_s": (1024, 8, 2, _TWO),
    "iq3_xxs": (256, 4, 4, _THREE),
    "iq3_s": (512, 4, 4, (1, 3, 5, 7, 9, 11, 13, 15)),
    "iq1_s": (2048, 8, 2, _ONE),
}
_DELTA = np.float32(0.125)


@cache
def _tables() -> dict[str, Floats]:
    """Unpack the file: (rows, elements) of each grid."""
    raw = np.frombuffer(Path(__file__).with_name("grids.bin").read_bytes(), np.uint8)
    tables, place = {}, 0
    for name, (rows, width, bits, sizes) in _GRIDS.items():
        count = rows * width * bits // 8
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        digits = raw[place : place + count, None] >> shifts & np.uint8((1 << bits) - 1)
        tables[name] = np.array(sizes, np.float32)[digits].reshape(rows, width)
        place += count
    return tables


def _half(rows: Bytes, at: int) -> Floats:
    return np.ascontiguousarray(rows[:, at : at + 2]).view("<f2").astype(np.float32)


def _wide(rows: Bytes, begin: int, end: int, kind: str) -> NDArray[Any]:
    return np.ascontiguousarray(rows[:, begin:end]).view(kind)


def _halves(packed: Bytes) -> Bytes:
    """(n, width) bytes -> (n, 2 width) numbers of 4 bits, the low half of each byte first."""
    return np.stack([packed & 15, packed >> 4], axis=2).reshape(len(packed), -1)


def _bits(packed: Bytes) -> Bytes:
    """(n, width) bytes -> (n, 8 width) bits, the lowest first."""
    return (packed[:, :, None] >> np.arange(8, dtype=np.uint8) & 1).reshape(len(packed), -1)


def _seven(words: NDArray[Any]) -> Bytes:
    """Signs of 256 elements from words of 4 x 7 bits: the eighth sign makes the number of minuses even."""
    seven = (words[:, :, None] >> np.array([0, 7, 14, 21], np.uint32) & 127).astype(np.uint8).reshape(len(words), -1)
    return _bits(_even(seven))


def _even(seven: Bytes) -> Bytes:
    parity: Bytes = seven ^ seven >> 4
    parity ^= parity >> 2
    parity ^= parity >> 1
    eight: Bytes = seven | (parity & 1) << 7
    return eight


def _elements(scales: Floats, sizes: Floats, minus: Bytes) -> Floats:
    """scale * size, with its sign: scales (n, groups), sizes and signs of 256 elements."""
    count, groups = scales.shape
    signed = sizes.reshape(count, -1) * (1 - 2 * minus.astype(np.float32))
    elements: Floats = scales[:, :, None] * signed.reshape(count, groups, -1)
    return elements.reshape(count, -1)


def iq2_xxs(rows: Bytes, order: str) -> Floats:
    """2.06 bits: eight groups of four indices, four times seven signs and a scale."""
    words = _wide(rows, 2, 66, "<u4").reshape(-1, 8, 2)
    scales = _half(rows, 0) * (np.float32(0.5) + (words[..., 1] >> 28).astype(np.float32)) * np.float32(0.25)
    sizes = _tables()["iq2_xxs"][rows[:, 2:].reshape(-1, 8, 8)[:, :, :4]]
    return _elements(scales, sizes, _seven(words[..., 1]))


def iq2_xs(rows: Bytes, order: str) -> Floats:
    """2.31 bits: indices of 9 bits with seven signs each, sixteen scales."""
    words = _wide(rows, 2, 66, "<u2")
    scales = _half(rows, 0) * (np.float32(0.5) + _halves(rows[:, 66:])) * np.float32(0.25)
    return _elements(scales, _tables()["iq2_xs"][words & 511], _bits(_even((words >> 9).astype(np.uint8))))


def iq2_s(rows: Bytes, order: str) -> Floats:
    """2.56 bits: indices of 10 bits, all signs, sixteen scales."""
    high = rows[:, 66:74, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    index = rows[:, 2:34].astype(np.uint16) | high.reshape(len(rows), -1).astype(np.uint16) << 8
    scales = _half(rows, 0) * (np.float32(0.5) + _halves(rows[:, 74:])) * np.float32(0.25)
    return _elements(scales, _tables()["iq2_s"][index], _bits(rows[:, 34:66]))


def iq3_xxs(rows: Bytes, order: str) -> Floats:
    """3.06 bits: 64 indices, then eight words of four times seven signs and a scale."""
    words = _wide(rows, 66, 98, "<u4")
    scales = _half(rows, 0) * (np.float32(0.5) + (words >> 28).astype(np.float32)) * np.float32(0.5)
    return _elements(scales, _tables()["iq3_xxs"][rows[:, 2:66]], _seven(words))


def iq3_s(rows: Bytes, order: str) -> Floats:
    """3.44 bits: indices of 9 bits, all signs, eight odd scales."""
    index = rows[:, 2:66].astype(np.uint16) | _bits(rows[:, 66:74]).astype(np.uint16) << 8
    scales = _half(rows, 0) * (1 + 2 * _halves(rows[:, 106:]).astype(np.float32))
    return _elements(scales, _tables()["iq3_s"][index], _bits(rows[:, 74:106]))


def _thirds(scales: Floats, index: NDArray[Any], minus: NDArray[Any]) -> Floats:
    """scale * (size + or - 1/8), for the grid of -1, 0 and 1: scales and the signs of the eighths by rows of the grid."""
    shift = np.where(minus, -_DELTA, _DELTA)
    elements: Floats = scales[:, :, None] * (_tables()["iq1_s"][index] + shift[:, :, None])
    return elements.reshape(len(index), -1)


def iq1_s(rows: Bytes, order: str) -> Floats:
    """1.56 bits: indices of 11 bits, and for every 32 elements a scale and the sign of the eighth."""
    words = _wide(rows, 34, 50, "<u2")
    high = (words[:, :, None] >> np.array([0, 3, 6, 9], np.uint16) & 7).reshape(len(rows), -1)
    scales = _half(rows, 0) * (2 * (words >> 12 & 7) + 1).astype(np.float32)
    index = rows[:, 2:34].astype(np.uint16) | high << 8
    return _thirds(np.repeat(scales, 4, axis=1), index, np.repeat(words >= 0x8000, 4, axis=1))


def iq1_m(rows: Bytes, order: str) -> Floats:
    """1.75 bits: indices of 11 bits with the sign of the eighth, sixteen scales; the scale of the block in their rest."""
    words = _wide(rows, 48, 56, "<u2")
    rest = words >> 12
    block = rest[:, :1] | rest[:, 1:2] << 4 | rest[:, 2:3] << 8 | rest[:, 3:] << 12
    small = (words[:, :, None] >> np.array([0, 3, 6, 9], np.uint16) & 7).reshape(len(rows), -1)
    scales = np.ascontiguousarray(block).view(np.float16).astype(np.float32) * (2 * small + 1).astype(np.float32)
    high = _halves(rows[:, 32:48])
    index = rows[:, :32].astype(np.uint16) | (high & 7).astype(np.uint16) << 8
    return _thirds(np.repeat(scales, 2, axis=1), index, high & 8 != 0)
