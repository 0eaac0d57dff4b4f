"""Two-dimensional convolution and its two gradients. Interface (N, C, H, W); results lie in memory as (N, H, W, C)."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import pointwise, pool, winograd, winograd_weight
from .copy import cast_always
from .library import Library
from .memory import (
    BYTE,
    FLOAT32,
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

Pair = tuple[int, int]
Shape = tuple[int, ...]
DIRECT = 1
FORWARD_INFERENCE = 96
FORWARD_TRAINING = 64


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


class _Geometry:
    """The layouts and settings that the three directions share."""

    def __init__(
        self, library: Library, dtype: Any, x: Shape, weight: Shape, out: Shape, stride: Pair, padding: Pair,
        dilation: Pair, groups: int,
    ) -> None:  # fmt: skip
        self.library = library
        self.weight_shape = (groups, weight[0] // groups, *weight[1:]) if groups > 1 else weight
        self.x = Layout(library, x, dtype, channels_last_strides(x))
        self.weight = Layout(library, self.weight_shape, dtype)
        self.out = Layout(library, out, dtype, channels_last_strides(out))
        self.dtype = dtype
        pad = vector(padding)
        self.settings = (vector(stride), vector(tuple(step - 1 for step in dilation)), pad, pad)

    def given_weight(self, strides: Shape) -> Layout:
        """The layout of a weight array as the caller holds it."""
        groups = len(self.weight_shape) - 4
        if groups:
            strides = (strides[0] * self.weight_shape[1], *strides)
        return Layout(self.library, self.weight_shape, self.dtype, strides)

    def forward(self, bias: Layout | None, propagation: int) -> Description | None:
        return describe(
            self.library,
            "convolution_forward",
            propagation,
            DIRECT,
            self.x,
            self.weight,
            bias,
            self.out,
            *self.settings,
        )


def _geometry(
    library: Library, dtype: Any, x: Shape, weight: Shape, out: Shape, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> _Geometry | None:  # fmt: skip
    """None unless the shapes fit one another and hold anything."""
    if dtype not in FLOATS or len(x) != 4 or len(weight) != 4 or 0 in x or 0 in weight or 0 in out:
        return None
    if groups < 1 or weight[0] % groups or x[1] != weight[1] * groups or min(padding) < 0:
        return None
    if out != output_shape(x, weight, stride, padding, dilation):
        return None
    return _Geometry(library, dtype, x, weight, out, stride, padding, dilation, groups)


def output_shape(x: Shape, weight: Shape, stride: Pair, padding: Pair, dilation: Pair) -> Shape:
    """The shape of conv2d's result; an axis too short for the window gets 0 or less."""
    sides = (
        (x[axis + 2] + 2 * padding[axis] - dilation[axis] * (weight[axis + 2] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    return (x[0], weight[0], *sides)


def _plan_forward(
    library: Library,
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Plan | None:
    if x.ndim != 4 or weight.ndim != 4 or x.dtype != weight.dtype:
        return None
    out = output_shape(x.shape, weight.shape, stride, padding, dilation)
    if min(out) < 1:
        return None
    geometry = _geometry(library, x.dtype, x.shape, weight.shape, out, stride, padding, dilation, groups)
    strides = element_strides(weight)
    if geometry is None or strides is None:
        return None
    bias_layout = None
    if bias is not None:
        if bias.shape != (out[1],) or bias.dtype != x.dtype or (bias.strides[0] != bias.itemsize and out[1] > 1):
            return None
        bias_layout = Layout(library, bias.shape, bias.dtype, (1,))
    direct = _plan_direct(library, geometry, x, weight, strides, out, bias_layout)
    if direct is not None and winograd.pays(x, weight, out, stride, padding, dilation, groups):
        return winograd.plan_forward(library, x, weight, bias, out, padding, direct) or direct
    return direct


def _plan_direct(
    library: Library, geometry: _Geometry, x: Array, weight: Array, strides: Shape, out: Shape, bias: Layout | None
) -> Plan | None:
    description = geometry.forward(bias, FORWARD_INFERENCE)
    if description is None:
        return None
    pack = packer(library, weight, geometry.given_weight(strides), description.layout(WEIGHTS), keep=True, sparing=True)
    if pack is None:
        return None
    fetch = as_channels_last(library, x)
    allocate = channels_last_allocator(out, x.dtype)
    if bias is None:
        run = Primitive(description, (SOURCE, WEIGHTS, DESTINATION)).run

        def compute(x: Array, weight: Array, _: None) -> Array:
            source, packed, result = fetch(x), pack(weight), allocate()
            run(address(source), address(packed), address(result))
            return result

        return compute
    run = Primitive(description, (SOURCE, WEIGHTS, BIAS, DESTINATION)).run

    def compute_with_bias(x: Array, weight: Array, bias: Array) -> Array:
        source, packed, result = fetch(x), pack(weight), allocate()
        run(address(source), address(packed), address(bias), address(result))
        return result

    return compute_with_bias


def _plan_input(
    library: Library, grad: Array, weight: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan | None:
    if grad.dtype != weight.dtype:
        return None
    geometry = _geometry(library, grad.dtype, shape, weight.shape, grad.shape, stride, padding, dilation, groups)
    strides = element_strides(weight)
    if geometry is None or strides is None:
        return None
    hint = geometry.forward(None, FORWARD_TRAINING)
    if hint is None:
        return None
    description = describe(
        library,
        "convolution_backward_data",
        DIRECT,
        geometry.x,
        geometry.weight,
        geometry.out,
        *geometry.settings,
        hint,
    )
    if description is None:
        return None
    if grad.dtype != FLOAT32 and groups > 1 and weight.shape[1] == 1 and "dw" not in description.implementation:
        # A strided depthwise convolution: oneDNN has fast code for its gradient in float32 alone (20 to 200 times faster).
        settings = {"shape": shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return partial(_input_by_float32, settings)
    # Not kept: between two uses of a weight's gradient layout there is, as a rule, an update of the weight.
    pack = packer(library, weight, geometry.given_weight(strides), description.layout(WEIGHTS), keep=False)
    if pack is None:
        return None
    fetch = as_channels_last(library, grad)
    allocate = channels_last_allocator(shape, grad.dtype)
    run = Primitive(description, (DESTINATION_GRADIENT, WEIGHTS, SOURCE_GRADIENT)).run

    def compute(grad: Array, weight: Array) -> Array:
        source, packed, result = fetch(grad), pack(weight), allocate()
        run(address(source), address(packed), address(result))
        return result

    if winograd.pays_input(grad, weight, shape, stride, padding, dilation, groups):
        return winograd.plan_input(library, grad, weight, shape, padding, compute) or compute
    return compute


def _input_by_float32(settings: dict[str, Any], grad: Array, weight: Array) -> Result:
    result = conv2d_input(cast_always(grad, FLOAT32), cast_always(weight, FLOAT32), **settings)
    return result if result is NotImplemented else cast_always(result, grad.dtype)


def _plan_weight(
    library: Library, grad: Array, x: Array, shape: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Plan | None:
    if grad.dtype != x.dtype:
        return None
    geometry = _geometry(library, grad.dtype, x.shape, shape, grad.shape, stride, padding, dilation, groups)
    if geometry is None:
        return None
    if pointwise.pays(shape, padding, groups):
        product = pointwise.plan_weight(library, grad, x, shape, stride)
        if product is not None:
            return product
    hint = geometry.forward(None, FORWARD_TRAINING)
    if hint is None:
        return None
    description = describe(
        library, "convolution_backward_weights", DIRECT, geometry.x, geometry.weight, None, geometry.out,
        *geometry.settings, hint,
    )  # fmt: skip
    if description is None:
        return None
    plain = geometry.given_weight(dense_strides(shape))
    packed_layout = description.layout(WEIGHTS_GRADIENT)
    unpack = None
    if not description.same_layout(WEIGHTS_GRADIENT, plain):
        back = describe_reorder(library, packed_layout, plain)
        if back is None:
            return None
        unpack = Primitive(back, (SOURCE, DESTINATION)).run
    fetch_grad, fetch_x = as_channels_last(library, grad), as_channels_last(library, x)
    run = Primitive(description, (SOURCE, DESTINATION_GRADIENT, WEIGHTS_GRADIENT)).run
    allocate = pool.allocator(shape, grad.dtype)
    allocate_packed = pool.allocator((description.layout_bytes(WEIGHTS_GRADIENT),), BYTE)

    def compute(grad: Array, x: Array) -> Array:
        source, upstream, result = fetch_x(x), fetch_grad(grad), allocate()
        if unpack is None:
            run(address(source), address(upstream), address(result))
        else:
            packed = allocate_packed()
            run(address(source), address(upstream), address(packed))
            unpack(address(packed), address(result))
        return result

    if winograd_weight.pays(grad, x, shape, stride, padding, dilation, groups):
        return winograd_weight.plan_weight(library, grad, x, shape, padding, compute) or compute
    return compute
