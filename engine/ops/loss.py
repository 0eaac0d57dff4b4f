"""Losses."""

from __future__ import annotations

from typing import Any

from ..dtype import Array, accumulator, float32, kind
from ..errors import DtypeError, SettingError, ShapeError
from ..op import op
from ..tensor import Tensor, tensor_like, tensor_of
from .activation import log_softmax
from .arithmetic import where

__all__ = [
    "cross_entropy",
    "nll",
]


def _nll_x(grad: Tensor, x_shape: tuple[int, ...], target: Tensor, scale: Tensor) -> Tensor:
    from .index import spread_along

    # What does not count has no gradient, even where nothing counts and the mean is NaN.
    return spread_along(
        where(scale != 0, grad * -scale, 0.0).unsqueeze(1),
        tensor_of(_valid(target.array).reshape(-1, 1)),
        shape=x_shape,
        axis=1,
    )


def _valid(target: Array) -> Array:
    return target * (target >= 0)


@op(x=_nll_x, scale=lambda grad, x, target: grad * -_picked(x, target))
def nll(xp: Any, x: Array, target: Array, scale: Array) -> Array:
    """-x[i, target[i]] scale[i] for rows of log-probabilities (batch, classes); a negative target counts as class 0."""
    rows = xp.arange(x.shape[0])
    return -x[rows, _valid(target)] * scale


def _picked(x: Tensor, target: Tensor) -> Tensor:
    from .index import gather

    return gather(x, tensor_of(_valid(target.array).reshape(-1, 1)), axis=1).squeeze(1)


def cross_entropy(
    x: Tensor,
    target: Any,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The cross-entropy of logits against classes, in natural units (nats).

    x (batch, classes, ...) or (classes,); target (batch, ...) of class indices, or of x's shape with probabilities. ``weight`` (classes,) scales
    each class; the mean is taken over the weights of what counts. Targets equal to ``ignore_index`` do not.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise SettingError(f"cross_entropy: label_smoothing must lie between 0 and 1, not {label_smoothing}")
    if reduction not in ("mean", "sum", "none"):
        raise SettingError(f"cross_entropy: reduction {reduction!r} is not known; give 'mean', 'sum' or 'none'")
    x = tensor_like("cross_entropy", x)
    if kind(x.dtype) != 2:
        raise DtypeError(f"cross_entropy: wants floating-point logits, not {x.dtype}")
    target = tensor_like("cross_entropy", target)
    weight = None if weight is None else tensor_like("cross_entropy", weight)
    single = x.ndim == 1
    if single:
        x, target = x.unsqueeze(0), target.unsqueeze(0)
    if x.ndim > 1 and weight is not None and tuple(weight.shape) != x.shape[1:2]:
        raise ShapeError(
            f"cross_entropy: weight {tuple(weight.shape)} must have one number for each of the {x.shape[1]} classes"
        )
    if kind(target.dtype) == 2:
        loss = _soft_cross_entropy(x, target, weight, label_smoothing, reduction)
        return loss.squeeze(0) if single and reduction == "none" else loss
    if kind(target.dtype) != 1:
        raise DtypeError(
            f"cross_entropy: targets must be class indices (integers) or probabilities (floats), not {target.dtype}"
        )
    wanted = (*x.shape[:1], *x.shape[2:])
    if x.ndim < 2 or tuple(target.shape) != wanted:
        raise ShapeError(
            f"cross_entropy: logits {tuple(x.shape)} (batch, classes, ...) want targets of shape {wanted}, not {tuple(target.shape)}"
        )
    classes = x.shape[1]
    shape = target.shape
    if x.ndim > 2:
        x = x.permute(0, *range(2, x.ndim), 1).reshape(-1, classes)
        target = target.reshape(-1)
    labels = target.array
    counts = labels != ignore_index
    wrong = counts & ((labels < 0) | (labels >= classes))
    if wrong.any():
        raise ShapeError(
            f"cross_entropy: target {int(labels[wrong][0])} is no class: there are {classes} (0 to {classes - 1}; {ignore_index} is ignored)"
        )
    wide = accumulator(x.dtype)
    scale = counts.astype(wide)
    if weight is not None:
        scale = scale * weight.array.astype(wide)[_valid(labels) * counts]
    log_probabilities = log_softmax(x.to(dtype=wide), axis=1)
    masked = tensor_of(labels * counts)
    loss = nll(log_probabilities, masked, tensor_of(scale))
    if label_smoothing:
        even = log_probabilities if weight is None else log_probabilities * weight
        smooth = where(tensor_of(counts), even.sum(1) * (-1.0 / classes), 0.0)
        loss = loss * (1.0 - label_smoothing) + smooth * label_smoothing
    if reduction == "none":
        return loss.reshape(() if single else shape)
    total = loss.sum()
    return total if reduction == "sum" else total / Tensor(scale.sum(dtype=wide))


def _soft_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None, label_smoothing: float, reduction: str
) -> Tensor:
    if tuple(target.shape) != tuple(x.shape):
        raise ShapeError(
            f"cross_entropy: target probabilities {tuple(target.shape)} must have the shape of the logits {tuple(x.shape)}"
        )
    classes = x.shape[1]
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / classes
    terms = log_softmax(x.to(dtype=float32) if accumulator(x.dtype) != x.dtype else x, axis=1) * target
    if weight is not None:
        terms = terms * weight.reshape(classes, *(1,) * (x.ndim - 2))
    loss = -terms.sum(1)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / float(loss.numel())
