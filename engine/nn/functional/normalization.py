"""Normalisations."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from ... import ops
from ...device import CPU, gpu_kernels
from ...dtype import Array, accumulator
from ...errors import SettingError, ShapeError
from ...modes import modes
from ...ops.layers.batching import CURVES, Moving, check_activation
from ...tensor import Tensor, tensor_like, tensor_of
from ..settings import Size, whole

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


def _small(op: str, eps: Any) -> float:
    """A number that is added to variances."""
    if isinstance(eps, (int, float, np.integer, np.floating)) and not isinstance(eps, bool) and eps >= 0:
        return float(eps)
    raise SettingError(f"{op}: eps must be a number of at least 0, not {eps!r:.40}")


def batch_norm(
    x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *, count: Tensor | None = None, residual: Tensor | None = None,
    activation: str | None = None,
) -> Tensor:  # fmt: skip
    """Normalisation by the batch's statistics (which then move the running ones by ``momentum``), or by the running ones.

    ``count``, an int64 number, is raised by 1 where the running statistics move. What is normalised may have a ``residual`` of its shape
    added and an ``activation`` ("relu" or "relu6"; on a GPU where nothing is recorded "silu" or "hardswish" too, elsewhere these follow)
    taken of it in the same pass over memory.
    """
    x = tensor_like("batch_norm", x)
    if eps.__class__ is not float or not eps >= 0.0:
        eps = _small("batch_norm", eps)
    if activation is not None:
        check_activation("batch_norm", activation, True)
        if activation in CURVES and (
            training or residual is not None or modes.recording or isinstance(x.array, np.ndarray)
        ):
            out = batch_norm(
                x, running_mean, running_var, weight, bias, training, momentum, eps, count=count, residual=residual
            )
            return CURVES[activation](out)
    if not training and running_mean is not None and running_var is not None:
        given = (x, weight, bias, running_mean, running_var)
        return ops.batch_norm.run(
            given if residual is None else (*given, residual), {"epsilon": eps, "activation": activation}
        )
    shape = x.array.shape
    values = math.prod(shape) // shape[1] if len(shape) > 1 and shape[1] else 0
    if values < 2:
        raise ShapeError(
            f"batch_norm: training needs more than one value for each channel, but x is {tuple(x.shape)}; use a larger batch or .eval()"
        )
    unbiased = values / (values - 1)
    inputs = (x, weight, bias) if residual is None else (x, weight, bias, residual)
    settings: dict[str, Any] = {"epsilon": eps, "moving": None, "activation": activation}
    if running_mean is None or running_var is None:
        return ops.batch_norm_training.run(inputs, settings)[0]
    if isinstance(running_mean.array, np.ndarray):
        out, mean, variance = ops.batch_norm_training.run(inputs, settings)
        moved = False
    else:
        held = running_mean.array, running_var.array, None if count is None else count.array
        settings["moving"] = moving = Moving(*held, momentum, unbiased)
        out, mean, variance = ops.batch_norm_training.run(inputs, settings)
        moved = moving.moved or gpu_kernels("layers.running").move_statistics(
            *held, mean.array, variance.array, momentum, unbiased
        )
    if not moved:
        _move(running_mean, mean.array, momentum, 1.0)
        _move(running_var, variance.array, momentum, unbiased)
        if count is not None:
            _raise(count)
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
    shape = last_axes("layer_norm", x, normalized_shape)
    if eps.__class__ is not float or not eps >= 0.0:
        eps = _small("layer_norm", eps)
    normalised: Tensor = ops.layer_norm.run((x, weight, bias), {"epsilon": eps, "axes": len(shape)})
    return normalised


def rms_norm(x: Tensor, normalized_shape: Size, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """The last axes, whose sizes are ``normalized_shape``, over the root of their mean square; eps is the dtype's own unless given."""
    x = tensor_like("rms_norm", x)
    shape = last_axes("rms_norm", x, normalized_shape)
    # PyTorch takes that of the dtype in which it computes, which for the half precisions is float32.
    limits: Any = ml_dtypes.finfo
    epsilon = float(limits(accumulator(x.dtype)).eps) if eps is None else _small("rms_norm", eps)
    return ops.rms_norm(x, weight, epsilon=epsilon, axes=len(shape))


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalisation of each example's channels in ``num_groups`` groups: x (batch, channels, ...)."""
    x = tensor_like("group_norm", x)
    whole("group_norm", 1, num_groups=num_groups)
    several("group_norm", x, x.numel() // (x.shape[0] * num_groups) if x.ndim > 1 and x.shape[0] else 2)
    return ops.group_norm(x, weight, bias, groups=num_groups, epsilon=_small("group_norm", eps))


def instance_norm(
    x: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalisation of each channel of each example (Ulyanov et al., 2016), or by running statistics.

    With ``use_input_stats`` the means of all examples' statistics move the running ones by ``momentum``.
    """
    x, eps = tensor_like("instance_norm", x), _small("instance_norm", eps)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: wants (batch, channels, length, ...), not {tuple(x.shape)}")
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise SettingError("instance_norm: running_mean and running_var are needed where use_input_stats is False")
        return ops.batch_norm(x, weight, bias, running_mean, running_var, epsilon=eps)
    count = x.numel() // (x.shape[0] * x.shape[1]) if x.shape[0] and x.shape[1] else 2
    several("instance_norm", x, count)
    if running_mean is not None and running_var is not None:
        around = tuple(range(2, x.ndim))
        values = x.array.astype(accumulator(x.dtype), copy=False)
        _move(running_mean, values.mean(around).mean(0), momentum, 1.0)
        _move(running_var, values.var(around).mean(0), momentum, count / (count - 1))
    if not x.shape[1]:
        return x * 1.0
    return ops.group_norm(x, weight, bias, groups=x.shape[1], epsilon=eps)


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha mean of the squares of ``size`` neighbouring channels)^beta (Krizhevsky et al., 2012): x (batch, channels, ...)."""
    x = tensor_like("local_response_norm", x)
    whole("local_response_norm", 1, size=size)
    if x.ndim < 3:
        raise ShapeError(
            f"local_response_norm: wants (batch, channels, ...) of three axes or more, not {tuple(x.shape)}"
        )
    squares = (x * x).reshape((*x.shape[:2], -1) if x.numel() else (*x.shape[:2], 0))
    padded = ops.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    total = padded[:, : x.shape[1]]
    for shift in range(1, size):
        total = total + padded[:, shift : shift + x.shape[1]]
    return x / (total.reshape(x.shape) * (alpha / size) + k) ** beta


def several(name: str, x: Tensor, count: int) -> None:
    """Refuse to take the variance of single numbers."""
    if x.numel() and count < 2:
        raise ShapeError(f"{name}: each mean is over more than one value, but x is {tuple(x.shape)}")


def last_axes(name: str, x: Tensor, normalized_shape: Size) -> tuple[int, ...]:
    """The sizes of the axes to normalise, checked."""
    if type(normalized_shape) is tuple and normalized_shape and x.shape[-len(normalized_shape) :] == normalized_shape:
        return normalized_shape
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    for size in shape:
        whole(name, 0, normalized_shape=size)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ShapeError(f"{name}: the last axes of x {tuple(x.shape)} must be {shape}")
    return shape


def _move(held: Tensor, seen: Array, momentum: float, factor: float) -> None:
    """A running statistic, moved towards what was seen: on a GPU in its own memory, which a captured step reads again."""
    kept, share = held.dtype.type(1 - momentum), held.dtype.type(momentum * factor)
    seen = seen.astype(held.dtype, copy=False)
    if held.device == CPU:
        held.array = held.array * kept + seen * share
    else:
        held.array *= kept
        held.array += seen * share


def _raise(count: Tensor) -> None:
    """One more: on the CPU in a new array, since the old one may belong to a file, on a GPU where a captured step reads it again."""
    if count.device == CPU:
        count.array = tensor_of(count.array + 1).array
    else:
        count.array += 1


def normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, *, axis: int | None = None) -> Tensor:
    """x over its length along an axis (at least eps): the Euclidean one, or the norm of another power ``p``."""
    x, dim = tensor_like("normalize", x), dim if axis is None else axis
    if p != 2:
        return x / ops.maximum(x.norm(p, dim, True), eps)
    squares = (x * x).sum(dim, True)
    # Bounded before the root: the root's slope at 0 is infinite, and a narrow dtype may not hold eps squared.
    limits: Any = ml_dtypes.finfo
    smallest = float(limits(x.dtype).tiny)
    return x / ops.sqrt(ops.maximum(squares, max(eps * eps, smallest)))
