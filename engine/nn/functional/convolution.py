"""Convolutions and transposed convolutions of lines, images and volumes, with PyTorch's settings.

x is (batch, channels, *sizes), or one example without the batch axis. A setting is one number for every axis, or one for each.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import ops
from ...errors import SettingError
from ...ops import pad
from ...ops.images.convolution import check_settings
from ...tensor import Tensor, tensor_like
from ..settings import Size, sizes

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

Sizes = tuple[int, ...]


def conv1d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Size = 1, padding: Size | str = 0, dilation: Size = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution of lines; ``padding`` may be "valid" (none) or "same" (as much as keeps the size at stride 1)."""
    return convolved(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Size = 1, padding: Size | str = 0, dilation: Size = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution of images; ``padding`` may be "valid" (none) or "same" (as much as keeps the size at stride 1)."""
    return convolved(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Size = 1, padding: Size | str = 0, dilation: Size = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution of volumes; ``padding`` may be "valid" (none) or "same" (as much as keeps the size at stride 1)."""
    return convolved(3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Size = 1, padding: Size = 0, output_padding: Size = 0, groups: int = 1, dilation: Size = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution of lines: x (batch, in, length), weight (in, out / groups, kernel)."""
    return transposed(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Size = 1, padding: Size = 0, output_padding: Size = 0, groups: int = 1, dilation: Size = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution of images: x (batch, in, height, width), weight (in, out / groups, *kernel)."""
    return transposed(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Size = 1, padding: Size = 0, output_padding: Size = 0, groups: int = 1, dilation: Size = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution of volumes: x (batch, in, depth, height, width), weight (in, out / groups, *kernel)."""
    return transposed(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def convolved(
    axes: int, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Size | str, dilation: Size, groups: int
) -> Tensor:  # fmt: skip
    """The convolution over the last ``axes`` axes."""
    name = f"conv{axes}d"
    step, spread = sizes("stride", stride, axes), sizes("dilation", dilation, axes)
    x = tensor_like(name, x)
    alone = x.ndim == axes + 1
    x = x.unsqueeze(0) if alone else x
    if isinstance(padding, str):
        x, padding = same_padding(x, tensor_like(name, weight).shape[2:], step, spread, padding)
    around = sizes("padding", padding, axes)
    check_settings(name, step, around, spread, groups)
    out = ops.convolve(x, weight, bias, stride=step, padding=around, dilation=spread, groups=groups)
    return out.squeeze(0) if alone else out


def transposed(
    axes: int, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Size, output_padding: Size, groups: int,
    dilation: Size,
) -> Tensor:  # fmt: skip
    """The transposed convolution over the last ``axes`` axes."""
    x = tensor_like(f"conv_transpose{axes}d", x)
    alone = x.ndim == axes + 1
    out = ops.convolve_transposed(
        x.unsqueeze(0) if alone else x,
        weight,
        bias,
        stride=sizes("stride", stride, axes),
        padding=sizes("padding", padding, axes),
        output_padding=sizes("output_padding", output_padding, axes),
        dilation=sizes("dilation", dilation, axes),
        groups=groups,
    )
    return out.squeeze(0) if alone else out


def same_widths(kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """What "same" adds before and after each axis: a surplus element goes to the end."""
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def same_padding(
    x: Tensor, kernel: Sequence[int], stride: Sizes, dilation: Sizes, padding: str
) -> tuple[Tensor, tuple[int, ...]]:
    """What "same" and "valid" mean in numbers; an odd total puts the surplus element at the end, on the tensor itself."""
    name = f"conv{len(stride)}d"
    if padding == "valid":
        return x, (0,) * len(stride)
    if padding != "same":
        raise SettingError(
            f"{name}: padding must be a number, one for each axis, 'same' or 'valid', not {padding!r:.60}"
        )
    if set(stride) != {1}:
        raise SettingError(f"{name}: padding 'same' wants stride 1, not {stride}")
    widths = same_widths(kernel, dilation)
    if any(before != after for before, after in widths):
        x = pad(x, [more for before, after in reversed(widths) for more in (0, after - before)])
    return x, tuple(before for before, _ in widths)
