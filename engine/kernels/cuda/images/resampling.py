"""Images resampled by tables, all axes at once, and sampled at points."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ....capturing import keep_in_capture
from ....dtype import Array, Dtype, accumulator
from ....errors import ShapeError
from ...plans import Plans
from ..complaints import complaints
from ..forms import VECTOR, as_rows, dense, form
from ..layout import blocks_for, channels_last, empty_in_order
from ..machine import Machine, machine
from ..program import SCALARS, Kernel, scalars

__all__ = ["resample", "sample", "sample_weight"]

Result = Any
Plan = Callable[..., Result]

MOST = 64
"""Inputs that one output may be made of; where there are more, the axes go one after another through the body."""
INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)

PLANS: Plans[Plan] = Plans()


def resample(x: Array, *, tables: tuple[Any, ...]) -> Result:
    """The last axes resampled by ``tables``, one for each; None leaves an axis as it is."""
    key = (resample, form(x), tuple(map(id, tables)))
    return (PLANS.get(key) or PLANS.make(key, _plan, x, tables))(x)


def sample(x: Array, weight: Array, index: Array) -> Result:
    """The sum over the taps of ``weight`` times the element that ``index`` numbers."""
    key = (sample, form(x), form(weight), form(index))
    return (PLANS.get(key) or PLANS.make(key, _plan_sample, "sample", x, weight, index, weight))(x, weight, index)


def sample_weight(flow: Array, x: Array, index: Array) -> Result:
    """The gradient of sample for its weights."""
    key = (sample_weight, form(flow), form(x), form(index))
    return (PLANS.get(key) or PLANS.make(key, _plan_sample, "sample_weight", x, flow, index, None))(flow, x, index)


@lru_cache(256)
def _kernel(name: str, signature: str, dtype: Dtype, group: int, last: bool) -> Kernel:
    return Kernel("resampling.cu", name, signature, **scalars(dtype), GROUP=group, LAST=int(last))


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _on_device(here: Machine, table: Any, wide: Dtype) -> tuple[Array, Array | None]:
    """A table's numbers and weights on the GPU, brought there once."""
    kept = table.__dict__.setdefault("_on_device", {})
    found = kept.get((id(here), wide))
    if found is None:
        weights = table.weights(wide)
        index = here.xp.asarray(np.ascontiguousarray(table.index, INT32))
        found = kept[(id(here), wide)] = (index, None if weights is None else here.xp.asarray(np.ascontiguousarray(weights)))  # fmt: skip
    return found  # type: ignore[no-any-return]


def _plan(x: Array, tables: tuple[Any, ...]) -> Plan:
    lead = x.ndim - len(tables)
    if not 0 <= lead <= 2 or len(tables) > 3 or x.dtype not in SCALARS or not x.size or not any(tables):
        return _refuse
    if any(table is not None and x.shape[lead + i] != table.size for i, table in enumerate(tables)):
        return _refuse  # the body says what is wrong
    taps = math.prod(1 if table is None else table.index.shape[1] for table in tables)
    sizes = tuple(x.shape[lead + i] if table is None else len(table.index) for i, table in enumerate(tables))
    if taps > MOST or not math.prod(sizes):
        return _refuse
    shape, dtype, wide = (*x.shape[:lead], *sizes), x.dtype, accumulator(x.dtype)
    row_order, last_order = tuple(range(x.ndim)), channels_last(x.ndim) if lead == 2 else tuple(range(x.ndim))
    step, last = x.itemsize, lead == 2 and x.shape[1] > 1
    for axis in reversed(last_order):
        if x.shape[axis] != 1:
            last = last and x.strides[axis] == step
            step *= x.shape[axis]
    order = last_order if last else row_order
    # Axes that are not there have size 1.
    filler = 3 - len(tables)
    full = (*(1,) * (2 - lead), *x.shape[:lead], *(1,) * filler, *sizes)
    dense_steps, each = {}, 1
    for axis in reversed(order):
        dense_steps[axis] = each
        each *= x.shape[axis]
    own = [dense_steps[axis] for axis in range(x.ndim)]
    steps = (*(0,) * (2 - lead), *own[:lead], *(0,) * filler, *own[lead:])
    elements = math.prod(shape)
    placed = [*(None,) * filler, *tables]

    def compute(x: Array) -> Array:
        here = machine()
        keep_in_capture(f"tables {tuple(map(id, tables))}", lambda: tables)  # a replay reads them
        source, out = as_rows(here, x, order), empty_in_order(here, shape, dtype, order)
        most = VECTOR // dtype.itemsize
        group = most if last and shape[1] % most == 0 and here.address(source) % VECTOR == 0 else 1
        kernel = _kernel("resample", "PP" + "q" * 10 + "PPi" * 3, dtype, group, last)
        held, given = [], []
        for table in placed:
            if table is None:
                given += [0, 0, 1]
                continue
            index, weight = _on_device(here, table, wide)
            held += [index, weight]
            given += [here.address(index), 0 if weight is None else here.address(weight), index.shape[1]]
        kernel(blocks_for(here, elements, group), 256, here.address(source), here.address(out), *full, *steps, *given)
        return out

    # Tables are known by their identity, so the plan keeps them.
    compute.tables = tables  # type: ignore[attr-defined]
    return compute


def _plan_sample(name: str, x: Array, other: Array, index: Array, weight: Array | None) -> Plan:
    if x.ndim != 3 or index.ndim != 3 or index.shape[0] != x.shape[0] or index.dtype.kind not in "iu":
        return _refuse
    wanted = index.shape if weight is not None else (*x.shape[:2], index.shape[2])
    if other.shape != wanted:
        raise ShapeError(
            f"{name}: {tuple(other.shape)} does not fit images {tuple(x.shape)} and index {tuple(index.shape)}"
        )
    if x.dtype not in SCALARS or other.dtype != x.dtype or index.dtype != INT64 or not x.size or not index.size:
        return _refuse
    batch, channels, elements = x.shape
    taps, points = index.shape[1:]
    dtype = x.dtype
    kernel = _kernel(name, "PPPPqqqqqiP", dtype, 1, False)
    shape = (batch, channels, points) if weight is not None else index.shape
    work = batch * -(-channels // 8) * points if weight is not None else index.size

    def compute(first: Array, second: Array, index: Array) -> Array:
        here = machine()
        one, two, numbers, out = dense(here, first), dense(here, second), dense(here, index), here.empty(shape, dtype)
        kernel(
            blocks_for(here, work), 256, here.address(one), here.address(two), here.address(numbers), here.address(out), batch, channels,
            elements, taps, points, *complaints("sample"),
        )  # fmt: skip
        return out

    return compute
