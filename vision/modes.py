"""From whatever a file holds to eight-bit RGB, grey or RGBA: the rules, one place.

- Transparency: "RGB" and "L" drop the alpha channel and keep the colours under it, as Pillow's
  convert("RGB") does and as torchvision's users have it. "RGBA" keeps it, also where a palette or PNG names one colour.
- Sixteen bits: value / 257, rounded. (Pillow's own conversion cuts everything above 255 to white.)
- 32-bit integers and floats have no white of their own. The smallest usual full scale that holds every value is
  taken: 1 (floats), 255, 65535, 2147483647 (integers). Values below zero, above these, or not finite are refused.
- CMYK: as Pillow does, JPEG files in Adobe's inverted polarity. Colour profiles are not applied, nor are they by
  torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import ImageError
from .formats import quiet

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = ("RGB", "L", "RGBA")


def convert(image: Image, mode: str = "RGB") -> Image:
    """`image` in `mode` ("RGB", "L" or "RGBA"), by the rules above; the very same object if it is in that mode already.

    Raises ImageError where the pixels have no defined range or the colour space is not known.
    """
    if mode not in MODES:
        raise ValueError(f"convert: mode is {mode!r} but must be one of {', '.join(map(repr, MODES))}")
    if image.mode == mode:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    try:
        with quiet():
            if image.mode in ("La", "RGBa"):
                image = image.convert("LA" if image.mode == "La" else "RGBA")
            elif image.mode in ("CMYK", "YCbCr", "HSV"):
                image = image.convert("RGB")
            return image if image.mode == mode else image.convert(mode)
    except MemoryError:
        raise
    except Exception as error:  # what Pillow raises here has no common kind
        raise ImageError(
            f"an image in Pillow's mode {image.mode!r} cannot be converted to {mode!r} ({error}). "
            "Save it as an 8-bit RGB image first."
        ) from error


def _eight_bits(image: Image) -> Image:
    import numpy
    import PIL.Image

    values = numpy.asarray(image)
    if image.mode.startswith("I;16") or image.format in ("PNG", "PPM"):  # these know only 16 bits beyond 8
        grey = (values.astype(numpy.uint32) * 255 + 32767) // 65535
    else:
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0, 2147483647.0)
        scale = next((scale for scale in scales if high <= scale), None)
        if scale is None or not low >= 0:
            raise ImageError(
                f"the pixels of this {'float' if image.mode == 'F' else 'integer'} image go from {low:g} to {high:g}, "
                "which is no usual range of grey (0 to 1, 255 or 65535). Read it with mode=None and scale it yourself."
            )
        grey = numpy.rint(values.astype(numpy.float64) * (255.0 / scale))
    return PIL.Image.fromarray(grey.astype(numpy.uint8))
