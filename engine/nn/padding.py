"""Elements added around lines, images and volumes, as layers.

``padding`` is one number for every side, or (before, after) of the last axis, then of the one before it, and so on; negative numbers
cut. x is (batch, channels, *sizes), or one example without the batch axis.
"""

from __future__ import annotations

from typing import ClassVar

from .. import ops
from ..errors import ShapeError
from ..tensor import Tensor, tensor_like
from .module import Module
from .settings import Size, sizes

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class Padding(Module):
    """What all padding layers share."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: Size) -> None:
        super().__init__()
        self.padding = sizes("padding", padding, 2 * self.axes)

    def forward(self, x: Tensor) -> Tensor:
        name = type(self).__name__
        x = tensor_like(name, x)
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(
                f"{name}: wants (channels, *sizes) or (batch, channels, *sizes) with {self.axes} sizes, not {tuple(x.shape)}"
            )
        return ops.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPadding(Padding):
    """``value`` around x."""

    def __init__(self, padding: Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPadding):
    """``value`` around lines."""

    axes = 1


class ConstantPad2d(ConstantPadding):
    """``value`` around images."""

    axes = 2


class ConstantPad3d(ConstantPadding):
    """``value`` around volumes."""

    axes = 3


class ZeroPad1d(Padding):
    """Zeros around lines."""

    axes = 1


class ZeroPad2d(Padding):
    """Zeros around images."""

    axes = 2


class ZeroPad3d(Padding):
    """Zeros around volumes."""

    axes = 3


class ReflectionPad1d(Padding):
    """Lines mirrored at their ends, the last element itself not repeated."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(Padding):
    """Images mirrored at their edges, the edge itself not repeated."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(Padding):
    """Volumes mirrored at their sides, the side itself not repeated."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(Padding):
    """The ends of lines repeated."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(Padding):
    """The edges of images repeated."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(Padding):
    """The sides of volumes repeated."""

    axes, mode = 3, "replicate"


class CircularPad1d(Padding):
    """Lines continued from their other end."""

    axes, mode = 1, "circular"


class CircularPad2d(Padding):
    """Images continued from their other edge."""

    axes, mode = 2, "circular"


class CircularPad3d(Padding):
    """Volumes continued from their other side."""

    axes, mode = 3, "circular"
