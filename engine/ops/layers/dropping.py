"""Leaving out at random: the masks, and the product with one.

A mask is drawn as whole numbers of 16 bits, a quarter of what a random float costs, and kept as one byte for each element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...device import cpu_memory, mask_on_gpu, threads
from ...dtype import Array
from ...node import Node
from ...op import op
from ...team import together
from ...tensor import Tensor

__all__ = ["drop", "drop_drawn"]

CLOSE = 1e-3
"""How far the probability of 16 bits may lie from the wanted one, as a share of it; else 32 bits are drawn."""


STRETCH = 1 << 17
"""So many booleans come from one stream: 256 KB of random bits, which stay in a core's cache."""


def _drop_x(grad: Tensor, mask: Tensor, scale: float) -> Tensor:
    return drop(grad, mask, scale=scale)


@op(x=_drop_x)
def drop(xp: Any, x: Array, mask: Array, *, scale: float) -> Array:
    """x scale where ``mask`` (booleans that broadcast) is True, else 0."""
    out = x * mask
    out *= x.dtype.type(scale)
    return out


def _drop_drawn_x(grad: Tensor, kept: Tensor, scale: float) -> Tensor:
    return drop(grad, kept, scale=scale)


@op(residuals=("kept",), x=_drop_drawn_x)
def drop_drawn(xp: Any, x: Array, *, p: float, scale: float, stream: Any) -> Any:
    """x scale, or with probability p 0, as ``stream``'s next booleans say: what ``drop`` gives for a mask drawn from it."""
    kept = stream.kept(x.shape, p, like=x)
    return drop.body(xp, x, kept, scale=scale), kept


@drop_drawn.directly
def _drop_drawn_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    return [drop.compute(arrived.array, node.residuals[0], scale=node.settings["scale"])]  # type: ignore[index]


def threshold(p: float) -> tuple[int, int]:
    """How many bits are drawn for each element, 16 or 32, and the number below which it is dropped with probability p."""
    limit = round(p * 65536)
    if abs(limit / 65536 - p) <= CLOSE * min(p, 1 - p):
        return 16, limit
    return 32, min(round(p * 2**32), 2**32 - 1)


def draw_mask(bits: np.random.BitGenerator, shape: tuple[int, ...], p: float) -> Array:
    """Booleans of a shape, each False with probability p."""
    count = int(np.prod(shape, dtype=np.int64))
    if count > STRETCH:
        return _masks_of([(*bits.random_raw(2).tolist(), 0)], [shape], p)[0]
    kept = np.empty(count, bool)
    _draw(bits, p, kept)
    return kept.reshape(shape)


def mask_of_block(xp: Any, key: tuple[int, int], block: int, shape: tuple[int, ...], p: float) -> Array:
    """The mask of one block of a computation that goes block by block: the same each time it is asked for, so that none need be kept.

    A GPU draws its own, which are others than a CPU's.
    """
    return masks_of_blocks(xp, key, [(block, shape)], p)[0]


def masks_of_blocks(
    xp: Any, key: tuple[int, int], blocks: Sequence[tuple[int, tuple[int, ...]]], p: float
) -> list[Array]:
    """The same of several blocks (number, shape) at once, so that threads share them evenly."""
    if xp is not np:
        return [mask_on_gpu(key, number, shape, p) for number, shape in blocks]
    return _masks_of([(*key, number) for number, _ in blocks], [shape for _, shape in blocks], p)


def _masks_of(seeds: Sequence[tuple[int, ...]], shapes: Sequence[tuple[int, ...]], p: float) -> list[Array]:
    """Masks whose stretches have streams of their own, so that any number of threads draws the same."""
    masks = [cpu_memory((int(np.prod(shape, dtype=np.int64)),), bool) for shape in shapes]
    starts = [(which, start) for which, mask in enumerate(masks) for start in range(0, mask.size, STRETCH)]
    members = max(min(len(starts), threads()), 1)  # of nothing, one draws nothing

    def work(member: int) -> None:
        for which, start in starts[member::members]:
            # The quickest of NumPy's generators: half of Philox's time.
            bits = np.random.SFC64([*seeds[which], start // STRETCH])
            _draw(bits, p, masks[which][start : start + STRETCH])

    together(work, members)
    return [mask.reshape(shape) for mask, shape in zip(masks, shapes, strict=True)]


def _draw(bits: np.random.BitGenerator, p: float, out: Array) -> None:
    """Fill a vector of booleans."""
    width, limit = threshold(p)
    drawn = bits.random_raw(-(-out.size // (64 // width))).view(np.uint16 if width == 16 else np.uint32)
    np.greater_equal(drawn[: out.size], drawn.dtype.type(limit), out=out)
