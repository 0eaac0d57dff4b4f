"""Mirrored and rotated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .base import Size, Transform, require_image
from .geometry import check_interpolation, cut_boxes, fill_for, resampling

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from PIL.Image import Image


class _Flip(Transform[bool]):
    """A picture mirrored with probability `p`; which way, each kind says: the axis of the sides and Pillow's name."""

    sides: ClassVar[tuple[int, int]]  # the columns of a box that change places
    axis: ClassVar[int]  # the axis of (height, width) they lie on
    method: ClassVar[str]

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(p, type(self).__name__)

    def draw(self, generator: Generator, size: Size) -> bool:
        return bool(generator.random() < self.p)

    def apply(self, image: Any, parameters: bool) -> Image:
        from PIL.Image import Transpose

        upright: Image = require_image(image, type(self).__name__)
        return upright.transpose(Transpose[self.method]) if parameters else upright

    def apply_mask(self, mask: Any, parameters: bool) -> Image:
        return self.apply(mask, parameters)

    def apply_boxes(self, boxes: NDArray[Any], parameters: bool, size: Size) -> NDArray[Any]:
        if not parameters:
            return boxes
        flipped = boxes.copy()
        flipped[:, list(self.sides)] = size[self.axis] - boxes[:, list(self.sides[::-1])]
        return flipped

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_Flip):
    """Left and right exchanged, with probability `p`."""

    sides, axis, method = (0, 2), 1, "FLIP_LEFT_RIGHT"


class RandomVerticalFlip(_Flip):
    """Top and bottom exchanged, with probability `p`."""

    sides, axis, method = (1, 3), 0, "FLIP_TOP_BOTTOM"


class RandomRotation(Transform[float]):
    """Turned about the centre by an angle from `degrees` (a number a means -a to a), counter-clockwise, the size kept.

    Where the picture does not reach there is `fill`; in a mask `mask_fill`. A box becomes the upright one around it.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        fill: Any = 0,
        *,
        mask_fill: int = 0,
    ) -> None:
        pair = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        if len(pair) != 2 or not all(math.isfinite(value) for value in pair) or pair[0] > pair[1]:
            raise ValueError(
                f"RandomRotation: degrees is {degrees!r} but must be a number >= 0, or (from, to) ascending"
            )
        self.degrees = float(pair[0]), float(pair[1])
        self.interpolation = check_interpolation(interpolation, "RandomRotation")
        if self.interpolation not in ("nearest", "bilinear", "bicubic"):
            raise ValueError(
                f"RandomRotation: interpolation is {interpolation!r} but Pillow rotates by nearest, bilinear or bicubic"
            )
        self.fill, self.mask_fill = fill, mask_fill

    def draw(self, generator: Generator, size: Size) -> float:
        return float(generator.uniform(*self.degrees))

    def apply(self, image: Any, parameters: float) -> Image:
        image = require_image(image, "RandomRotation")
        turned: Image = image.rotate(parameters, resampling(self.interpolation), fillcolor=fill_for(image, self.fill))
        return turned

    def apply_mask(self, mask: Any, parameters: float) -> Image:
        mask = require_image(mask, "RandomRotation")
        turned: Image = mask.rotate(parameters, resampling("nearest"), fillcolor=fill_for(mask, self.mask_fill))
        return turned

    def apply_boxes(self, boxes: NDArray[Any], parameters: float, size: Size) -> NDArray[Any]:
        import numpy

        cosine, sine = math.cos(math.radians(parameters)), math.sin(math.radians(parameters))
        middle = numpy.array([size[1] / 2, size[0] / 2])
        corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] - middle  # (n, 4, 2) of x, y; y points down
        turned = corners @ numpy.array([[cosine, -sine], [sine, cosine]]) + middle
        return cut_boxes(numpy.concatenate([turned.min(axis=1), turned.max(axis=1)], axis=1), size)

    def __repr__(self) -> str:
        return f"RandomRotation({self.degrees}, interpolation={self.interpolation!r}, fill={self.fill!r})"


def check_probability(p: float, who: str) -> float:
    """`p`, if it is a number from 0 to 1."""
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"{who}: p is {p!r} but must be a probability, from 0 to 1")
    return float(p)
