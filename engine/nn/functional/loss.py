"""Losses of numbers and of distributions; and what all losses share: dtypes and the reduction.

Half precisions are computed in float32, and the result has the dtype of the inputs.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...dtype import Dtype, accumulator, kind, result_type
from ...errors import DtypeError, SettingError, ShapeError
from ...ops import abs, exp, log, maximum, where
from ...ops.losses.deviation import huber_error, squared_error
from ...ops.losses.loss import check_reduction
from ...tensor import Tensor, tensor_like

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def mse_loss(input: Tensor, target: Any, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """(input - target)^2; with a ``weight`` for each element, the mean is taken over the weights."""
    (input, target), dtype = prepared("mse_loss", reduction, input, target)
    warn_of_broadcasting("mse_loss", input, target)
    return weighted("mse_loss", squared_error(input, target), weight, reduction, dtype)


def l1_loss(input: Tensor, target: Any, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """|input - target|; with a ``weight`` for each element, the mean is taken over the weights."""
    (input, target), dtype = prepared("l1_loss", reduction, input, target)
    warn_of_broadcasting("l1_loss", input, target)
    return weighted("l1_loss", abs(input - target), weight, reduction, dtype)


def smooth_l1_loss(input: Tensor, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) up to a distance d of ``beta``, then d - beta / 2 (Girshick, "Fast R-CNN", 2015)."""
    (input, target), dtype = prepared("smooth_l1_loss", reduction, input, target)
    warn_of_broadcasting("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise SettingError(f"smooth_l1_loss: beta must be at least 0, not {beta}")
    if beta == 0:
        return reduced(abs(input - target), reduction, dtype)
    loss = reduced(huber_error(input, target, delta=beta), reduction, accumulator(dtype))
    return (loss if beta == 1 else loss * (1.0 / beta)).to(dtype=dtype)


def huber_loss(
    input: Tensor, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 up to a distance d of ``delta``, then delta (d - delta / 2) (Huber, 1964)."""
    (input, target), dtype = prepared("huber_loss", reduction, input, target)
    warn_of_broadcasting("huber_loss", input, target)
    if not delta > 0:
        raise SettingError(f"huber_loss: delta must be above 0, not {delta}")
    return weighted("huber_loss", huber_error(input, target, delta=delta), weight, reduction, dtype)


def kl_div(input: Tensor, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target (log(target) - input): the divergence of log-probabilities ``input`` from probabilities (or their logarithms).

    "batchmean" divides the sum by the batch, which is the divergence as it is defined; "mean" divides by all elements.
    """
    if reduction not in ("batchmean", "mean", "sum", "none"):
        raise SettingError(f"kl_div: reduction {reduction!r} is not known; give 'batchmean', 'mean', 'sum' or 'none'")
    batchmean = reduction == "batchmean"
    (input, target), dtype = prepared("kl_div", "sum" if batchmean else reduction, input, target)
    if log_target:
        terms = exp(target) * (target - input)
    else:
        positive = target > 0
        own = where(positive, target * log(where(positive, target, 1.0)), where(target == 0, 0.0, math.nan))
        terms = own - target * input
    if not batchmean:
        return reduced(terms, reduction, dtype)
    if not input.ndim:
        raise ShapeError("kl_div: 'batchmean' needs a batch axis; give reduction='sum' for a single number")
    return (terms.sum() / (float(input.shape[0]) or math.nan)).to(dtype=dtype)


def poisson_nll_loss(
    input: Tensor, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
) -> Tensor:
    """exp(input) - target input, of a logarithm of the rate; or input - target log(input + eps), of the rate itself.

    ``full`` adds Stirling's approximation of log(target!) for targets above 1.
    """
    (input, target), dtype = prepared("poisson_nll_loss", reduction, input, target)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = target > 1
        count = where(many, target, 1.0)
        loss = loss + where(many, count * log(count) - count + log(count * (2 * math.pi)) * 0.5, 0.0)
    return reduced(loss, reduction, dtype)


def gaussian_nll_loss(
    input: Tensor, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(var) + (input - target)^2 / var) / 2 of a mean and a variance, which counts as at least ``eps``.

    ``var`` has the shape of ``input``, or lacks its last axis, or has size 1 there. ``full`` adds log(2 pi) / 2.
    """
    if isinstance(var, (int, float)) and not isinstance(var, bool):
        var = np.full(tensor_like("gaussian_nll_loss", input).shape, var, np.float32)
    input, var = tensor_like("gaussian_nll_loss", input), tensor_like("gaussian_nll_loss", var)
    if not eps > 0:
        raise SettingError(f"gaussian_nll_loss: eps must be above 0, not {eps}")
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or var.shape[:-1] != input.shape[:-1] or var.shape[-1] != 1:
            raise ShapeError(
                f"gaussian_nll_loss: var {tuple(var.shape)} must have the shape of input {tuple(input.shape)}, or one number for each row of it"
            )
    wrong = "gaussian_nll_loss: var holds a negative number, and a variance has none; give exp() of it"
    if not left_to_gpu(var.array, 0, np.inf, wrong, SettingError) and (var.array < 0).any():
        raise SettingError(wrong)
    (input, target, var), dtype = prepared("gaussian_nll_loss", reduction, input, target, var)
    # The bound is a number beside the variance: it does not bend the gradient.
    var = var + (maximum(var, eps) - var).detach()
    loss = (log(var) + squared_error(input, target) / var) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction, dtype)


# ---- what losses share ----------------------------------------------------------------------------------------------


def prepared(name: str, reduction: str, *given: Any) -> tuple[list[Tensor], Dtype]:
    """The inputs of a loss as tensors, half precisions widened, their shapes checked; and the dtype of its result."""
    check_reduction(name, reduction)
    tensors = [tensor_like(name, value) for value in given]
    dtype = result_type(*(t.array for t in tensors))
    if kind(dtype) != 2:
        raise DtypeError(f"{name}: wants floating-point numbers, not {dtype}; convert them with .float()")
    try:
        np.broadcast_shapes(*(t.shape for t in tensors))
    except ValueError:
        shapes = " and ".join(str(tuple(t.shape)) for t in tensors)
        raise ShapeError(
            f"{name}: {shapes} do not fit together: counted from the last axis, sizes must be equal or 1"
        ) from None
    return [t.to(dtype=accumulator(t.dtype)) for t in tensors], dtype


def reduced(loss: Tensor, reduction: str, dtype: Dtype) -> Tensor:
    """The mean or the sum over all elements, or each of them, in the dtype of the result."""
    if reduction != "none":
        loss = loss.mean() if reduction == "mean" else loss.sum()
    return loss if loss.dtype == dtype else loss.to(dtype=dtype)


def weighted(name: str, loss: Tensor, weight: Any, reduction: str, dtype: Dtype) -> Tensor:
    """Likewise, each element times its weight, the mean taken over the weights."""
    if weight is None:
        return reduced(loss, reduction, dtype)
    weight = tensor_like(name, weight)
    if weight.shape != loss.shape:
        raise ShapeError(
            f"{name}: weight {tuple(weight.shape)} must have a number for each element of {tuple(loss.shape)}"
        )
    total = loss * weight
    if reduction == "mean":
        return (total.sum() / weight.sum()).to(dtype=dtype)
    return reduced(total, reduction, dtype)


def warn_of_broadcasting(name: str, input: Tensor, target: Tensor) -> None:
    """Say so where a column meets a row: nearly always a forgotten squeeze."""
    if input.shape != target.shape:
        warnings.warn(
            f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} have different shapes and are broadcast, "
            "which is rarely meant; bring them to one shape",
            stacklevel=3,
        )
