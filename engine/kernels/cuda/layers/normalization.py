"""Layer normalisation, and normalisation by the root of the mean square: a row is read once, held by a warp or a block, and written once.

Their gradients take one more pass over what the blocks added up for weight and bias, always in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ....dtype import Array, Dtype, accumulator, float32
from ....modes import TF32, Precision, modes
from ....ops.layers.grouping import check_rms_norm
from ....ops.layers.normalization import check_layer_norm
from ....twins import offer
from ...plans import Plans
from ..forms import Rows, Team, form, gatherer, parameter, plain_rows, row_kernel, row_order, team
from ..layout import maker
from ..machine import Machine, machine
from ..program import SCALARS, Kernel, scalars

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
    # Where nothing is recorded nothing is kept for the way back.
    keep, narrow = modes.recording, modes.precision
    key = (layer_norm, machine(), x.shape, x.strides, x.dtype, form(weight), form(bias), axes, epsilon, keep, narrow)
    found = PLANS.get(key) or PLANS.make(key, _plan_forward, True, x, weight, bias, axes, epsilon, keep, narrow)
    return found(x, weight, bias)


def rms_norm(x: Array, weight: Array | None = None, *, epsilon: float = 1e-6, axes: int = 1) -> Result:
    """x / sqrt(mean of x^2 + epsilon) over the last axes, times weight, with each example's factor."""
    keep, narrow = modes.recording, modes.precision
    key = (rms_norm, machine(), x.shape, x.strides, x.dtype, form(weight), axes, epsilon, keep, narrow)
    found = PLANS.get(key) or PLANS.make(key, _plan_forward, False, x, weight, None, axes, epsilon, keep, narrow)
    return found(x, weight, None)


def layer_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, axes: int = 1
) -> Result:
    """The gradients of layer_norm for x, weight and bias."""
    # fmt: off
    key = (
        layer_norm_backward, machine(), flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, form(weight), form(mean),
        form(inverse), axes,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, True, flow, x, weight, mean, inverse, axes)
    return found(flow, x, weight, mean, inverse)


def rms_norm_backward(flow: Array, x: Array, weight: Array | None, inverse: Array, *, axes: int = 1) -> Result:
    """The gradients of rms_norm for x and weight."""
    key = (rms_norm_backward, machine(), form(flow), form(x), form(weight), form(inverse), axes)
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, False, flow, x, weight, None, inverse, axes)
    return found(flow, x, weight, None, inverse)


def refuse(*_: Any) -> Any:
    """The plan for what is left to the body."""
    return NotImplemented


def _plan_forward(
    centred: bool, x: Array, weight: Array | None, bias: Array | None, axes: int, epsilon: float, keep: bool, narrow: Precision | None
) -> Plan:  # fmt: skip
    if centred:
        check_layer_norm(x, weight, bias, axes)
    else:
        check_rms_norm(x, weight, axes)
    named = parameter(x.dtype, weight, bias) if x.dtype in SCALARS else None
    if named is None or not x.size:
        return refuse
    rows = row_order(x, axes) or plain_rows(x, axes)
    who = team(rows.width * x.itemsize, FORWARD)
    signature = "PPPPPPPqqW" if centred else "PPPPPqqW"
    # What narrows products will narrow this, too: it is written both ways at once.
    twin = narrow if x.dtype == float32 and narrow is not TF32 else None
    more = {} if twin is None else {"TWIN": SCALARS[twin][0]}
    kernel = row_kernel(
        "layer_norm.cu", "layer_norm" if centred else "rms_norm", signature, x.dtype, who, PARAM=named, **more
    )
    kept, wide, order = (*x.shape[: x.ndim - axes], *(1,) * axes), accumulator(x.dtype), rows.order
    here = machine()
    launch = kernel.prepared(
        here, blocks(here, rows.number, who, 8), who.block, *(None,) * (7 if centred else 5), rows.number, rows.width, epsilon
    )  # fmt: skip
    gather = gatherer(here, (x, order), (weight, None), (bias, None))
    make, hold, address = maker(here, x.shape, x.dtype, order), maker(here, kept, wide, order), here.address
    make_twin = None if twin is None else maker(here, x.shape, twin, order)

    def compute(x: Array, weight: Array | None, bias: Array | None) -> Result:
        if gather is not None:
            x, weight, bias = gather(x, weight, bias)
        out = make()
        mean = inverse = None
        middles = factors = beside = 0
        if make_twin is not None:
            narrowed = make_twin()
            beside = address(narrowed)
            offer(out, narrowed)
        if keep:
            inverse = hold()
            factors = address(inverse)
        scale = 0 if weight is None else address(weight)
        if not centred:
            launch(address(x), scale, address(out), beside, factors)
            return out, inverse
        if keep:
            mean = hold()
            middles = address(mean)
        launch(address(x), scale, 0 if bias is None else address(bias), address(out), beside, middles, factors)
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
    grid = blocks(here, rows.number, who, 4 if who.threads <= 128 else 2)
    last, order, number, width = x.shape[x.ndim - axes :], rows.order, rows.number, rows.width
    shared = 2 * width * wide.itemsize if who.threads < who.block else 0
    launch = kernel.prepared(here, grid, who.block, *(None,) * (8 if centred else 6), number, width, shared=shared)
    totals = Totals(here, x.dtype, rows, grid if who.chunks else 0, centred)
    gather = gatherer(here, (flow, order), (x, order), (weight, None), (mean, order), (inverse, order))
    make, vector = maker(here, x.shape, x.dtype, order), maker(here, last, wide)
    address, memory, room, step, add_up = here.address, here.memory, totals.room, totals.step, totals.add_up

    def compute(flow: Array, x: Array, weight: Array | None, mean: Array | None, inverse: Array) -> Result:
        if gather is not None:
            flow, x, weight, mean, inverse = gather(flow, x, weight, mean, inverse)
        # Two arrays: parameters keep what flows to them, and copy what shares its memory.
        out, by_weight, by_bias = make(), vector(), vector() if centred else None
        partial = memory(room)
        along = partial.ptr
        total = along + step if centred else 0
        arrived, source, factors = address(flow), address(x), address(inverse)
        middles = 0 if mean is None else address(mean)
        scale = 0 if weight is None else address(weight)
        if centred:
            launch(arrived, source, scale, middles, factors, address(out), along, total)
        else:
            launch(arrived, source, scale, factors, address(out), along)
        add_up(arrived, source, middles, factors, along, total, by_weight, by_bias)
        return (out, by_weight, by_bias) if centred else (out, by_weight)

    return compute


class Totals:
    """For a plan: the sums over rows that are the gradients of weight and bias, from the parts that blocks have added up.

    ``room`` bytes hold the parts, those for the bias ``step`` bytes behind those for the weight. Where ``parts`` is 0 no block has added up
    any, and the rows are read once more for it.
    """

    __slots__ = ("_add", "_add_rows", "_address", "room", "step")

    def __init__(self, here: Machine, dtype: Dtype, rows: Rows, parts: int, centred: bool) -> None:
        partly, wholly = _columns(dtype)
        number, width = rows.number, rows.width
        self._add_rows: Callable[..., None] | None = None
        if not parts:
            parts = min(PARTS, -(-number // 8))
            self._add_rows = partly.prepared(here, (-(-width // 32), parts, 1), 256, *(None,) * 6, number, width)
        self._add = wholly.prepared(here, -(-width // 8), 256, None, None, None, None, parts, width)
        self._address = here.address
        self.step = parts * width * accumulator(dtype).itemsize
        self.room = self.step * (2 if centred else 1)

    def add_up(
        self, flow: int, x: int, means: int, inverses: int, along: int, total: int, by_weight: Array, by_bias: Array | None
    ) -> None:  # fmt: skip
        """Add up the parts at ``along`` and ``total``, given where the other arrays lie."""
        if self._add_rows is not None:
            self._add_rows(flow, x, means, inverses, along, total)
        address = self._address
        self._add(along, total, address(by_weight), 0 if by_bias is None else address(by_bias))


@lru_cache
def _columns(dtype: Dtype) -> tuple[Kernel, Kernel]:
    """Sums over rows, in parts and over the parts."""
    return tuple(
        Kernel("columns.cu", *of, **scalars(dtype))
        for of in (("row_norm_columns", "PPPPPPqq"), ("column_totals", "PPPPqq"))
    )  # type: ignore[return-value]


def blocks(here: Machine, rows: int, who: Team, each: int) -> int:
    """Blocks for so many rows: no more than ``each`` for a multiprocessor."""
    return max(1, min(-(-rows // (who.block // who.threads)), here.processors * each))


__all__ = ["Rows", "Totals", "blocks", "layer_norm", "layer_norm_backward", "refuse", "rms_norm", "rms_norm_backward"]
