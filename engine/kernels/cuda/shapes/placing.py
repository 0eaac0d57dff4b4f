"""Arrays within larger ones, with whatever border, and turned around their ends: one launch that walks the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ....dtype import Array, Dtype, accumulator
from ....ops.indexing.indices import is_basic
from ...plans import Plans
from ..elementwise.operations import divider
from ..forms import dense
from ..layout import blocks_for, channels_last, dense_order
from ..machine import machine
from ..program import SCALARS, Kernel, scalars
from .transposing import UNITS, kept_order

__all__ = ["bordered", "padded", "rolled", "spread_items", "tril", "triu", "unbordered"]

Result = Any
Widths = tuple[tuple[int, int], ...]
MOST = 6
"""Axes of a walk."""
AXES = f"ii{5 * MOST}q{2 * MOST}I{MOST}i"
BORDERS = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}

PLANS: Plans[Any] = Plans()


class Along(NamedTuple):
    """An axis of the result: its size, where the source begins and how large it is, its elements' distance there and in memory, and the border."""

    size: int
    start: int
    held: int
    apart: int
    stride: int
    border: int

    @property
    def is_plain(self) -> bool:
        """Whether the source fills the axis."""
        return self.start == 0 and self.size == self.held and self.apart == 1


def padded(x: Array, widths: Widths, value: float = 0.0) -> Result:
    """``widths`` = (before, after) elements of ``value`` around each axis; memory order is kept."""
    key = (padded, x.shape, x.strides, x.dtype, widths, value or str(value))  # -0.0 is not 0.0
    return (PLANS.get(key) or PLANS.make(key, _plan_bordered, x, widths, "constant", value))(x)


def bordered(x: Array, widths: Widths, mode: str) -> Result:
    """``widths`` elements around each axis that repeat those inside; memory order is kept."""
    key = (bordered, x.shape, x.strides, x.dtype, widths, mode)
    return (PLANS.get(key) or PLANS.make(key, _plan_bordered, x, widths, mode, 0.0))(x)


def unbordered(x: Array, widths: Widths, mode: str) -> Result:
    """The inner part, with what lies around it added to the elements that it repeats."""
    key = (unbordered, x.shape, x.strides, x.dtype, widths, mode)
    return (PLANS.get(key) or PLANS.make(key, _plan_unbordered, x, widths, mode))(x)


def rolled(x: Array, shifts: tuple[int, ...], axis: tuple[int, ...]) -> Result:
    """Elements moved by ``shifts`` along ``axis``, those pushed out coming back at the other end."""
    key = (rolled, x.shape, x.strides, x.dtype, shifts, axis)
    return (PLANS.get(key) or PLANS.make(key, _plan_rolled, x, shifts, axis))(x)


def spread_items(x: Array, shape: tuple[int, ...], index: Any) -> Result:
    """Zeros of ``shape`` with x at an index of numbers and slices."""
    if not is_basic(index):
        return NotImplemented
    parts = index if type(index) is tuple else (index,)
    named = tuple([(p.start, p.stop, p.step) if p.__class__ is slice else p for p in parts])
    key = (spread_items, x.shape, x.strides, x.dtype, shape, named)
    return (PLANS.get(key) or PLANS.make(key, _plan_spread, x, shape, parts))(x)


def tril(x: Array, diagonal: int = 0) -> Result:
    """Matrices with zeros above a diagonal."""
    return _triangle(x, diagonal, 0)


def triu(x: Array, diagonal: int = 0) -> Result:
    """Matrices with zeros below a diagonal."""
    return _triangle(x, diagonal, 1)


# ---- plans -------------------------------------------------------------------------------------------------------


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _most(mode: str, size: int) -> float:
    """How many elements a border may add at an end of so many."""
    return {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}.get(mode, math.inf)


def _plan_bordered(x: Array, widths: Widths, mode: str, value: float) -> Any:
    if len(widths) != x.ndim or mode not in BORDERS or min((w for pair in widths for w in pair), default=0) < 0:
        return _refuse
    if any(max(pair) > _most(mode, n) for n, pair in zip(x.shape, widths, strict=True)):
        return _refuse
    along = [
        Along(before + n + after, before, n, 1, 0 if n == 1 else step // x.itemsize, BORDERS[mode])
        for n, step, (before, after) in zip(x.shape, x.strides, widths, strict=True)
    ]
    return _placed(along, x.dtype, _order(x), value)


def _plan_rolled(x: Array, shifts: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    if len(shifts) != len(axis) or any(not -x.ndim <= a < x.ndim for a in axis) or not x.size:
        return _refuse
    total = [0] * x.ndim
    for shift, a in zip(shifts, axis, strict=True):
        total[a] += shift
    along = [
        Along(n, shift % n, n, 1, 0 if n == 1 else step // x.itemsize, BORDERS["circular"])
        for n, step, shift in zip(x.shape, x.strides, total, strict=True)
    ]
    return _placed(along, x.dtype, _order(x), 0)


def _plan_spread(x: Array, shape: tuple[int, ...], parts: tuple[Any, ...]) -> Any:
    """The axes of the result one by one; a slice that steps backwards is walked from its other end."""
    named = sum(part is not None and part is not Ellipsis for part in parts)
    whole = (slice(None),) * (len(shape) - named)
    place = parts.index(Ellipsis) if any(part is Ellipsis for part in parts) else len(parts)
    full = (*parts[:place], *whole, *parts[place + 1 :])
    if sum(part is not None for part in full) != len(shape) or any(part is Ellipsis for part in full):
        return _refuse
    along, offset, own = [], 0, 0
    sizes = iter(shape)
    for part in full:
        if part is None:
            if own >= x.ndim or x.shape[own] != 1:
                return _refuse
            own += 1
            continue
        size = next(sizes)
        if not isinstance(part, slice):
            if not -size <= part < size:
                return _refuse
            along.append(Along(size, part % size, 1, 1, 0, 0))
            continue
        start, stop, step = part.indices(size)
        held = len(range(start, stop, step))
        if own >= x.ndim or x.shape[own] != held:
            return _refuse
        stride = 0 if held == 1 else x.strides[own] // x.itemsize
        if step < 0 and held:
            offset += (held - 1) * stride
            start, step, stride = start + (held - 1) * step, -step, -stride
        along.append(Along(size, start, held, 1 if held < 2 else step, stride, 0))
        own += 1
    if own != x.ndim or not x.size:
        return _refuse
    # What comes back is laid as what was sliced would be: in the order of the gradient's own axes.
    order = tuple(sorted(range(len(along)), key=lambda a: (-abs(along[a].stride) if along[a].held > 1 else -1, a)))
    kept = [a for a in order if along[a].held > 1]
    plain = kept == sorted(kept) or 0 in (along[a].stride for a in kept)
    images = channels_last(len(along)) if len(along) > 3 else ()
    chosen = tuple(range(len(along))) if plain or order != images else images
    return _placed(along, x.dtype, chosen, 0, offset * x.itemsize)


def _order(x: Array) -> tuple[int, ...]:
    """The order of the result's axes: that of x in memory, row order where that fits as well."""
    if x.flags.c_contiguous:
        return tuple(range(x.ndim))
    return dense_order(x) or kept_order(x)


def _placed(along: Sequence[Along], dtype: Dtype, order: tuple[int, ...], value: Any, offset: int = 0) -> Any:
    """What makes an array with these axes, which lie in this order."""
    shape = tuple(each.size for each in along)
    inner = tuple(shape[axis] for axis in order)
    count = math.prod(shape)
    if not count or dtype.itemsize not in UNITS:
        return _refuse
    walked = _joined([along[axis] for axis in order])
    if len(walked) > MOST:
        return _refuse
    size = unit = dtype.itemsize
    while unit < 16 and walked[-1].stride == 1 and _may_be_joined(walked, 2 * unit // size):
        unit *= 2
    with np.errstate(all="ignore"):
        number = np.asarray(value).astype(dtype)
    if dtype.kind in "iub" and number != value:
        return _refuse  # which the body is to say
    pattern = np.full(16 // size, number, dtype).view(np.uint64)
    filling = int(pattern[0]), int(pattern[1])
    back = None if order == tuple(range(len(shape))) else tuple(sorted(range(len(order)), key=order.__getitem__))
    held: dict[int, tuple[Any, ...]] = {}

    def prepared(unit: int) -> tuple[Any, ...]:
        times = unit // size
        now = [*walked]
        if times > 1:
            last = now[-1]
            now = [each._replace(stride=each.stride // times) for each in now]
            now[-1] = last._replace(size=last.size // times, start=last.start // times, held=last.held // times)
        units = count // times
        kernel = _kernel("placed", "PPqQQ" + AXES, unit, "unsigned" if units < 2**31 else "index_t")
        return kernel, blocks_for(machine(), units), (units, *filling, *_numbers(now))

    def run(x: Array) -> Any:
        here = machine()
        out: Any = here.empty(inner, dtype)
        source, now = here.address(x) + offset, unit
        while source % now:
            now //= 2
        kernel, blocks, numbers = held.get(now) or held.setdefault(now, prepared(now))
        kernel(blocks, 256, source, here.address(out), *numbers)
        return out if back is None else out.transpose(back)

    return run


def _joined(along: list[Along]) -> list[Along]:
    """Fewer axes: those that are filled are one with a neighbour that they follow in memory, if that is filled too or only begins elsewhere."""
    found: list[Along] = []
    for each in along:
        if each.size == 1 and each.held == 1:
            continue
        before = found[-1] if found else None
        if (
            before is not None
            and each.is_plain
            and before.apart == 1
            and before.border in (0, 3)
            and (before.held == 1 or before.stride == each.stride * each.size)
            and (each.stride or before.held == 1)
        ):
            times = each.size
            found[-1] = Along(before.size * times, before.start * times, before.held * times, 1, each.stride, before.border)  # fmt: skip
        else:
            found.append(each)
    return found or [Along(1, 0, 1, 1, 0, 0)]


def _may_be_joined(walked: Sequence[Along], times: int) -> bool:
    """Whether so many neighbours along the last axis may be moved as one."""
    last = walked[-1]
    if last.apart != 1 or (last.border not in (0, 3) and not last.is_plain):
        return False
    return not any(n % times for n in (last.size, last.start, last.held, *(each.stride for each in walked[:-1])))


def _numbers(walked: Sequence[Along]) -> tuple[int, ...]:
    spare = MOST - len(walked)
    rows = [[*row, *([1] * spare)] for row in zip(*(each[:5] for each in walked), strict=True)]
    multipliers, shifts = zip(*(divider(each.size) for each in walked), strict=True)
    blank = (0,) * spare
    return (
        len(walked), 0, *(number for row in rows for number in row), *multipliers, *blank, *shifts, *blank, *(each.border for each in walked), *blank,
    )  # fmt: skip


@lru_cache(64)
def _kernel(name: str, signature: str, unit: int, index: str) -> Kernel:
    return Kernel("placing.cu", name, signature, UNIT=UNITS[unit], INDEX=index)


@lru_cache(64)
def _sums(given: Dtype, result: Dtype, index: str) -> Kernel:
    more = {"NARROW": SCALARS[result][0]} if result != given else {}
    return Kernel("placing.cu", "gathered_in", "PP5qi", **scalars(given), INDEX=index, **more)


def _plan_unbordered(x: Array, widths: Widths, mode: str) -> Any:
    """One launch for each axis that has borders; between them the sums stay wide."""
    if x.dtype not in SCALARS or not x.size or len(widths) != x.ndim or mode not in BORDERS or mode == "constant":
        return _refuse
    inside = [n - before - after for n, (before, after) in zip(x.shape, widths, strict=True)]
    if min(inside) < 1 or any(max(pair) > _most(mode, n) for n, pair in zip(inside, widths, strict=True)):
        return _refuse
    order = _order(x)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    sizes = [x.shape[axis] for axis in order]
    steps: list[tuple[Kernel, int, tuple[int, ...], tuple[int, ...], Dtype]] = []
    touched = [place for place in reversed(range(len(order))) if any(widths[order[place]])]
    given = x.dtype
    for number, place in enumerate(touched):
        start, size, held = widths[order[place]][0], sizes[place], inside[order[place]]
        sizes[place] = held
        count = math.prod(sizes)
        result = x.dtype if number == len(touched) - 1 else accumulator(x.dtype)
        kernel = _sums(given, result, "unsigned" if max(count, count // held * size) < 2**31 else "index_t")
        numbers = (count, size, start, held, math.prod(sizes[place + 1 :]), BORDERS[mode])
        steps.append((kernel, blocks_for(machine(), count), tuple(sizes), numbers, result))
        given = result
    if not steps:
        return _refuse
    straight = order == tuple(range(x.ndim))

    def run(x: Array) -> Any:
        here = machine()
        now: Any = dense(here, x if straight else x.transpose(order))
        for kernel, blocks, shape, numbers, dtype in steps:
            out = here.empty(shape, dtype)
            kernel(blocks, 256, here.address(now), here.address(out), *numbers)
            now = out
        return now if straight else now.transpose(back)

    return run


def _triangle(x: Array, diagonal: Any, upper: int) -> Any:
    if x.ndim < 2 or not x.size or x.itemsize not in UNITS or type(diagonal) is not int:
        return NotImplemented
    here = machine()
    source, out = dense(here, x), here.empty(x.shape, x.dtype)
    kernel = _kernel("triangle", "PP4qi", x.itemsize, "unsigned" if x.size < 2**31 else "index_t")
    kernel(
        blocks_for(here, x.size), 256, here.address(source), here.address(out), x.size, *x.shape[-2:], diagonal - upper, upper,
    )  # fmt: skip
    return out
