"""Direct convolution by oneDNN over two or three spatial axes, and its two gradients: the plans that images and volumes share.

Interface (N, C, ...); results lie in memory with the channels last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import pool
from .epilogue import Epilogue
from .library import Library
from .memory import (
    BYTE,
    FLOATS,
    Array,
    Layout,
    address,
    channels_last_strides,
    dense_strides,
    element_strides,
    vector,
)
from .plans import Plan
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


def plan_forward(
    library: Library, x: Array, weight: Array, bias: Array | None, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:  # fmt: skip
    """The plan of a convolution of x (N, C, ...) with weight (K, C/groups, ...) and bias (K)."""
    strides = element_strides(weight)
    if x.ndim != weight.ndim or x.dtype != weight.dtype or strides is None:
        return None
    out = output_shape(x.shape, weight.shape, stride, padding, dilation)
    geometry = Geometry.of(library, x.dtype, x.shape, weight.shape, out, stride, padding, dilation, groups)
    if geometry is None or min(out) < 1:
        return None
    layout = None
    if bias is not None:
        if bias.shape != (out[1],) or bias.dtype != x.dtype or (bias.strides[0] != bias.itemsize and out[1] > 1):
            return None
        layout = Layout(library, bias.shape, bias.dtype, (1,))
    description = geometry.forward(layout, FORWARD_INFERENCE)
    if description is None:
        return None
    pack = packer(library, weight, geometry.given_weight(strides), description.layout(WEIGHTS), keep=True, sparing=True)
    if pack is None:
        return None
    fetch, allocate = as_channels_last(library, x), channels_last_allocator(out, x.dtype)
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


def describe_input(geometry: Geometry) -> Description | None:
    """oneDNN's description of the gradient by the input."""
    hint = geometry.forward(None, FORWARD_TRAINING)
    if hint is None:
        return None
    return describe(
        geometry.library, "convolution_backward_data", DIRECT, geometry.x, geometry.weight, geometry.out, *geometry.settings, hint
    )  # fmt: skip


def plan_input(
    geometry: Geometry, description: Description, flow: Array, weight: Array, strides: Shape, shape: Shape
) -> Plan | None:
    """The plan of a convolution's gradient by its input of `shape`."""
    library = geometry.library
    # Not kept: between two uses of a weight's gradient layout there is, as a rule, an update of the weight.
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


def plan_weight(geometry: Geometry, flow: Array, x: Array, shape: Shape) -> Plan | None:
    """The plan of a convolution's gradient by its weight of `shape`."""
    library = geometry.library
    hint = geometry.forward(None, FORWARD_TRAINING)
    if hint is None:
        return None
    description = describe(
        library, "convolution_backward_weights", DIRECT, geometry.x, geometry.weight, None, geometry.out, *geometry.settings, hint
    )  # fmt: skip
    if description is None:
        return None
    plain = geometry.given_weight(dense_strides(shape))
    packed_layout = description.layout(WEIGHTS_GRADIENT)
    unpack: Callable[..., None] | None = None
    if not description.same_layout(WEIGHTS_GRADIENT, plain):
        back = describe_reorder(library, packed_layout, plain)
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


def output_shape(x: Shape, weight: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """The shape of a convolution's result; an axis too short for the window gets 0 or less."""
    sides = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
    )
    return (x[0], weight[0], *sides)


class Geometry:
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

    @classmethod
    def of(
        cls, library: Library, dtype: Any, x: Shape, weight: Shape, out: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Geometry | None:  # fmt: skip
        """None unless the shapes fit one another and hold anything."""
        if dtype not in FLOATS or not len(x) == len(weight) == len(out) == len(stride) + 2 or 0 in (*x, *weight, *out):
            return None
        if groups < 1 or weight[0] % groups or x[1] != weight[1] * groups or min(padding) < 0:
            return None
        if out != output_shape(x, weight, stride, padding, dilation):
            return None
        return cls(library, dtype, x, weight, out, stride, padding, dilation, groups)

    def given_weight(self, strides: Shape) -> Layout:
        """The layout of a weight array as the caller holds it."""
        if self.groups > 1:
            strides = (strides[0] * self.weight_shape[1], *strides)
        return Layout(self.library, self.weight_shape, self.dtype, strides)

    def forward(self, bias: Layout | None, propagation: int, epilogue: Epilogue | None = None) -> Description | None:
        """oneDNN's description of the convolution itself, which the gradients' descriptions ask for as a hint."""
        return describe(
            self.library, "convolution_forward", propagation, DIRECT, self.x, self.weight, bias, self.out, *self.settings, epilogue=epilogue
        )  # fmt: skip
