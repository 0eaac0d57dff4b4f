"""Two-dimensional convolution and its two gradients. Interface (N, C, H, W); results lie in memory as (N, H, W, C)."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import dilated, direct, pointwise, winograd, winograd_weight
from .copy import cast_always
from .direct import Geometry, Shape, output_shape
from .library import Library
from .memory import FLOAT32, Array, Result, element_strides
from .plans import PLANS, Plan, plan

__all__ = ["conv2d", "conv2d_input", "conv2d_weight", "output_shape"]

Pair = tuple[int, int]


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Result:
    """Cross-correlation: x (N, C, H, W), weight (K, C/groups, R, S), bias (K) -> (N, K, H', W')."""
    key = (
        conv2d, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), stride, padding, dilation, groups,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_forward, x, weight, bias, stride, padding, dilation, groups)
    return found(x, weight, bias)


def conv2d_input(
    grad: Array, weight: Array, *, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Result:
    """The gradient of conv2d by its input: grad (N, K, H', W'), weight (K, C/groups, R, S) -> `shape` (N, C, H, W)."""
    key = (
        conv2d_input, grad.shape, grad.strides, grad.dtype, weight.shape, weight.strides, weight.dtype,
        shape, stride, padding, dilation, groups,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_input, grad, weight, shape, stride, padding, dilation, groups)
    return found(grad, weight)


def conv2d_weight(
    grad: Array, x: Array, *, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Result:
    """The gradient of conv2d by its weight: grad (N, K, H', W'), x (N, C, H, W) -> `shape` (K, C/groups, R, S)."""
    key = (
        conv2d_weight, grad.shape, grad.strides, grad.dtype, x.shape, x.strides, x.dtype,
        shape, stride, padding, dilation, groups,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_weight, grad, x, shape, stride, padding, dilation, groups)
    return found(grad, x)


def _plan_forward(
    library: Library, x: Array, weight: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan | None:  # fmt: skip
    if x.ndim != 4 or weight.ndim != 4:
        return None
    dilation = dilated.without_needless_gaps(weight.shape[2:], dilation)
    found = direct.plan_forward(library, x, weight, bias, stride, padding, dilation, groups)
    return found and (plan_other(library, x, weight, bias, stride, padding, dilation, groups, found) or found)


def plan_other(
    library: Library, x: Array, weight: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int, found: Plan
) -> Plan | None:  # fmt: skip
    """The plan of what computes a convolution faster than the direct one, `found`, if there is such."""
    out = output_shape(x.shape, weight.shape, stride, padding, dilation)

    def without_border(image: Array, none: Shape) -> Plan | None:
        return direct.plan_forward(library, image, weight, bias, stride, none, dilation, groups)

    bordered = dilated.plan_bordered(library, x, weight, out, stride, padding, dilation, groups, without_border)
    if bordered is not None:
        return bordered
    if winograd.pays(x, weight, out, stride, padding, dilation, groups):
        return winograd.plan_forward(library, x, weight, bias, out, padding, found)
    return None


def _plan_input(
    library: Library, grad: Array, weight: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan | None:
    dilation = dilated.without_needless_gaps(weight.shape[2:], dilation)
    strides = element_strides(weight)
    if grad.dtype != weight.dtype or strides is None:
        return None
    geometry = Geometry.of(library, grad.dtype, shape, weight.shape, grad.shape, stride, padding, dilation, groups)
    description = None if geometry is None else direct.describe_input(geometry)
    if geometry is None or description is None:
        return None

    def turned(weight: Array, around: Shape) -> Plan | None:
        return _plan_forward(library, grad, weight, None, stride, (around[0], around[1]), dilation, groups)

    again = dilated.plan_input(weight, shape, stride, padding, dilation, groups, turned)
    if again is not None:
        return again
    if grad.dtype != FLOAT32 and groups > 1 and weight.shape[1] == 1 and "dw" not in description.implementation:
        # A strided depthwise convolution: oneDNN has fast code for its gradient in float32 alone (20 to 200 times faster).
        settings = {"shape": shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return partial(_input_by_float32, settings)
    found = direct.plan_input(geometry, description, grad, weight, strides, shape)
    if found is not None and winograd.pays_input(grad, weight, shape, stride, padding, dilation, groups):
        return winograd.plan_input(library, grad, weight, shape, padding, found) or found
    return found


def _input_by_float32(settings: dict[str, Any], grad: Array, weight: Array) -> Result:
    result = conv2d_input(cast_always(grad, FLOAT32), cast_always(weight, FLOAT32), **settings)
    return result if result is NotImplemented else cast_always(result, grad.dtype)


def _weight_by_float32(settings: dict[str, Any], grad: Array, x: Array) -> Result:
    result = conv2d_weight(cast_always(grad, FLOAT32), cast_always(x, FLOAT32), **settings)
    return result if result is NotImplemented else cast_always(result, grad.dtype)


def _plan_weight(
    library: Library, grad: Array, x: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan | None:
    if grad.dtype != x.dtype:
        return None
    dilation = dilated.without_needless_gaps(shape[2:], dilation)
    geometry = Geometry.of(library, grad.dtype, x.shape, shape, grad.shape, stride, padding, dilation, groups)
    if geometry is None:
        return None
    spread = dilated.plan_weight(grad, x, shape, stride, padding, dilation, groups)
    if spread is not None:
        return spread
    hangs_over = any(size < window for size, window in zip(x.shape[2:], shape[2:], strict=True))
    if grad.dtype != FLOAT32 and (max(dilation) > 1 or hangs_over):  # oneDNN 3.2 may give wrong numbers
        settings = {"shape": shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return partial(_weight_by_float32, settings)
    if pointwise.pays(shape, padding, groups):
        product = pointwise.plan_weight(library, grad, x, shape, stride)
        if product is not None:
            return product
    found = direct.plan_weight(geometry, grad, x, shape)
    if found is not None and winograd_weight.pays(grad, x, shape, stride, padding, dilation, groups):
        return winograd_weight.plan_weight(library, grad, x, shape, padding, found) or found
    return found
