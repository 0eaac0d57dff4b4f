"""The largest few along an axis, and short axes put in order. Of equal elements the first come first, always."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype
from ...plans import Plans
from ..elementwise.operations import STORED
from ..forms import dense, form
from ..machine import machine
from ..program import Kernel

__all__ = ["order_along", "sort_along", "top_along"]

Result = Any
LONGEST = 2048
"""Elements that are put in order in a block's shared memory; CuPy sorts more."""
INT64 = np.dtype(np.int64)
THREADS = 256

PLANS: Plans[Callable[..., Result]] = Plans()


def order_along(x: Array, axis: int = -1, *, descending: bool = False, stable: bool = False) -> Result:
    """The indices that put x in order along ``axis``."""
    return _ordered(x, axis, descending, False)


def sort_along(x: Array, axis: int = -1, *, descending: bool = False, stable: bool = False) -> Result:
    """The values in order along ``axis``, and the indices they had."""
    return _ordered(x, axis, descending, True)


def top_along(x: Array, k: int, axis: int = -1, *, largest: bool = True, in_order: bool = True) -> Result:
    """The ``k`` largest (or smallest) elements along ``axis``, the foremost first, and their indices."""
    key = (top_along, form(x), k, type(k), axis, largest)
    return (PLANS.get(key) or PLANS.make(key, _plan_top, x, k, axis, largest))(x)


def _ordered(x: Array, axis: int, descending: bool, values: bool) -> Result:
    key = (_ordered, form(x), axis, descending, values)
    return (PLANS.get(key) or PLANS.make(key, _plan_ordered, x, axis, descending, values))(x)


def _refuse(_: Any) -> Any:
    return NotImplemented


def _wide(dtype: Dtype) -> bool:
    return dtype.itemsize == 8


@lru_cache(256)
def _kernel(name: str, dtype: Dtype, length: int) -> Kernel:
    key = "unsigned long long" if _wide(dtype) else "unsigned"
    signature = "PPPqiqi" if name == "ordered" else "PPPqqqii"
    return Kernel("ordering.cu", name, signature, SCALAR=STORED[dtype], KEY=key, LENGTH=length)


def _served(x: Array, axis: int) -> bool:
    known = x.dtype in STORED and not (x.dtype.kind == "u" and x.itemsize > 1)
    return known and bool(x.size) and -x.ndim <= axis < x.ndim


def _plan_ordered(x: Array, axis: int, descending: bool, values: bool) -> Callable[[Array], Result]:
    if not _served(x, axis) or x.shape[axis] > LONGEST:
        return _refuse
    axis %= x.ndim
    shape, dtype, size, inner = x.shape, x.dtype, x.shape[axis], math.prod(x.shape[axis + 1 :])
    kernel = _kernel("ordered", dtype, _power(size))
    rows = x.size // size
    threads = min(THREADS, max(32, _power(size) // 2))

    def compute(x: Array) -> Result:
        here = machine()
        address = here.address
        source, order = dense(here, x), here.empty(shape, INT64)
        out = here.empty(shape, dtype) if values else None
        kernel(
            min(rows, 16 * here.processors), threads, address(source), 0 if out is None else address(out), address(order), rows, size, inner,
            int(descending),
        )  # fmt: skip
        return order if out is None else (out, order, order)

    return compute


def _plan_top(x: Array, k: int, axis: int, largest: bool) -> Callable[[Array], Result]:
    if not _served(x, axis) or type(k) is not int or not 0 < k <= min(x.shape[axis], LONGEST // 2):
        return _refuse
    axis %= x.ndim
    size, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if size >= 2**31:
        return _refuse
    shape, dtype = (*x.shape[:axis], k, *x.shape[axis + 1 :]), x.dtype
    kernel, rows = _kernel("foremost", dtype, _power(k)), x.size // size

    def compute(x: Array) -> Result:
        here = machine()
        address = here.address
        source, out, order = dense(here, x), here.empty(shape, dtype), here.empty(shape, INT64)
        kernel(
            min(rows, 16 * here.processors), THREADS, address(source), address(out), address(order), rows, size, inner, k, int(not largest)
        )  # fmt: skip
        return out, order, order

    return compute


def _power(size: int) -> int:
    """The power of two for so many, 32 at least: few kernels are compiled."""
    power = 32
    while power < size:
        power *= 4
    return min(power, LONGEST)
