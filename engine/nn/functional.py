"""The layers' computations as functions, under the names that PyTorch's users know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from .. import ops
from ..device import move
from ..dtype import is_differentiable
from ..errors import DtypeError, SettingError, ShapeError
from ..ops import (
    cross_entropy,
    gelu_tanh,
    hardsigmoid,
    hardswish,
    leaky_relu,
    pad,
    relu,
    scaled_dot_product_attention,
    sigmoid,
    silu,
    tanh,
)  # fmt: skip
from ..ops.convolution import check_settings
from ..random import default_generator
from ..tensor import Tensor, tensor_like, tensor_of
from .settings import probability, whole

Size = int | Sequence[int]


def pair(name: str, value: Size) -> tuple[int, int]:
    """One number for both axes, or two."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value), int(value)
    if isinstance(value, Sequence) and len(value) == 2 and all(isinstance(v, (int, np.integer)) for v in value):
        return int(value[0]), int(value[1])
    raise SettingError(f"{name} must be a whole number or two of them, not {value!r}")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias."""
    return ops.linear(x, weight, bias) if bias is not None else ops.linear(x, weight)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images; ``padding`` may be "valid" (none) or "same" (as much as keeps the size at stride 1)."""
    step, spread = pair("stride", stride), pair("dilation", dilation)
    if isinstance(padding, str):
        x, padding = same_padding(x, weight.shape[2:], step, spread, padding)
    around = pair("padding", padding)
    check_settings("conv2d", step, around, spread, groups)
    return ops.conv2d(x, weight, bias, stride=step, padding=around, dilation=spread, groups=groups)


def same_padding(
    x: Tensor, kernel: Sequence[int], stride: tuple[int, int], dilation: tuple[int, int], padding: str
) -> tuple[Tensor, tuple[int, int]]:
    """What "same" and "valid" mean in numbers; an odd total puts the surplus pixel at the end, on the tensor itself."""
    if padding == "valid":
        return x, (0, 0)
    if padding != "same":
        raise SettingError(f"conv2d: padding must be a number, two numbers, 'same' or 'valid', not {padding!r}")
    if stride != (1, 1):
        raise SettingError(f"conv2d: padding 'same' wants stride 1, not {stride}")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(t % 2 for t in totals):
        x = pad(x, (0, totals[1] % 2, 0, totals[0] % 2))
    return x, (totals[0] // 2, totals[1] // 2)


def max_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window."""
    window = pair("kernel_size", kernel_size)
    step = window if stride is None else pair("stride", stride)
    return ops.max_pool2d(
        x,
        kernel_size=window,
        stride=step,
        padding=pair("padding", padding),
        dilation=pair("dilation", dilation),
        ceil_mode=ceil_mode,
    )


def avg_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window."""
    window = pair("kernel_size", kernel_size)
    step = window if stride is None else pair("stride", stride)
    return ops.avg_pool2d(
        x,
        kernel_size=window,
        stride=step,
        padding=pair("padding", padding),
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )


def adaptive_avg_pool2d(x: Tensor, output_size: Size | tuple[int | None, int | None]) -> Tensor:
    """The means of windows that cover the image evenly; None keeps a size."""
    x = tensor_like("adaptive_avg_pool2d", x)
    size: Any = output_size
    if x.ndim == 4 and isinstance(size, (tuple, list)) and len(size) == 2:
        size = tuple(kept if wanted is None else wanted for wanted, kept in zip(size, x.shape[2:], strict=True))
    return ops.adaptive_avg_pool2d(x, pair("output_size", size))


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


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """gelu by erf, or by its tanh approximation."""
    if approximate not in ("none", "tanh"):
        raise SettingError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return ops.gelu(x) if approximate == "none" else gelu_tanh(x)


def softmax(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """exp(x) over its sum along an axis."""
    return ops.softmax(x, axis=axis if dim is None else dim)


def log_softmax(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The logarithm of softmax."""
    return ops.log_softmax(x, axis=axis if dim is None else dim)


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Elements set to 0 with probability p, the others scaled by 1 / (1 - p), in training."""
    x = tensor_like("dropout", x)
    return _drop(x, x.shape, p, training, "dropout")


def stochastic_depth(x: Tensor, p: float, mode: str = "row", training: bool = True) -> Tensor:
    """Whole examples (``mode`` "row") or the whole batch set to 0 with probability p (Huang et al., 2016)."""
    x = tensor_like("stochastic_depth", x)
    if mode not in ("row", "batch"):
        raise SettingError(f"stochastic_depth: mode must be 'row' or 'batch', not {mode!r}")
    lead = x.shape[:1] if mode == "row" else (1,)
    return _drop(x, lead + (1,) * (x.ndim - 1), p, training, "stochastic_depth")


def normalize(x: Tensor, axis: int = 1, eps: float = 1e-12, *, dim: int | None = None) -> Tensor:
    """x over its Euclidean length along an axis (at least eps)."""
    x = tensor_like("normalize", x)
    squares = (x * x).sum(axis if dim is None else dim, True)
    # Bounded before the root: the root's slope at 0 is infinite, and a narrow dtype may not hold eps squared.
    limits: Any = ml_dtypes.finfo
    smallest = float(limits(x.dtype).tiny)
    return x / ops.sqrt(ops.maximum(squares, max(eps * eps, smallest)))


def _drop(x: Tensor, shape: tuple[int, ...], p: float, training: bool, name: str) -> Tensor:
    probability(name, p)
    if not training or p == 0.0:
        return x
    if not is_differentiable(x.dtype):
        raise DtypeError(f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    if p == 1.0:
        return x * 0.0
    keep = default_generator().numpy.random(shape, dtype=np.float32) >= p
    mask = np.asarray(keep * np.float32(1 / (1 - p))).astype(x.dtype)
    return x * tensor_of(move(mask, x.device))


__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "conv2d", "cross_entropy", "dropout", "gelu", "gelu_tanh",
    "hardsigmoid", "hardswish", "layer_norm", "leaky_relu", "linear", "log_softmax", "max_pool2d", "normalize", "pad",
    "relu", "scaled_dot_product_attention", "sigmoid", "silu", "softmax", "stochastic_depth", "tanh",
]  # fmt: skip
