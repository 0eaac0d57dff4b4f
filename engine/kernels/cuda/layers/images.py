"""How images are normalised on a GPU: whether their channels or their planes lie side by side, and how all of its threads share them.

Statistics and sums take two stages, always in the same order: parts of the channels over the whole GPU, and the parts together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ....dtype import Array, Dtype
from ..forms import VECTOR, parameter, row_order
from ..machine import Machine
from ..program import SCALARS, Kernel, scalars

__all__ = ["ACTIVATIONS", "Images", "Launches", "images_kernel", "images_of", "refuse", "served"]

MOST = 256
"""Threads of a block."""
EACH_PROCESSOR = 4
NARROW = 3
"""Blocks for each multiprocessor that share an array, and of numbers of two bytes, whose threads hold more of them: what it has room for."""
SHORT, LONGEST = 8, 1 << 14
"""Accesses of each thread with which a warp takes a part of a plane, at most, and numbers of one that a block takes."""

MOST_PLANES = 1 << 30

ACTIVATIONS = {"relu": 1, "relu6": 2, "silu": 3, "hardswish": 4}
"""What the sources call what may follow a normalisation."""


class Images(NamedTuple):
    """How images lie, and how the GPU shares them."""

    order: tuple[int, ...]
    columns: bool
    """Whether channels lie side by side; else planes do."""
    number: int
    """Of images; 1 where the rows of all of them can be taken as one's."""
    channels: int
    size: int
    per: int
    parts: int
    across: int
    grid: int | tuple[int, int, int]
    block: int | tuple[int, int, int]

    @property
    def sizes(self) -> tuple[int, ...]:
        """What kernels are told of them."""
        if self.columns:
            return self.size, self.channels, self.per, self.across
        return self.number * self.channels, self.channels, self.size, self.per, self.parts


def images_of(here: Machine, x: Array, each_alone: bool) -> Images:
    """How x (batch, channels, ...) is taken: by rows of channels, or in row order plane by plane; ``each_alone`` keeps its images apart."""
    ndim, channels = x.ndim, x.shape[1]
    number, size = x.shape[0], math.prod(x.shape[2:])
    blocks = here.processors * (NARROW if x.itemsize == 2 else EACH_PROCESSOR)
    if x.flags.c_contiguous and channels > 1 and size > 1:
        per = min(size, LONGEST)
        parts = -(-size // per)
        # A warp for each part where they are short, else a block.
        block = (32, MOST // 32, 1) if per * x.itemsize <= 32 * VECTOR * SHORT else (MOST, 1, 1)
        grid = min(-(-number * channels * parts // block[1]), 16 * blocks)
        return Images(tuple(range(ndim)), False, number, channels, size, per, parts, 0, grid, block)
    turned = (0, *range(2, ndim), 1)
    rows = row_order(x.transpose(turned), 1)
    order = turned if rows is None else tuple(turned[axis] for axis in rows.order)
    if each_alone:
        # An image's rows must follow one another.
        order = turned if order[0] != 0 else order
    else:
        number, size = 1, number * size
    vectors = -(-channels * x.itemsize // VECTOR)
    across = -(-vectors // -(-vectors // 32))
    wide = -(-vectors // across)
    wanted = max(1, min(-(-size // (MOST // across * 8)), -(-blocks // (wide * number)), 65535))
    per = -(-size // wanted)
    parts = -(-size // per)
    return Images(order, True, number, channels, size, per, parts, across, (wide, parts, number), MOST)


@lru_cache(512)
def images_kernel(
    name: str, signature: str, dtype: Dtype, named: str, grouped: bool, running: str = "", activation: str | None = None, residual: bool = False
) -> Kernel:  # fmt: skip
    """A kernel of images.cu or planes.cu; "W" in its signature is a number of the wide dtype."""
    own = scalars(dtype)
    letters = signature.replace("W", "d" if own["WIDE"] == "double" else "f")
    more: dict[str, Any] = {"RUNNING": running} if running not in ("", own["WIDE"]) else {}
    if activation is not None:
        more["ACTIVATION"] = ACTIVATIONS[activation]
    if residual:
        more["RESIDUAL"] = 1
    source = "planes.cu" if name.startswith("plane_") else "images.cu"
    return Kernel(source, name, letters, **own, PARAM=named, GROUPED=int(grouped), **more)


class Launches:
    """Prepared launches of kernels for images that lie so: the addresses are open, what follows the sizes is given."""

    def __init__(
        self, here: Machine, images: Images, dtype: Dtype, named: str, grouped: bool, running: str = ""
    ) -> None:
        self._here, self._images, self._named = here, images, (dtype, named, grouped, running)

    def __call__(
        self, name: str, addresses: int, absent: int = 0, more: str = "", *given: float, activation: str | None = None, residual: bool = False
    ) -> Callable[..., None]:  # fmt: skip
        """The last ``absent`` of its addresses are of what is not there."""
        images = self._images
        first, sizes = ("column", "qqqi") if images.columns else ("plane", "qqqqq")
        signature = "P" * (addresses + absent) + sizes + more
        kernel = images_kernel(f"{first}_{name}", signature, *self._named, activation, residual)
        opened = (*(None,) * addresses, *(0,) * absent)
        return kernel.prepared(self._here, images.grid, images.block, *opened, *images.sizes, *given)


def refuse(*_: Any) -> Any:
    """The plan of what is left to the body."""
    return NotImplemented


def served(x: Array, *vectors: Array | None) -> str | None:
    """What weights are called, if x and they are served."""
    if x.dtype not in SCALARS or not x.size or x.shape[0] > 65535 or x.shape[0] * x.shape[1] > MOST_PLANES:
        return None
    return parameter(x.dtype, *vectors)
