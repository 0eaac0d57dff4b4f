"""Pooling of images, and its gradients by gathering, so that nothing is added by two threads: channels side by side go several at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype
from ....ops.images.pooling import pooled_shape
from ...plans import Plans
from ..forms import VECTOR, fetcher, form, lies
from ..layout import blocks_for, channels_last, maker
from ..machine import machine
from ..program import SCALARS, Kernel, scalars

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
    key = (max_pool2d, machine(), x.shape, x.strides, x.dtype, kernel_size, stride, padding, dilation, ceil_mode, keep)
    found = PLANS.get(key) or PLANS.make(key, _plan_largest, x, kernel_size, stride, padding, dilation, ceil_mode, keep)
    return found(x)


def max_pool2d_input(
    flow: Array, offset: Array, *, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Result:  # fmt: skip
    """What flows back through max_pool2d, added at the places that ``offset`` names."""
    key = (max_pool2d_input, machine(), form(flow), form(offset), shape, kernel_size, stride, padding, dilation)
    found = PLANS.get(key) or PLANS.make(
        key, _plan_largest_input, flow, offset, shape, kernel_size, stride, padding, dilation
    )
    return found(flow, offset)


def avg_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair, padding: Pair = (0, 0), ceil_mode: bool = False, count_include_pad: bool = True
) -> Result:  # fmt: skip
    """The mean of each window."""
    key = (avg_pool2d, machine(), form(x), kernel_size, stride, padding, ceil_mode, count_include_pad)
    found = PLANS.get(key) or PLANS.make(key, _plan_mean, x, kernel_size, stride, padding, ceil_mode, count_include_pad)
    return found(x)


def avg_pool2d_input(
    flow: Array, *, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Result:
    """What flows back through avg_pool2d, shared over each window."""
    key = (avg_pool2d_input, machine(), form(flow), shape, kernel_size, stride, padding, count_include_pad)
    found = PLANS.get(key) or PLANS.make(
        key, _plan_mean_input, flow, shape, kernel_size, stride, padding, count_include_pad
    )
    return found(flow)


def mean(x: Array, axis: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Result:
    """The mean of each image's channels, where those lie side by side."""
    if dtype is not None or x.ndim < 3 or x.dtype not in SCALARS or not x.size:
        return NotImplemented
    if type(axis) is not tuple:
        return NotImplemented if type(axis) is not list else mean(x, tuple(axis), keepdim)
    key = (mean, machine(), x.shape, x.strides, x.dtype, axis, keepdim)
    return (PLANS.get(key) or PLANS.make(key, _plan_whole, x, axis, keepdim))(x)


class _Choice:
    """Launches of a kernel for channels side by side, several in one access, and of the one for single numbers."""

    def __init__(
        self, name: str, signature: str, dtype: Dtype, order: tuple[int, ...], channels: int, elements: int, offset: Dtype, *given: int
    ) -> None:  # fmt: skip
        here, last, most = machine(), order != ROW_ORDER, VECTOR // dtype.itemsize
        opens = signature.count("P")

        def launches(group: int) -> Callable[..., None]:
            kernel = _kernel(name, signature, dtype, group, last, offset)
            return kernel.prepared(here, blocks_for(here, elements, group), 256, *(None,) * opens, *given)

        self.several = launches(most if last and channels % most == 0 else 1)
        self._launches = launches

    @cached_property
    def single(self) -> Callable[..., None]:
        """For arrays that begin where 16 bytes cannot be read."""
        return self._launches(1)


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


def _far(shape: tuple[int, ...]) -> bool:
    """Whether images are so high or wide that places in them and their frames pass 31 bits."""
    return max(shape[2:]) >= 1 << 30


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan_largest(
    x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool, keep: bool
) -> Plan:
    sizes = pooled_shape("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    if x.dtype not in SCALARS or not x.size or _far(x.shape):
        return _refuse
    order, shape, dtype = _order(x), x.shape, x.dtype
    out_shape = (*shape[:2], *sizes)
    # Whatever number a place has in its window fits a byte, mostly.
    offset_dtype = BYTE if math.prod(kernel_size) <= 256 else INT32
    given = (*_steps(shape, order), *shape, *sizes, *kernel_size, *stride, *padding, *dilation)
    here = machine()
    fetch, make, make_offset = fetcher(x, order), maker(here, out_shape, dtype, order), maker(here, out_shape, offset_dtype, order)  # fmt: skip
    choice = _Choice("max_pool", "PPPqqqq" + SIZES, dtype, order, shape[1], math.prod(out_shape), offset_dtype, *given)
    address = here.address

    def compute(x: Array) -> Result:
        source, out = fetch(here, x), make()
        offset = make_offset() if keep else None
        place = address(source)
        launch = choice.single if place % VECTOR else choice.several
        launch(place, address(out), 0 if offset is None else address(offset))
        return out, offset

    return compute


def _plan_largest_input(
    flow: Array, offset: Array, shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Plan:
    if (
        flow.dtype not in SCALARS
        or offset.dtype not in OFFSETS
        or offset.shape != flow.shape
        or not flow.size
        or _far(shape)
    ):
        return _refuse
    order, out_shape, dtype = _order(offset), flow.shape, flow.dtype
    given = (*_steps(out_shape, order), *shape, *out_shape[2:], *kernel_size, *stride, *padding, *dilation)
    here = machine()
    fetch, fetch_offset, make = fetcher(flow, order), fetcher(offset, order), maker(here, shape, dtype, order)
    choice = _Choice("max_pool_input", "PPPqqqq" + SIZES, dtype, order, shape[1], math.prod(shape), offset.dtype, *given)  # fmt: skip
    address = here.address

    def compute(flow: Array, offset: Array) -> Result:
        arrived, places, out = fetch(here, flow), fetch_offset(here, offset), make()
        first, second = address(arrived), address(places)
        launch = choice.single if (first | second) % VECTOR else choice.several
        launch(first, second, address(out))
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
    if flow.dtype not in SCALARS or not flow.size or _far(shape):
        return _refuse
    order = _order(flow)
    given = (*_steps(flow.shape, order), *shape, *flow.shape[2:], *kernel_size, *stride, *padding, 1, 1, int(count_include_pad))  # fmt: skip
    return _moved("avg_pool_input", flow, order, shape, given)


def _plan_whole(x: Array, axis: tuple[int, ...], keepdim: bool) -> Plan:
    around, order = tuple(range(2, x.ndim)), channels_last(x.ndim)
    if tuple(sorted(a % x.ndim for a in axis)) != around or x.shape[0] > OUTER or x.shape[1] == 1 or not lies(x, order):
        return _refuse
    here, channels = machine(), x.shape[1]
    most = VECTOR // x.itemsize

    def launches(group: int) -> Callable[..., None]:
        grid = (-(-channels // (32 * group)), x_shape[0], 1)
        return _kernel("global_columns", "PPqq", dtype, group, True, INT32).prepared(here, grid, 256, None, None, channels, size)  # fmt: skip

    x_shape, dtype, size = x.shape, x.dtype, math.prod(x.shape[2:])
    several = launches(most if channels % most == 0 else 1)
    make = maker(here, (*x.shape[:2], *((1,) * len(around) if keepdim else ())), dtype)
    address = here.address

    def compute(x: Array) -> Array:
        place, out = address(x), make()
        (launches(1) if place % VECTOR else several)(place, address(out))
        return out

    return compute


def _moved(name: str, x: Array, order: tuple[int, ...], out_shape: tuple[int, ...], given: tuple[int, ...]) -> Plan:
    """A plan that computes ``out_shape`` from one array."""
    here = machine()
    fetch, make, address = fetcher(x, order), maker(here, out_shape, x.dtype, order), here.address
    choice = _Choice(name, "PPqqqq" + SIZES + "i", x.dtype, order, out_shape[1], math.prod(out_shape), INT32, *given)

    def compute(x: Array) -> Result:
        source, out = fetch(here, x), make()
        place = address(source)
        launch = choice.single if place % VECTOR else choice.several
        launch(place, address(out))
        return out

    return compute
