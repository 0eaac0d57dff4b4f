"""Normalisation: by the statistics of a batch, by stored ones, or by those of each example.

Statistics are kept in float32 where the tensors are narrower. Where no graph is being recorded, gradients are computed by
fused operations; otherwise from elementary ones, so that they can be differentiated again.
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array, accumulator
from ...errors import ShapeError
from ...modes import modes
from ...op import op, op_with_results
from ...tensor import Tensor
from ..elementwise.elementary import rsqrt

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_training",
    "layer_norm",
    "layer_norm_backward",
]


def check_batch_norm(name: str, x: Array, *vectors: Array | None) -> None:
    """Refuse statistics or scales that do not have one number for each channel."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: wants (batch, channels, ...), not {tuple(x.shape)}")
    for vector in vectors:
        if vector is not None and vector.shape != (x.shape[1],):
            raise ShapeError(
                f"{name}: x has {x.shape[1]} channels {tuple(x.shape)}, but a weight, bias, mean or variance has shape {tuple(vector.shape)}"
            )


def _column(vector: Any, ndim: int) -> Any:
    """A vector of channels, shaped to meet (batch, channels, ...)."""
    return vector.reshape((-1,) + (1,) * (ndim - 2))


def _around(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _batch_norm_joint(
    grad: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor | None, ...]:
    ndim, around = x.ndim, _around(x)
    inverse = rsqrt(variance + epsilon)
    scale = inverse if weight is None else inverse * weight
    centred = x - _column(mean, ndim)
    total = grad.sum(around)
    along = (grad * centred).sum(around)
    dx = grad * _column(scale, ndim)
    dweight = None if weight is None else along * inverse
    dmean = -total * scale
    dvariance = along * scale * inverse * inverse * -0.5
    return dx, dweight, None if bias is None else total, dmean, dvariance


@op(jointly=_batch_norm_joint)
def batch_norm(
    xp: Any, x: Array, weight: Array | None, bias: Array | None, mean: Array, variance: Array, *, epsilon: float = 1e-5
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, channel by channel, with given statistics."""
    check_batch_norm("batch_norm", x, weight, bias, mean, variance)
    wide = accumulator(x.dtype)
    scale = 1 / xp.sqrt(variance.astype(wide) + wide.type(epsilon))
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return (x * _column(scale, x.ndim) + _column(shift, x.ndim)).astype(x.dtype, copy=False)


def _batch_norm_training_joint(
    grads: tuple[Tensor | None, ...],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    outs: tuple[Any, ...],
    epsilon: float,
) -> tuple[Tensor | None, ...]:
    grad, grad_mean, grad_variance = grads
    _, mean, variance = outs
    dx: Tensor | None = None
    dweight = dbias = None
    if grad is not None and not modes.recording:
        dx, dweight, dbias = batch_norm_backward.run((grad, x, weight, mean, variance), {"epsilon": epsilon})
        dweight, dbias = None if weight is None else dweight, None if bias is None else dbias
        if grad_mean is None and grad_variance is None:
            return dx, dweight, dbias
    ndim, around = x.ndim, _around(x)
    count = x.numel() // x.shape[1]
    if grad is not None and modes.recording:
        inverse = rsqrt(variance + epsilon)
        hat = (x - _column(mean, ndim)) * _column(inverse, ndim)
        total, along = grad.sum(around), (grad * hat).sum(around)
        scale = inverse if weight is None else inverse * weight
        dx = (grad - _column(total, ndim) / count - hat * _column(along, ndim) / count) * _column(scale, ndim)
        dweight, dbias = None if weight is None else along, None if bias is None else total
    if grad_mean is not None:
        part = _column(grad_mean, ndim) / count + x * 0.0
        dx = part if dx is None else dx + part
    if grad_variance is not None:
        part = (x - _column(mean, ndim)) * _column(grad_variance, ndim) * (2.0 / count)
        dx = part if dx is None else dx + part
    return dx, dweight, dbias


class Moving:
    """Running statistics that whoever computes a batch's may move on the way, and then says so in ``moved``.

    ``mean`` and ``variance`` are moved by ``momentum`` towards the batch's, its variance times ``unbiased``; ``count`` grows by 1.
    """

    __slots__ = ("count", "mean", "momentum", "moved", "unbiased", "variance")

    def __init__(self, mean: Array, variance: Array, count: Array | None, momentum: float, unbiased: float) -> None:
        self.mean, self.variance, self.count, self.momentum, self.unbiased = mean, variance, count, momentum, unbiased
        self.moved = False


@op_with_results(3, jointly=_batch_norm_training_joint, kept=(1, 2))
def batch_norm_training(
    xp: Any,
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    epsilon: float = 1e-5,
    moving: Moving | None = None,
) -> tuple[Array, Array, Array]:
    """batch_norm by the batch's own statistics; gives the result, the mean and the (biased) variance of each channel.

    A kernel may move running statistics with the same launch. Ioffe and Szegedy, "Batch normalization" (2015).
    """
    check_batch_norm("batch_norm_training", x, weight, bias)
    wide = accumulator(x.dtype)
    values = x.astype(wide, copy=False)
    mean = values.mean(_around(x))
    variance = values.var(_around(x))
    return batch_norm.body(xp, x, weight, bias, mean, variance, epsilon=epsilon), mean, variance


@op_with_results(3)
def batch_norm_backward(
    xp: Any, flow: Array, x: Array, weight: Array | None, mean: Array, variance: Array, *, epsilon: float
) -> tuple[Array, Array, Array]:
    """The gradients of batch_norm_training for x, weight and bias, in one pass."""
    wide = accumulator(x.dtype)
    values, arrived = x.astype(wide, copy=False), flow.astype(wide, copy=False)
    count = x.size // x.shape[1]
    inverse = 1 / xp.sqrt(variance + wide.type(epsilon))
    hat = (values - _column(mean, x.ndim)) * _column(inverse, x.ndim)
    total = arrived.sum(_around(x))
    along = (arrived * hat).sum(_around(x))
    scale = inverse if weight is None else inverse * weight
    dx = (arrived - (_column(total, x.ndim) + hat * _column(along, x.ndim)) / wide.type(count)) * _column(scale, x.ndim)
    return dx.astype(x.dtype, copy=False), along, total


def check_layer_norm(x: Array, weight: Array | None, bias: Array | None, axes: int) -> None:
    """Refuse scales whose shape is not that of the normalised axes."""
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and vector.shape != x.shape[x.ndim - axes :]:
            raise ShapeError(
                f"layer_norm: {name} {tuple(vector.shape)} must have the shape of the last {axes} axes of x {tuple(x.shape)}"
            )
    if not 1 <= axes <= x.ndim:
        raise ShapeError(f"layer_norm: cannot normalise {axes} axes of x {tuple(x.shape)}")


def _last(axes: int) -> tuple[int, ...]:
    return tuple(range(-axes, 0))


def _layer_norm_joint(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    epsilon: float,
    axes: int,
) -> tuple[Tensor | None, ...]:
    if not modes.recording:
        dx, dweight, dbias = layer_norm_backward.run((grad, x, weight, mean, inverse), {"axes": axes})
        return dx, None if weight is None else dweight, None if bias is None else dbias
    # The kept statistics are numbers; here they must depend on x again.
    centred = x - x.mean(_last(axes), True)
    root = rsqrt((centred * centred).mean(_last(axes), True) + epsilon)
    hat = centred * root
    scaled = grad if weight is None else grad * weight
    dx = (scaled - scaled.mean(_last(axes), True) - hat * (scaled * hat).mean(_last(axes), True)) * root
    return dx, None if weight is None else grad * hat, None if bias is None else grad


@op(residuals=("mean", "inverse"), jointly=_layer_norm_joint)
def layer_norm(
    xp: Any, x: Array, weight: Array | None = None, bias: Array | None = None, *, epsilon: float = 1e-5, axes: int = 1
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, over the last ``axes`` axes of each example.

    Keeps the mean and 1 / sqrt(variance + epsilon). Ba, Kiros and Hinton, "Layer normalization" (2016).
    """
    check_layer_norm(x, weight, bias, axes)
    wide = accumulator(x.dtype)
    values = x.astype(wide, copy=False)
    mean = values.mean(_last(axes), keepdims=True)
    centred = values - mean
    inverse = 1 / xp.sqrt(xp.mean(centred * centred, _last(axes), keepdims=True) + wide.type(epsilon))
    out = centred * inverse
    out = out if weight is None else out * weight
    out = out if bias is None else out + bias
    return out.astype(x.dtype, copy=False), mean, inverse


@op_with_results(3)
def layer_norm_backward(
    xp: Any, flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, axes: int = 1
) -> tuple[Array, Array, Array]:
    """The gradients of layer_norm for x, weight and bias, in one pass."""
    wide = accumulator(x.dtype)
    hat = (x.astype(wide, copy=False) - mean) * inverse
    arrived = flow.astype(wide, copy=False)
    scaled = arrived if weight is None else arrived * weight
    last, lead = _last(axes), tuple(range(x.ndim - axes))
    dx = (scaled - scaled.mean(last, keepdims=True) - hat * (scaled * hat).mean(last, keepdims=True)) * inverse
    return dx.astype(x.dtype, copy=False), (arrived * hat).sum(lead), arrived.sum(lead)
