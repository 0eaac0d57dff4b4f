"""The softmax, its logarithm and their gradients: along rows held in registers, in one pass and a half where they are too wide, along columns otherwise.

``masked_softmax`` and its gradient serve attention whose scores are held: scaled, biased, hidden and normalised in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, Dtype
from ...errors import DtypeError, ShapeError
from ...ops.reductions.reduction import normal_axes
from ..plans import Plans
from .forms import Team, as_rows, dense, fetcher, form, maker, row_kernel, row_order, team
from .layout import BLOCKS_EACH, blocks_for, dense_order
from .machine import Machine, machine
from .program import SCALARS, Kernel

__all__ = ["log_softmax", "log_softmax_input", "masked_softmax", "masked_softmax_backward", "softmax", "softmax_input"]

Result = Any
Plan = Callable[..., Result]

TEAMS = ((32, 8), (256, 8), (1024, 4))
BACKWARD = ((32, 8), (256, 8), (1024, 2))
"""Threads that share a row, and how many 16-byte accesses each makes for it at most."""
COLUMNS = Team(32, 256, 0)
BOOL = np.dtype(np.bool_)

PLANS: Plans[Plan] = Plans()


def softmax(x: Array, *, axis: int = -1) -> Result:
    """exp(x) over its sum along ``axis``."""
    key = (softmax, form(x), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan, "softmax", axis, x))(x)


def log_softmax(x: Array, *, axis: int = -1) -> Result:
    """The logarithm of softmax."""
    key = (log_softmax, form(x), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan, "log_softmax", axis, x))(x)


def softmax_input(flow: Array, result: Array, *, axis: int) -> Result:
    """The gradient of softmax, from its result."""
    key = (softmax_input, form(flow), form(result), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan, "softmax", axis, result, flow))(flow, result)


def log_softmax_input(flow: Array, result: Array, *, axis: int) -> Result:
    """The gradient of log_softmax, from its result."""
    key = (log_softmax_input, form(flow), form(result), axis)
    return (PLANS.get(key) or PLANS.make(key, _plan, "log_softmax", axis, result, flow))(flow, result)


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
    tail: tuple[int | float, ...]
    if rows is not None:
        order = tuple(turned[a] for a in rows.order)
        who = team(rows.width * x.itemsize, BACKWARD if back else TEAMS)
        signature = "PPPqqW" if back else "PPqq"
        kernel = row_kernel("softmax.cu", f"{name}_rows{suffix}", signature, dtype, who)
        grid, tail = row_blocks(machine(), rows.number, who), (rows.number, rows.width, 1.0)[: 3 if back else 2]
    else:
        who = COLUMNS
        order = dense_order(x) or tuple(range(x.ndim))
        sizes = [shape[a] for a in order]
        place = order.index(axis)
        outer, width, inner = math.prod(sizes[:place]), sizes[place], math.prod(sizes[place + 1 :])
        kernel = row_kernel("softmax.cu", f"{name}_columns{suffix}", "PPPqqq" if back else "PPqqq", dtype, who)
        grid, tail = blocks_for(machine(), outer * inner), (outer, width, inner)

    fetches, make, block = [fetcher(array, order) for array in ([x] if flow is None else [flow, x])], maker(shape, dtype, order), who.block  # fmt: skip

    def compute(*given: Array) -> Array:
        here = machine()
        sources = [fetch(here, array) for fetch, array in zip(fetches, given, strict=True)]
        out = make(here)
        kernel(grid, block, *map(here.address, sources), here.address(out), *tail)
        return out

    return compute


def row_blocks(here: Machine, rows: int, who: Team) -> int:
    """Blocks for so many rows."""
    return max(1, min(-(-rows // (who.block // who.threads)), here.processors * BLOCKS_EACH))


def masked_softmax(scores: Array, bias: Array | None = None, *, causal: bool = False, scale: float = 1.0) -> Array:
    """softmax(scores scale + bias) along the last axis, where ``causal`` hides keys behind their query.

    scores (..., queries, keys), with two axes before these at most; bias broadcasts: booleans let through where they are True, numbers of the
    scores' dtype are added. A query that may see no key gets 0.
    """
    key = (masked_softmax, form(scores), form(bias), causal)
    return (PLANS.get(key) or PLANS.make(key, _plan_masked, scores, bias, causal))(scores, bias, scale)


def masked_softmax_backward(flow: Array, weights: Array, *, scale: float = 1.0) -> Array:
    """The gradient of masked_softmax for the scores: weights (flow - sum of weights flow) scale."""
    key = (masked_softmax_backward, form(flow), form(weights))
    return (PLANS.get(key) or PLANS.make(key, _plan_masked_backward, flow, weights))(flow, weights, scale)


def _plan_masked(scores: Array, bias: Array | None, causal: bool) -> Plan:
    if not 2 <= scores.ndim <= 4 or scores.dtype not in SCALARS:
        raise ShapeError(
            "masked_softmax: wants scores (queries, keys) with two axes before them at most, of a floating-point dtype, "
            f"not {scores.dtype} {tuple(scores.shape)}"
        )
    if bias is not None and bias.dtype not in (scores.dtype, BOOL):
        raise DtypeError(f"masked_softmax: the bias must be booleans or {scores.dtype}, not {bias.dtype}")
    shape, dtype = scores.shape, scores.dtype
    queries, keys = shape[-2:]
    heads = shape[-3] if scores.ndim > 2 else 1
    if not scores.size:
        return lambda scores, bias, scale: machine().empty(shape, dtype)
    who = team(keys * scores.itemsize, TEAMS)
    kernel = row_kernel("softmax.cu", "masked_softmax_rows", "PPqqWPPqqqqqqi", dtype, who)
    rows = scores.size // keys
    grid = row_blocks(machine(), rows, who)
    order = tuple(range(len(shape)))
    steps, hides = (0, 0, 0, 0), bias is not None and bias.dtype == BOOL
    if bias is not None:
        try:
            spread = np.broadcast_shapes(bias.shape, shape)
        except ValueError:
            spread = ()
        if spread != shape:
            raise ShapeError(f"masked_softmax: a bias {tuple(bias.shape)} does not broadcast to scores {tuple(shape)}")
        own = [0] * (4 - bias.ndim) + [
            stride // bias.itemsize if size != 1 else 0 for stride, size in zip(bias.strides, bias.shape, strict=True)
        ]
        steps = (own[0], own[1], own[2], own[3])

    def compute(scores: Array, bias: Array | None, scale: float) -> Array:
        here = machine()
        source, out = as_rows(here, scores, order), here.empty(shape, dtype)
        place = 0 if bias is None else here.address(bias)
        kernel(
            grid, who.block, here.address(source), here.address(out), rows, keys, scale, 0 if hides else place, place if hides else 0,
            heads, queries, *steps, int(causal),
        )  # fmt: skip
        return out

    return compute


def _plan_masked_backward(flow: Array, weights: Array) -> Plan:
    if flow.shape != weights.shape or flow.dtype != weights.dtype or flow.dtype not in SCALARS or not flow.ndim:
        raise ShapeError(
            f"masked_softmax_backward: flow {flow.dtype} {tuple(flow.shape)} and weights {weights.dtype} {tuple(weights.shape)} must agree"
        )
    shape, dtype = weights.shape, weights.dtype
    if not weights.size:
        return lambda flow, weights, scale: machine().empty(shape, dtype)
    who = team(shape[-1] * weights.itemsize, BACKWARD)
    kernel = _backward(dtype, who)
    rows = weights.size // shape[-1]
    grid = row_blocks(machine(), rows, who)

    def compute(flow: Array, weights: Array, scale: float) -> Array:
        here = machine()
        arrived, made, out = dense(here, flow), dense(here, weights), here.empty(shape, dtype)
        kernel(grid, who.block, here.address(arrived), here.address(made), here.address(out), rows, shape[-1], scale)
        return out

    return compute


@lru_cache
def _backward(dtype: Dtype, who: Team) -> Kernel:
    return row_kernel("softmax.cu", "softmax_rows_backward", "PPPqqW", dtype, who)
