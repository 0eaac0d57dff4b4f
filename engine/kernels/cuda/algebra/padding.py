"""Products of odd sizes, as those of 50257 classes are: matrices get longer rows, and more of them, full of zeros, where that pays.

The fast algorithms of cublasLt read and write 16 bytes at once and take only sizes of whole 16 bytes, however the rows lie: on an H100 they multiply
seven times as fast in bfloat16. So where the product is long beside the copies, operands are copied into such sizes, a large result is a part
of a larger one, and a small one is copied out of it. The sums are the same: what is added are zeros.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from ....dtype import Array, Dtype
from ..elementwise.operations import Lying
from ..layout import maker
from ..libraries.gemm import Arranged, dense
from ..machine import Machine, machine
from ..program import Kernel
from ..shapes.transposing import launcher

__all__ = ["Copy", "Lengthened", "lengthened", "room_of", "with_room"]

ALIGNED = 16
"""Bytes that rows and sizes must be multiples of."""
LINE = 128
"""Bytes that long rows are multiples of: a line of the cache."""
LARGE = 1 << 24
"""Bytes from which on a result may be a part of a larger one; smaller ones lie without gaps, as most expect."""
PER_BYTE = 300
"""Operations (a product and its sum are two) that pay for a byte that is copied. An H200 saves 7 fs with each operation in bfloat16, and copies a
byte of an odd row in 1.2 ps: it pays from 170 on."""
PER_BYTE_WITH_GAPS = 100
"""And for one of a result that is a part of a larger one, which some who read it later have to copy."""
PER_COPY = 1 << 30
"""Operations that pay for a copy's launch, on the GPU and on the host."""
SERVED = ("float16", "bfloat16")
"""And float32 where TF32 may multiply: only tensor cores want such sizes."""
UNITS = {2: "unsigned short", 4: "unsigned", 8: "unsigned long long"}

Run = Callable[[int, int, int, int], None]

_rooms: dict[int, tuple[tuple[int, int], Callable[[], Any]]] = {}
"""Where matrices begin that have room of zeros: the bytes of a row and those from one to the next, and the array."""


class Copy(NamedTuple):
    """What copies a matrix from address to address, and the bytes that its larger form takes."""

    launch: Callable[[int, int], None]
    size: int
    rows: tuple[int, int] | None = None
    """The bytes of a row and those from one to the next, if a matrix may already lie so, zeros included."""

    def is_needed(self, address: int) -> bool:
        """Whether the matrix there has no room of zeros yet."""
        found = _rooms.get(address)
        return found is None or found[0] != self.rows or found[1]() is None


class Lengthened(NamedTuple):
    """A product of larger matrices in the place of another."""

    arranged: Arranged
    operands: tuple[Copy | None, Copy | None]
    """Of A and of B, where they are copied."""
    result: Copy | None
    """Out of a larger result, where the result is no part of it."""
    bias: Copy | None
    whole: tuple[int, ...] | None
    """The shape of the larger result that the result is a part of."""

    def run(self, here: Machine, run: Run) -> Run:
        """The prepared product, for addresses of matrices as they lie."""
        (first, second), third, fourth = self.operands, self.result, self.bias
        memory = here.memory

        def compute(a: int, b: int, d: int, bias: int) -> None:
            held = []  # until all is given to the stream: what comes later may have the memory

            def copied(copy: Copy, source: int) -> int:
                room = memory(copy.size)
                held.append(room)
                place: int = room.ptr
                copy.launch(source, place)
                return place

            if first is not None and first.is_needed(a):
                a = copied(first, a)
            if second is not None and second.is_needed(b):
                b = copied(second, b)
            if fourth is not None:
                bias = copied(fourth, bias)
            if third is None:
                run(a, b, d, bias)
                return
            room = memory(third.size)
            run(a, b, room.ptr, bias)
            third.launch(room.ptr, d)

        return compute

    def maker(self, here: Machine, shape: tuple[int, ...], dtype: Dtype) -> Callable[[], Array]:
        """For a plan: what makes results of ``shape``."""
        if self.whole is None:
            return maker(here, shape, dtype)
        make = maker(here, self.whole, dtype)
        part = tuple(slice(0, size) for size in shape)

        def of_larger() -> Array:
            whole: Any = make()
            return whole[part]

        return of_larger


def lengthened(
    found: Arranged, full: tuple[int, ...] | None, dtype: Dtype, result: Dtype, tf32: bool, alignment: int, epilogue: str = ""
) -> Lengthened | None:  # fmt: skip
    """What computes a product faster in larger matrices; None where nothing does.

    ``full`` is the result's shape where it may be a part of a larger array, ``alignment`` what the addresses of both operands are multiples of.
    """
    size, own, batch = dtype.itemsize, result.itemsize, found.batch
    if len(found.starts) != 1 or found.columns == 1 or not (dtype.name in SERVED or (tf32 and dtype.name == "float32")):
        return None
    rows, columns, inner = _longer_sizes(found, size, own)
    whole, is_apart, price = None, False, 0  # in operations
    if (rows, columns) != (found.rows, found.columns):
        if found.leading[2] != found.rows or (batch > 1 and found.steps[2] != found.rows * found.columns):
            return None
        made = batch * found.rows * found.columns * own
        whole = _larger_result(found, full, rows, columns, made)
        is_apart = whole is None
        price = PER_BYTE * made if is_apart else PER_BYTE_WITH_GAPS * made if rows != found.rows else 0
    before, after = _stored(found, found.rows, found.columns, found.inner), _stored(found, rows, columns, inner)
    steps = [step if batch > 1 else 0 for step in found.steps]
    leading, copied = list(found.leading), []
    for place in (0, 1):
        lies = leading[place] * size % ALIGNED == steps[place] * size % ALIGNED == alignment % ALIGNED == 0
        if not lies or before[place] != after[place]:
            copied.append(place)
            price += PER_BYTE * (batch if steps[place] else 1) * math.prod(before[place]) * size
    launches = len(copied) + is_apart
    operations = 2 * batch * found.rows * found.columns * found.inner
    if not (launches or whole) or operations < price + PER_COPY * launches:
        return None
    operands: list[Copy | None] = [None, None]
    for place in copied:
        count = batch if steps[place] else 1
        operands[place] = _into_longer(count, before[place], after[place], steps[place], leading[place], size)
        leading[place], steps[place] = after[place][1], math.prod(after[place]) if steps[place] else 0
    out = None
    if whole is not None or is_apart:
        leading[2], steps[2] = rows, rows * columns if batch > 1 else 0
    if is_apart:
        shape = batch, found.columns, found.rows
        strides = (tuple(n * own for n in dense(each)) for each in ((batch, columns, rows), shape))
        launch = launcher(*(Lying(shape, each, own) for each in strides))
        if launch is None:
            return None
        out = Copy(launch, batch * columns * rows * own)
    bias = None
    if "bias" in epilogue and rows != found.rows:
        bias = _into_longer(1, (1, found.rows), (1, rows), 0, found.rows, own)
    (a, b, d), (first, second, third) = leading, steps
    larger = found._replace(rows=rows, columns=columns, inner=inner, leading=(a, b, d), steps=(first, second, third))
    return Lengthened(larger, (operands[0], operands[1]), out, bias, whole)


def _longer_sizes(found: Arranged, size: int, own: int) -> tuple[int, int, int]:
    """Rows, columns and the inner size, longer where some matrix lies side by side along one that is odd."""
    turned_a, turned_b = found.turned
    rows = found.rows * own % ALIGNED or (not turned_a and found.rows * size % ALIGNED)
    columns = turned_b and found.columns * size % ALIGNED
    inner = (turned_a or not turned_b) and found.inner * size % ALIGNED
    return (
        _longer(found.rows, size) if rows else found.rows,
        _longer(found.columns, size) if columns else found.columns,
        _longer(found.inner, size) if inner else found.inner,
    )


def _stored(found: Arranged, rows: int, columns: int, inner: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many rows A and B have in memory, and how wide these are."""
    turned_a, turned_b = found.turned
    return (rows, inner) if turned_a else (inner, rows), (inner, columns) if turned_b else (columns, inner)


def _larger_result(
    found: Arranged, full: tuple[int, ...] | None, rows: int, columns: int, size: int
) -> tuple[int, ...] | None:
    """The shape of which the result is to be a part, if it may be one; it has ``size`` bytes."""
    if full is None or (rows != found.rows and size < LARGE):
        return None
    if columns == found.columns:
        return (*full[:-1], rows)
    return (columns, rows) if found.batch == 1 and len(full) == 2 else None


def with_room(here: Machine, whole: Array, width: int) -> Array:
    """The first ``width`` columns of an array whose others will be zeros for as long as it lives: products take it as it is."""
    place, size = here.address(whole), whole.itemsize

    def forget(_: Any, rooms: Any = _rooms) -> None:
        if rooms.get(place) is entry:
            del rooms[place]

    entry: Any = (width * size, whole.shape[1] * size), weakref.ref(whole, forget)
    _rooms[place] = entry
    return whole[:, :width]


def room_of(array: Array) -> int:
    """How many elements apart the rows of a gradient are to lie: with room, if those of what it is the gradient of have it."""
    rows, width = array.shape
    step: int = array.strides[0] // array.itemsize if rows > 1 and array.strides[1] == array.itemsize else width
    return step if step == _longer(width, array.itemsize) else width


def _longer(width: int, itemsize: int) -> int:
    """A size with room: of whole lines, or, so as not to grow by much, of whole 16 bytes."""
    each = (LINE if width * itemsize >= 32 * LINE else ALIGNED) // itemsize
    return -(-width // each) * each


def _into_longer(
    batch: int, before: tuple[int, int], after: tuple[int, int], step: int, row: int, itemsize: int
) -> Copy:
    """A copy of (count, width) matrices into larger ones, the rest of which is 0."""
    (count, width), (rows, long) = before, after
    kernel, pieces = _kernel(itemsize), long * itemsize // ALIGNED
    across = 32 if pieces >= 32 else 8
    block = (across, 256 // across, 1)
    all_rows = batch * rows
    grid = max(1, min(-(-all_rows // block[1]), 16 * machine().processors))

    def launch(source: int, target: int) -> None:
        kernel(grid, block, source, target, all_rows, rows, count, width, pieces, row, step)

    lies = batch == 1 and rows == count and row == long
    return Copy(launch, all_rows * long * itemsize, (width * itemsize, long * itemsize) if lies else None)


@cache
def _kernel(itemsize: int) -> Kernel:
    return Kernel("padding.cu", "lengthened", "PP7q", UNIT=UNITS[itemsize])
