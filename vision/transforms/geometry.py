"""Pixels moved on Pillow images: plain functions, with torchvision's rounding, under the presets and transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ImageError, ImageTooLargeError
from ..io import MAX_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image, Resampling

    from .base import Size

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def resampling(name: str) -> Resampling:
    """Pillow's filter of that name. Pillow's filters widen with the scale: shrinking is always antialiased."""
    from PIL.Image import Resampling

    return Resampling[check_interpolation(name, "resize").upper()]


def check_interpolation(name: Any, who: str) -> str:
    """`name`, if it is one of INTERPOLATIONS ("nearest-exact" is Pillow's "nearest")."""
    if name == "nearest-exact":
        return "nearest"
    if name not in INTERPOLATIONS:
        raise ValueError(f"{who}: interpolation is {name!r} but must be one of {', '.join(INTERPOLATIONS)}")
    return str(name)


def check_size(size: int | Sequence[int], who: str) -> Size:
    """(height, width) of a setting that is one number for both, or the two."""
    pair = (size, size) if isinstance(size, int) else tuple(size)
    whole = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in pair)
    if len(pair) != 2 or not whole:
        raise ValueError(f"{who}: size is {size!r} but must be a positive number, or two as (height, width)")
    return pair[0], pair[1]


def resized(size: Size, shorter: int) -> Size:
    """(height, width) once the shorter side is `shorter`; the longer one's fraction is cut off, as torchvision does."""
    height, width = size
    short, long = min(size), max(size)
    if short < 1:
        raise ImageError(f"resize: the image is {width} x {height}; an image without pixels cannot be resized")
    longer = int(shorter * long / short)
    return (longer, shorter) if width <= height else (shorter, longer)


def resize(image: Image, size: int | Size, interpolation: str = "bilinear") -> Image:
    """`image` with its shorter side `size` long, or with `size` = (height, width). Returned as it is where that fits.

    Raises ImageTooLargeError where a thin image would grow beyond what is ever decoded.
    """
    old = image.height, image.width
    height, width = resized(old, size) if isinstance(size, int) else size
    if (height, width) == old:
        return image
    if height * width > MAX_PIXELS:
        raise ImageTooLargeError(
            f"resize: the image is {image.width} x {image.height}, so thin that it would become {width} x {height}, "
            f"more than {MAX_PIXELS:,} pixels; crop it first"
        )
    return image.resize((width, height), resampling(interpolation))


def crop(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """The part of `image` that begins at (top, left); zeros where it reaches beyond the edges."""
    return image.crop((left, top, left + width, top + height))


def center_corner(size: Size, wanted: Size) -> tuple[int, int]:
    """(top, left) of the central crop. Halves go to the even number; a margin's odd pixel goes right and below."""

    def start(have: int, want: int) -> int:
        return -((want - have) // 2) if want > have else round((have - want) / 2.0)

    return start(size[0], wanted[0]), start(size[1], wanted[1])


def center_crop(image: Image, size: Size) -> Image:
    """The central `size` = (height, width) of `image`, on a margin of zeros where the image is smaller."""
    top, left = center_corner((image.height, image.width), size)
    return crop(image, top, left, *size)


def pad(image: Image, margins: Sequence[int], fill: Any = 0, mode: str = "constant") -> Image:
    """`image` with (left, top, right, bottom) more pixels: `fill`, or the image's own by numpy.pad's `mode`."""
    import PIL.Image

    left, top, right, bottom = margins
    if mode == "constant":
        size = image.width + left + right, image.height + top + bottom
        result = PIL.Image.new(image.mode, size, fill_for(image, fill))
        if image.mode == "P":
            result.putpalette(image.getpalette() or [])
        result.paste(image, (left, top))
        return result
    import numpy

    pixels = numpy.asarray(image)
    sides = [(top, bottom), (left, right), (0, 0)][: pixels.ndim]
    padded = numpy.pad(pixels, sides, mode=mode)  # type: ignore[call-overload]
    result = PIL.Image.fromarray(padded)
    if image.mode == "P":
        result.putpalette(image.getpalette() or [])
    return result


def fill_for(image: Image, fill: Any) -> Any:
    """`fill`, a number or one per band, as Pillow wants it for this image's mode."""
    bands = len(image.getbands())
    values = tuple(fill) if isinstance(fill, Sequence) else (fill,) * bands
    if len(values) == 1:
        values *= bands
    if len(values) != bands:
        raise ValueError(f"fill is {fill!r} but the image has {bands} bands; give one number, or one for each band")
    if image.mode == "F":
        return float(values[0])
    return int(values[0]) if bands == 1 else tuple(int(value) for value in values)


def cut_boxes(boxes: NDArray[Any], size: Size) -> NDArray[Any]:
    """Boxes (left, top, right, bottom) cut to an image of `size` = (height, width)."""
    import numpy

    height, width = size
    cut: NDArray[Any] = numpy.clip(boxes, 0.0, numpy.array([width, height, width, height], numpy.float64))
    return cut
