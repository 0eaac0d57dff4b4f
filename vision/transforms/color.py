"""Colours changed, nothing moved: masks and boxes stay as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .base import Fixed, Size, Transform, require_image

if TYPE_CHECKING:
    from numpy.random import Generator
    from PIL.Image import Image

STEPS = ("brightness", "contrast", "saturation", "hue")


class Jitter(NamedTuple):
    """A draw of ColorJitter: the factors (None: this step is off), and the order in which the steps are taken."""

    order: tuple[str, ...]
    brightness: float | None
    contrast: float | None
    saturation: float | None
    hue: float | None


class ColorJitter(Transform[Jitter]):
    """Brightness, contrast, saturation and hue changed by random factors, in random order.

    For the first three, x means factors from max(0, 1 - x) to 1 + x, a pair (from, to) those. Hue is turned by a part
    of the circle from -x to x, or from a pair; at most 0.5.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        self.ranges = {
            "brightness": _range(brightness, "brightness"),
            "contrast": _range(contrast, "contrast"),
            "saturation": _range(saturation, "saturation"),
            "hue": _range(hue, "hue", middle=0.0, low=-0.5, high=0.5),
        }

    def draw(self, generator: Generator, size: Size) -> Jitter:
        order = tuple(STEPS[index] for index in generator.permutation(len(STEPS)))
        factors = {name: bounds and float(generator.uniform(*bounds)) for name, bounds in self.ranges.items()}
        return Jitter(order, **factors)

    def apply(self, image: Any, parameters: Jitter) -> Image:
        from PIL import ImageEnhance

        image = require_image(image, "ColorJitter")
        if image.mode not in ("RGB", "L", "RGBA", "LA"):
            raise ValueError(
                f"ColorJitter: the image is in Pillow's mode {image.mode!r} but must be RGB or L, alpha or not; "
                'convert it first: image.convert("RGB")'
            )
        enhancers = {
            "brightness": ImageEnhance.Brightness,
            "contrast": ImageEnhance.Contrast,
            "saturation": ImageEnhance.Color,
        }
        for name in parameters.order:
            factor = getattr(parameters, name)
            if factor is not None:
                image = turn_hue(image, factor) if name == "hue" else enhancers[name](image).enhance(factor)
        return image  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"ColorJitter({', '.join(f'{name}={bounds}' for name, bounds in self.ranges.items())})"


class Grayscale(Fixed):
    """Luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in 1 or in 3 equal channels."""

    def __init__(self, channels: int = 1) -> None:
        if channels not in (1, 3):
            raise ValueError(f"Grayscale: channels is {channels!r} but must be 1 or 3")
        self.channels = channels

    def apply(self, image: Any, parameters: None = None) -> Image:
        import PIL.Image

        grey: Image = require_image(image, "Grayscale").convert("L")
        return grey if self.channels == 1 else PIL.Image.merge("RGB", (grey, grey, grey))

    def __repr__(self) -> str:
        return f"Grayscale({self.channels})"


def turn_hue(image: Image, part: float) -> Image:
    """`image` with its hues turned by `part` of the circle, in steps of 1/256; grey images have none and stay.

    Alpha passes through.
    """
    import PIL.Image

    if image.mode in ("L", "LA"):
        return image
    step = int(part * 255)
    hue, saturation, value = image.convert("HSV").split()
    hue = hue.point([(level + step) % 256 for level in range(256)])
    turned = PIL.Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    if image.mode == "RGBA":
        turned.putalpha(image.getchannel("A"))
    return turned


def _range(
    value: float | Sequence[float], name: str, middle: float = 1.0, low: float = 0.0, high: float = math.inf
) -> tuple[float, float] | None:
    """(from, to), or None where nothing would change."""
    if isinstance(value, (int, float)):
        first, last = middle - value, middle + value
        pair = (max(first, low) if middle else first, last)
        fits = value >= 0
    else:
        pair = tuple(float(part) for part in value)  # type: ignore[assignment]
        fits = len(pair) == 2
    if not fits or not low <= pair[0] <= pair[1] <= high or math.isinf(pair[1]):
        bounds = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise ValueError(
            f"ColorJitter: {name} is {value!r} but must be a number >= 0 or (from, to), ascending, {bounds}"
        )
    return None if pair[0] == pair[1] == middle else (float(pair[0]), float(pair[1]))
