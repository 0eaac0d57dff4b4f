"""Sizes changed: resizing, cropping, padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .base import Fixed, Size, Transform, require_image
from .geometry import (
    PADDING_MODES,
    center_corner,
    center_crop,
    check_interpolation,
    check_size,
    crop,
    cut_boxes,
    pad,
    resize,
    resized,
)

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from PIL.Image import Image


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Resize(Fixed):
    """The shorter side becomes `size` long, the aspect kept (fraction cut off); or (height, width) exactly."""

    def __init__(self, size: int | Sequence[int], interpolation: str = "bilinear") -> None:
        pair = check_size(size, "Resize")
        self.size: int | Size = size if isinstance(size, int) else pair
        self.interpolation = check_interpolation(interpolation, "Resize")

    def apply(self, image: Any, parameters: None = None) -> Image:
        return resize(require_image(image, "Resize"), self.size, self.interpolation)

    def apply_mask(self, mask: Any, parameters: None = None) -> Image:
        return resize(require_image(mask, "Resize"), self.size, "nearest")

    def apply_boxes(self, boxes: NDArray[Any], parameters: None, size: Size) -> NDArray[Any]:
        return _scaled(boxes, size, self.output_size(size))

    def output_size(self, size: Size, parameters: None = None) -> Size:
        return resized(size, self.size) if isinstance(self.size, int) else self.size

    def __repr__(self) -> str:
        return f"Resize({self.size}, interpolation={self.interpolation!r})"


class CenterCrop(Fixed):
    """The middle, `size` or (height, width) large, on a margin of zeros where the image is smaller."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = check_size(size, "CenterCrop")

    def apply(self, image: Any, parameters: None = None) -> Image:
        return center_crop(require_image(image, "CenterCrop"), self.size)

    def apply_mask(self, mask: Any, parameters: None = None) -> Image:
        return self.apply(mask)

    def apply_boxes(self, boxes: NDArray[Any], parameters: None, size: Size) -> NDArray[Any]:
        return _cropped(boxes, Box(*center_corner(size, self.size), *self.size))

    def output_size(self, size: Size, parameters: None = None) -> Size:
        return self.size

    def __repr__(self) -> str:
        return f"CenterCrop({self.size})"


class Pad(Fixed):
    """A margin: one number, (horizontal, vertical), or (left, top, right, bottom) pixels.

    `padding_mode` is "constant" (with `fill`, a number or one per band), "edge", "reflect" (without the edge pixel) or
    "symmetric" (with it). A mask's margin is `mask_fill`, or follows the mode.
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant", *, mask_fill: int = 0
    ) -> None:
        self.padding = _margins(padding, "Pad")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"Pad: padding_mode is {padding_mode!r} but must be one of {', '.join(PADDING_MODES)}")
        self.fill, self.padding_mode, self.mask_fill = fill, padding_mode, mask_fill

    def apply(self, image: Any, parameters: None = None) -> Image:
        return pad(require_image(image, "Pad"), self.padding, self.fill, self.padding_mode)

    def apply_mask(self, mask: Any, parameters: None = None) -> Image:
        return pad(require_image(mask, "Pad"), self.padding, self.mask_fill, self.padding_mode)

    def apply_boxes(self, boxes: NDArray[Any], parameters: None, size: Size) -> NDArray[Any]:
        left, top, _, _ = self.padding
        return _cropped(boxes, Box(-top, -left, *self.output_size(size)))

    def output_size(self, size: Size, parameters: None = None) -> Size:
        left, top, right, bottom = self.padding
        return size[0] + top + bottom, size[1] + left + right

    def __repr__(self) -> str:
        return f"Pad({self.padding}, fill={self.fill!r}, padding_mode={self.padding_mode!r})"


class RandomCrop(Transform[Box]):
    """A part of `size` from anywhere, all places equally likely, of the image with `padding` around it.

    Raises ValueError for a smaller image, unless `pad_if_needed` widens it (on both sides) to fit.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        *,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = check_size(size, "RandomCrop")
        self.pad = Pad(padding, fill, padding_mode)
        self.pad_if_needed = pad_if_needed

    def draw(self, generator: Generator, size: Size) -> Box:
        height, width = self.pad.output_size(size)
        more_width, more_height = self._missing((height, width))
        height, width = height + 2 * more_height, width + 2 * more_width
        if height < self.size[0] or width < self.size[1]:
            raise ValueError(
                f"{self!r}: the image is {(height, width)} (height, width), smaller than the crop; "
                "resize it first, or set pad_if_needed=True"
            )
        top = int(generator.integers(0, height - self.size[0] + 1))
        left = int(generator.integers(0, width - self.size[1] + 1))
        return Box(top, left, *self.size)

    def apply(self, image: Any, parameters: Box) -> Image:
        image = self.pad.apply(image)
        return crop(
            Pad(self._missing((image.height, image.width)), self.pad.fill, self.pad.padding_mode).apply(image),
            *parameters,
        )

    def apply_mask(self, mask: Any, parameters: Box) -> Image:
        mask = self.pad.apply_mask(mask)
        return crop(
            Pad(self._missing((mask.height, mask.width)), 0, self.pad.padding_mode).apply_mask(mask), *parameters
        )

    def apply_boxes(self, boxes: NDArray[Any], parameters: Box, size: Size) -> NDArray[Any]:
        left, top, _, _ = self.pad.padding
        more_width, more_height = self._missing(self.pad.output_size(size))
        top, left = parameters.top - top - more_height, parameters.left - left - more_width
        return _cropped(boxes, parameters._replace(top=top, left=left))

    def output_size(self, size: Size, parameters: Box) -> Size:
        return self.size

    def _missing(self, size: Size) -> tuple[int, int]:
        """(horizontal, vertical) pixels that a padded image lacks; each is added on both sides, as torchvision does."""
        if not self.pad_if_needed:
            return 0, 0
        return max(0, self.size[1] - size[1]), max(0, self.size[0] - size[0])

    def __repr__(self) -> str:
        return f"RandomCrop({self.size}, padding={self.pad.padding}, pad_if_needed={self.pad_if_needed})"


class RandomResizedCrop(Transform[Box]):
    """A part of random area and aspect, resized to `size`: the usual augmentation for ImageNet.

    `scale` bounds the part's share of the area (uniform), `ratio` its width / height (uniform in the logarithm). Where
    ten tries find no part that fits, the largest central one with an allowed aspect. Szegedy et al., arXiv:1409.4842,
    section 6.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
    ) -> None:
        self.size = check_size(size, "RandomResizedCrop")
        self.scale = check_range(scale, 0.0, 1.0, "RandomResizedCrop: scale")
        self.ratio = check_range(ratio, 0.0, math.inf, "RandomResizedCrop: ratio")
        self.interpolation = check_interpolation(interpolation, "RandomResizedCrop")

    def draw(self, generator: Generator, size: Size) -> Box:
        for _ in range(10):
            height, width = draw_shape(generator, size, self.scale, self.ratio)
            if 0 < height <= size[0] and 0 < width <= size[1]:
                top = int(generator.integers(0, size[0] - height + 1))
                left = int(generator.integers(0, size[1] - width + 1))
                return Box(top, left, height, width)
        height, width = size
        aspect = width / height
        if aspect < self.ratio[0]:
            height = max(1, round(width / self.ratio[0]))
        elif aspect > self.ratio[1]:
            width = max(1, round(height * self.ratio[1]))
        return Box((size[0] - height) // 2, (size[1] - width) // 2, height, width)

    def apply(self, image: Any, parameters: Box) -> Image:
        return resize(crop(require_image(image, "RandomResizedCrop"), *parameters), self.size, self.interpolation)

    def apply_mask(self, mask: Any, parameters: Box) -> Image:
        return resize(crop(require_image(mask, "RandomResizedCrop"), *parameters), self.size, "nearest")

    def apply_boxes(self, boxes: NDArray[Any], parameters: Box, size: Size) -> NDArray[Any]:
        return _scaled(_cropped(boxes, parameters), (parameters.height, parameters.width), self.size)

    def output_size(self, size: Size, parameters: Box) -> Size:
        return self.size

    def __repr__(self) -> str:
        return (
            f"RandomResizedCrop({self.size}, scale={self.scale}, ratio={self.ratio}, "
            f"interpolation={self.interpolation!r})"
        )


def draw_shape(generator: Generator, size: Size, scale: tuple[float, float], ratio: tuple[float, float]) -> Size:
    """(height, width) of a part with a uniform share of the area and a log-uniform width / height; it may not fit."""
    area = size[0] * size[1] * float(generator.uniform(*scale))
    aspect = math.exp(float(generator.uniform(math.log(ratio[0]), math.log(ratio[1]))))
    return round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))


def check_range(pair: Sequence[float], low: float, high: float, who: str) -> tuple[float, float]:
    """`pair` as (from, to) with low < from <= to <= high, and `to` finite."""
    values = tuple(float(value) for value in pair)
    if len(values) != 2 or not low < values[0] <= values[1] <= high or math.isinf(values[1]):
        raise ValueError(f"{who} is {pair!r} but must be (from, to), ascending, above {low:g} and at most {high:g}")
    return values[0], values[1]


def _margins(padding: int | Sequence[int], who: str) -> tuple[int, int, int, int]:
    values = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(values) not in (1, 2, 4) or not all(isinstance(value, int) and value >= 0 for value in values):
        raise ValueError(
            f"{who}: padding is {padding!r} but must be a number of pixels, (horizontal, vertical), "
            "or (left, top, right, bottom), none below zero"
        )
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom


def _cropped(boxes: NDArray[Any], part: Box) -> NDArray[Any]:
    import numpy

    return cut_boxes(boxes - numpy.array([part.left, part.top] * 2, numpy.float64), (part.height, part.width))


def _scaled(boxes: NDArray[Any], old: Size, new: Size) -> NDArray[Any]:
    import numpy

    return boxes * numpy.array([new[1] / old[1], new[0] / old[0]] * 2, numpy.float64)
