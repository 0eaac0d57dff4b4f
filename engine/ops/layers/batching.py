"""Normalisation by the statistics of a batch, or by stored ones; with it, in one pass, what mostly follows: a sum and an activation.

As in ``normalization``: statistics stay wide, gradients are fused operations where no graph is being recorded, and elementary ones otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array, accumulator, result_type
from ...errors import SettingError, ShapeError
from ...modes import modes
from ...node import Node
from ...op import Op, op, op_with_results
from ...tensor import Tensor
from ..elementwise.elementary import rsqrt
from .activation import hardswish, relu, relu_input, silu
from .rectifier import hardtanh, hardtanh_input

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_residual_backward",
    "batch_norm_training",
]

ACTIVATIONS: dict[str, tuple[Op[Any, Tensor], Op[Any, Tensor], dict[str, float]]] = {
    "relu": (relu, relu_input, {}),
    "relu6": (hardtanh, hardtanh_input, {"low": 0.0, "high": 6.0}),
}
"""What may follow a normalisation: the operation, its gradient from what flows back and the result, and the settings of both."""

CURVES: dict[str, Op[Any, Tensor]] = {"silu": silu, "hardswish": hardswish}
"""What may follow one by given statistics as well, where no residual is added: the gradient asks for what it was taken of, which is computed again."""


def check_batch_norm(
    name: str, x: Array, *vectors: Array | None, residual: Array | None = None, activation: str | None = None, curved: bool = False
) -> None:  # fmt: skip
    """Refuse statistics or scales that do not have one number for each channel, a residual of another shape, and unknown activations."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: wants (batch, channels, ...), not {tuple(x.shape)}")
    for vector in vectors:
        if vector is not None and vector.shape != (x.shape[1],):
            raise ShapeError(
                f"{name}: x has {x.shape[1]} channels {tuple(x.shape)}, but a weight, bias, mean or variance has shape {tuple(vector.shape)}"
            )
    if residual is not None and residual.shape != x.shape:
        raise ShapeError(f"{name}: residual {tuple(residual.shape)} must have the shape of x {tuple(x.shape)}")
    if activation is not None:
        check_activation(name, activation, curved and residual is None)


def check_activation(name: str, activation: Any, curved: bool) -> None:
    """Refuse what is no activation's name; those of ``CURVES`` too unless ``curved``."""
    known = [*ACTIVATIONS, *CURVES] if curved else [*ACTIVATIONS]
    if not isinstance(activation, str) or activation not in known:
        raise SettingError(f"{name}: activation must be None or one of {', '.join(known)}, not {activation!r:.40}")


def _column(vector: Any, ndim: int) -> Any:
    """A vector of channels, shaped to meet (batch, channels, ...)."""
    return vector.reshape((-1,) + (1,) * (ndim - 2))


def _around(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _keeps_result(inputs: tuple[Any, ...], settings: dict[str, Any]) -> bool:
    """Whether the gradient needs the result: for the activation's mask, which is kept by whatever computes with it next all the same."""
    return settings["activation"] in ACTIVATIONS


def _keeps_result_of_training(inputs: tuple[Any, ...], settings: dict[str, Any]) -> bool:
    """The same; a GPU computes it again where no residual went into it."""
    added = len(inputs) > 3 and inputs[3] is not None
    return settings["activation"] is not None and (added or isinstance(inputs[0].array, np.ndarray))


def _passed(grad: Tensor, out: Tensor, activation: str | None) -> Tensor:
    """What flows back past the activation, made of what can be differentiated again."""
    if activation is None:
        return grad
    _, back, limits = ACTIVATIONS[activation]
    return back(grad, out, **limits)


def _batch_norm_joint(
    grad: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, out: Tensor, epsilon: float,
    activation: str | None,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    if activation in CURVES:
        back = CURVES[activation].rules[0]
        assert back is not None
        grad = back[0](grad, batch_norm(x, weight, bias, mean, variance, epsilon=epsilon))
    else:
        grad = _passed(grad, out, activation)
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
    return dx, dweight, None if bias is None else total, dmean, dvariance, grad


@op(jointly=_batch_norm_joint, keeps_result=_keeps_result)
def batch_norm(
    xp: Any,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    variance: Array,
    residual: Array | None = None,
    *,
    epsilon: float = 1e-5,
    activation: str | None = None,
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, channel by channel, with given statistics.

    A ``residual`` of x's shape is added, and then "relu" or "relu6" taken, where they are given; without a residual "silu" or "hardswish" too.
    """
    check_batch_norm(
        "batch_norm", x, weight, bias, mean, variance, residual=residual, activation=activation, curved=True
    )
    wide = accumulator(x.dtype)
    scale = 1 / xp.sqrt(variance.astype(wide) + wide.type(epsilon))
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    out = (x * _column(scale, x.ndim) + _column(shift, x.ndim)).astype(x.dtype, copy=False)
    if residual is not None:
        dtype = result_type(out, residual)
        out = out.astype(dtype, copy=False) + residual.astype(dtype, copy=False)
    if activation is None:
        return out
    if activation in CURVES:
        return CURVES[activation].body(xp, out)
    function, _, limits = ACTIVATIONS[activation]
    return function.body(xp, out, **limits)


def _batch_norm_training_joint(
    grads: tuple[Tensor | None, ...], x: Tensor, weight: Tensor | None, bias: Tensor | None, residual_shape: Any, outs: tuple[Any, ...],
    mask: Tensor | None, epsilon: float, activation: str | None,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    grad, grad_mean, grad_variance = grads
    out, mean, variance = outs
    dx: Tensor | None = None
    dweight = dbias = None
    if grad is not None and not modes.recording:
        settings = {"epsilon": epsilon, "activation": activation}
        if activation is None:
            dx, dweight, dbias = batch_norm_backward.run((grad, x, weight, mean, variance), settings)
        elif residual_shape is None:
            given = (grad, x, weight, mean, variance, bias, out)
            dx, dweight, dbias = batch_norm_backward.run(given if mask is None else (*given, mask), settings)
        else:
            dx, dweight, dbias, grad = batch_norm_residual_backward.run(
                (grad, x, weight, mean, variance, out), settings
            )
        dweight, dbias = None if weight is None else dweight, None if bias is None else dbias
        if grad_mean is None and grad_variance is None:
            return dx, dweight, dbias, grad
    ndim, around = x.ndim, _around(x)
    count = x.numel() // x.shape[1]
    if grad is not None and modes.recording:
        if activation is not None and out is None:
            out = batch_norm(x, weight, bias, mean, variance, epsilon=epsilon, activation=activation).detach()
        grad = _passed(grad, out, activation)
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
    return dx, dweight, dbias, grad


class Moving:
    """Running statistics that whoever computes a batch's may move on the way, and then says so in ``moved``.

    ``mean`` and ``variance`` are moved by ``momentum`` towards the batch's, its variance times ``unbiased``; ``count`` grows by 1.
    """

    __slots__ = ("count", "mean", "momentum", "moved", "unbiased", "variance")

    def __init__(self, mean: Array, variance: Array, count: Array | None, momentum: float, unbiased: float) -> None:
        self.mean, self.variance, self.count, self.momentum, self.unbiased = mean, variance, count, momentum, unbiased
        self.moved = False


@op_with_results(
    3, residuals=("mask",), jointly=_batch_norm_training_joint, kept=(1, 2), keeps_result=_keeps_result_of_training
)
def batch_norm_training(
    xp: Any,
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    epsilon: float = 1e-5,
    moving: Moving | None = None,
    activation: str | None = None,
) -> tuple[Array, Array, Array]:
    """batch_norm by the batch's own statistics; gives the result, the mean and the (biased) variance of each channel.

    A kernel may move running statistics with the same launch, and leave a mask of where the activation's gradient flows.
    Ioffe and Szegedy, "Batch normalization" (2015).
    """
    check_batch_norm("batch_norm_training", x, weight, bias, residual=residual, activation=activation)
    wide = accumulator(x.dtype)
    values = x.astype(wide, copy=False)
    mean = values.mean(_around(x))
    variance = values.var(_around(x))
    out = batch_norm.body(xp, x, weight, bias, mean, variance, residual, epsilon=epsilon, activation=activation)
    return out, mean, variance


@op_with_results(3)
def batch_norm_backward(
    xp: Any,
    flow: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    variance: Array,
    bias: Array | None = None,
    result: Array | None = None,
    mask: Array | None = None,
    *,
    epsilon: float,
    activation: str | None = None,
) -> tuple[Array, Array, Array]:
    """The gradients of batch_norm_training for x, weight and bias, in one pass.

    Where the activation's gradient flows is read from the ``result``, or from what is computed again in its place; ``mask`` is what a
    kernel of batch_norm_training left to its own kernel of this.
    """
    if activation is not None:
        if result is None:
            result = batch_norm.body(xp, x, weight, bias, mean, variance, epsilon=epsilon, activation=activation)
        _, back, limits = ACTIVATIONS[activation]
        flow = back.body(xp, flow, result, **limits)
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


@op_with_results(4)
def batch_norm_residual_backward(
    xp: Any,
    flow: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    variance: Array,
    result: Array,
    *,
    epsilon: float,
    activation: str,
) -> tuple[Array, Array, Array, Array]:
    """The gradients of batch_norm_training with a residual and an activation, for x, weight, bias and residual.

    The last is what flows back past the activation, whose mask is read from the ``result``.
    """
    _, back, limits = ACTIVATIONS[activation]
    flow = back.body(xp, flow, result, **limits)
    return *batch_norm_backward.body(xp, flow, x, weight, mean, variance, epsilon=epsilon), flow


@batch_norm_training.directly
def _batch_norm_directly(node: Node, arrived: Any) -> list[Any] | None:
    flow, of_mean, of_variance = arrived
    if flow is None or of_mean is not None or of_variance is not None:
        return None
    kept: Any = node.saved
    # Of a residual the shape alone is kept, behind the others.
    x, weight, bias, residual = [
        None if value is None else getattr(value, "array", value) for value in (*kept, None, None, None)[:4]
    ]
    (out, mean, variance), (mask,) = node.outs, node.residuals  # type: ignore[misc]
    activation = node.settings["activation"]
    settings = {"epsilon": node.settings["epsilon"], "activation": activation}
    given: tuple[Any, ...] = (flow.array, x, weight, mean, variance)
    if activation is None:
        return [*batch_norm_backward.compute(*given, **settings), flow.array][: len(kept)]
    if residual is None:
        given = (*given, bias, out) if mask is None else (*given, bias, out, mask)
        return list(batch_norm_backward.compute(*given, **settings))[: len(kept)]
    return list(batch_norm_residual_backward.compute(*given, out, **settings))
