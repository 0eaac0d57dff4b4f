"""Sums with a residual, normalised: one launch draws what is left out, adds, normalises and writes what is wanted of it, and one takes it all back.

The rows are held by teams of threads as in ``normalization``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtype import NARROW, Array, Dtype, accumulator, bool_, float32
from ....modes import TF32, Precision, modes
from ....ops.layers.grouping import check_rms_norm
from ....ops.layers.normalization import check_layer_norm
from ....ops.layers.residuals import check_residual
from ....twins import offer
from ...plans import Plans
from ..forms import form, gatherer, parameter, plain_rows, row_kernel, row_order, team
from ..layout import maker
from ..machine import machine
from ..program import SCALARS
from . import normalization
from .drawing import Stream, limit
from .normalization import Totals, blocks, refuse

__all__ = ["add_layer_norm", "add_layer_norm_backward", "add_rms_norm", "add_rms_norm_backward"]

Result = Any
Plan = Callable[..., Result]
Flows = tuple[Array | None, ...]
"""What flows to one result, from up to four that read it: the first is there."""

PLANS: Plans[Plan] = Plans()


def add_layer_norm(
    x: Array, residual: Array, weight: Array | None = None, bias: Array | None = None, *, keep: bool = False, epsilon: float = 1e-5, axes: int = 1,
    p: float = 0.0, stream: Any = None, both: bool = True,
) -> Result:  # fmt: skip
    """layer_norm of x + residual, and the sum where it is wanted, with what backward goes by."""
    return _forward(True, x, residual, weight, bias, axes, epsilon, keep, both, p, stream)


def add_rms_norm(
    x: Array, residual: Array, weight: Array | None = None, *, keep: bool = False, epsilon: float = 1e-6, axes: int = 1, p: float = 0.0,
    stream: Any = None, both: bool = True,
) -> Result:  # fmt: skip
    """rms_norm of x + residual, likewise."""
    return _forward(False, x, residual, weight, None, axes, epsilon, keep, both, p, stream)


def add_layer_norm_backward(
    flow: Array, second: Array | None, third: Array | None, fourth: Array | None, beside: Array | None, total: Array, weight: Array | None, mean: Array,
    inverse: Array, mask: Array | None, *, axes: int, dtype: Dtype, p: float,
) -> Result:  # fmt: skip
    """The gradients of add_layer_norm for x, the residual, weight and bias."""
    return _backward(True, (flow, second, third, fourth), beside, total, weight, mean, inverse, mask, axes, dtype, p)


def add_rms_norm_backward(
    flow: Array, second: Array | None, third: Array | None, fourth: Array | None, beside: Array | None, total: Array, weight: Array | None,
    inverse: Array, mask: Array | None, *, axes: int, dtype: Dtype, p: float,
) -> Result:  # fmt: skip
    """The gradients of add_rms_norm for x, the residual and weight."""
    return _backward(False, (flow, second, third, fourth), beside, total, weight, None, inverse, mask, axes, dtype, p)


def _forward(
    centred: bool, x: Array, residual: Array, weight: Array | None, bias: Array | None, axes: int, epsilon: float, keep: bool, both: bool, p: float,
    stream: Any,
) -> Result:  # fmt: skip
    if p and type(stream) is not Stream:
        return NotImplemented
    narrow = modes.precision
    key = (
        centred, machine(), x.shape, x.strides, x.dtype, residual.shape, residual.strides, residual.dtype, form(weight), form(bias), axes, epsilon,
        keep, both, p, narrow,
    )  # fmt: skip
    found = PLANS.get(key) or PLANS.make(
        key, _plan_forward, centred, x, residual, weight, bias, axes, epsilon, keep, both, p, narrow
    )
    return found(x, residual, weight, bias, stream)


def _backward(
    centred: bool, flows: Flows, beside: Array | None, total: Array, weight: Array | None, mean: Array | None, inverse: Array, mask: Array | None,
    axes: int, dtype: Dtype, p: float,
) -> Result:  # fmt: skip
    # fmt: off
    key = (
        _backward, centred, machine(), *map(form, flows), form(beside), form(total), form(weight), form(mean), form(inverse), form(mask), axes, dtype, p,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(
        key, _plan_backward, centred, flows, beside, total, weight, mean, inverse, mask, axes, dtype, p
    )
    return found(flows, beside, total, weight, mean, inverse, mask)


def _is_served(source: Dtype, total: Dtype) -> bool:
    """Whether what is added is of the sum's dtype, or so narrow that float32 holds it."""
    return total in SCALARS and (source == total or (total == float32 and source in NARROW))


def _plan_forward(
    centred: bool, x: Array, residual: Array, weight: Array | None, bias: Array | None, axes: int, epsilon: float, keep: bool, both: bool, p: float,
    narrow: Precision | None,
) -> Plan:  # fmt: skip
    check_residual("add_layer_norm" if centred else "add_rms_norm", x, residual)
    if centred:
        check_layer_norm(x, weight, bias, axes)
    else:
        check_rms_norm(x, weight, axes)
    dtype = residual.dtype
    named = parameter(dtype, weight, bias) if _is_served(x.dtype, dtype) else None
    if named is None or not x.size:
        return refuse
    rows = row_order(x, axes) or plain_rows(x, axes)
    who = team(rows.width * dtype.itemsize, normalization.FORWARD)
    twin = narrow if dtype == float32 and narrow is not TF32 else None
    more = {} if twin is None else {"TWIN": SCALARS[twin][0]}
    name, signature, places = ("add_layer_norm", "PPPPPPPPPPP", 11) if centred else ("add_rms_norm", "PPPPPPPPP", 9)
    kernel = row_kernel(
        "residuals.cu", name, f"{signature}qqWId", dtype, who, PARAM=named, SOURCE=SCALARS[x.dtype][0], DROPS=int(p > 0), **more
    )  # fmt: skip
    kept, wide, order, here = (*x.shape[: x.ndim - axes], *(1,) * axes), accumulator(dtype), rows.order, machine()
    launch = kernel.prepared(
        here, blocks(here, rows.number, who, 8), who.block, *(None,) * places, rows.number, rows.width, epsilon, limit(p), 1 / (1 - p)
    )  # fmt: skip
    gather = gatherer(here, (x, order), (residual, order), (weight, None), (bias, None))
    make, hold, address = maker(here, x.shape, dtype, order), maker(here, kept, wide, order), here.address
    make_twin = None if twin is None else maker(here, x.shape, twin, order)
    make_mask = maker(here, x.shape, bool_, order) if p else None
    wanted, written = both or keep, both or keep or not who.chunks  # a row that is not held is read again from there

    def compute(x: Array, residual: Array, weight: Array | None, bias: Array | None, stream: Any) -> Result:
        if gather is not None:
            x, residual, weight, bias = gather(x, residual, weight, bias)
        out = make()
        total = mask = mean = inverse = None
        drawn = beside = sums = kept_at = middles = factors = 0
        if make_twin is not None:
            narrowed = make_twin()
            beside = address(narrowed)
            offer(out, narrowed)
        if written:
            total = make()
            sums = address(total)
        if make_mask is not None:
            mask = make_mask()
            drawn, kept_at = address(stream.state), address(mask)
        if keep:
            inverse = hold()
            factors = address(inverse)
        scale = 0 if weight is None else address(weight)
        if not centred:
            launch(drawn, address(x), address(residual), scale, address(out), beside, sums, kept_at, factors)
            return out, total if wanted else None, inverse, mask
        if keep:
            mean = hold()
            middles = address(mean)
        shift = 0 if bias is None else address(bias)
        launch(
            drawn, address(x), address(residual), scale, shift, address(out), beside, sums, kept_at, middles, factors
        )
        return out, total if wanted else None, mean, inverse, mask

    return compute


def _plan_backward(
    centred: bool, given: Flows, beside: Array | None, total: Array, weight: Array | None, mean: Array | None, inverse: Array, mask: Array | None,
    axes: int, source: Dtype, p: float,
) -> Plan:  # fmt: skip
    dtype, shape = total.dtype, total.shape
    named = parameter(dtype, weight) if _is_served(source, dtype) else None
    wide, kept = accumulator(dtype), (*shape[: total.ndim - axes], *(1,) * axes)
    flows = [array for array in given if array is not None]
    statistics = [vector for vector in (mean, inverse) if vector is not None]
    fits = all(vector.shape == kept and vector.dtype == wide for vector in statistics)
    arriving = flows if beside is None else [*flows, beside]
    fits = fits and all(array.shape == shape and array.dtype == dtype for array in arriving)
    if named is None or not total.size or not fits:
        return refuse
    rows = row_order(total, axes) or plain_rows(total, axes)
    who = team(
        rows.width * dtype.itemsize, normalization.BACKWARD if dtype.itemsize > 2 else normalization.NARROW_BACKWARD
    )
    if len(flows) > 1 and not who.chunks:
        return refuse  # they would be read and added up again and again
    name, signature, places = (
        ("add_layer_norm_backward", "PPPPPPPPPPPPPP", 14) if centred else ("add_rms_norm_backward", "PPPPPPPPPPPP", 12)
    )
    kernel = row_kernel(
        "residuals.cu", name, f"{signature}qqd", dtype, who, PARAM=named, SOURCE=SCALARS[source][0], DROPS=int(mask is not None),
        BESIDE=int(beside is not None), FLOWS=len(flows),
    )  # fmt: skip
    here, order, number, width = machine(), rows.order, rows.number, rows.width
    grid = blocks(here, number, who, 4 if who.threads <= 128 else 2)
    shared = 2 * width * wide.itemsize if who.threads < who.block else 0
    launch = kernel.prepared(here, grid, who.block, *(None,) * places, number, width, 1 / (1 - p), shared=shared)
    totals = Totals(here, dtype, rows, grid if who.chunks else 0, centred)
    gather = gatherer(
        here, *((flow, order) for flow in given), (beside, order), (total, order), (weight, None), (mean, order), (inverse, order), (mask, order)
    )  # fmt: skip
    make, make_part = maker(here, shape, dtype, order), None
    if mask is not None or source != dtype:
        make_part = maker(here, shape, source, order)
    vector, address, memory = maker(here, shape[total.ndim - axes :], wide), here.address, here.memory
    room, step, add_up = totals.room, totals.step, totals.add_up

    def compute(
        flows: Flows, beside: Array | None, total: Array, weight: Array | None, mean: Array | None, inverse: Array, mask: Array | None
    ) -> Result:  # fmt: skip
        if gather is not None:
            first, second, third, fourth, beside, total, weight, mean, inverse, mask = gather(
                *flows, beside, total, weight, mean, inverse, mask
            )
            flows = first, second, third, fourth
        out = part = make()
        apart = 0
        if make_part is not None:
            part = make_part()
            apart = address(part)
        # Two arrays: parameters keep what flows to them, and copy what shares its memory.
        by_weight, by_bias = vector(), vector() if centred else None
        partial = memory(room)
        along = partial.ptr
        arrived = [0 if flow is None else address(flow) for flow in flows]
        sums, factors = address(total), address(inverse)
        other, where = 0 if beside is None else address(beside), 0 if mask is None else address(mask)
        scale = 0 if weight is None else address(weight)
        middles = across = 0
        if centred:
            middles, across = address(mean), along + step
            launch(*arrived, other, sums, scale, middles, factors, where, apart, address(out), along, across)
        else:
            launch(*arrived, other, sums, scale, factors, where, apart, address(out), along)
        add_up(arrived[0], sums, middles, factors, along, across, by_weight, by_bias)
        return (part, out, by_weight, by_bias) if centred else (part, out, by_weight)

    return compute
