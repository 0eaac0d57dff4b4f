"""Convolution of images as a layer."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..dtype import DtypeLike, float32
from ..errors import SettingError
from ..tensor import Tensor
from . import init
from .functional.convolution import same_padding
from .module import Module
from .parameter import Parameter
from .settings import Size, pair, whole

__all__ = [
    "Conv2d",
]


def padding_below(padding: Any) -> bool:
    """Whether a padding is none."""
    return padding not in ("same", "valid") if isinstance(padding, str) else min(padding) < 0


class Conv2d(Module):
    """Cross-correlation: (batch, in_channels, height, width) to (batch, out_channels, height', width').

    height' = floor((height + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. ``padding`` may be "same" or "valid".
    """

    bias: Parameter  # None where the layer was made without

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size | str = 0, dilation: Size = 1,
        groups: int = 1, bias: bool = True, *, dtype: DtypeLike = float32,
    ) -> None:  # fmt: skip
        super().__init__()
        whole("Conv2d", 1, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise SettingError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}, all at least 1"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = (
            pair("kernel_size", kernel_size),
            pair("stride", stride),
            pair("dilation", dilation),
        )
        self.padding = padding if isinstance(padding, str) else pair("padding", padding)
        if min(*self.kernel_size, *self.stride, *self.dilation) < 1 or padding_below(self.padding):
            raise SettingError(
                f"Conv2d: kernel_size {self.kernel_size}, stride {self.stride} and dilation {self.dilation} must be at least 1, "
                f"padding {self.padding!r} at least 0, or 'same' or 'valid'"
            )
        self.weight = Parameter.of(out_channels, in_channels // groups, *self.kernel_size, dtype=dtype)
        self.bias = Parameter.of(out_channels, dtype=dtype) if bias else None  # type: ignore[assignment]
        self._settings: dict[str, Any] = {
            "stride": self.stride, "padding": (0, 0) if isinstance(self.padding, str) else self.padding,
            "dilation": self.dilation, "groups": groups,
        }  # fmt: skip
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(fan-in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.padding, str):
            x, padding = same_padding(x, self.kernel_size, self.stride, self.dilation, self.padding)
            return ops.conv2d(x, self.weight, self.bias, **{**self._settings, "padding": padding})
        return ops.conv2d(x, self.weight, self.bias, **self._settings)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding!r}" if self.padding != (0, 0) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        text += f", groups={self.groups}" if self.groups > 1 else ""
        return text + ("" if self.bias is not None else ", bias=False")
