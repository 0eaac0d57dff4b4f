"""Normalisation of images by batches or by stored statistics, with a residual and an activation in the same pass, and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtype import Array, accumulator, int64
from ....ops.layers.batching import Moving, check_batch_norm
from ...plans import Plans
from ..forms import form, gatherer
from ..layout import maker
from ..machine import machine
from ..program import SCALARS, Kernel, scalars
from .images import Launches, images_kernel, images_of, refuse, served

__all__ = ["batch_norm", "batch_norm_backward", "batch_norm_residual_backward", "batch_norm_training"]

Result = Any
Plan = Callable[..., Result]

PLANS: Plans[Plan] = Plans()


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None = None, *,
    epsilon: float = 1e-5, activation: str | None = None,
) -> Result:  # fmt: skip
    """activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual), channel by channel, with given statistics."""
    # fmt: off
    key = (
        batch_norm, machine(), x.shape, x.strides, x.dtype, form(weight), form(bias), mean.shape, mean.strides, mean.dtype, form(variance),
        epsilon, None if residual is None else form(residual), activation,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(
        key, _plan_inference, x, weight, bias, mean, variance, residual, epsilon, activation
    )
    return found(x, weight, bias, mean, variance, residual)


def batch_norm_training(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    epsilon: float = 1e-5,
    moving: Moving | None = None,
    activation: str | None = None,
) -> Result:
    """batch_norm by the batch's own statistics; gives the result, the mean and the variance of each channel; ``moving`` ones are moved."""
    moved = None if moving is None else (form(moving.mean), form(moving.variance), form(moving.count))
    # fmt: off
    key = (
        batch_norm_training, machine(), x.shape, x.strides, x.dtype, form(weight), form(bias), epsilon, moved,
        None if residual is None else form(residual), activation,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(key, _plan_training, x, weight, bias, residual, epsilon, moving, activation)
    return found(x, weight, bias, residual, moving)


def batch_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, bias: Array | None = None, result: Array | None = None, *,
    epsilon: float, activation: str | None = None,
) -> Result:  # fmt: skip
    """The gradients of batch_norm_training for x, weight and bias. What the activation was taken of is computed again, which costs no memory."""
    # fmt: off
    key = (
        batch_norm_backward, machine(), flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, form(weight), form(mean),
        form(variance), epsilon, None if bias is None else form(bias), activation,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(
        key, _plan_backward, flow, x, weight, mean, variance, bias, None, epsilon, activation
    )
    return found(flow, x, weight, mean, variance, bias, None)


def batch_norm_residual_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, result: Array, *, epsilon: float, activation: str
) -> Result:  # fmt: skip
    """The gradients of batch_norm_training for x, weight, bias and residual; the last is written where the others' sums are taken."""
    # fmt: off
    key = (
        batch_norm_residual_backward, machine(), flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, form(weight), form(mean),
        form(variance), form(result), epsilon, activation,
    )
    # fmt: on
    found = PLANS.get(key) or PLANS.make(
        key, _plan_backward, flow, x, weight, mean, variance, None, result, epsilon, activation
    )
    return found(flow, x, weight, mean, variance, None, result)


def _plan_inference(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None, epsilon: float,
    activation: str | None,
) -> Plan:  # fmt: skip
    check_batch_norm(
        "batch_norm", x, weight, bias, mean, variance, residual=residual, activation=activation, curved=True
    )
    named, beside = served(x, weight, bias), residual is not None
    if named is None or mean.dtype not in (x.dtype, accumulator(x.dtype)) or variance.dtype != mean.dtype:
        return refuse
    if residual is not None and residual.dtype != x.dtype:
        return refuse
    here = machine()
    images = images_of(here, x, False)
    launches = Launches(here, images, x.dtype, named, False, SCALARS[mean.dtype][0])
    normalise = launches("normalise", 6 + beside, 1 - beside, "qW", 1, epsilon, activation=activation, residual=beside)
    vectors = [(vector, None) for vector in (weight, bias, mean, variance)]
    gather = gatherer(here, (x, images.order), *vectors, (residual, images.order))
    make, address = maker(here, x.shape, x.dtype, images.order), here.address

    def compute(
        x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, residual: Array | None
    ) -> Array:
        if gather is not None:
            x, weight, bias, mean, variance, residual = gather(x, weight, bias, mean, variance, residual)
        out = make()
        scale, shift = 0 if weight is None else address(weight), 0 if bias is None else address(bias)
        if residual is None:
            normalise(address(x), address(mean), address(variance), scale, shift, address(out))
        else:
            normalise(address(x), address(mean), address(variance), scale, shift, address(out), address(residual))
        return out

    return compute


def _moves(moving: Moving | None, channels: int, named: str) -> bool:
    """Whether the kernel moves these running statistics: dense vectors of the weights' dtype, and a count of int64."""
    if moving is None:
        return False
    count = moving.count
    if count is not None and (count.dtype != int64 or count.size != 1):
        return False
    held = (moving.mean, moving.variance)
    return all(
        v.shape == (channels,) and v.flags.c_contiguous and SCALARS.get(v.dtype, ("",))[0] == named for v in held
    )


def _plan_training(
    x: Array, weight: Array | None, bias: Array | None, residual: Array | None, epsilon: float, moving: Moving | None, activation: str | None
) -> Plan:  # fmt: skip
    check_batch_norm("batch_norm_training", x, weight, bias, residual=residual, activation=activation)
    named, wide, beside = served(x, weight, bias), accumulator(x.dtype), residual is not None
    if named is None or (residual is not None and residual.dtype != x.dtype):
        return refuse
    here = machine()
    images = images_of(here, x, False)
    launches = Launches(here, images, x.dtype, named, False)
    moments = launches("moments", 3)
    normalise = launches("normalise", 6 + beside, 1 - beside, "qW", 1, epsilon, activation=activation, residual=beside)
    channels, numbers = images.channels, images.number * images.parts
    moves = _moves(moving, channels, named)
    fixed = (images.number, images.parts, channels, images.size, images.per)
    united = images_kernel("channel_moments", "PPPPPPPWWWqqqqq", x.dtype, named, False).prepared(
        here, -(-channels // 4), 256, *(None,) * 4, *((None,) * 6 if moves else (0, 0, 0, 0.0, 0.0, 0.0)), *fixed
    )
    gather = gatherer(here, (x, images.order), (weight, None), (bias, None), (residual, images.order))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (channels,), wide)
    address, memory, half = here.address, here.memory, numbers * channels * 8

    def compute(
        x: Array, weight: Array | None, bias: Array | None, residual: Array | None, moving: Moving | None
    ) -> Result:
        if gather is not None:
            x, weight, bias, residual = gather(x, weight, bias, residual)
        out, mean, variance, partial = make(), keep(), keep(), memory(2 * half)
        source, start, middles, spreads = address(x), partial.ptr, address(mean), address(variance)
        moments(source, start, start + half)
        if moves and moving is not None:
            count, share = moving.count, moving.momentum
            united(
                start, start + half, middles, spreads, address(moving.mean), address(moving.variance), 0 if count is None else address(count),
                1 - share, share, share * moving.unbiased,
            )  # fmt: skip
            moving.moved = True
        else:
            united(start, start + half, middles, spreads)
        scale, shift = 0 if weight is None else address(weight), 0 if bias is None else address(bias)
        if residual is None:
            normalise(source, middles, spreads, scale, shift, address(out))
        else:
            normalise(source, middles, spreads, scale, shift, address(out), address(residual))
        return out, mean, variance

    return compute


def _plan_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, bias: Array | None, made: Array | None, epsilon: float,
    activation: str | None,
) -> Plan:  # fmt: skip
    """With what a residual went into, ``made``, also the residual's gradient, from which the rest is computed then."""
    named, wide, beside = served(x, weight, bias), accumulator(x.dtype), made is not None
    if named is None or any(
        like.dtype != x.dtype or like.shape != x.shape for like in (flow, made) if like is not None
    ):
        return refuse
    if any(vector.dtype != wide or vector.shape != x.shape[1:2] for vector in (mean, variance)):
        return refuse
    again = activation is not None and not beside
    here = machine()
    images = images_of(here, x, False)
    launches = Launches(here, images, x.dtype, named, False)
    channels, numbers = images.channels, images.number * images.parts
    wanted = 10 if beside else 8 if again else 6
    products = launches("products", wanted, 10 - wanted, "qW", 1, epsilon, activation=activation, residual=beside)
    slopes = launches(
        "slopes", 8 + again, 1 - again, "qWW", 1, epsilon, channels / x.size, activation=activation if again else None
    )
    totals = Kernel("columns.cu", "column_totals", "PPPPqq", **scalars(x.dtype)).prepared(
        here, -(-channels // 8), 256, None, None, None, None, numbers, channels
    )
    vectors = [(vector, None) for vector in (weight, mean, variance, bias)]
    gather = gatherer(here, (flow, images.order), (x, images.order), *vectors, (made, images.order))
    make, keep = maker(here, x.shape, x.dtype, images.order), maker(here, (channels,), wide)
    address, memory, half = here.address, here.memory, numbers * channels * wide.itemsize

    def compute(
        flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, bias: Array | None, made: Array | None
    ) -> Result:  # fmt: skip
        if gather is not None:
            flow, x, weight, mean, variance, bias, made = gather(flow, x, weight, mean, variance, bias, made)
        out, along, total, partial = make(), keep(), keep(), memory(2 * half)
        arrived, source, middles, spreads = address(flow), address(x), address(mean), address(variance)
        scale, start, first, second = 0 if weight is None else address(weight), partial.ptr, address(along), address(total)  # fmt: skip
        if again:
            shift = 0 if bias is None else address(bias)
            products(arrived, source, middles, spreads, start, start + half, scale, shift)
            totals(start, start + half, first, second)
            slopes(arrived, source, middles, spreads, scale, first, second, address(out), shift)
            return out, along, total
        if made is None:
            products(arrived, source, middles, spreads, start, start + half)
        else:
            left = make()
            products(arrived, source, middles, spreads, start, start + half, 0, 0, address(made), address(left))
            arrived = address(left)
        totals(start, start + half, first, second)
        slopes(arrived, source, middles, spreads, scale, first, second, address(out))
        return (out, along, total) if made is None else (out, along, total, left)

    return compute
