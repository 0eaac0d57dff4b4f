"""Arrays joined along an axis that they have or get: one launch for all that lie as rows, else a copy for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ....dtype import Array
from ....ops.layers.heads import side_by_side
from ...plans import Plans
from ..elementwise.operations import IMAGE, Lying
from ..layout import blocks_for, maker
from ..machine import machine
from ..program import Kernel
from .transposing import UNITS, kept_order, launcher, row_strides

__all__ = ["cat_along", "join_heads", "stack_along"]

Result = Any
Plan = Callable[[tuple[Array, ...]], Result]
COUNTS = (2, 4, 16, 64)
"""Arrays for which the kernel is compiled: the next number from theirs on."""
NEVER = (1 << 62) - 1
"""Where a part that is not there would begin."""

PLANS: Plans[Plan] = Plans()


def cat_along(*tensors: Array, axis: int) -> Result:
    """Arrays of one dtype, one behind the other along ``axis``."""
    key = (cat_along, machine(), axis, *[(x.shape, x.strides, x.dtype) for x in tensors])
    return (PLANS.get(key) or PLANS.make(key, _plan_cat, tensors, axis))(tensors)


def stack_along(*tensors: Array, axis: int) -> Result:
    """Arrays of one shape and dtype side by side along a new axis."""
    key = (stack_along, machine(), axis, *[(x.shape, x.strides, x.dtype) for x in tensors])
    return (PLANS.get(key) or PLANS.make(key, _plan_stack, tensors, axis))(tensors)


def join_heads(query: Array, key: Array, value: Array, *, batch_first: bool) -> Result:
    """The projection that split_heads cut: itself where it is one, else a copy."""
    found = side_by_side(query, key, value, batch_first)
    if found is not None:
        return found
    parts = query, key, value
    name = (join_heads, machine(), batch_first, *[(x.shape, x.strides, x.dtype) for x in parts])
    return (PLANS.get(name) or PLANS.make(name, _plan_heads, parts, batch_first))(parts)


def _refuse(_: Any) -> Any:
    return NotImplemented


def _plan_cat(tensors: tuple[Array, ...], axis: int) -> Plan:
    first = tensors[0]
    rest = [(*x.shape[:axis], *x.shape[axis + 1 :]) for x in tensors]
    if not 0 <= axis < first.ndim or any(x.dtype != first.dtype for x in tensors) or len({*rest}) > 1:
        return _refuse
    return _planned([Lying(x.shape, x.strides, x.itemsize) for x in tensors], first.dtype, axis) or _refuse


def _plan_stack(tensors: tuple[Array, ...], axis: int) -> Plan:
    first = tensors[0]
    if not 0 <= axis <= first.ndim or any(x.dtype != first.dtype or x.shape != first.shape for x in tensors):
        return _refuse
    grown = [
        Lying((*x.shape[:axis], 1, *x.shape[axis:]), (*x.strides[:axis], 0, *x.strides[axis:]), x.itemsize)
        for x in tensors
    ]
    return _planned(grown, first.dtype, axis) or _refuse


def _plan_heads(tensors: tuple[Array, ...], batch_first: bool) -> Plan:
    first = tensors[0]
    if any(x.dtype != first.dtype or x.shape != first.shape or x.ndim != 4 for x in tensors):
        return _refuse
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    turned = []
    for x in tensors:
        shape, strides = (tuple(given[axis] for axis in order) for given in (x.shape, x.strides))
        turned.append(Lying((*shape[:2], 1, *shape[2:]), (*strides[:2], 0, *strides[2:]), x.itemsize))
    plan = _planned(turned, first.dtype, 2, rows=True)
    if plan is None:
        return _refuse
    shape = (*(first.shape[axis] for axis in order[:2]), 3 * first.shape[1] * first.shape[3])
    found = plan
    return lambda tensors: found(tensors).reshape(shape)


def _planned(parts: Sequence[Any], dtype: Any, axis: int, *, rows: bool = False) -> Plan | None:
    """What joins arrays that lie like these; the result lies in row order, or as the largest image does."""
    sizes = [part.shape[axis] for part in parts]
    shape = (*parts[0].shape[:axis], sum(sizes), *parts[0].shape[axis + 1 :])
    if not math.prod(shape):
        return None
    largest = max(parts, key=lambda part: math.prod(part.shape))
    order = tuple(range(len(shape))) if rows or len(shape) < IMAGE else _order(largest)
    inner = tuple(shape[a] for a in order)
    make = maker(machine(), shape, dtype, order)
    place = order.index(axis)
    turned = [
        Lying(tuple(part.shape[a] for a in order), tuple(part.strides[a] for a in order), part.itemsize)
        for part in parts
    ]
    there = [number for number, size in enumerate(sizes) if size]
    steps = [_as_rows(turned[number], place) for number in there]
    if None in steps or len(there) > COUNTS[-1]:
        return _each_copied(turned, sizes, inner, dtype, place, make)
    return _launched(there, [step or 0 for step in steps], turned, inner, place, dtype, make)


def _order(part: Any) -> tuple[int, ...]:
    """The order of axes in memory; an axis of one element goes where row order has it."""
    strides = list(part.strides)
    step = part.itemsize
    for axis in reversed(range(len(strides))):
        if part.shape[axis] == 1:
            strides[axis] = step
        step = max(step, abs(strides[axis]) * part.shape[axis])
    return kept_order(Lying(part.shape, tuple(strides), part.itemsize))


def _as_rows(part: Any, place: int) -> int | None:
    """How many elements apart rows over the axes from ``place`` on begin, if they lie side by side in steps of one size; else None."""
    step = part.itemsize
    for size, stride in zip(reversed(part.shape[place:]), reversed(part.strides[place:]), strict=True):
        if size != 1 and stride != step:
            return None
        step *= size
    between = [(n, s) for n, s in zip(part.shape[:place], part.strides[:place], strict=True) if n != 1]
    for (_, outer), (n, stride) in pairwise(between):
        if outer != n * stride:
            return None
    return between[-1][1] // part.itemsize if between else 0


def _each_copied(
    parts: Sequence[Any], sizes: Sequence[int], shape: tuple[int, ...], dtype: Any, place: int, make: Callable[[], Array]
) -> Plan:  # fmt: skip
    """A copy for each part into its place."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    strides = row_strides(shape, dtype.itemsize)
    launches = []
    for part in parts:
        launch = launcher(part, Lying(part.shape, strides, dtype.itemsize))
        if launch is None:
            return _refuse
        launches.append(launch)
    offsets, address = [start * strides[place] for start in starts], machine().address

    def run(tensors: tuple[Array, ...]) -> Array:
        out = make()
        base = address(out)
        for x, launch, offset in zip(tensors, launches, offsets, strict=True):
            launch(address(x), base + offset)
        return out

    return run


@lru_cache(64)
def _kernel(unit: int, most: int, index: str) -> Kernel:
    return Kernel("joining.cu", "joined", f"{most}P{2 * most}qPqq", UNIT=UNITS[unit], MOST=most, INDEX=index)


def _launched(
    there: Sequence[int], steps: Sequence[int], parts: Sequence[Any], shape: tuple[int, ...], place: int, dtype: Any, make: Callable[[], Array]
) -> Plan:  # fmt: skip
    """One launch for all; only parts that hold something are named."""
    after = math.prod(shape[place + 1 :])
    begins = [0]
    for number in there:
        begins.append(begins[-1] + parts[number].shape[place] * after)
    width, count = begins[-1], math.prod(shape)
    most = next(number for number in COUNTS if number >= len(there))
    unit = size = dtype.itemsize
    while unit < 16 and not any(number % (2 * unit // size) for number in (*begins, *steps)):
        unit *= 2
    spare = most - len(there)
    blanks = (0,) * spare
    everything = len(there) == len(parts)

    here = machine()

    def prepared(unit: int) -> Callable[..., None]:
        times = unit // size
        kernel = _kernel(unit, most, "unsigned" if count // times < 2**31 else "index_t")
        fixed = (*(step // times for step in steps), *blanks, *(b // times for b in begins[:-1]), *(NEVER,) * spare)
        return kernel.prepared(
            here, blocks_for(here, count // times), 256, *(None,) * len(there), *blanks, *fixed, None, count // times, width // times
        )  # fmt: skip

    held, address = {unit: prepared(unit)}, here.address

    def run(tensors: tuple[Array, ...]) -> Array:
        places = [address(x) for x in tensors] if everything else [address(tensors[number]) for number in there]
        out = make()
        low = 0
        for at in places:
            low |= at
        now = unit
        while low % now:
            now //= 2
        (held.get(now) or held.setdefault(now, prepared(now)))(*places, address(out))
        return out

    return run
