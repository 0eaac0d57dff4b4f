"""Batch normalisation by oneDNN, with the sum and the ReLU that may follow it, and their gradients. Images lie in memory as (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...op import TABLE
from . import activation as activations
from .copy import cast_always
from .following import (
    FORWARD_INFERENCE,
    FORWARD_TRAINING,
    FUSE_RELU,
    GIVEN_STATISTICS,
    LIMITS,
    factors,
    plan_affine,
    plan_mask,
)
from .library import Library
from .memory import FLOAT16, FLOAT32, Array, Layout, Result, address, channels_last_strides
from .normalization import USE_SCALE, USE_SHIFT, flags_of, form, vectors_of
from .plans import PLANS, Plan, plan
from .primitive import (
    DESTINATION,
    DESTINATION_GRADIENT,
    MEAN,
    SCALE,
    SCALE_GRADIENT,
    SHIFT_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    VARIANCE,
    WORKSPACE,
    Primitive,
    describe,
)
from .reorder import as_channels_last, channels_last_allocator
from .statistics import LANES, images, is_slow, plan_survey

BACKWARD = 128


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None = None, *,
    epsilon: float = 1e-5, activation: str | None = None,
) -> Result:  # fmt: skip
    """(x - mean) / sqrt(variance + epsilon) * weight + bias by channel: x (N, C, ...), the others (C) or None.

    With a residual of x's shape added and an activation taken, if they are given.
    """
    if not _is_known(activation):
        return NotImplemented
    key = (
        batch_norm, x.shape, x.strides, x.dtype, form(weight), form(bias), form(mean), form(variance), form(residual), epsilon, activation,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_given, x, weight, bias, mean, variance, residual, epsilon, activation)
    return found(x, weight, bias, mean, variance, residual)


def batch_norm_training(
    x: Array, weight: Array | None = None, bias: Array | None = None, residual: Array | None = None, *, epsilon: float = 1e-5,
    moving: Any = None, activation: str | None = None,
) -> Result:  # fmt: skip
    """batch_norm by the batch's own statistics: the result, each channel's mean and biased variance in float32, and the ReLU's mask or None."""
    if not _is_known(activation):
        return NotImplemented
    key = (
        batch_norm_training,
        x.shape,
        x.strides,
        x.dtype,
        form(weight),
        form(bias),
        form(residual),
        epsilon,
        activation,
    )
    found = PLANS.get(key) or plan(key, _plan_training, x, weight, bias, residual, epsilon, activation)
    return found(x, weight, bias, residual)


def batch_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, bias: Array | None = None, result: Array | None = None,
    mask: Array | None = None, *, epsilon: float, activation: str | None = None,
) -> Result:  # fmt: skip
    """The gradients of batch_norm_training for x, weight and bias; the latter two in float32."""
    key = (
        batch_norm_backward, flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, form(weight), form(mean), form(variance),
        form(result), form(mask), epsilon, activation,
    )  # fmt: skip
    found = PLANS.get(key) or plan(
        key, _plan_backward, flow, x, weight, mean, variance, result, mask, epsilon, activation
    )
    return found(flow, x, weight, mean, variance, result, mask)


def batch_norm_residual_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, result: Array, *, epsilon: float, activation: str
) -> Result:  # fmt: skip
    """The gradients of batch_norm_training with a residual and an activation, for x, weight, bias and the residual."""
    # The residual's is wanted by itself, so the flow is masked once for both.
    passed = _passed(flow, result, activation)
    found = batch_norm_backward(passed, x, weight, mean, variance, epsilon=epsilon)
    return found if found is NotImplemented else (*found, passed)


def _passed(flow: Array, result: Array, activation: str) -> Array:
    """What flows back past an activation."""
    low, high = LIMITS[activation]
    if high is None:
        passed = activations.relu_input(flow, result)
        return TABLE["relu_input"].body(np, flow, result) if passed is NotImplemented else passed  # type: ignore[no-any-return]
    passed = activations.hardtanh_input(flow, result, low=low, high=high)
    return TABLE["hardtanh_input"].body(np, flow, result, low=low, high=high) if passed is NotImplemented else passed  # type: ignore[no-any-return]


def _served(library: Library, x: Array, residual: Array | None, activation: str | None) -> Layout | None:
    """The layout of such images; None for what these kernels leave to the body."""
    if activation is not None and not (isinstance(activation, str) and activation in LIMITS):
        return None
    if residual is not None and (residual.shape != x.shape or residual.dtype != x.dtype):
        return None
    return images(library, x)


def _plan_given(
    library: Library, x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None,
    epsilon: float, activation: str | None,
) -> Plan | None:  # fmt: skip
    layout = _served(library, x, residual, activation)
    vectors = None if layout is None else vectors_of(x.shape[1], mean, variance, weight, bias)
    if layout is None or vectors is None:
        return None
    if _is_widened(x):
        return _widened(partial(batch_norm, epsilon=epsilon, activation=activation), (0, 5))
    fetch = as_channels_last(library, x)
    if residual is not None or activation is not None or _is_odd(x):
        followed = _plan_followed(library, x, residual, activation)
        if followed is None:
            return None

        def follow(
            x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None
        ) -> Array:
            return followed(fetch(x), *factors(weight, bias, mean, variance, epsilon), residual)

        return follow
    normalise = _plan_normalise(library, x, layout, weight, bias, epsilon, FORWARD_INFERENCE, 0)
    if normalise is None:
        return None

    def compute(
        x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, _: Array | None
    ) -> Array:
        return normalise(fetch(x), *vectors(mean, variance, weight, bias))[0]

    return compute


def _plan_training(
    library: Library, x: Array, weight: Array | None, bias: Array | None, residual: Array | None, epsilon: float, activation: str | None
) -> Plan | None:  # fmt: skip
    layout = _served(library, x, residual, activation)
    vectors = None if layout is None else vectors_of(x.shape[1], weight, bias)
    if layout is None or vectors is None:
        return None
    if _is_widened(x):
        return _widened(partial(batch_norm_training, epsilon=epsilon, activation=activation), (0, 3))
    survey, fetch = plan_survey(library, x), as_channels_last(library, x)
    if survey is None:
        return None
    normalise = None
    if residual is None and not _is_odd(x):
        kind, more = (FORWARD_INFERENCE, 0) if activation is None else (FORWARD_TRAINING, FUSE_RELU)
        normalise = _plan_normalise(library, x, layout, weight, bias, epsilon, kind, more)
    if normalise is not None and activation is None:

        def compute(x: Array, weight: Array | None, bias: Array | None, _: Array | None) -> tuple[Array, ...]:
            source = fetch(x)
            mean, variance = survey(source)
            return normalise(source, mean, variance, *vectors(weight, bias))[0], mean, variance

        return compute
    followed = _plan_followed(library, x, residual, activation)
    clipped = _plan_followed(library, x, None, activation, finite=True)
    if followed is None or clipped is None:
        return None

    def follow(x: Array, weight: Array | None, bias: Array | None, residual: Array | None) -> tuple[Any, ...]:
        source = fetch(x)
        mean, variance = survey(source)
        scale, shift = factors(weight, bias, mean, variance, epsilon)
        # oneDNN's own ReLU takes NaN for 0. Where no channel's mean, scale or shift is one, no number of its images is.
        if residual is not None or not np.isfinite(shift).all():
            return followed(source, scale, shift, residual), mean, variance, None
        if normalise is not None and activation == "relu":
            result, mask = normalise(source, mean, variance, *vectors(weight, bias))
            return result, mean, variance, mask
        return clipped(source, scale, shift, None), mean, variance, None

    return follow


def _plan_normalise(
    library: Library, x: Array, layout: Layout, weight: Array | None, bias: Array | None, epsilon: float, kind: int, more: int
) -> Callable[..., tuple[Array, Array | None]] | None:  # fmt: skip
    """A function that normalises by given statistics, then takes a ReLU if ``more`` says so; gives the result and the ReLU's mask if there is one."""
    flags, names = flags_of(weight, bias)
    description = describe(
        library, "batch_normalization_forward", kind, layout, layout, epsilon, flags | GIVEN_STATISTICS | more
    )
    if description is None:
        return None
    allocate = channels_last_allocator(x.shape, x.dtype)
    size = description.layout_bytes(WORKSPACE) if more else 0
    run = Primitive(description, (SOURCE, DESTINATION, *((WORKSPACE,) if size else ()), MEAN, VARIANCE, *names)).run

    def normalise(source: Array, *given: Array) -> tuple[Array, Array | None]:
        result = allocate()
        if not size:
            run(address(source), address(result), *map(address, given))
            return result, None
        mask = np.empty(size, np.uint8)
        run(address(source), address(result), address(mask), *map(address, given))
        return result, mask

    return normalise


def _plan_followed(
    library: Library, x: Array, residual: Array | None, activation: str | None, *, finite: bool = False
) -> Callable[..., Array] | None:
    """A function that gives x scale + shift + residual by channel, and the activation of it."""
    affine = plan_affine(library, x.shape, x.dtype, residual is not None, activation, finite=finite)
    if affine is None:
        return None
    fetch = None if residual is None else as_channels_last(library, residual)
    allocate = channels_last_allocator(x.shape, x.dtype)

    def followed(source: Array, scale: Array, shift: Array, residual: Array | None) -> Array:
        result = allocate()
        if fetch is None or residual is None:
            affine(address(source), address(scale), address(shift), 0, address(result))
        else:
            beside = fetch(residual)
            affine(address(source), address(scale), address(shift), address(beside), address(result))
        return result

    return followed


def _plan_backward(
    library: Library, flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, result: Array | None, mask: Array | None,
    epsilon: float, activation: str | None,
) -> Plan | None:  # fmt: skip
    layout = images(library, x)
    channels = x.shape[1] if layout is not None else 0
    vectors = vectors_of(channels, mean, variance, weight)
    if layout is None or vectors is None or flow.shape != x.shape or flow.dtype != x.dtype:
        return None
    if activation is not None and result is None:
        return None
    if _is_widened(x):
        return _widened(partial(_backward_widened, epsilon=epsilon, activation=activation), (0, 1, 5))
    flags, masked = USE_SCALE | USE_SHIFT, activation is not None
    if masked:
        flags |= FUSE_RELU
    hint = describe(library, "batch_normalization_forward", FORWARD_TRAINING, layout, layout, epsilon, flags)
    if hint is None:
        return None
    description = describe(
        library, "batch_normalization_backward", BACKWARD, layout, layout, layout, epsilon, flags, hint
    )
    if description is None:
        return None
    make = None
    if activation is not None and (mask is None or mask.size != description.layout_bytes(WORKSPACE)):
        make = _plan_own_mask(library, x, result, activation, description.layout_bytes(WORKSPACE))
        if make is None:
            return partial(_backward_apart, epsilon, activation)
    names = (SOURCE, DESTINATION_GRADIENT, SOURCE_GRADIENT, SCALE_GRADIENT, SHIFT_GRADIENT, MEAN, VARIANCE, SCALE)
    run = Primitive(description, (*names, WORKSPACE) if masked else names).run
    fetch_flow, fetch_x = as_channels_last(library, flow), as_channels_last(library, x)
    allocate, ones = channels_last_allocator(x.shape, x.dtype), np.ones(channels, FLOAT32)

    def compute(
        flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, result: Any, mask: Any
    ) -> tuple[Array, Array, Array]:  # fmt: skip
        upstream, source, dx = fetch_flow(flow), fetch_x(x), allocate()
        along, total = np.empty(channels, FLOAT32), np.empty(channels, FLOAT32)
        given = vectors(mean, variance, ones if weight is None else weight)
        if masked:
            given.append(mask if make is None else make(result))
        run(address(source), address(upstream), address(dx), address(along), address(total), *map(address, given))
        return dx, along, total

    return compute


def _is_widened(x: Array) -> bool:
    """Whether such images go by way of float32."""
    return is_slow(x) or x.dtype == FLOAT16


def _is_odd(x: Array) -> bool:
    """Whether a vector of channels ends in the middle of a register, which takes oneDNN's normalisation two to five times its time."""
    return bool(x.shape[1] > LANES and x.shape[1] % 8)


def _is_known(activation: object) -> bool:
    """Whether this may be a part of a plan's key: the body refuses what is no string."""
    return activation is None or activation.__class__ is str


def _plan_own_mask(
    library: Library, x: Array, result: Array | None, activation: str, size: int
) -> Callable[[Array], Array] | None:
    """What makes the mask of such a result, if it lies in memory as x's gradient will and its mask has so many bytes."""
    if result is None or result.dtype != x.dtype or result.shape != x.shape or -(-x.size // 8) != size:
        return None
    strides = tuple(stride * x.itemsize for stride in channels_last_strides(x.shape))
    if any(n > 1 and have != want for n, have, want in zip(x.shape, result.strides, strides, strict=True)):
        return None
    return plan_mask(library, result, activation)


def _backward_apart(
    epsilon: float, activation: str, flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, result: Array, _: Array | None
) -> Result:  # fmt: skip
    """The activation's gradient, then the normalisation's."""
    return batch_norm_backward(_passed(flow, result, activation), x, weight, mean, variance, epsilon=epsilon)


def _backward_widened(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, result: Array | None, mask: Array | None, *,
    epsilon: float, activation: str | None,
) -> Result:  # fmt: skip
    return batch_norm_backward(
        flow, x, weight, mean, variance, None, result, mask, epsilon=epsilon, activation=activation
    )


def _widened(kernel: Callable[..., Any], places: tuple[int, ...]) -> Plan:
    """A kernel by way of float32: its arguments at these places are images or None, and its (first) result is an image."""

    def compute(*arrays: Array | None) -> Any:
        assert arrays[0] is not None
        dtype = arrays[0].dtype
        results = kernel(
            *(
                cast_always(array, FLOAT32) if array is not None and at in places else array
                for at, array in enumerate(arrays)
            )
        )
        if results is NotImplemented:
            return results
        if isinstance(results, tuple):
            return cast_always(results[0], dtype), *results[1:]
        return cast_always(results, dtype)

    return compute
