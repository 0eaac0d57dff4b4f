"""Losses of classes: given log-probabilities, probabilities, logits or plain scores."""

from __future__ import annotations

from typing import Any

from ...dtype import accumulator, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...ops import arange, clip, gather, sigmoid, softmax, where
from ...ops.losses.deviation import bernoulli_nll, logistic_loss
from ...ops.losses.loss import check_reduction, checked_labels, class_nll, class_weight
from ...tensor import Tensor, tensor_like, tensor_of
from .loss import prepared, reduced

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "dice_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "sigmoid_focal_loss",
    "soft_margin_loss",
]


def nll_loss(
    input: Tensor, target: Any, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-input[target] of log-probabilities (batch, classes, ...) or (classes,); the mean is taken over the classes' weights.

    Targets equal to ``ignore_index`` do not count.
    """
    check_reduction("nll_loss", reduction)
    input = tensor_like("nll_loss", input)
    if kind(input.dtype) != 2:
        raise DtypeError(f"nll_loss: wants floating-point log-probabilities, not {input.dtype}")
    loss = class_nll("nll_loss", input.to(dtype=accumulator(input.dtype)), target, weight, ignore_index, reduction)
    return loss.to(dtype=input.dtype)


def binary_cross_entropy(
    input: Tensor, target: Any, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)) of probabilities; ``weight`` scales each element.

    Logarithms count as at least -100. From logits, ``binary_cross_entropy_with_logits`` is more exact.
    """
    (input, target), dtype = prepared("binary_cross_entropy", reduction, input, target)
    _check_same("binary_cross_entropy", input, target)
    if input.numel() and not (input.array.min() >= 0 and input.array.max() <= 1):
        raise SettingError(
            "binary_cross_entropy: input must be probabilities, between 0 and 1; "
            "give logits to binary_cross_entropy_with_logits, or apply sigmoid first"
        )
    return reduced(_scaled("binary_cross_entropy", bernoulli_nll(input, target), weight), reduction, dtype)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Any,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), computed without overflow; ``pos_weight`` scales what targets above 0 cost."""
    (input, target), dtype = prepared("binary_cross_entropy_with_logits", reduction, input, target)
    _check_same("binary_cross_entropy_with_logits", input, target)
    loss = _logit_cost(input, target, pos_weight)
    return reduced(_scaled("binary_cross_entropy_with_logits", loss, weight), reduction, dtype)


def _logit_cost(input: Tensor, target: Tensor, pos_weight: Any = None) -> Tensor:
    cost = logistic_loss(input)
    if pos_weight is not None:
        (pos_weight, _), _ = prepared("binary_cross_entropy_with_logits pos_weight", "sum", pos_weight, input)
        cost = cost * (target * (pos_weight - 1.0) + 1.0)
    return (1.0 - target) * input + cost


def sigmoid_focal_loss(
    inputs: Tensor, targets: Any, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
) -> Tensor:
    """Binary cross-entropy of logits, times (1 - p)^gamma of the probability p of the truth: what is sure costs little.

    ``alpha`` weighs the ones and 1 - alpha the zeros; a negative one weighs nothing. Lin et al., "Focal loss" (2017).
    """
    (inputs, targets), dtype = prepared("sigmoid_focal_loss", reduction, inputs, targets)
    _check_same("sigmoid_focal_loss", inputs, targets)
    if alpha > 1 or not gamma >= 0:
        raise SettingError(
            f"sigmoid_focal_loss: alpha must be at most 1 and gamma at least 0, not alpha={alpha} and gamma={gamma}"
        )
    chance = sigmoid(inputs)
    missed = chance + targets - chance * targets * 2.0
    loss = _logit_cost(inputs, targets) * missed**gamma
    if alpha >= 0:
        loss = loss * (targets * (2 * alpha - 1) + (1 - alpha))
    return reduced(loss, reduction, dtype)


def dice_loss(input: Tensor, target: Any, smooth: float = 1.0, reduction: str = "mean") -> Tensor:
    """1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) over the places of each example and class.

    ``input`` are logits (batch, classes, ...). A target of class indices (batch, ...) compares their softmax, one of floats
    in the shape of ``input`` their sigmoid (classes that overlap, or a single one). "none" gives (batch, classes).
    Milletari et al., "V-Net" (2016).
    """
    target = tensor_like("dice_loss", target)
    check_reduction("dice_loss", reduction)
    (input,), dtype = prepared("dice_loss", reduction, input)
    if not smooth >= 0:
        raise SettingError(f"dice_loss: smooth must be at least 0, not {smooth}")
    if input.ndim < 2:
        raise ShapeError(f"dice_loss: wants logits of shape (batch, classes, ...), not {tuple(input.shape)}")
    if kind(target.dtype) == 2:
        _check_same("dice_loss", input, target)
        chance, truth = sigmoid(input), target.to(dtype=input.dtype)
    else:
        labels, _ = checked_labels("dice_loss", input, target, None)
        classes = _numbers(input, input.shape[1]).reshape(-1, *(1,) * (input.ndim - 2))
        chance, truth = softmax(input, axis=1), (tensor_of(labels).unsqueeze(1) == classes).to(dtype=input.dtype)
    batch, classes_count = input.shape[:2]
    chance, truth = chance.reshape(batch, classes_count, -1), truth.reshape(batch, classes_count, -1)
    overlap = (chance * truth).sum(2)
    total = (chance + truth).sum(2)
    return reduced(1.0 - (overlap * 2.0 + smooth) / (total + smooth), reduction, dtype)


def soft_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target input)), the targets being 1 or -1."""
    (input, target), dtype = prepared("soft_margin_loss", reduction, input, target)
    return reduced(logistic_loss(input * target), reduction, dtype)


def multi_margin_loss(
    input: Tensor, target: Any, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The sum over the wrong classes i of max(0, margin - x[target] + x[i])^p, over the number of classes.

    x (batch, classes) or (classes,); ``p`` is 1 or 2; ``weight`` (classes,) scales by the right class.
    """
    if p not in (1, 2):
        raise SettingError(f"multi_margin_loss: p must be 1 or 2, not {p!r:.60}")
    (input,), dtype = prepared("multi_margin_loss", reduction, input)
    rows, single = _rows("multi_margin_loss", input)
    labels, _ = checked_labels("multi_margin_loss", rows, tensor_like("multi_margin_loss", target).reshape(-1), None)
    index = tensor_of(labels.reshape(-1, 1))
    excess = clip(rows - gather(rows, index, axis=1) + margin, low=0.0)
    cost = where(index == _numbers(rows, rows.shape[1]), 0.0, excess if p == 1 else excess * excess)
    if weight is not None:
        weight = class_weight("multi_margin_loss", weight, rows)
        cost = cost * tensor_of(weight.array[labels]).unsqueeze(1)
    loss = cost.sum(1) / float(rows.shape[1])
    return reduced(loss.squeeze(0) if single else loss, reduction, dtype)


def multilabel_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The sum over right classes j and wrong ones i of max(0, 1 - x[j] + x[i]), over the number of classes.

    ``target`` has the shape of x, (batch, classes) or (classes,): the right classes first, then -1.
    """
    (input,), dtype = prepared("multilabel_margin_loss", reduction, input)
    target = tensor_like("multilabel_margin_loss", target)
    _check_same("multilabel_margin_loss", input, target)
    if kind(target.dtype) != 1:
        raise DtypeError(f"multilabel_margin_loss: target must hold class numbers (integers), not {target.dtype}")
    rows, single = _rows("multilabel_margin_loss", input)
    listed = target.array.reshape(rows.shape)
    if listed.size and not -1 <= listed.min() <= listed.max() < rows.shape[1]:
        raise ShapeError(
            f"multilabel_margin_loss: target holds {listed.min()} to {listed.max()}; classes are 0 to {rows.shape[1] - 1}, -1 ends them"
        )
    counts = (listed >= 0).cumprod(1).astype(bool)
    most = int(counts.sum(1).max()) if counts.size else 0
    counts, listed = counts[:, :most], listed[:, :most] * counts[:, :most]
    classes = _numbers(rows, rows.shape[1]).array
    right = ((listed[:, :, None] == classes) & counts[:, :, None]).any(1)
    pairs = counts[:, :, None] & ~right[:, None, :]
    picked = gather(rows, tensor_of(listed), axis=1)
    excess = clip(rows.unsqueeze(1) - picked.unsqueeze(2) + 1.0, low=0.0)
    loss = where(tensor_of(pairs), excess, 0.0).sum((1, 2)) / float(rows.shape[1])
    return reduced(loss.squeeze(0) if single else loss, reduction, dtype)


def multilabel_soft_margin_loss(
    input: Tensor, target: Any, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy of logits (..., classes), averaged over the classes; ``weight`` (classes,) scales each."""
    (input, target), dtype = prepared("multilabel_soft_margin_loss", reduction, input, target)
    if not input.ndim:
        raise ShapeError("multilabel_soft_margin_loss: wants logits of shape (..., classes), not a single number")
    loss = _scaled("multilabel_soft_margin_loss", _logit_cost(input, target), weight)
    return reduced(loss.mean(-1), reduction, dtype)


def _check_same(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: target {tuple(target.shape)} must have the shape of input {tuple(input.shape)}; reshape one of them"
        )


def _scaled(name: str, loss: Tensor, weight: Any) -> Tensor:
    """Each element times its weight, which may broadcast."""
    if weight is None:
        return loss
    (weight, _), _ = prepared(f"{name} weight", "sum", weight, loss)
    return loss * weight


def _rows(name: str, input: Tensor) -> tuple[Tensor, bool]:
    if input.ndim not in (1, 2) or not input.shape[-1]:
        raise ShapeError(f"{name}: wants scores of shape (batch, classes) or (classes,), not {tuple(input.shape)}")
    return (input, False) if input.ndim == 2 else (input.unsqueeze(0), True)


def _numbers(like: Tensor, classes: int) -> Tensor:
    """0 to ``classes`` - 1, where ``like`` is."""
    return arange(classes, device=like.device)
