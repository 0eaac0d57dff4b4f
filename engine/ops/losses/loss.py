"""Cross-entropy, and the negative log-likelihood of classes under it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...dtype import Array, accumulator, float32, kind
from ...errors import DeviceError, DtypeError, SettingError, ShapeError
from ...node import Node
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.arithmetic import where
from ..layers.activation import log_softmax, softmax

FLOAT32, FLOAT64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)

__all__ = [
    "cross_entropy",
    "nll",
]


def _nll_x(grad: Tensor, x_shape: tuple[int, ...], target: Tensor, scale: Tensor) -> Tensor:
    from ..indexing.index import spread_along

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
    from ..indexing.index import gather

    return gather(x, tensor_of(_valid(target.array).reshape(-1, 1)), axis=1).squeeze(1)


def _entropy_x(
    grad: Tensor, x: Tensor, target: Tensor, scale: Tensor | None, total: Tensor | None, chances: Tensor | None,
    sums: Tensor | None,
) -> Tensor:  # fmt: skip
    return class_entropy_input(grad, x, target, scale, total, chances, sums)


@op(residuals=("chances", "sums"), x=_entropy_x)
def class_entropy(
    xp: Any, x: Array, target: Array, scale: Array | None = None, total: Array | None = None, *, keep: bool = True
) -> Any:
    """-sum_i log softmax(x)[i, target[i]] scale[i], over ``total`` if given, for rows of logits (batch, classes); scales are 1 if not given.

    All of a classification loss in one step, whose gradient is one step too. The loss of half precisions is float32. Keeps the
    probabilities, or in their place, where a kernel would have it so, each row's peak and its sum of powers.
    """
    x = x.astype(accumulator(x.dtype), copy=False)
    shifted = x - (_reduce(xp, "maximum", x) if x.size else 0)
    chances = xp.exp(shifted)
    sums = _reduce(xp, "add", chances)
    loss = xp.log(sums)[:, 0] - shifted[xp.arange(len(x)), target]
    return summed_loss(loss, scale, total), chances / sums if keep else None, None


def _reduce(xp: Any, name: str, x: Array) -> Array:
    """The rows' maxima or sums, as a column."""
    if xp is np:  # the array's own methods take a detour through Python
        return (np.maximum if name == "maximum" else np.add).reduce(x, 1, keepdims=True)
    return x.max(1, keepdims=True) if name == "maximum" else x.sum(1, keepdims=True)


def summed_loss(loss: Array, scale: Array | None, total: Array | None) -> Array:
    """The sum of each row's loss, scaled, over the total."""
    value = (
        np.add.reduce(loss)
        if scale is None and type(loss) is np.ndarray
        else (loss * (1 if scale is None else scale)).sum()
    )
    return value if total is None else value / total


def _entropy_flow(grad: Tensor, x: Tensor, target: Tensor, scale: Tensor | None, total: Tensor | None) -> Tensor:
    # It is linear in its flow: what a change of x along ``grad`` would add to the loss.
    change = (softmax(x, axis=1) * grad).sum(1) - _picked(grad, target)
    if scale is not None:
        change = change * scale
    change = change.sum()
    return change if total is None else change / total


def _entropy_twice(
    grad: Tensor, flow: Tensor, x: Tensor, target: Tensor, scale: Tensor | None, total: Tensor | None
) -> Tensor:
    chances = softmax(x, axis=1)
    weight = flow if total is None else flow / total
    if scale is not None:
        weight = (where(scale != 0, weight, 0.0) * scale).unsqueeze(1)
    return weight * chances * (grad - (chances * grad).sum(1, True))


@op(flow=_entropy_flow, x=_entropy_twice)
def class_entropy_input(
    xp: Any, flow: Array, x: Array, target: Array, scale: Array | None = None, total: Array | None = None, chances: Array | None = None,
    sums: Array | None = None,
) -> Array:  # fmt: skip
    """What flows back to the logits: (softmax(x) - one at each row's target) scale, times the flow of the loss over ``total``."""
    given = x.dtype
    if chances is None:
        x = x.astype(accumulator(given), copy=False)
        chances = xp.exp(x - x.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
    weight = flow if total is None else flow / total
    if scale is not None:
        # What does not count has no gradient, even where nothing counts and the mean is NaN.
        weight = xp.where(scale != 0, weight * scale, 0).astype(chances.dtype, copy=False)
    out = chances * (weight if scale is None else weight[:, None])
    out[xp.arange(len(x)), target] -= weight
    return out.astype(given, copy=False)


@op_with_results(3)
def class_counts(
    xp: Any, target: Array, weight: Array | None, like: Array, *, classes: int, ignore_index: int | None
) -> tuple[Array, Array, Array]:
    """Class indices with those that are ``ignore_index`` as 0, how much each counts (its class's weight, or 1; ignored 0), and the sum of that.

    In the dtype in which sums over ``like`` are kept.
    """
    labels, counts = _labels("cross_entropy", target, classes, ignore_index)
    scale = counts.astype(accumulator(like.dtype))
    if weight is not None:
        scale = scale * weight[labels]
    return labels, scale, scale.sum(dtype=scale.dtype)


@class_entropy.directly
def _class_entropy_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    chances = node.residuals[0]  # type: ignore[index]
    if type(chances) is not np.ndarray or chances.size > 1 << 14:
        return None
    # The logits themselves do not matter where their softmax is known.
    kept = [getattr(value, "array", value) for value in node.saved[1:]]  # type: ignore[index]
    return [class_entropy_input.body(np, arrived.array, chances, *kept, *[None] * (3 - len(kept)), chances)]


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The cross-entropy of logits against classes, in natural units (nats).

    input (batch, classes, ...) or (classes,); target (batch, ...) of class indices, or of input's shape with probabilities.
    ``weight`` (classes,) scales each class; the mean is taken over the weights of what counts. Targets equal to
    ``ignore_index`` do not. The loss of half precisions is float32.
    """
    if type(input) is Tensor and type(target) is Tensor and weight is None and not label_smoothing:
        x = input
        if (reduction == "mean" or reduction == "sum") and _all_count(x.array, target.array, ignore_index):
            return class_entropy(x, target, None, _count(len(x.array), x.array.dtype) if reduction == "mean" else None)
    if not 0.0 <= label_smoothing <= 1.0:
        raise SettingError(f"cross_entropy: label_smoothing must lie between 0 and 1, not {label_smoothing}")
    check_reduction("cross_entropy", reduction)
    x = tensor_like("cross_entropy", input)
    if kind(x.dtype) != 2:
        raise DtypeError(f"cross_entropy: wants floating-point logits, not {x.dtype}")
    target = tensor_like("cross_entropy", target)
    if kind(target.dtype) == 2:
        return _soft_cross_entropy(x, target, weight, label_smoothing, reduction)
    axis = 1 if x.ndim > 1 else 0
    if not x.ndim:
        raise ShapeError(
            "cross_entropy: wants logits of shape (batch, classes, ...) or (classes,), not a single number"
        )
    wide = accumulator(x.dtype)
    fused = reduction != "none" and not label_smoothing
    if x.array.dtype != wide and not (fused and not isinstance(x.array, np.ndarray)):
        x = x.to(dtype=wide)
    if fused:
        return _class_entropy(x, target, weight, ignore_index, reduction)
    chances = log_softmax(x, axis=axis)
    return class_nll("cross_entropy", chances, target, weight, ignore_index, reduction, label_smoothing)


@lru_cache(64)
def _count(rows: int, dtype: Any) -> Tensor:
    """A number of rows as a tensor, made once."""
    return tensor_of(np.asarray(rows, dtype))


def _class_entropy(x: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str) -> Tensor:
    """The sum or mean over class indices, in one operation."""
    if x.ndim == 1:
        x, target = x.unsqueeze(0), target.unsqueeze(0)
    mean = reduction == "mean"
    if not isinstance(x.array, np.ndarray):
        return _counted_entropy(x, target, weight, ignore_index, mean)
    labels, counts = checked_labels("cross_entropy", x, target, ignore_index)
    classes = x.shape[1]
    if x.ndim > 2:
        x = x.permute(0, *range(2, x.ndim), 1).reshape(labels.size, classes)
        labels, counts = labels.reshape(-1), counts.reshape(-1)
    scale = counts.astype(x.dtype)
    if weight is not None:
        scale = scale * class_weight("cross_entropy", weight, x).to(dtype=x.dtype).array[labels]
    return class_entropy(x, tensor_of(labels), tensor_of(scale), tensor_of(scale.sum(dtype=x.dtype)) if mean else None)


def _counted_entropy(x: Tensor, target: Tensor, weight: Any, ignore_index: int, mean: bool) -> Tensor:
    """The same where looking at the classes would wait for the GPU: one operation checks them and says how much they count."""
    _check_targets("cross_entropy", x, target)
    classes = x.shape[1]
    if weight is not None:
        weight = class_weight("cross_entropy", weight, x).to(dtype=accumulator(x.dtype))
    labels, scale, total = class_counts(target, weight, x.detach(), classes=classes, ignore_index=ignore_index)
    if x.ndim > 2:
        x, labels, scale = x.permute(0, *range(2, x.ndim), 1).reshape(labels.numel(), classes), labels.reshape(-1), scale.reshape(-1)  # fmt: skip
    return class_entropy(x, labels, scale, total if mean else None)


def _all_count(x: Array, target: Array, ignore_index: int) -> bool:
    """Whether this is the usual case, and every target a class: an unsigned view makes negative numbers large."""
    if type(x) is not np.ndarray or x.ndim != 2 or (x.dtype is not FLOAT32 and x.dtype is not FLOAT64):
        return False
    if type(target) is not np.ndarray or target.shape != x.shape[:1] or target.dtype is not INT64:
        return False
    classes = x.shape[1]
    return not 0 <= ignore_index < classes and bool(np.logical_and.reduce(target.view(np.uint64) < classes))


def check_reduction(name: str, reduction: str) -> None:
    """Refuse what is neither the mean, nor the sum, nor each element."""
    if reduction not in ("mean", "sum", "none"):
        raise SettingError(f"{name}: reduction {reduction!r} is not known; give 'mean', 'sum' or 'none'")


def class_nll(
    name: str, x: Tensor, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float = 0.0
) -> Tensor:
    """The negative log-likelihood of class indices under log-probabilities x (batch, classes, ...) or (classes,)."""
    target = tensor_like(name, target)
    single = x.ndim == 1
    if single:
        x, target = x.unsqueeze(0), target.unsqueeze(0)
    labels, counts = checked_labels(name, x, target, ignore_index)
    shape, classes = target.shape, x.shape[1]
    if x.ndim > 2:
        x = x.permute(0, *range(2, x.ndim), 1).reshape(labels.size, classes)
        labels, counts = labels.reshape(-1), counts.reshape(-1)
    scale = counts.astype(x.dtype)
    if weight is not None:
        weight = class_weight(name, weight, x).to(dtype=x.dtype)
        scale = scale * weight.array[labels]
    loss = nll(x, tensor_of(labels), tensor_of(scale))
    if label_smoothing:
        even = x if weight is None else x * weight
        smooth = where(tensor_of(counts), even.sum(1) * (-1.0 / classes), 0.0)
        loss = loss * (1.0 - label_smoothing) + smooth * label_smoothing
    if reduction == "none":
        return loss.reshape(() if single else shape)
    total = loss.sum()
    return total if reduction == "sum" else total / tensor_of(scale.sum(dtype=x.dtype))


def checked_labels(name: str, x: Tensor, target: Tensor, ignore_index: int | None) -> tuple[Array, Array]:
    """Class indices for scores x (batch, classes, ...), those that do not count as 0; and which of them count."""
    _check_targets(name, x, target)
    return _labels(name, target.array, x.shape[1], ignore_index)


def _check_targets(name: str, x: Tensor, target: Tensor) -> None:
    if kind(target.dtype) != 1:
        raise DtypeError(f"{name}: targets must be class indices (integers), not {target.dtype}")
    wanted = (*x.shape[:1], *x.shape[2:])
    if x.ndim < 2 or tuple(target.shape) != wanted:
        raise ShapeError(
            f"{name}: scores {tuple(x.shape)} (batch, classes, ...) want targets of shape {wanted}, not {tuple(target.shape)}"
        )


def _labels(name: str, labels: Array, classes: int, ignore_index: int | None) -> tuple[Array, Array]:
    wrong = (labels < 0) | (labels >= classes)
    counts = (labels == labels) if ignore_index is None else labels != ignore_index
    wrong &= counts
    if left_to_gpu(labels * counts, 0, classes - 1, f"{name}: target {{0}} is no class: there are {{1}} (0 to {{2}})"):
        return labels * (counts & ~wrong), counts
    if wrong.any():
        ignored = "" if ignore_index is None else f"; {ignore_index} is ignored"
        raise ShapeError(
            f"{name}: target {int(labels[wrong][0])} is no class: there are {classes} (0 to {classes - 1}{ignored})"
        )
    return labels * counts, counts


def class_weight(name: str, weight: Any, x: Tensor) -> Tensor:
    """The weight of each class of scores x (batch, classes, ...) or (classes,), checked; raw arrays and lists go where the scores are."""
    classes = x.shape[1 if x.ndim > 1 else 0]
    vector = weight if isinstance(weight, Tensor) else tensor_like(name, weight).to(device=x.device)
    if vector.device != x.device:
        raise DeviceError(
            f"{name}: the scores are on {x.device} but weight on {vector.device}; move it with .to(device)"
        )
    if tuple(vector.shape) != (classes,):
        raise ShapeError(f"{name}: weight {tuple(vector.shape)} must have one number for each of the {classes} classes")
    return vector


def _soft_cross_entropy(x: Tensor, target: Tensor, weight: Any, label_smoothing: float, reduction: str) -> Tensor:
    if tuple(target.shape) != tuple(x.shape) or not x.ndim:
        raise ShapeError(
            f"cross_entropy: target probabilities {tuple(target.shape)} must have the shape of the logits {tuple(x.shape)}"
        )
    axis = 1 if x.ndim > 1 else 0
    classes = x.shape[axis]
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / classes
    terms = log_softmax(x.to(dtype=float32) if accumulator(x.dtype) != x.dtype else x, axis=axis) * target
    if weight is not None:
        weight = class_weight("cross_entropy", weight, x)
        terms = terms * weight.reshape(classes, *(1,) * (x.ndim - 2))
    loss = -terms.sum(axis)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    return loss.sum() / float(loss.numel()) if loss.numel() else loss.sum() * float("nan")
