"""Convolutions and transposed convolutions of lines, images and volumes as layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import ops
from ..device import DeviceLike
from ..dtype import DtypeLike
from ..errors import SettingError, ShapeError
from ..tensor import Tensor, tensor_like
from . import init
from .functional.convolution import convolved, same_widths, transposed
from .module import Module
from .parameter import Parameter
from .settings import Size, sizes, whole

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


class Convolution(Module):
    """What all convolutions share: the settings, the parameters and their initial values."""

    axes: ClassVar[int]
    bias: Parameter  # None where the layer was made without

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size, padding: Size | str, dilation: Size,
        groups: int, padding_mode: str,
    ) -> None:  # fmt: skip
        super().__init__()
        name, axes = type(self).__name__, self.axes
        whole(name, 1, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise SettingError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}, all at least 1"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes("kernel_size", kernel_size, axes)
        self.stride, self.dilation = sizes("stride", stride, axes), sizes("dilation", dilation, axes)
        self.padding = padding if isinstance(padding, str) else sizes("padding", padding, axes)
        self.padding_mode = padding_mode
        if min(*self.kernel_size, *self.stride, *self.dilation) < 1 or _is_below(self.padding):
            raise SettingError(
                f"{name}: kernel_size {self.kernel_size}, stride {self.stride} and dilation {self.dilation} must be at least 1, "
                f"padding {self.padding!r} at least 0, or 'same' or 'valid'"
            )
        if padding_mode not in MODES:
            raise SettingError(
                f"{name}: padding_mode {padding_mode!r:.60} is not known; give one of {', '.join(MODES)}"
            )

    def _fill(self, *shape: int, bias: bool, device: DeviceLike | None, dtype: DtypeLike | None) -> None:
        self.weight = Parameter.of(*shape, *self.kernel_size, device=device, dtype=dtype)
        self.bias = Parameter.of(self.out_channels, device=device, dtype=dtype) if bias else None  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(fan-in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0,) * self.axes else ""
        text += f", dilation={self.dilation}" if self.dilation != (1,) * self.axes else ""
        more = getattr(self, "output_padding", None)
        text += f", output_padding={more}" if more and any(more) else ""
        text += f", groups={self.groups}" if self.groups > 1 else ""
        text += "" if self.bias is not None else ", bias=False"
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Straight(Convolution):
    """A convolution. ``padding`` may be "same" or "valid"; ``padding_mode`` says what lies around the image."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size | str = 0, dilation: Size = 1,
        groups: int = 1, bias: bool = True, padding_mode: str = "zeros", *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode)
        name = type(self).__name__
        if self.padding == "same" and set(self.stride) != {1}:
            raise SettingError(f"{name}: padding 'same' wants stride 1, not {self.stride}")
        self._fill(out_channels, in_channels // groups, bias=bias, device=device, dtype=dtype)
        # What the functional form is given: the padding that it is to make itself, and before it the one that it cannot.
        self._widths: list[int] | None = None
        self._around: Any = self.padding
        if padding_mode != "zeros":
            self._around = 0
            around = self.padding
            if around == "same":
                widths = same_widths(self.kernel_size, self.dilation)
            else:
                widths = [(0, 0)] * self.axes if isinstance(around, str) else [(int(p), int(p)) for p in around]
            self._widths = [side for pair in reversed(widths) for side in pair]
        self._settings: dict[str, Any] | None = None
        if self.axes == 2 and self._widths is None and not isinstance(self.padding, str):
            self._settings = {
                "stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": groups,
            }  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        # The commonest layer of all goes straight to its operation.
        if not isinstance(x, Tensor):
            x = tensor_like(type(self).__name__, x)
        if self._settings is not None and x.ndim == 4:
            return ops.conv2d.run((x, self.weight, self.bias), self._settings)
        if self._widths is not None:
            x = ops.pad(x, self._widths, MODES[self.padding_mode])
        return convolved(self.axes, x, self.weight, self.bias, self.stride, self._around, self.dilation, self.groups)


class Conv1d(Straight):
    """Cross-correlation: (batch, in_channels, length) to (batch, out_channels, length').

    length' = floor((length + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. ``padding`` may be "same" or "valid".
    """

    axes = 1


class Conv2d(Straight):
    """Cross-correlation: (batch, in_channels, height, width) to (batch, out_channels, height', width').

    height' = floor((height + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. ``padding`` may be "same" or "valid".
    """

    axes = 2


class Conv3d(Straight):
    """Cross-correlation: (batch, in_channels, depth, height, width) to (batch, out_channels, depth', height', width').

    depth' = floor((depth + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. ``padding`` may be "same" or "valid".
    """

    axes = 3


class Transposed(Convolution):
    """A transposed convolution. ``forward`` takes an ``output_size`` where several are possible."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0, output_padding: Size = 0,
        groups: int = 1, bias: bool = True, dilation: Size = 1, padding_mode: str = "zeros",
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None,
    ) -> None:  # fmt: skip
        name = type(self).__name__
        if isinstance(padding, str) or padding_mode != "zeros":
            raise SettingError(
                f"{name}: padding must be numbers and padding_mode 'zeros', not {padding!r:.60} and {padding_mode!r:.60}"
            )
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode)
        self.output_padding = sizes("output_padding", output_padding, self.axes)
        if min(self.output_padding) < 0:
            raise SettingError(f"{name}: output_padding {self.output_padding} must be at least 0")
        self._fill(in_channels, out_channels // groups, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        x = tensor_like(type(self).__name__, x)
        more = self.output_padding if output_size is None else self._missing(x, output_size)
        padding: Any = self.padding
        return transposed(self.axes, x, self.weight, self.bias, self.stride, padding, more, self.groups, self.dilation)

    def _missing(self, x: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives this size; of a whole shape the last axes count."""
        name, axes = type(self).__name__, self.axes
        wanted = sizes("output_size", tuple(output_size)[-axes:], axes)
        if len(output_size) not in (axes, x.ndim) or x.ndim not in (axes + 1, axes + 2):
            raise ShapeError(
                f"{name}: output_size {tuple(output_size)} must have {axes} sizes, or the {x.ndim} of the whole result, for x {tuple(x.shape)}"
            )
        padding: Any = self.padding
        least = tuple(
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                x.shape[-axes:], self.stride, padding, self.dilation, self.kernel_size, strict=True
            )
        )
        most = tuple(size + s - 1 for size, s in zip(least, self.stride, strict=True))
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ShapeError(
                f"{name}: output_size {wanted} is out of reach for x {tuple(x.shape)}; it may lie between {least} and {most}"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class ConvTranspose1d(Transposed):
    """The gradient of a convolution, run forward: (batch, in_channels, length) to (batch, out_channels, length').

    length' = (length - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    """

    axes = 1


class ConvTranspose2d(Transposed):
    """The gradient of a convolution, run forward: (batch, in_channels, height, width) to (batch, out_channels, height', width').

    height' = (height - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    """

    axes = 2


class ConvTranspose3d(Transposed):
    """The gradient of a convolution, run forward, on volumes: (batch, in_channels, depth, height, width).

    depth' = (depth - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    """

    axes = 3


def _is_below(padding: tuple[int, ...] | str) -> bool:
    """Whether a padding is none."""
    return padding not in ("same", "valid") if isinstance(padding, str) else min(padding) < 0
