"""Pooling, with PyTorch's settings."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...tensor import Tensor, tensor_like
from ..settings import Size, pair

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "max_pool2d",
]


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
