"""Rows of tables, picked by number and added up by number: always in the same order, and without looking at the numbers on the CPU.

To add up, the numbers' ranks are counted, each against all others, which needs the fewest launches; many are put in order digit by
digit. Then runs of equal numbers are added up in pieces, so that one number for all is no slower than many.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype, accumulator
from ....errors import ShapeError
from ...plans import Plans
from ..complaints import complaints
from ..forms import dense, form
from ..layout import BLOCKS_EACH, blocks_for, maker
from ..machine import Machine, machine
from ..program import SCALARS, Kernel, scalars

__all__ = ["pick_rows", "place_rows", "sum_rows", "take_rows"]

Result = Any
Plan = Callable[..., Result]

INDICES = {
    np.dtype(np.int64): "index_t",
    np.dtype(np.int32): "int",
    np.dtype(np.int16): "short",
    np.dtype(np.uint8): "uchar",
}
UNITS = {16: "quad", 8: "index_t", 4: "uint", 2: "ushort", 1: "uchar"}
"""What is copied at once, by its bytes."""
RANKED = 1 << 15
"""More numbers than these are put in order by their digits: counting ranks takes the square of their number."""
SHARE = 2048
SHARES = 256
"""Numbers that a block takes at least, and blocks at most, to put numbers in order."""
PIECE = 32
OUTER = 65535
FLOAT32, INT32, INT64 = np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.int64)

PLANS: Plans[Plan] = Plans()


def take_rows(table: Array, index: Array, *, padding: int | None = None, by_frequency: bool = False) -> Result:
    """The rows of a table whose numbers ``index`` holds."""
    key = (take_rows, machine(), form(table), form(index))
    return (PLANS.get(key) or PLANS.make(key, _plan_take, table, index))(table, index)


def sum_rows(x: Array, index: Array, *, rows: int) -> Result:
    """A table of ``rows`` rows, each the sum of the rows of x that ``index`` assigns to it."""
    key = (sum_rows, form(x), form(index), rows)
    return (PLANS.get(key) or PLANS.make(key, _plan_sum, x, index, rows))(x, index)


def pick_rows(x: Array, *, rows: Any) -> Result:
    """The rows at these places of the first axis, each named once."""
    if len(rows) != 1 or not x.flags.c_contiguous or x.ndim < 1 or not x.size:
        return NotImplemented
    index = _there(rows[0])
    if index is None:
        return NotImplemented
    found = take_rows(x.reshape(x.shape[0], -1), index)
    return found if found is NotImplemented else found.reshape(*index.shape, *x.shape[1:])


def place_rows(x: Array, *, rows: Any, shape: tuple[int, ...], value: float = 0.0) -> Result:
    """A tensor of ``shape`` full of ``value`` but for x, at these places of the first axis."""
    index = _there(rows[0]) if len(rows) == 1 else None
    if index is None or not x.size or x.shape != (*index.shape, *shape[1:]) or x.dtype not in SCALARS:
        return NotImplemented
    here, width = machine(), x.size // index.size
    source, numbers = dense(here, x), dense(here, index)
    out = here.xp.full(shape, value, x.dtype) if value else here.zeros(shape, x.dtype)
    unit = next(unit for unit in UNITS if not (width * x.itemsize | here.address(source) | here.address(out)) % unit)
    kernel = _kernel("put_rows", "PPPqqq", x.dtype, UNITS[unit], INDICES[index.dtype])
    kernel(
        min(-(-index.size // 8), here.processors * BLOCKS_EACH), 256, here.address(source), here.address(numbers), here.address(out), index.size,
        width * x.itemsize // unit, shape[0],
    )  # fmt: skip
    return out


def _there(index: Any) -> Any:
    """An index of whole numbers on the GPU, or None where it is something else."""
    if not hasattr(index, "dtype") or index.dtype not in INDICES or index.ndim != 1 or not index.size:
        return None
    return machine().xp.asarray(index) if isinstance(index, np.ndarray) else index


@lru_cache(512)
def _kernel(name: str, signature: str, dtype: Dtype, unit: str, index: str) -> Kernel:
    named = scalars(dtype) if dtype in SCALARS else scalars(np.dtype(np.float32))
    return Kernel("table.cu", name, signature, **named, UNIT=unit, INDEX=index)


def _plan_take(table: Array, index: Array) -> Plan:
    if table.ndim != 2 or index.dtype not in INDICES or not table.size or not index.size:
        return lambda *_: NotImplemented
    rows, width = table.shape
    flat = table.strides[1] == table.itemsize or width == 1
    shape, dtype = (*index.shape, width), table.dtype
    bytes_wide, step = width * table.itemsize, table.strides[0] if flat and rows > 1 else width * table.itemsize
    named = INDICES[index.dtype]
    most = next(unit for unit in UNITS if bytes_wide % unit == 0 and step % unit == 0)
    if step < 0:
        flat, step = False, bytes_wide
    here, count, size = machine(), index.size, dtype.itemsize
    blocks = min(-(-count // 8), here.processors * BLOCKS_EACH)
    make, address, told = maker(here, shape, dtype), here.address, complaints("take_rows")

    def launches(unit: int) -> Callable[..., None]:
        kernel = _kernel("take_rows", "PPPqqqqiP", dtype, UNITS[unit], named)
        return kernel.prepared(
            here, blocks, 256, None, None, None, count, bytes_wide // unit, step // unit, rows, *told
        )

    widest = launches(most)

    def compute(table: Array, index: Array) -> Array:
        complaints("take_rows")  # raises what was complained of before
        source, numbers, out = table if flat else dense(here, table), dense(here, index), make()
        place = address(source)
        (launches(size) if place % most else widest)(place, address(numbers), address(out))
        return out

    return compute


def _plan_sum(x: Array, index: Array, rows: int) -> Plan:
    if not x.ndim or x.shape[:-1] != index.shape:
        raise ShapeError(
            f"sum_rows: x {tuple(x.shape)} must have one row for each number of index {tuple(index.shape)}"
        )
    if x.dtype not in SCALARS or index.dtype not in INDICES or not x.size or not 0 < rows < 1 << 31:
        return lambda *_: NotImplemented
    count, width, dtype, wide = index.size, x.shape[-1], x.dtype, accumulator(x.dtype)
    if count >= 1 << 31:
        return lambda *_: NotImplemented
    piece = max(PIECE, -(-count // OUTER))
    pieces, tiles = -(-count // piece), -(-width // 128)
    named = INDICES[index.dtype]
    add, join = (_kernel(*of, dtype, "uint", named) for of in (("sum_pieces", "PPPPPPqqqi"), ("sum_runs", "PPPPqqqi")))

    def compute(x: Array, index: Array) -> Array:
        here = machine()
        address = here.address
        source, numbers = dense(here, x), dense(here, index)
        order, ordered = _sorted(here, numbers, count, rows, named)
        out, parts = here.zeros((rows, width), dtype), here.empty((2, pieces, width), wide)
        heads = address(parts)
        tails = heads + pieces * width * wide.itemsize
        add(
            (tiles, pieces, 1), 128, address(source), address(order), address(ordered), address(out), heads, tails, count, width, rows, piece
        )  # fmt: skip
        join((tiles, pieces, 1), 128, address(ordered), address(out), heads, tails, count, width, rows, piece)
        return out

    return compute


def _sorted(here: Machine, numbers: Array, count: int, rows: int, named: str) -> tuple[Array, Array]:
    """The places of the numbers in rising order, equal ones in theirs, and the numbers; those that lie outside come last, as ``rows``."""
    if count > RANKED:
        return _by_digits(here, numbers, count, rows, named)
    who, words = complaints("sum_rows")
    ranks, keys = here.zeros((count,), INT32), here.empty((count,), INT32)
    blocks = -(-count // 256)
    shares = max(1, min(-(-2 * here.processors // blocks), -(-count // 1024)))
    rank = _kernel("rank_rows", "PPPiqiP", FLOAT32, "uint", named)
    rank((blocks, shares, 1), 256, here.address(numbers), here.address(ranks), here.address(keys), count, rows, who, words)  # fmt: skip
    order, ordered = here.empty((count,), INT64), here.empty((count,), INT32)
    place = _kernel("place_rows", "PPPPi", FLOAT32, "uint", named)
    place(blocks, 256, here.address(ranks), here.address(keys), here.address(order), here.address(ordered), count)
    return order, ordered


def _by_digits(here: Machine, numbers: Array, count: int, rows: int, named: str) -> tuple[Array, Array]:
    """The same for many numbers."""
    address = here.address
    keys, order, spare_keys, spare_order = (here.empty((count,), dtype) for dtype in (INT32, INT64, INT32, INT64))
    first = _kernel("key_rows", "PPPqqiP", FLOAT32, "uint", named)
    first(blocks_for(here, count), 256, address(numbers), address(keys), address(order), count, rows, *complaints("sum_rows"))  # fmt: skip
    share = -(-max(SHARE, -(-count // SHARES)) // 256) * 256
    blocks = -(-count // share)
    counts = here.empty((256 * blocks,), INT32)
    tell, start, move = (
        _kernel(name, signature, FLOAT32, "uint", named)
        for name, signature in (("count_digits", "PPqqi"), ("start_digits", "Pi"), ("move_digits", "PPPPPqqi"))
    )
    for shift in range(0, rows.bit_length(), 8):
        tell(blocks, 256, address(keys), address(counts), count, share, shift)
        start(1, 256, address(counts), blocks)
        move(
            blocks, 256, address(keys), address(order), address(spare_keys), address(spare_order), address(counts), count, share, shift,
        )  # fmt: skip
        keys, order, spare_keys, spare_order = spare_keys, spare_order, keys, order
    return order, keys
