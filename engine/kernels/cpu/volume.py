"""Three-dimensional convolution and its two gradients by oneDNN. Interface (N, C, D, H, W); results lie in memory as (N, D, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import pool
from .library import Library
from .memory import (
    BYTE,
    FLOATS,
    Array,
    Layout,
    Result,
    address,
    channels_last_strides,
    dense_strides,
    element_strides,
    vector,
)
from .plans import PLANS, Plan, plan
from .primitive import (
    BIAS,
    DESTINATION,
    DESTINATION_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    WEIGHTS,
    WEIGHTS_GRADIENT,
    Description,
    Primitive,
    describe,
    describe_reorder,
)
from .reorder import as_channels_last, channels_last_allocator, packer

Shape = tuple[int, ...]
DIRECT = 1
FORWARD_INFERENCE = 96
FORWARD_TRAINING = 64


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


class _Geometry:
    """The layouts and settings that the three directions share."""

    def __init__(
        self, library: Library, dtype: Any, x: Shape, weight: Shape, out: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> None:  # fmt: skip
        self.library, self.dtype, self.groups = library, dtype, groups
        self.weight_shape = (groups, weight[0] // groups, *weight[1:]) if groups > 1 else weight
        self.x = Layout(library, x, dtype, channels_last_strides(x))
        self.weight = Layout(library, self.weight_shape, dtype)
        self.out = Layout(library, out, dtype, channels_last_strides(out))
        pads = vector(padding)
        self.settings = (vector(stride), vector(tuple(step - 1 for step in dilation)), pads, pads)

    def given_weight(self, strides: Shape) -> Layout:
        """The layout of a weight array as the caller holds it."""
        if self.groups > 1:
            strides = (strides[0] * self.weight_shape[1], *strides)
        return Layout(self.library, self.weight_shape, self.dtype, strides)

    def forward(self, bias: Layout | None, propagation: int) -> Description | None:
        return describe(
            self.library, "convolution_forward", propagation, DIRECT, self.x, self.weight, bias, self.out, *self.settings
        )  # fmt: skip


def _geometry(
    library: Library, dtype: Any, x: Shape, weight: Shape, out: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> _Geometry | None:  # fmt: skip
    """None unless the shapes fit one another and hold anything."""
    if dtype not in FLOATS or not len(x) == len(weight) == len(out) == 5 or 0 in (*x, *weight, *out):
        return None
    if groups < 1 or weight[0] % groups or x[1] != weight[1] * groups or min(padding) < 0:
        return None
    if out != _output_shape(x, weight, stride, padding, dilation):
        return None
    return _Geometry(library, dtype, x, weight, out, stride, padding, dilation, groups)


def _output_shape(x: Shape, weight: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    sides = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
    )
    return (x[0], weight[0], *sides)


def _plan_forward(
    library: Library, x: Array, weight: Array, bias: Array | None, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    strides = element_strides(weight)
    if x.ndim != 5 or weight.ndim != 5 or x.dtype != weight.dtype or strides is None:
        return None
    out = _output_shape(x.shape, weight.shape, stride, padding, dilation)
    geometry = _geometry(library, x.dtype, x.shape, weight.shape, out, stride, padding, dilation, groups)
    if geometry is None or min(out) < 1:
        return None
    if bias is not None and (bias.shape != (out[1],) or bias.dtype != x.dtype or not bias.flags.c_contiguous):
        return None
    layout = None if bias is None else Layout(library, bias.shape, bias.dtype, (1,))
    description = geometry.forward(layout, FORWARD_INFERENCE)
    if description is None:
        return None
    pack = packer(library, weight, geometry.given_weight(strides), description.layout(WEIGHTS), keep=True, sparing=True)
    if pack is None:
        return None
    fetch, allocate = as_channels_last(library, x), channels_last_allocator(out, x.dtype)
    names = (SOURCE, WEIGHTS, DESTINATION) if bias is None else (SOURCE, WEIGHTS, DESTINATION, BIAS)
    run = Primitive(description, names).run

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        source, packed, result = fetch(x), pack(weight), allocate()
        run(address(source), address(packed), address(result), *(() if bias is None else (address(bias),)))
        return result

    return compute


def _plan_input(
    library: Library, flow: Array, weight: Array, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    strides = element_strides(weight)
    if flow.dtype != weight.dtype or strides is None:
        return None
    geometry = _geometry(library, flow.dtype, shape, weight.shape, flow.shape, stride, padding, dilation, groups)
    hint = geometry and geometry.forward(None, FORWARD_TRAINING)
    if geometry is None or hint is None:
        return None
    description = describe(
        library, "convolution_backward_data", DIRECT, geometry.x, geometry.weight, geometry.out, *geometry.settings, hint
    )  # fmt: skip
    if description is None:
        return None
    pack = packer(library, weight, geometry.given_weight(strides), description.layout(WEIGHTS), keep=False)
    if pack is None:
        return None
    fetch, allocate = as_channels_last(library, flow), channels_last_allocator(shape, flow.dtype)
    run = Primitive(description, (DESTINATION_GRADIENT, WEIGHTS, SOURCE_GRADIENT)).run

    def compute(flow: Array, weight: Array) -> Array:
        source, packed, result = fetch(flow), pack(weight), allocate()
        run(address(source), address(packed), address(result))
        return result

    return compute


def _plan_weight(
    library: Library, flow: Array, x: Array, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    if flow.dtype != x.dtype:
        return None
    geometry = _geometry(library, flow.dtype, x.shape, shape, flow.shape, stride, padding, dilation, groups)
    hint = geometry and geometry.forward(None, FORWARD_TRAINING)
    if geometry is None or hint is None:
        return None
    description = describe(
        library, "convolution_backward_weights", DIRECT, geometry.x, geometry.weight, None, geometry.out,
        *geometry.settings, hint,
    )  # fmt: skip
    if description is None:
        return None
    unpack: Callable[..., None] | None = None
    plain = geometry.given_weight(dense_strides(shape))
    if not description.same_layout(WEIGHTS_GRADIENT, plain):
        back = describe_reorder(library, description.layout(WEIGHTS_GRADIENT), plain)
        if back is None:
            return None
        unpack = Primitive(back, (SOURCE, DESTINATION)).run
    fetch_flow, fetch_x = as_channels_last(library, flow), as_channels_last(library, x)
    run = Primitive(description, (SOURCE, DESTINATION_GRADIENT, WEIGHTS_GRADIENT)).run
    allocate = pool.allocator(shape, flow.dtype)
    allocate_packed = pool.allocator((description.layout_bytes(WEIGHTS_GRADIENT),), BYTE)

    def compute(flow: Array, x: Array) -> Array:
        source, upstream, result = fetch_x(x), fetch_flow(flow), allocate()
        if unpack is None:
            run(address(source), address(upstream), address(result))
        else:
            packed = allocate_packed()
            run(address(source), address(upstream), address(packed))
            unpack(address(packed), address(result))
        return result

    return compute
