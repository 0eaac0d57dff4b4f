"""Pooling of lines, images and volumes as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..tensor import Tensor
from .functional import pooling
from .module import Module
from .settings import Size, sizes

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class MaxPool(Module):
    """The largest element of each window; with ``return_indices`` also its number in its channel, row by row."""

    axes: ClassVar[int]

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1, return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode

    def forward(self, x: Tensor) -> Any:
        return pooling.largest(
            self.axes, x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool):
    """The largest element of each window of a line: (batch, channels, length) to (batch, channels, length')."""

    axes = 1


class MaxPool2d(MaxPool):
    """The largest element of each window of an image: (batch, channels, height, width) to (batch, channels, height', width')."""

    axes = 2


class MaxPool3d(MaxPool):
    """The largest element of each window of a volume: (batch, channels, depth, height, width)."""

    axes = 3


class AvgPool1d(Module):
    """The mean of each window of a line: (batch, channels, length) to (batch, channels, length')."""

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False, count_include_pad: bool = True
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = sizes("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else sizes("stride", stride, 1)
        self.padding = sizes("padding", padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        return pooling.averaged(
            1, x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of an image; ``divisor_override`` divides the sum instead of the number of elements."""

    axes: ClassVar[int] = 2

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        return pooling.averaged(
            self.axes, x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """The mean of each window of a volume; ``divisor_override`` divides the sum instead of the number of elements."""

    axes = 3


class LPPool(Module):
    """(the sum of x^p over each window)^(1/p), p being ``norm_type``."""

    axes: ClassVar[int]

    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        return pooling.powered(self.axes, x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(LPPool):
    """(the sum of x^p over each window of a line)^(1/p), p being ``norm_type``."""

    axes = 1


class LPPool2d(LPPool):
    """(the sum of x^p over each window of an image)^(1/p), p being ``norm_type``."""

    axes = 2


class LPPool3d(LPPool):
    """(the sum of x^p over each window of a volume)^(1/p), p being ``norm_type``."""

    axes = 3


class AdaptivePool(Module):
    """Windows, ``output_size`` of them, that cover each axis evenly; None keeps a size."""

    axes: ClassVar[int]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return pooling.adapted_mean(self.axes, x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptivePool):
    """The means of ``output_size`` windows that cover the line evenly."""

    axes = 1


class AdaptiveAvgPool2d(AdaptivePool):
    """The means of ``output_size`` windows that cover the image evenly; None keeps a size."""

    axes = 2


class AdaptiveAvgPool3d(AdaptivePool):
    """The means of ``output_size`` windows that cover the volume evenly; None keeps a size."""

    axes = 3


class AdaptiveMaxPool(AdaptivePool):
    """The largest elements of windows that cover each axis evenly; with ``return_indices`` also their numbers."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Tensor) -> Any:
        return pooling.adapted_largest(self.axes, x, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """The largest elements of ``output_size`` windows that cover the line evenly."""

    axes = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """The largest elements of ``output_size`` windows that cover the image evenly; None keeps a size."""

    axes = 2


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """The largest elements of ``output_size`` windows that cover the volume evenly; None keeps a size."""

    axes = 3


class MaxUnpool(Module):
    """Zeros with x at the places that max pooling gave with ``return_indices``."""

    axes: ClassVar[int]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = sizes("kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else sizes("stride", stride, self.axes)
        self.padding = sizes("padding", padding, self.axes)

    def forward(self, x: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return pooling.unpooled(self.axes, x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(MaxUnpool):
    """Zeros with x at the places that MaxPool1d gave: (batch, channels, length)."""

    axes = 1


class MaxUnpool2d(MaxUnpool):
    """Zeros with x at the places that MaxPool2d gave: (batch, channels, height, width)."""

    axes = 2


class MaxUnpool3d(MaxUnpool):
    """Zeros with x at the places that MaxPool3d gave: (batch, channels, depth, height, width)."""

    axes = 3
