"""Pooling of images, and its gradients by gathering, so that nothing is added by two threads: channels side by side go several at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, Dtype
from ...ops.images.pooling import pooled_shape
from ..plans import Plans
from .forms import VECTOR, fetcher, form, lies, maker
from .layout import blocks_for, channels_last
from .machine import machine
from .program import SCALARS, Kernel, scalars

__all__ = ["avg_pool2d", "avg_pool2d_input", "max_pool2d", "max_pool2d_input", "mean"]

Result = Any
Plan = Callable[..., Result]
Pair = tuple[int, int]

ROW_ORDER, LAST = (0, 1, 2, 3), channels_last(4)
BYTE, INT32 = np.dtype(np.uint8), np.dtype(np.int32)
OFFSETS = {BYTE: "uchar", INT32: "int"}
OUTER = 65535
"""Blocks that a grid's second axis may have."""

PLANS: Plans[Plan] = Plans()


def max_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1), ceil_mode: bool = False,
    keep: bool = True,
) -> Result:  # fmt: skip
    """The largest element of each window, and with ``keep`` its place in the window (row by row, the first of equals)."""
    key = (max_pool2d, form(x), kernel_size, stride, padding, dilation, ceil_mode, keep)
    found = PLANS.get(key) or PLANS.make(key, _plan_largest, x, kernel_size, stride, padding, dilation, ceil_mode, keep)
    return found(x)


def max_pool2d_input(
    flow: Array, offset: Array, *, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Result:  # fmt: skip
    """What flows back through max_pool2d, added at the places that ``offset`` names."""
    key = (max_pool2d_input, form(flow), form(offset), shape, kernel_size, stride, padding, dilation)
    found = PLANS.get(key) or PLANS.make(
        key, _plan_largest_input, flow, offset, shape, kernel_size, stride, padding, dilation
    )
    return found(flow, offset)


def avg_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair, padding: Pair = (0, 0), ceil_mode: bool = False, count_include_pad: bool = True
) -> Result:  # fmt: skip
    """The mean of each window."""
    key = (avg_pool2d, form(x), kernel_size, stride, padding, ceil_mode, count_include_pad)
    found = PLANS.get(key) or PLANS.make(key, _plan_mean, x, kernel_size, stride, padding, ceil_mode, count_include_pad)
    return found(x)


def avg_pool2d_input(
    flow: Array, *, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Result:
    """What flows back through avg_pool2d, shared over each window."""
    key = (avg_pool2d_input, form(flow), shape, kernel_size, stride, padding, count_include_pad)
    found = PLANS.get(key) or PLANS.make(
        key, _plan_mean_input, flow, shape, kernel_size, stride, padding, count_include_pad
    )
    return found(flow)


def mean(x: Array, axis: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The mean of each image's channels, where those lie side by side."""
    if dtype is not None or x.ndim < 3 or x.dtype not in SCALARS or not x.size:
        return NotImplemented
    around = tuple(range(2, x.ndim))
    if type(axis) not in (tuple, list) or tuple(sorted(a % x.ndim for a in axis)) != around or x.shape[0] > OUTER:
        return NotImplemented
    order = channels_last(x.ndim)
    if x.shape[1] == 1 or not lies(x, order):
        return NotImplemented
    here, channels = machine(), x.shape[1]
    most = VECTOR // x.itemsize
    group = most if channels % most == 0 and here.address(x) % VECTOR == 0 else 1
    out = here.empty((*x.shape[:2], *((1,) * len(around) if keepdim else ())), x.dtype)
    _kernel("global_columns", "PPqq", x.dtype, group, True, INT32)(
        (-(-channels // (32 * group)), x.shape[0], 1), 256, here.address(x), here.address(out), channels, math.prod(x.shape[2:])
    )  # fmt: skip
    return out


class _Choice:
    """A kernel for channels side by side, several in one access, and the one for single numbers, with their numbers of blocks."""

    def __init__(self, name: str, signature: str, dtype: Dtype, order: tuple[int, ...], channels: int, elements: int, offset: Dtype) -> None:  # fmt: skip
        here, last, most = machine(), order != ROW_ORDER, VECTOR // dtype.itemsize
        single = (_kernel(name, signature, dtype, 1, last, offset), blocks_for(here, elements))
        fits = last and channels % most == 0
        several = (_kernel(name, signature, dtype, most, last, offset), blocks_for(here, elements, most))
        self.found = (several if fits else single, single)

    def __call__(self, *addresses: int) -> tuple[Kernel, int]:
        """The kernel for arrays at these addresses, and its blocks."""
        low = 0
        for address in addresses:
            low |= address
        return self.found[low % VECTOR != 0]


@lru_cache(512)
def _kernel(name: str, signature: str, dtype: Dtype, group: int, last: bool, offset: Dtype) -> Kernel:
    return Kernel("pooling.cu", name, signature, **scalars(dtype), GROUP=group, LAST=int(last), OFFSET=OFFSETS[offset])


SIZES = "qqqqqqiiiiiiii"


def _steps(shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, ...]:
    """How many elements apart the neighbours along each axis are, in an array without gaps."""
    steps, step = [0] * len(shape), 1
    for axis in reversed(order):
        steps[axis] = step
        step *= shape[axis]
    return tuple(steps)


def _order(x: Array) -> tuple[int, ...]:
    """In which order images are walked: channels innermost, unless they lie in row order."""
    return ROW_ORDER if lies(x, ROW_ORDER) and not lies(x, LAST) else LAST


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan_largest(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool, keep: bool
) -> Plan:
    sizes = pooled_shape("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    if x.dtype not in SCALARS or not x.size:
        return _refuse
    order, shape, dtype = _order(x), x.shape, x.dtype
    out_shape = (*shape[:2], *sizes)
    # Whatever number a place has in its window fits a byte, mostly.
    offset_dtype = BYTE if math.prod(kernel_size) <= 256 else INT32
    given = (*_steps(shape, order), *shape, *sizes, *kernel_size, *stride, *padding, *dilation)
    fetch, make, make_offset = fetcher(x, order), maker(out_shape, dtype, order), maker(out_shape, offset_dtype, order)
    choose = _Choice("max_pool", "PPPqqqq" + SIZES, dtype, order, shape[1], math.prod(out_shape), offset_dtype)

    def compute(x: Array) -> Result:
        here = machine()
        source, out = fetch(here, x), make(here)
        offset = make_offset(here) if keep else None
        address = here.address(source)
        kernel, blocks = choose(address)
        kernel(blocks, 256, address, here.address(out), 0 if offset is None else here.address(offset), *given)
        return out, offset

    return compute


def _plan_largest_input(
    flow: Array, offset: Array, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Plan:
    if flow.dtype not in SCALARS or offset.dtype not in OFFSETS or offset.shape != flow.shape or not flow.size:
        return _refuse
    order, out_shape, dtype = _order(offset), flow.shape, flow.dtype
    given = (*_steps(out_shape, order), *shape, *out_shape[2:], *kernel_size, *stride, *padding, *dilation)
    fetch, fetch_offset, make = fetcher(flow, order), fetcher(offset, order), maker(shape, dtype, order)
    choose = _Choice("max_pool_input", "PPPqqqq" + SIZES, dtype, order, shape[1], math.prod(shape), offset.dtype)

    def compute(flow: Array, offset: Array) -> Result:
        here = machine()
        arrived, places, out = fetch(here, flow), fetch_offset(here, offset), make(here)
        addresses = here.address(arrived), here.address(places)
        kernel, blocks = choose(*addresses)
        kernel(blocks, 256, *addresses, here.address(out), *given)
        return out

    return compute


def _plan_mean(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, ceil_mode: bool, count_include_pad: bool
) -> Plan:
    sizes = pooled_shape("avg_pool2d", x, kernel_size, stride, padding, (1, 1), ceil_mode)
    if x.dtype not in SCALARS or not x.size:
        return _refuse
    order, shape = _order(x), x.shape
    out_shape = (*shape[:2], *sizes)
    given = (*_steps(shape, order), *shape, *sizes, *kernel_size, *stride, *padding, 1, 1, int(count_include_pad))
    return _moved("avg_pool", x, order, out_shape, given)


def _plan_mean_input(
    flow: Array, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Plan:
    if flow.dtype not in SCALARS or not flow.size:
        return _refuse
    order = _order(flow)
    given = (*_steps(flow.shape, order), *shape, *flow.shape[2:], *kernel_size, *stride, *padding, 1, 1, int(count_include_pad))  # fmt: skip
    return _moved("avg_pool_input", flow, order, shape, given)


def _moved(name: str, x: Array, order: tuple[int, ...], out_shape: tuple[int, ...], given: tuple[int, ...]) -> Plan:
    """A plan that computes ``out_shape`` from one array."""
    fetch, make = fetcher(x, order), maker(out_shape, x.dtype, order)
    choose = _Choice(name, "PPqqqq" + SIZES + "i", x.dtype, order, out_shape[1], math.prod(out_shape), INT32)

    def compute(x: Array) -> Result:
        here = machine()
        source, out = fetch(here, x), make(here)
        address = here.address(source)
        kernel, blocks = choose(address)
        kernel(blocks, 256, address, here.address(out), *given)
        return out

    return compute
