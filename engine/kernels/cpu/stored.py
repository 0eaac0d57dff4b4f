"""Weights that stay as a file stores them, in 16 bits, widened where they are used.

The steps of a decoder read a weight again and again for a few rows; its widened form is kept then, in the layout that the product
wants, and the pages of the file give way to it. Many rows take longer than widening does, so theirs is made anew each time.
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import packs, pool
from .library import Library
from .memory import BFLOAT16, BYTE, FLOAT16, FLOAT32, Array, Layout, address
from .primitive import DESTINATION, SOURCE, WEIGHTS, Description, Primitive, describe, describe_reorder, signature
from .reorder import Fetch, pack_token

Pack = Callable[[Array, Array], None]

MANY = 64
"""Rows from which on a product takes ten times as long as widening its weights, or longer."""

PIECE = 1 << 16
"""Elements that are widened at a time: they stay in the processor's cache between the steps of it."""

# float16's sign, exponent and fraction where float32 has them; its exponents count from 15, float32's from 127.
_BITS, _REBIAS = np.int32(-0x70002000), np.float32(2.0**112)
_INFINITE = 65536  # what its infinities and NaNs come to in this way, and no other number does


def is_narrow(x: Array, weight: Array) -> bool:
    """Whether these are float32 rows and a dense weight of 16 bits."""
    return x.dtype == FLOAT32 and weight.dtype in (FLOAT16, BFLOAT16) and weight.flags.c_contiguous


def packer(library: Library, weight: Array, description: Description, rows: int, dtype: np.dtype[Any]) -> Fetch | None:
    """A function that gives such a weight as the product `description` of so many float32 or rounded rows wants it.

    What is packed for few rows, or rounded to a narrower type, is kept.
    """
    pack = _in_pieces(library, weight, description, rows, dtype) or _at_once(library, weight, description)
    if pack is None:
        return None
    size = description.layout_bytes(WEIGHTS)
    token = (packer, pack_token(library, weight, description.layout(WEIGHTS)))
    temporary = pool.allocator((size,), BYTE)
    keep, find, obtain = rows < MANY or dtype != FLOAT32, packs.find, packs.obtain

    def make(weight: Array) -> Array:
        result = np.empty(size + 64, np.uint8)
        return fill(weight, result[-address(result) % 64 :][:size])

    def fill(weight: Array, result: Array) -> Array:
        pack(weight, result)
        release(weight)
        return result

    def fetch(weight: Array) -> Array:
        found: Array | None = find(weight, token)
        if found is None:
            found = obtain(weight, token, make) if keep else fill(weight, temporary())
        return found

    return fetch


def widen(source: Array, out: Array) -> None:
    """Write float16 or bfloat16 numbers, at any address, into a dense float32 array of their shape."""
    if source.dtype != FLOAT16:
        np.copyto(out, source)
        return
    bits = out.view(np.int32)  # seven times as fast as NumPy's conversion, which goes number by number
    np.copyto(bits, source.view(np.int16))
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _BITS, out=bits)
    np.multiply(out, _REBIAS, out=out)
    if out.size and (out.max() >= _INFINITE or out.min() <= -_INFINITE):
        np.copyto(out, source)


def release(array: Array) -> None:
    """Give back the pages of the read-only mapping that the array lies on, if it does. Who reads them has them from the file again.

    All of them: around a page that is read, the system maps others.
    """
    if array.flags.writeable or sys.platform != "linux":
        return
    owner = packs._owner(array)
    if isinstance(owner, mmap.mmap) and memoryview(owner).readonly:
        owner.madvise(mmap.MADV_DONTNEED)


def _in_pieces(
    library: Library, weight: Array, description: Description, rows: int, dtype: np.dtype[Any]
) -> Pack | None:
    """What packs some outputs after the others, where the layout keeps these together: the wide numbers never leave the cache."""
    inner = weight.shape[1]
    layout = signature(library, description.layout(WEIGHTS))
    levels, padded, stride = layout[1], layout[3], layout[5]
    step = math.prod(size for size, axis in zip(layout[6 : 6 + levels], layout[6 + levels :], strict=True) if axis == 1)
    width = min(max(PIECE // inner // step, 1) * step, padded)
    runs = {}
    for size in {width, padded % width} - {0}:
        source = Layout(library, (rows, inner), dtype, (inner, 1))
        result = Layout(library, (rows, size), FLOAT32, (size, 1))
        piece = describe(library, "matmul", source, Layout(library, (inner, size), dtype), None, result)
        if piece is None or signature(library, piece.layout(WEIGHTS)) != (*layout[:3], size, *layout[4:]):
            return None
        copy = describe_reorder(library, Layout(library, (inner, size), FLOAT32, (1, inner)), piece.layout(WEIGHTS))
        if copy is None:
            return None
        runs[size] = Primitive(copy, (SOURCE, DESTINATION)).run
    allocate = pool.allocator((width, inner), FLOAT32)

    def pack(weight: Array, result: Array) -> None:
        wide, start = allocate(), address(result)
        for first in range(0, padded, width):
            size, given = min(width, padded - first), weight[first : first + width]
            widen(given, wide[: len(given)])
            wide[len(given) : size] = 0
            release(given)
            runs[size](address(wide), start + first // step * stride * dtype.itemsize)

    return pack


def _at_once(library: Library, weight: Array, description: Description) -> Pack | None:
    wide = Layout(library, weight.shape[::-1], FLOAT32, (1, weight.shape[1]))
    copy = describe_reorder(library, wide, description.layout(WEIGHTS))
    if copy is None:
        return None
    run = Primitive(copy, (SOURCE, DESTINATION)).run

    def pack(weight: Array, result: Array) -> None:
        wide = np.empty(weight.shape, FLOAT32)
        widen(weight, wide)
        run(address(wide), address(result))

    return pack
