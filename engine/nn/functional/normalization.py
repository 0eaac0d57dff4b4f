"""Normalisations."""

from __future__ import annotations

from typing import Any

import ml_dtypes

from ... import ops
from ...errors import ShapeError
from ...tensor import Tensor, tensor_like
from ..settings import Size, whole

__all__ = [
    "batch_norm",
    "layer_norm",
    "normalize",
]


def batch_norm(
    x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalisation by the batch's statistics (which then move the running ones by ``momentum``), or by the running ones."""
    x = tensor_like("batch_norm", x)
    if not training and running_mean is not None and running_var is not None:
        return ops.batch_norm(x, weight, bias, running_mean, running_var, epsilon=eps)
    count = x.numel() // x.shape[1] if x.ndim > 1 and x.shape[1] else 0
    if count < 2:
        raise ShapeError(
            f"batch_norm: training needs more than one value for each channel, but x is {tuple(x.shape)}; use a larger batch or .eval()"
        )
    out, mean, variance = ops.batch_norm_training(x, weight, bias, epsilon=eps)
    if running_mean is not None and running_var is not None:
        unbiased = count / (count - 1)
        for held, seen, factor in ((running_mean, mean, 1.0), (running_var, variance, unbiased)):
            held.array = held.array * held.dtype.type(1 - momentum) + seen.array.astype(
                held.dtype, copy=False
            ) * held.dtype.type(momentum * factor)
    return out


def layer_norm(
    x: Tensor,
    normalized_shape: Size,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalisation of the last axes, whose sizes are ``normalized_shape``."""
    x = tensor_like("layer_norm", x)
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    for size in shape:
        whole("layer_norm", 0, normalized_shape=size)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ShapeError(f"layer_norm: the last axes of x {tuple(x.shape)} must be {shape}")
    return ops.layer_norm(x, weight, bias, epsilon=eps, axes=len(shape))


def normalize(x: Tensor, axis: int = 1, eps: float = 1e-12, *, dim: int | None = None) -> Tensor:
    """x over its Euclidean length along an axis (at least eps)."""
    x = tensor_like("normalize", x)
    squares = (x * x).sum(axis if dim is None else dim, True)
    # Bounded before the root: the root's slope at 0 is infinite, and a narrow dtype may not hold eps squared.
    limits: Any = ml_dtypes.finfo
    smallest = float(limits(x.dtype).tiny)
    return x / ops.sqrt(ops.maximum(squares, max(eps * eps, smallest)))
