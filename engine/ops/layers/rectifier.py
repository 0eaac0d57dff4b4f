"""Activations that are made of straight pieces, and the exponential linear units that round their corner off.

Sums of pieces, of which all but one are 0, where one would expect ``where``: choosing number by number costs NumPy ten times a product.
"""

from __future__ import annotations

import math
from typing import Any

from ...dtype import Array
from ...op import floating, op
from ...tensor import Tensor
from ..elementwise.arithmetic import clip, where
from ..elementwise.elementary import exp

__all__ = [
    "elu",
    "hardshrink",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "softshrink",
    "threshold",
]


def _leaky_relu_flow(grad: Tensor, x: Tensor, negative_slope: float) -> Tensor:
    return leaky_relu_input(grad, x, negative_slope=negative_slope)


@op(flow=_leaky_relu_flow)
def leaky_relu_input(xp: Any, flow: Array, x: Array, *, negative_slope: float) -> Array:
    """The gradient of leaky_relu: what flows back, times the slope where x is not above 0."""
    above = (x > 0).astype(flow.dtype)
    return flow * (above + (flow.dtype.type(1) - above) * flow.dtype.type(negative_slope))


@floating(x=lambda grad, x, negative_slope: leaky_relu_input(grad, x, negative_slope=negative_slope))
def leaky_relu(xp: Any, x: Array, *, negative_slope: float = 0.01) -> Array:
    """x above 0, negative_slope x below."""
    zero = x.dtype.type(0)
    return xp.maximum(x, zero) + xp.minimum(x, zero) * x.dtype.type(negative_slope)


def _prelu_x(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    above = (x > 0).to(dtype=grad.dtype)
    return grad * (above + (1.0 - above) * weight)


@floating(x=_prelu_x, weight=lambda grad, x: grad * clip(x, high=0.0))
def prelu(xp: Any, x: Array, weight: Array) -> Array:
    """x above 0, weight x below, with a weight that broadcasts and is learned (He et al., 2015)."""
    zero = x.dtype.type(0)
    return xp.maximum(x, zero) + xp.minimum(x, zero) * weight


def _elu_curve(grad: Tensor, flow: Tensor, x: Tensor, alpha: float, scale: float, stretch: float) -> Tensor:
    # Where x is above 0 its exponential may be infinite, so it is taken of 0 there.
    return grad * flow * where(x > 0, 0.0, exp(where(x > 0, 0.0, x) * stretch) * (alpha * scale * stretch * stretch))


def _elu_flow(grad: Tensor, x: Tensor, alpha: float, scale: float, stretch: float) -> Tensor:
    return elu_input(grad, x, alpha=alpha, scale=scale, stretch=stretch)


@op(
    flow=_elu_flow,
    x=_elu_curve,
)
def elu_input(xp: Any, flow: Array, x: Array, *, alpha: float, scale: float, stretch: float) -> Array:
    """The gradient of elu: flow scale above 0, flow alpha scale stretch exp(stretch x) below."""
    number = x.dtype.type
    corner = number(alpha * scale * stretch)
    slope = xp.exp(xp.minimum(x, number(0)) * number(stretch)) * corner
    return flow * (slope if corner == number(scale) else slope + (x > 0) * (number(scale) - corner))


@floating(x=lambda grad, x, alpha, scale, stretch: elu_input(grad, x, alpha=alpha, scale=scale, stretch=stretch))
def elu(xp: Any, x: Array, *, alpha: float = 1.0, scale: float = 1.0, stretch: float = 1.0) -> Array:
    """scale x above 0, scale alpha (exp(stretch x) - 1) below (Clevert et al., 2016).

    ``scale`` makes it selu, a ``stretch`` of 1 / alpha celu.
    """
    number = x.dtype.type
    below = xp.expm1(xp.minimum(x, number(0)) * number(stretch)) * number(alpha * scale)
    return xp.maximum(x, number(0)) * number(scale) + below


def _hardtanh_flow(grad: Tensor, result: Tensor, low: float, high: float) -> Tensor:
    return hardtanh_input(grad, result, low=low, high=high)


@op(flow=_hardtanh_flow)
def hardtanh_input(xp: Any, flow: Array, result: Array, *, low: float, high: float) -> Array:
    """The gradient of hardtanh: what flows back where the result lies between the limits; nothing on them."""
    inside = (result > result.dtype.type(low)) & (result < result.dtype.type(high))
    return xp.where(inside, flow, flow.dtype.type(0))


@floating(x=lambda grad, out, low, high: hardtanh_input(grad, out, low=low, high=high))
def hardtanh(xp: Any, x: Array, *, low: float = -1.0, high: float = 1.0) -> Array:
    """min(max(x, low), high); unlike clip's, its slope on the limits is 0."""
    return xp.minimum(xp.maximum(x, x.dtype.type(low)), x.dtype.type(high))


def _shrink_flow(grad: Tensor, x: Tensor, width: float) -> Tensor:
    return shrink_input(grad, x, width=width)


@op(flow=_shrink_flow)
def shrink_input(xp: Any, flow: Array, x: Array, *, width: float) -> Array:
    """The gradient of hardshrink and softshrink: what flows back outside of [-width, width]."""
    return flow * ~(xp.abs(x) <= x.dtype.type(width))


@floating(x=lambda grad, x, width: shrink_input(grad, x, width=width))
def hardshrink(xp: Any, x: Array, *, width: float = 0.5) -> Array:
    """x, and 0 within [-width, width]."""
    return x * ~(xp.abs(x) <= x.dtype.type(width))


@floating(x=lambda grad, x, width: shrink_input(grad, x, width=width))
def softshrink(xp: Any, x: Array, *, width: float = 0.5) -> Array:
    """x brought nearer to 0 by width, and 0 within [-width, width]."""
    return x - xp.minimum(xp.maximum(x, x.dtype.type(-width)), x.dtype.type(width))


def _threshold_flow(grad: Tensor, x: Tensor, least: float) -> Tensor:
    return threshold_input(grad, x, least=least)


@op(flow=_threshold_flow)
def threshold_input(xp: Any, flow: Array, x: Array, *, least: float) -> Array:
    """The gradient of threshold: what flows back where x is above ``least``."""
    return flow * ~(x <= least)


@floating(x=lambda grad, x, least: threshold_input(grad, x, least=least))
def threshold(xp: Any, x: Array, *, least: float, value: float) -> Array:
    """x above ``least``, else ``value``."""
    below, number = x <= least, x.dtype.type
    if not (math.isfinite(least) and math.isfinite(value)):
        return xp.where(below, number(value), x)
    return xp.maximum(x, number(least)) * ~below + below * number(value)
