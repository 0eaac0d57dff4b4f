"""Three-dimensional convolution and its two gradients by oneDNN. Interface (N, C, D, H, W); results lie in memory as (N, D, H, W, C)."""

from __future__ import annotations

from . import direct
from .direct import Geometry, Shape
from .library import Library
from .memory import FLOAT32, Array, Result, element_strides
from .plans import PLANS, Plan, plan


def conv3d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Result:
    """Cross-correlation: x (N, C, D, H, W), weight (K, C/groups, Q, R, S), bias (K) -> (N, K, D', H', W')."""
    key = (
        conv3d, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), stride, padding, dilation, groups,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_forward, x, weight, bias, stride, padding, dilation, groups)
    return found(x, weight, bias)


def conv3d_input(
    flow: Array, weight: Array, *, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Result:
    """The gradient of conv3d by its input of `shape`."""
    key = (
        conv3d_input, flow.shape, flow.strides, flow.dtype, weight.shape, weight.strides, weight.dtype,
        shape, stride, padding, dilation, groups,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_input, flow, weight, shape, stride, padding, dilation, groups)
    return found(flow, weight)


def conv3d_weight(
    flow: Array, x: Array, *, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Result:
    """The gradient of conv3d by its weight of `shape`."""
    key = (
        conv3d_weight, flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype,
        shape, stride, padding, dilation, groups,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_weight, flow, x, shape, stride, padding, dilation, groups)
    return found(flow, x)


def _plan_forward(
    library: Library, x: Array, weight: Array, bias: Array | None, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    if x.ndim != 5 or weight.ndim != 5:
        return None
    return direct.plan_forward(library, x, weight, bias, stride, padding, dilation, groups)


def _plan_input(
    library: Library, flow: Array, weight: Array, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    strides = element_strides(weight)
    if flow.dtype != weight.dtype or strides is None:
        return None
    geometry = Geometry.of(library, flow.dtype, shape, weight.shape, flow.shape, stride, padding, dilation, groups)
    description = None if geometry is None else direct.describe_input(geometry)
    if geometry is None or description is None:
        return None
    return direct.plan_input(geometry, description, flow, weight, strides, shape)


def _plan_weight(
    library: Library, flow: Array, x: Array, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    if flow.dtype != x.dtype or _is_wrong(flow, x, shape, stride, dilation, groups):
        return None
    geometry = Geometry.of(library, flow.dtype, x.shape, shape, flow.shape, stride, padding, dilation, groups)
    return None if geometry is None else direct.plan_weight(geometry, flow, x, shape)


def _is_wrong(flow: Array, x: Array, shape: Shape, stride: Shape, dilation: Shape, groups: int) -> bool:
    """Whether oneDNN 3.2 may give wrong gradients by the weight; see `dilated`. Windows longer than the images count only in narrow types."""
    apart = groups > 1 and shape[1] == 1
    if flow.dtype != FLOAT32 and any(size < window for size, window in zip(x.shape[2:], shape[2:], strict=True)):
        return True
    return max(dilation) > 1 and (flow.dtype != FLOAT32 or max(stride) > 1 or apart)
