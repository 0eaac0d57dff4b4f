"""Leaving out at random: the masks, and the product with one.

A mask is drawn as whole numbers of 16 bits, a quarter of what a random float costs, and kept as one byte for each element.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array
from ...op import op
from ...tensor import Tensor

__all__ = [
    "drop",
]

CLOSE = 1e-3
"""How far the probability of 16 bits may lie from the wanted one, as a share of it; else 32 bits are drawn."""


def _drop_x(grad: Tensor, mask: Tensor, scale: float) -> Tensor:
    return drop(grad, mask, scale=scale)


@op(x=_drop_x)
def drop(xp: Any, x: Array, mask: Array, *, scale: float) -> Array:
    """x scale where ``mask`` (booleans that broadcast) is True, else 0."""
    out = x * mask
    out *= x.dtype.type(scale)
    return out


def draw_mask(bits: np.random.BitGenerator, shape: tuple[int, ...], p: float) -> Array:
    """Booleans of a shape, each False with probability p."""
    count = int(np.prod(shape, dtype=np.int64))
    limit = round(p * 65536)
    if abs(limit / 65536 - p) <= CLOSE * min(p, 1 - p):
        drawn, per = bits.random_raw(-(-count // 4)).view(np.uint16), limit
    else:
        drawn, per = bits.random_raw(-(-count // 2)).view(np.uint32), min(round(p * 2**32), 2**32 - 1)
    kept: Array = drawn[:count] >= per
    return kept.reshape(shape)


def mask_of_block(key: tuple[int, int], block: int, shape: tuple[int, ...], p: float) -> Array:
    """The mask of one block of a computation that goes block by block: the same each time it is asked for.

    Philox counts: a block is a place in its stream, so that no mask needs to be kept for the way back.
    """
    return draw_mask(np.random.Philox(key=np.array(key, np.uint64), counter=[0, 0, 0, block]), shape, p)
