"""Convolutions, with PyTorch's settings."""

from __future__ import annotations

from collections.abc import Sequence

from ... import ops
from ...errors import SettingError
from ...ops import pad
from ...ops.convolution import check_settings
from ...tensor import Tensor
from ..settings import Size, pair

__all__ = [
    "conv2d",
]


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
