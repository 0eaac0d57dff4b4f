"""Running sums and products along an axis, kept in float64 or in 64 bits, in one fixed order."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ....dtype import Array, Dtype
from ...plans import Plans
from ..elementwise.operations import STORED
from ..forms import dense, form
from ..layout import blocks_for
from ..machine import machine
from ..program import SCALARS, Kernel

__all__ = ["running_product", "running_sum"]

Result = Any
PLANS: Plans[Callable[[Array], Result]] = Plans()


def running_sum(x: Array, axis: int, *, reverse: bool = False) -> Result:
    """The sum of each element and all before it (after it, in ``reverse``) along ``axis``."""
    return _scanned(x, axis, reverse, 0)


def running_product(x: Array, axis: int, *, reverse: bool = False) -> Result:
    """The product of each element and all before it (after it, in ``reverse``) along ``axis``."""
    return _scanned(x, axis, reverse, 1)


def _scanned(x: Array, axis: int, reverse: bool, product: int) -> Result:
    key = (form(x), axis, reverse, product)
    return (PLANS.get(key) or PLANS.make(key, _plan, x, axis, reverse, product))(x)


@lru_cache(64)
def _kernel(name: str, signature: str, dtype: Dtype, product: int) -> Kernel:
    total = "double" if dtype in SCALARS else "long long"
    return Kernel("scanning.cu", name, signature, SCALAR=STORED[dtype], TOTAL=total, PRODUCT=product)


def _plan(x: Array, axis: int, reverse: bool, product: int) -> Callable[[Array], Result]:
    served = x.dtype in SCALARS or x.dtype.name in ("int64", "int32")
    if not served or not x.size or not -x.ndim <= axis < x.ndim:
        return lambda _: NotImplemented
    axis %= x.ndim
    shape, dtype, size, inner = x.shape, x.dtype, x.shape[axis], math.prod(x.shape[axis + 1 :])
    rows = x.size // size
    here = machine()
    if inner == 1:
        kernel, blocks = _kernel("scan_rows", "PPqqi", dtype, product), min(rows, 16 * here.processors)
        numbers: tuple[int, ...] = (rows, size, int(reverse))
    else:
        kernel, blocks = _kernel("scan_columns", "PPqqqi", dtype, product), blocks_for(here, rows)
        numbers = (rows, size, inner, int(reverse))

    def compute(x: Array) -> Result:
        here = machine()
        source, out = dense(here, x), here.empty(shape, dtype)
        kernel(blocks, 256, here.address(source), here.address(out), *numbers)
        return out

    return compute
