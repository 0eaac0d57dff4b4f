"""Products whose rows begin at odd places, as those of 50257 classes do: rows get room at their ends where that pays.

The fast algorithms of cublasLt read and write 16 bytes at once, so each row must begin at a multiple of them: on an H100 they multiply six times
as fast in bfloat16. Where the product is long beside a copy, a large result is given memory with longer rows, of which it is a part; an operand
that lies so is copied into longer rows first, and a small result out of them afterwards. The sums are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...dtype import Array, Dtype
from .elementwise import Lying
from .gemm import Arranged, Matrices, dense
from .machine import Machine
from .transposing import launcher

__all__ = ["Copy", "copied", "in_long_rows", "long_rows", "room_of", "with_copies"]

ALIGNED = 16
"""Bytes that rows must begin at multiples of."""
LINE = 128
"""Bytes that rows with room begin at multiples of: a line of the cache."""
LARGE = 1 << 24
"""Bytes from which on a result gets longer rows; smaller ones lie without gaps, as most expect."""
PER_BYTE = 200
"""Operations (a product and its sum are two) that pay for a copied byte. An H100 saves 8 fs with each operation in bfloat16, and copies a byte,
which is read and written, in 0.8 ps: it would pay from 100 on."""
PER_COPY = 1 << 30
"""Operations that pay for a copy's launch, on the GPU and on the host."""
SERVED = ("float16", "bfloat16")
"""And float32 where TF32 may multiply: only tensor cores want their rows so."""


class Copy(NamedTuple):
    """A matrix in long rows beside one as it lies: what copies it from address to address, and the bytes that it takes."""

    launch: Callable[[int, int], None]
    size: int


def long_rows(x: Matrices, y: Matrices, out: Matrices, dtype: Dtype, result: Dtype, tf32: bool) -> Matrices:
    """How the result of x y is to lie: as it does, or with room at the end of each row."""
    width, size = out.shape[-1], math.prod(out.shape) * result.itemsize
    if width * result.itemsize % ALIGNED == 0 or size < LARGE or not _gains(dtype, tf32):
        return out
    # Some who read it later will have to copy it.
    if 2 * math.prod(out.shape) * x.shape[-1] < PER_BYTE * size + PER_COPY:
        return out
    return Matrices(out.shape, dense((*out.shape[:-1], _longer(width, result))))


def in_long_rows(here: Machine, out: Matrices, dtype: Dtype) -> Array:
    """New memory for a result that lies so."""
    width = out.shape[-1]
    row = next((step for size, step in zip(out.shape[-2::-1], out.strides[-2::-1], strict=True) if size > 1), width)
    whole: Any = here.empty((*out.shape[:-1], row), dtype)
    return whole if row == width else whole[..., :width]


def room_of(array: Array) -> int:
    """How many elements apart the rows of a gradient are to lie: with room, if those of what it is the gradient of have it."""
    rows, width = array.shape
    step: int = array.strides[0] // array.itemsize if rows > 1 and array.strides[1] == array.itemsize else width
    return step if step == _longer(width, array.dtype) else width


def copied(
    found: Arranged, dtype: Dtype, result: Dtype, tf32: bool, alignment: int
) -> tuple[Arranged, tuple[Copy | None, ...]] | None:
    """The product of matrices in long rows, and the copies of A, B and D that it takes; None where all stay as they are.

    ``alignment`` is what the addresses of both operands are multiples of.
    """
    if len(found.starts) != 1 or not _gains(dtype, tf32):
        return None
    stored = (
        (found.rows, found.inner) if found.turned[0] else (found.inner, found.rows),
        (found.inner, found.columns) if found.turned[1] else (found.columns, found.inner),
        (found.columns, found.rows),
    )
    leading, steps, moved = list(found.leading), list(found.steps), 0
    copies: list[Copy | None] = []
    for place, (count, width) in enumerate(stored):
        kind = result if place == 2 else dtype
        size, step = kind.itemsize, steps[place] if found.batch > 1 else 0
        straight = (count == 1 or leading[place] * size % ALIGNED == 0) and step * size % ALIGNED == 0
        if straight and (place == 2 or alignment % ALIGNED == 0):
            copies.append(None)
            continue
        shape, row = (found.batch if step else 1, count, width), _longer(width, kind)
        own = Lying(shape, (step * size, leading[place] * size, size), size)
        long = Lying(shape, (count * row * size, row * size, size), size)
        launch = launcher(long, own) if place == 2 else launcher(own, long)
        if launch is None:
            return None
        copies.append(Copy(launch, shape[0] * count * row * size))
        leading[place], steps[place] = row, count * row if step else 0
        moved += math.prod(shape) * size
    launches = sum(copy is not None for copy in copies)
    operations = 2 * found.batch * found.rows * found.columns * found.inner
    if not launches or operations < PER_BYTE * moved + PER_COPY * launches:
        return None
    (a, b, d), (first, second, third) = leading, steps
    return found._replace(leading=(a, b, d), steps=(first, second, third)), tuple(copies)


def with_copies(
    here: Machine, run: Callable[[int, int, int, int], None], copies: tuple[Copy | None, ...]
) -> Callable[[int, int, int, int], None]:
    """A prepared product of matrices in long rows, for addresses of matrices as they lie."""
    first, second, third = copies
    memory = here.memory

    def compute(a: int, b: int, d: int, bias: int) -> None:
        held = []  # until all is given to the stream: what comes later may have the memory
        place = d
        if first is not None:
            held.append(memory(first.size))
            source, a = a, held[-1].ptr
            first.launch(source, a)
        if second is not None:
            held.append(memory(second.size))
            source, b = b, held[-1].ptr
            second.launch(source, b)
        if third is not None:
            held.append(memory(third.size))
            place = held[-1].ptr
        run(a, b, place, bias)
        if third is not None:
            third.launch(place, d)

    return compute


def _gains(dtype: Dtype, tf32: bool) -> bool:
    return dtype.name in SERVED or (tf32 and dtype.name == "float32")


def _longer(width: int, dtype: Dtype) -> int:
    """Elements of a row with room."""
    line = LINE // dtype.itemsize
    return -(-width // line) * line
