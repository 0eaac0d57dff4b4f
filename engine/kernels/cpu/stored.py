"""Weights that stay as a file stores them, in 16 bits, widened where they are used.

The steps of a decoder read a weight again and again for a few rows; its widened form is kept then, and the pages of the file give way
to it. Many rows take longer than widening does, so for them it is done anew each time, in memory that is used again.
"""

from __future__ import annotations

import mmap
import sys

import numpy as np

from . import packs, pool
from .memory import BFLOAT16, FLOAT16, FLOAT32, Array

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


def wide(x: Array, weight: Array) -> Array:
    """Such a weight in float32: what is kept of it, for few rows x from now on, or else for this time."""
    token = (wide, weight.shape, weight.dtype)
    kept: Array | None = packs.find(weight, token)
    if kept is None and x.size < MANY * x.shape[-1]:
        kept = packs.obtain(weight, token, lambda weight: _widened(weight, np.empty(weight.shape, FLOAT32)))
    return _widened(weight, pool.empty(weight.shape, FLOAT32)) if kept is None else kept


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


def _widened(weight: Array, result: Array) -> Array:
    step = max(PIECE // weight.shape[1], 1)
    for first in range(0, len(weight), step):
        piece = weight[first : first + step]
        widen(piece, result[first : first + step])
        release(piece)
    return result
