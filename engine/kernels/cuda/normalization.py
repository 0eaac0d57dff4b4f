"""Layer normalisation, and normalisation by the root of the mean square: a row is read once, held by a warp or a block, and written once.

Their gradients take one more pass over what the blocks added up for weight and bias, always in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ...dtype import Array, Dtype, accumulator
from ...ops.layers.grouping import check_rms_norm
from ...ops.layers.normalization import check_layer_norm
from ..plans import Plans
from .forms import Rows, Team, fetcher, form, maker, parameter, plain_rows, row_kernel, row_order, team
from .machine import Machine, machine
from .program import SCALARS, Kernel, scalars

Result = Any
Plan = Callable[..., Result]

FORWARD = ((32, 8), (256, 8), (1024, 4))
BACKWARD = ((32, 6), (128, 4), (512, 4), (1024, 0))
NARROW_BACKWARD = ((32, 3), (128, 3), (512, 2), (1024, 0))
"""Threads that share a row, and how many 16-byte accesses each makes for it at most, so that all stays in registers.

On the way back twice the numbers are held, and two sums of each, which take more room where the numbers are narrow.
"""
PARTS = 64
"""Blocks that share the rows where columns are added up on their own."""

PLANS: Plans[Plan] = Plans()


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, epsilon: float = 1e-5, axes: int = 1
) -> Result:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias over the last axes, with each example's mean and factor."""
    key = (layer_norm, form(x), form(weight), form(bias), axes)
    return (PLANS.get(key) or PLANS.make(key, _plan_forward, True, x, weight, bias, axes))(x, weight, bias, epsilon)


def rms_norm(x: Array, weight: Array | None = None, *, epsilon: float = 1e-6, axes: int = 1) -> Result:
    """x / sqrt(mean of x^2 + epsilon) over the last axes, times weight, with each example's factor."""
    key = (rms_norm, form(x), form(weight), axes)
    return (PLANS.get(key) or PLANS.make(key, _plan_forward, False, x, weight, None, axes))(x, weight, None, epsilon)


def layer_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, axes: int = 1
) -> Result:
    """The gradients of layer_norm for x, weight and bias."""
    key = (layer_norm_backward, form(flow), form(x), form(weight), form(mean), form(inverse), axes)
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, True, flow, x, weight, mean, inverse, axes)
    return found(flow, x, weight, mean, inverse)


def rms_norm_backward(flow: Array, x: Array, weight: Array | None, inverse: Array, *, axes: int = 1) -> Result:
    """The gradients of rms_norm for x and weight."""
    key = (rms_norm_backward, form(flow), form(x), form(weight), form(inverse), axes)
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, False, flow, x, weight, None, inverse, axes)
    return found(flow, x, weight, None, inverse)


def refuse(*_: Any) -> Any:
    """The plan for what is left to the body."""
    return NotImplemented


def _plan_forward(centred: bool, x: Array, weight: Array | None, bias: Array | None, axes: int) -> Plan:
    if centred:
        check_layer_norm(x, weight, bias, axes)
    else:
        check_rms_norm(x, weight, axes)
    named = parameter(x.dtype, weight, bias) if x.dtype in SCALARS else None
    if named is None or not x.size:
        return refuse
    rows = row_order(x, axes) or plain_rows(x, axes)
    who = team(rows.width * x.itemsize, FORWARD)
    signature = "PPPPPPqqW" if centred else "PPPPqqW"
    kernel = row_kernel("layer_norm.cu", "layer_norm" if centred else "rms_norm", signature, x.dtype, who, PARAM=named)
    kept, wide, dtype, shape, order = (*x.shape[: x.ndim - axes], *(1,) * axes), accumulator(x.dtype), x.dtype, x.shape, rows.order  # fmt: skip
    here = machine()
    blocks = _blocks(here, rows.number, who, 8)
    fetch, fetch_weight, fetch_bias = fetcher(x, order), fetcher(weight), fetcher(bias)
    make, keep, number, width, block = (
        maker(shape, dtype, order),
        maker(kept, wide, order),
        rows.number,
        rows.width,
        who.block,
    )

    def compute(x: Array, weight: Array | None, bias: Array | None, epsilon: float) -> Result:
        here = machine()
        address = here.address
        source, weight, bias = fetch(here, x), fetch_weight(here, weight), fetch_bias(here, bias)
        out, inverse = make(here), keep(here)
        scale = 0 if weight is None else address(weight)
        if not centred:
            kernel(blocks, block, address(source), scale, address(out), address(inverse), number, width, epsilon)  # fmt: skip
            return out, inverse
        mean = keep(here)
        kernel(
            blocks, block, address(source), scale, 0 if bias is None else address(bias), address(out), address(mean),
            address(inverse), number, width, epsilon,
        )  # fmt: skip
        return out, mean, inverse

    return compute


def _plan_backward(
    centred: bool, flow: Array, x: Array, weight: Array | None, mean: Array | None, inverse: Array, axes: int
) -> Plan:
    named = parameter(x.dtype, weight) if x.dtype in SCALARS else None
    wide = accumulator(x.dtype)
    kept = (*x.shape[: x.ndim - axes], *(1,) * axes)
    statistics = [vector for vector in (mean, inverse) if vector is not None]
    fits = all(vector.shape == kept and vector.dtype == wide for vector in statistics)
    if named is None or not x.size or flow.dtype != x.dtype or flow.shape != x.shape or not fits:
        return refuse
    rows = row_order(x, axes) or plain_rows(x, axes)
    who = team(rows.width * x.itemsize, BACKWARD if x.itemsize > 2 else NARROW_BACKWARD)
    signature = "PPPPPPPPqq" if centred else "PPPPPPqq"
    name = "layer_norm_backward" if centred else "rms_norm_backward"
    kernel = row_kernel("layer_norm.cu", name, signature, x.dtype, who, PARAM=named)
    here = machine()
    blocks = _blocks(here, rows.number, who, 4 if who.threads <= 128 else 2)
    last, dtype, shape, order = x.shape[x.ndim - axes :], x.dtype, x.shape, rows.order
    shared = 2 * rows.width * wide.itemsize if who.threads < who.block else 0
    several = 2 if centred else 1

    fetch_flow, fetch, fetch_weight = fetcher(flow, order), fetcher(x, order), fetcher(weight)
    fetch_mean, fetch_inverse, make = fetcher(mean, order), fetcher(inverse, order), maker(shape, dtype, order)
    number, width, block, chunks = rows.number, rows.width, who.block, who.chunks
    parts = blocks if chunks else min(PARTS, -(-number // 8))
    after = width * wide.itemsize
    step = parts * after
    partly, wholly = _columns(dtype)

    def compute(flow: Array, x: Array, weight: Array | None, mean: Array | None, inverse: Array) -> Result:
        here = machine()
        address = here.address
        arrived, source, factors = fetch_flow(here, flow), fetch(here, x), fetch_inverse(here, inverse)
        middles, weight = fetch_mean(here, mean), fetch_weight(here, weight)
        out = make(here)
        partial = here.empty((several, parts, width), wide)
        along = address(partial)
        total = along + step
        given = (address(arrived), address(source), 0 if weight is None else address(weight))
        if centred:
            kernel(
                blocks, block, *given, address(middles), address(factors), address(out), along, total, number, width,
                shared=shared,
            )  # fmt: skip
        else:
            kernel(
                blocks, block, *given, address(factors), address(out), along, number, width, shared=shared
            )  # fmt: skip
        if not chunks:
            partly(
                (-(-width // 32), parts, 1), 256, address(arrived), address(source), 0 if middles is None else address(middles),
                address(factors), along, total if centred else 0, number, width,
            )  # fmt: skip
        # Two arrays: parameters keep what flows to them, and copy what shares its memory.
        by_weight, by_bias = here.empty(last, wide), here.empty(last, wide) if centred else None
        wholly(
            -(-width // 8), 256, along, total if centred else 0, address(by_weight), 0 if by_bias is None else address(by_bias), parts, width,
        )  # fmt: skip
        return (out, by_weight, by_bias) if centred else (out, by_weight)

    return compute


@lru_cache
def _columns(dtype: Dtype) -> tuple[Kernel, Kernel]:
    """Sums over rows, in parts and over the parts."""
    return tuple(
        Kernel("columns.cu", *of, **scalars(dtype))
        for of in (("row_norm_columns", "PPPPPPqq"), ("column_totals", "PPPPqq"))
    )  # type: ignore[return-value]


def _blocks(here: Machine, rows: int, who: Team, each: int) -> int:
    """Blocks for so many rows: no more than ``each`` for a multiprocessor."""
    return max(1, min(-(-rows // (who.block // who.threads)), here.processors * each))


__all__ = ["Rows", "layer_norm", "layer_norm_backward", "refuse", "rms_norm", "rms_norm_backward"]
