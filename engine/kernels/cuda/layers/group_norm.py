"""Normalisation of images by groups of channels, with its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtype import Array, accumulator
from ....ops.layers.grouping import check_group_norm
from ...plans import Plans
from ..forms import form, gatherer
from ..layout import maker
from ..machine import machine
from ..program import Kernel, scalars
from .images import Launches, images_kernel, images_of, refuse, served

__all__ = ["group_norm", "group_norm_backward"]

Result = Any
Plan = Callable[..., Result]

PLANS: Plans[Plan] = Plans()


def group_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> Result:
    """(x - mean) / sqrt(variance + epsilon) of each example's groups of channels, times weight, plus bias."""
    key = (group_norm, machine(), form(x), form(weight), form(bias), groups, epsilon)
    return (PLANS.get(key) or PLANS.make(key, _plan_forward, x, weight, bias, groups, epsilon))(x, weight, bias)


def group_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, groups: int
) -> Result:
    """The gradients of group_norm for x, weight and bias."""
    key = (group_norm_backward, machine(), form(flow), form(x), form(weight), form(mean), form(inverse), groups)
    found = PLANS.get(key) or PLANS.make(key, _plan_backward, flow, x, weight, mean, inverse, groups)
    return found(flow, x, weight, mean, inverse)


def _plan_forward(x: Array, weight: Array | None, bias: Array | None, groups: int, epsilon: float) -> Plan:
    check_group_norm(x, weight, bias, groups)
    named, wide = served(x, weight, bias), accumulator(x.dtype)
    if named is None:
        return refuse
    here = machine()
    images = images_of(here, x, True)
    launches = Launches(here, images, x.dtype, named, True)
    moments, normalise = launches("moments", 3), launches("normalise", 6, 1, "qW", groups, epsilon)
    channels, numbers, each = images.channels, images.number * images.parts, images.channels // groups
    kept = x.shape[0] * groups
    united = images_kernel("group_moments", "PPPPqqqqqW", x.dtype, named, True).prepared(
        here, kept, 128, *(None,) * 4, groups, each, images.parts, images.size, images.per, epsilon
    )
    gather = gatherer(here, (x, images.order), (weight, None), (bias, None))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (kept, 1), wide)
    address, memory, half = here.address, here.memory, numbers * channels * 8

    def compute(x: Array, weight: Array | None, bias: Array | None) -> Result:
        if gather is not None:
            x, weight, bias = gather(x, weight, bias)
        out, mean, inverse, partial = make(), keep(), keep(), memory(2 * half)
        source, start, middles, factors = address(x), partial.ptr, address(mean), address(inverse)
        moments(source, start, start + half)
        united(start, start + half, middles, factors)
        normalise(
            source, middles, factors, 0 if weight is None else address(weight), 0 if bias is None else address(bias), address(out)
        )  # fmt: skip
        return out, mean, inverse

    return compute


def _plan_backward(flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, groups: int) -> Plan:
    named, wide, kept = served(x, weight), accumulator(x.dtype), x.shape[0] * groups
    if named is None or flow.dtype != x.dtype or flow.shape != x.shape:
        return refuse
    if any(vector.dtype != wide or vector.shape != (kept, 1) for vector in (mean, inverse)):
        return refuse
    here = machine()
    images = images_of(here, x, True)
    launches = Launches(here, images, x.dtype, named, True)
    channels, numbers = images.channels, images.number * images.parts
    products = launches("products", 6, 4, "qW", groups, 0.0)
    slopes = launches("slopes", 8, 1, "qWW", groups, 0.0, channels / x.size)
    totals = Kernel("columns.cu", "column_totals", "PPPPqq", **scalars(x.dtype)).prepared(
        here, -(-channels // 8), 256, None, None, None, None, numbers, channels
    )
    united = images_kernel("group_products", "PPPPPqqqq", x.dtype, named, True).prepared(
        here, kept, 128, *(None,) * 5, groups, channels // groups, images.parts, images.size
    )
    gather = gatherer(here, (flow, images.order), (x, images.order), (weight, None), (mean, None), (inverse, None))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (channels,), wide)
    address, memory, half, share = here.address, here.memory, numbers * channels * wide.itemsize, kept * wide.itemsize

    def compute(flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array) -> Result:
        if gather is not None:
            flow, x, weight, mean, inverse = gather(flow, x, weight, mean, inverse)
        out, along, total, partial, of_groups = make(), keep(), keep(), memory(2 * half), memory(2 * share)
        arrived, source, middles, factors = address(flow), address(x), address(mean), address(inverse)
        scale = 0 if weight is None else address(weight)
        start, first = partial.ptr, of_groups.ptr
        products(arrived, source, middles, factors, start, start + half)
        totals(start, start + half, address(along), address(total))
        united(start, start + half, scale, first, first + share)
        slopes(arrived, source, middles, factors, scale, first, first + share, address(out))
        return out, along, total

    return compute
