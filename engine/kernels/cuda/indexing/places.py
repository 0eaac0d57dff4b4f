"""Elements picked along an axis by number, and their gradient: the numbers are looked at on the GPU alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype, kind
from ...plans import Plans
from ..complaints import complaints
from ..forms import dense, form
from ..layout import blocks_for
from ..machine import machine
from ..program import SCALARS, Kernel, scalars
from .rows import INDICES, UNITS

__all__ = ["gather_along", "largest_along", "nll", "product_along", "smallest_along", "spread_along", "take_slices"]

Result = Any
Plan = Callable[..., Result]

COMPARED = 256
"""So many numbers along the axis are asked for each place of a gradient at most; of more the body adds them where they point to."""
MOST_COMPARED = 1 << 34
"""So many numbers are asked altogether where their order matters nothing but sorting them would wait for the GPU."""
AXES = 4
WHOLE = {np.dtype(np.int32): "int", np.dtype(np.int64): "index_t"}

PLANS: Plans[Plan] = Plans()


def gather_along(x: Array, index: Array, *, axis: int) -> Result:
    """The element at ``index`` along ``axis``, for each place of ``index``."""
    key = (gather_along, form(x), form(index), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan_gather, x, index, axis))(x, index)


def spread_along(x: Array, index: Array, *, shape: tuple[int, ...], axis: int) -> Result:
    """Zeros of ``shape`` with x added at ``index`` along ``axis``."""
    key = (spread_along, form(x), form(index), shape, axis)
    return (PLANS.get(key) or PLANS.make(key, _plan_spread, x, index, shape, axis))(x, index)


def product_along(x: Array, src: Array, index: Array, *, axis: int) -> Result:
    """The product of x and of what ``src`` puts at each place."""
    return _combined(0, x, src, index, axis)


def largest_along(x: Array, src: Array, index: Array, *, axis: int) -> Result:
    """The largest of x and of what ``src`` puts at each place."""
    return _combined(1, x, src, index, axis)


def smallest_along(x: Array, src: Array, index: Array, *, axis: int) -> Result:
    """The smallest of x and of what ``src`` puts at each place."""
    return _combined(2, x, src, index, axis)


def _combined(how: int, x: Array, src: Array, index: Array, axis: int) -> Result:
    key = (how, form(x), form(src), form(index), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan_combined, how, x, src, index, axis))(x, src, index)


def take_slices(x: Array, index: Array, *, axis: int) -> Result:
    """The slices along ``axis`` whose numbers ``index`` holds."""
    key = (take_slices, form(x), form(index), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan_slices, x, index, axis))(x, index)


def nll(x: Array, target: Array, scale: Array) -> Result:
    """-x[i, target[i]] scale[i] for rows of log-probabilities."""
    key = (nll, form(x), form(target), form(scale))
    return (PLANS.get(key) or PLANS.make(key, _plan_nll, x, target, scale))(x, target, scale)


def _refuse(*_: Any) -> Any:
    return NotImplemented


@lru_cache(512)
def _kernel(name: str, signature: str, dtype: Dtype, unit: str, index: str) -> Kernel:
    named = scalars(dtype if dtype in SCALARS else np.dtype(np.float32))
    return Kernel("places.cu", name, signature, **named, UNIT=unit, INDEX=index)


def _four(values: tuple[int, ...], filler: int) -> tuple[int, ...]:
    return (filler,) * (AXES - len(values)) + tuple(values)


def _steps(array: Array, without: int) -> tuple[int, ...]:
    """Steps in elements, 0 for one axis."""
    return _four(tuple(0 if i == without else s // array.itemsize for i, s in enumerate(array.strides)), 0)


def _fits(x: tuple[int, ...], index: Array, axis: int) -> bool:
    """Whether an index is one of x; of others the body says what is wrong."""
    if index.dtype not in INDICES or len(x) != index.ndim or not 0 < index.ndim <= AXES:
        return False
    return all(small <= large for i, (small, large) in enumerate(zip(index.shape, x, strict=True)) if i != axis)


def _plan_gather(x: Array, index: Array, axis: int) -> Plan:
    if not -x.ndim <= axis < x.ndim or not x.size or not index.size:
        return _refuse
    axis %= x.ndim
    if not _fits(x.shape, index, axis) or x.itemsize not in UNITS or kind(index.dtype) != 1:
        return _refuse
    kernel = _kernel("gather_along", "PPP" + "q" * 15 + "iP", x.dtype, UNITS[x.itemsize], INDICES[index.dtype])
    shape, dtype, count = index.shape, x.dtype, index.size
    given = (
        count, *_four(shape, 1), *_steps(x, axis), *_steps(index, -1), x.strides[axis] // x.itemsize, x.shape[axis],
    )  # fmt: skip

    return _launched(kernel, shape, dtype, given, "gather")


def _launched(kernel: Kernel, shape: tuple[int, ...], dtype: Dtype, given: tuple[int, ...], who: str) -> Plan:
    """What fills a new array of `shape` with a thread for each element; `given` follows the addresses, its first is how many there are."""

    def compute(x: Array, index: Array) -> Array:
        here = machine()
        out = here.empty(shape, dtype)
        addresses = here.address(x), here.address(index), here.address(out)
        kernel(blocks_for(here, given[0]), 256, *addresses, *given, *complaints(who))
        return out

    return compute


def _plan_spread(x: Array, index: Array, shape: tuple[int, ...], axis: int) -> Plan:
    if x.dtype not in SCALARS or not x.size or not -len(shape) <= axis < len(shape) or x.shape != index.shape:
        return _refuse
    axis %= len(shape)
    number = index.shape[axis] if index.ndim > axis else 0
    if not _fits(shape, index, axis) or number > COMPARED:
        return _refuse
    kernel = _kernel("spread_along", "PPP" + "q" * 17 + "iqqqqiP", x.dtype, "uint", INDICES[index.dtype])
    count, dtype = math.prod(shape), x.dtype
    given = (
        count, *_four(shape, 1), *_four(index.shape, 1), *_steps(x, axis), *_steps(index, axis), axis + AXES - len(shape), number,
        x.strides[axis] // x.itemsize, index.strides[axis] // index.itemsize, shape[axis],
    )  # fmt: skip

    return _launched(kernel, shape, dtype, given, "spread_along")


def _plan_combined(how: int, x: Array, src: Array, index: Array, axis: int) -> Plan:
    whole: dict[str, str | int] = (
        {"SCALAR": WHOLE[x.dtype], "WIDE": WHOLE[x.dtype], "WHOLE": 1} if x.dtype in WHOLE else {}
    )
    if (
        not (whole or x.dtype in SCALARS)
        or src.dtype != x.dtype
        or src.shape != index.shape
        or not x.size
        or not index.size
    ):
        return _refuse
    axis %= x.ndim
    number, count, shape, dtype = index.shape[axis], x.size, x.shape, x.dtype
    if not _fits(shape, index, axis) or number * count > MOST_COMPARED:
        return _refuse
    named = {**(whole or scalars(x.dtype)), "UNIT": "uint", "INDEX": INDICES[index.dtype], "HOW": how}
    kernel = Kernel("places.cu", "combine_along", "PPPP" + "q" * 21 + "iqqqqiP", **named)
    given = (
        count, *_four(shape, 1), *_four(index.shape, 1), *_steps(x, -1), *_steps(src, axis), *_steps(index, axis), axis + AXES - len(shape),
        number, src.strides[axis] // src.itemsize, index.strides[axis] // index.itemsize, shape[axis],
    )  # fmt: skip

    def compute(x: Array, src: Array, index: Array) -> Array:
        here = machine()
        out = here.empty(shape, dtype)
        addresses = here.address(x), here.address(src), here.address(index), here.address(out)
        kernel(blocks_for(here, count), 256, *addresses, *given, *complaints("combine_along"))
        return out

    return compute


def _plan_slices(x: Array, index: Array, axis: int) -> Plan:
    if not -x.ndim <= axis < x.ndim or index.ndim != 1 or index.dtype not in INDICES or not x.size or not index.size:
        return _refuse
    axis %= x.ndim
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    shape, dtype, size = (*x.shape[:axis], index.size, *x.shape[axis + 1 :]), x.dtype, x.shape[axis]
    bytes_wide, named = inner * x.itemsize, INDICES[index.dtype]
    if x.itemsize not in UNITS:
        return _refuse
    most = next(unit for unit in UNITS if bytes_wide % unit == 0)

    def compute(x: Array, index: Array) -> Array:
        here = machine()
        source, numbers, out = dense(here, x), dense(here, index), here.empty(shape, dtype)
        address = here.address(source)
        unit = most if address % most == 0 else dtype.itemsize
        kernel = _kernel("take_slices", "PPPqqqqiP", dtype, UNITS[unit], named)
        units = bytes_wide // unit
        kernel(
            blocks_for(here, outer * shape[axis] * units), 256, address, here.address(numbers), here.address(out), outer, shape[axis], units,
            size, *complaints("index_select"),
        )  # fmt: skip
        return out

    return compute


def _plan_nll(x: Array, target: Array, scale: Array) -> Plan:
    if x.dtype not in SCALARS or scale.dtype != x.dtype or target.dtype not in INDICES or x.ndim != 2 or not x.size:
        return _refuse
    count, classes = x.shape
    if target.shape != (count,) or scale.shape != (count,):
        return _refuse
    kernel, dtype = _kernel("nll", "PPPPqqqqqqiP", x.dtype, "uint", INDICES[target.dtype]), x.dtype
    given = (
        count, *(step // x.itemsize for step in x.strides), target.strides[0] // target.itemsize, scale.strides[0] // scale.itemsize, classes,
    )  # fmt: skip

    def compute(x: Array, target: Array, scale: Array) -> Array:
        here = machine()
        out = here.empty((count,), dtype)
        addresses = (here.address(array) for array in (x, target, scale, out))
        kernel(blocks_for(here, count), 256, *addresses, *given, *complaints("cross_entropy"))
        return out

    return compute
