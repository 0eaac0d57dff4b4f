"""The softmax, its logarithm and their gradients: along rows held in registers, in one pass and a half where they are too wide, along columns otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....dtype import Array
from ....ops.reductions.reduction import normal_axes
from ...plans import Plans
from ..forms import Team, gatherer, row_kernel, row_order, team
from ..layout import BLOCKS_EACH, blocks_for, dense_order, maker
from ..machine import Machine, machine
from ..program import SCALARS

__all__ = ["log_softmax", "log_softmax_input", "softmax", "softmax_input"]

Result = Any
Plan = Callable[..., Result]

TEAMS = ((4, 1), (8, 1), (16, 1), (32, 8), (256, 8), (1024, 4))
NARROW = ((4, 1), (8, 1), (16, 1), (32, 4), (128, 4), (512, 4), (1024, 4))
BACKWARD = ((4, 1), (8, 1), (16, 1), (32, 8), (256, 8), (1024, 2))
"""Threads that share a row, and how many 16-byte accesses each makes for it at most: of numbers of two bytes a thread holds more, the way there."""
COLUMNS = Team(32, 256, 0)
BOOL = np.dtype(np.bool_)

PLANS: Plans[Plan] = Plans()


def softmax(x: Array, *, axis: int = -1) -> Result:
    """exp(x) over its sum along ``axis``."""
    key = (softmax, machine(), x.shape, x.strides, x.dtype, axis, axis.__class__)
    return (PLANS.get(key) or PLANS.make(key, _plan, "softmax", axis, x))(x)


def log_softmax(x: Array, *, axis: int = -1) -> Result:
    """The logarithm of softmax."""
    key = (log_softmax, machine(), x.shape, x.strides, x.dtype, axis, axis.__class__)
    return (PLANS.get(key) or PLANS.make(key, _plan, "log_softmax", axis, x))(x)


def softmax_input(flow: Array, result: Array, *, axis: int) -> Result:
    """The gradient of softmax, from its result."""
    return _back("softmax", flow, result, axis)


def log_softmax_input(flow: Array, result: Array, *, axis: int) -> Result:
    """The gradient of log_softmax, from its result."""
    return _back("log_softmax", flow, result, axis)


def _back(name: str, flow: Array, result: Array, axis: int) -> Result:
    key = (
        name, machine(), flow.shape, flow.strides, flow.dtype, result.shape, result.strides, result.dtype, axis,
    )  # fmt: skip
    return (PLANS.get(key) or PLANS.make(key, _plan, name, axis, result, flow))(flow, result)


def _plan(name: str, axis: int, x: Array, flow: Array | None = None) -> Plan:
    """A plan for the way there, or with ``flow`` for the way back, where ``x`` is the result."""
    normal_axes(name, (axis,), x.ndim)
    if x.dtype not in SCALARS or not x.size or not x.ndim:
        return lambda *_: NotImplemented
    if flow is not None and (flow.dtype != x.dtype or flow.shape != x.shape):
        return lambda *_: NotImplemented
    axis %= x.ndim
    turned = (*(a for a in range(x.ndim) if a != axis), axis)  # the axis last
    rows = row_order(x.transpose(turned), 1)
    back = flow is not None
    shape, dtype = x.shape, x.dtype
    suffix = "_backward" if back else ""
    grid: int
    tail: tuple[int, ...]
    if rows is not None:
        order = tuple(turned[a] for a in rows.order)
        who = team(rows.width * x.itemsize, BACKWARD if back else NARROW if x.itemsize == 2 else TEAMS)
        signature = "PPPqq" if back else "PPqq"
        kernel = row_kernel("softmax.cu", f"{name}_rows{suffix}", signature, dtype, who)
        grid, tail = row_blocks(machine(), rows.number, who), (rows.number, rows.width)
    else:
        who = COLUMNS
        order = dense_order(x) or tuple(range(x.ndim))
        sizes = [shape[a] for a in order]
        place = order.index(axis)
        outer, width, inner = math.prod(sizes[:place]), sizes[place], math.prod(sizes[place + 1 :])
        kernel = row_kernel("softmax.cu", f"{name}_columns{suffix}", "PPPqqq" if back else "PPqqq", dtype, who)
        grid, tail = blocks_for(machine(), outer * inner), (outer, width, inner)

    here = machine()
    gather = gatherer(here, *[(array, order) for array in ([x] if flow is None else [flow, x])])
    make, address = maker(here, shape, dtype, order), here.address
    launch = kernel.prepared(here, grid, who.block, *(None,) * (3 if back else 2), *tail)

    def compute(x: Array) -> Array:
        if gather is not None:
            (x,) = gather(x)
        out = make()
        launch(address(x), address(out))
        return out

    def compute_back(flow: Array, result: Array) -> Array:
        if gather is not None:
            flow, result = gather(flow, result)
        out = make()
        launch(address(flow), address(result), address(out))
        return out

    return compute_back if back else compute


def row_blocks(here: Machine, rows: int, who: Team) -> int:
    """Blocks for so many rows: at most as many as keep every multiprocessor busy several times over."""
    return max(1, min(-(-rows // (who.block // who.threads)), here.processors * BLOCKS_EACH))
