"""A convolution, the normalisation by given statistics that follows it, a sum and a ReLU, as a model in use has them: the images are passed over once."""

from __future__ import annotations

import math

import numpy as np

from ...op import TABLE
from . import dilated, direct
from .activation import plan_bounds
from .batching import batch_norm
from .convolution import conv2d, plan_other
from .direct import FORWARD_INFERENCE, Geometry, Shape, output_shape
from .epilogue import ADD, Epilogue
from .following import CURVES, LIMITS, factors, plan_affine
from .library import Library
from .memory import FLOAT16, FLOAT32, Array, Layout, Result, address, element_strides
from .normalization import form, vectors_of
from .plans import PLANS, Plan, plan, unsupported
from .primitive import DESTINATION, SOURCE, SOURCE_1, WEIGHTS, Primitive, describe
from .reorder import as_channels_last, channels_last_allocator, packer

Pair = tuple[int, int]


def conv2d_norm(
    x: Array, weight: Array, bias: Array | None, scale: Array | None, shift: Array | None, mean: Array, variance: Array,
    residual: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int, epsilon: float, activation: str | None,
) -> Result:  # fmt: skip
    """activation((conv2d(x, weight, bias) - mean) / sqrt(variance + epsilon) * scale + shift + residual)."""
    key = (
        conv2d_norm, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype, form(bias), form(scale), form(shift), form(mean),
        form(variance), form(residual), stride, padding, dilation, groups, activation,
    )  # fmt: skip
    found = PLANS.get(key) or plan(
        key,
        _plan,
        x,
        weight,
        (bias, scale, shift, mean, variance),
        residual,
        stride,
        padding,
        dilation,
        groups,
        activation,
    )
    if found is unsupported:
        made = conv2d(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
        if made is NotImplemented:
            return made
        given = made, scale, shift, mean, variance, residual
        normal = batch_norm(*given, epsilon=epsilon, activation=activation)
        return (
            TABLE["batch_norm"].body(np, *given, epsilon=epsilon, activation=activation)
            if normal is NotImplemented
            else normal
        )
    return found(x, weight, *_factors(bias, scale, shift, mean, variance, epsilon), residual)


def _factors(
    bias: Array | None, scale: Array | None, shift: Array | None, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array]:
    """What the bare products are multiplied by and what is added, channel by channel."""
    times, plus = factors(scale, shift, mean, variance, epsilon)
    if bias is not None:
        plus += times * bias.astype(FLOAT32, copy=False)
    return times, plus


def _plan(
    library: Library, x: Array, weight: Array, vectors: tuple[Array | None, ...], residual: Array | None, stride: Pair, padding: Pair,
    dilation: Pair, groups: int, activation: str | None,
) -> Plan | None:  # fmt: skip
    if x.ndim != 4 or weight.ndim != 4 or x.dtype == FLOAT16 or activation not in (None, *LIMITS, *CURVES):
        return None
    dilation = dilated.without_needless_gaps(weight.shape[2:], dilation)
    plain = direct.plan_forward(library, x, weight, None, stride, padding, dilation, groups)
    out = output_shape(x.shape, weight.shape, stride, padding, dilation)
    if plain is None or vectors_of(out[1], *vectors) is None:
        return None
    if residual is not None and (residual.shape != out or residual.dtype != x.dtype or activation in CURVES):
        return None
    fetch = None if residual is None else as_channels_last(library, residual)
    other = plan_other(library, x, weight, None, stride, padding, dilation, groups, plain)
    if other is None:
        followed = _plan_direct(library, x, weight, out, stride, padding, dilation, groups, residual, activation)
        if followed is not None:
            return followed
    convolve = other or plain
    affine = plan_affine(library, out, x.dtype, residual is not None, activation)
    if affine is None:
        return None

    def compute(x: Array, weight: Array, times: Array, plus: Array, residual: Array | None) -> Result:
        result = convolve(x, weight, None)
        beside = None if fetch is None or residual is None else fetch(residual)
        at, place = address(result), 0 if beside is None else address(beside)
        affine(at, address(times), address(plus), place, at)
        return result

    return compute


def _plan_direct(
    library: Library, x: Array, weight: Array, out: Shape, stride: Pair, padding: Pair, dilation: Pair, groups: int, residual: Array | None,
    activation: str | None,
) -> Plan | None:  # fmt: skip
    """By oneDNN's own convolution, which scales and shifts as it writes. The sum and the bounds take less where the result lies than within it."""
    strides, limits, curve = element_strides(weight), LIMITS.get(activation or ""), CURVES.get(activation or "")
    geometry = Geometry.of(library, x.dtype, x.shape, weight.shape, out, stride, padding, dilation, groups)
    if geometry is None or strides is None:
        return None
    vector, epilogue = Layout(library, (1, out[1], 1, 1), FLOAT32, (out[1], 1, out[1], out[1])), Epilogue(library)
    names = epilogue.multiply(vector), epilogue.add(vector)
    if curve is not None:
        epilogue.apply(*curve)
    description = geometry.forward(None, FORWARD_INFERENCE, epilogue)
    size = math.prod(out)
    flat = Layout(library, (size,), x.dtype, (1,))
    adding = None if residual is None else describe(library, "binary", ADD, flat, flat, flat)
    bound = None if limits is None else plan_bounds(library, size, x.dtype, *limits)
    if description is None or (adding is None) != (residual is None) or (bound is None) != (limits is None):
        return None
    pack = packer(library, weight, geometry.given_weight(strides), description.layout(WEIGHTS), keep=True, sparing=True)
    if pack is None:
        return None
    run = Primitive(description, (SOURCE, WEIGHTS, DESTINATION, *names)).run
    add = None if adding is None else Primitive(adding, (SOURCE, SOURCE_1, DESTINATION)).run
    fetch, allocate = as_channels_last(library, x), channels_last_allocator(out, x.dtype)
    fetch_beside = None if residual is None else as_channels_last(library, residual)

    def compute(x: Array, weight: Array, times: Array, plus: Array, residual: Array | None) -> Array:
        image, packed, result = fetch(x), pack(weight), allocate()
        at = address(result)
        run(address(image), address(packed), at, address(times), address(plus))
        if add is not None and fetch_beside is not None and residual is not None:
            beside = fetch_beside(residual)
            add(at, address(beside), at)
        if bound is not None:
            bound(at, at)
        return result

    return compute
