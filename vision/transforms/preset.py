"""The preprocessing that torchvision's classification weights were measured with, equal to theirs on a Pillow image.

Resize the shorter side, cut the centre out, scale to 0..1, normalise: its ImageClassification preset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..io import from_array
from ..modes import convert
from .arrays import check_statistics, normalize, to_float
from .base import Fixed, Size, require_image
from .geometry import center_corner, center_crop, check_interpolation, cut_boxes, resize, resized

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def classification(
    *,
    resize: int = 256,
    crop: int = 224,
    interpolation: str = "bilinear",
    antialias: bool = True,
    stretch: bool = False,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Classification:
    """The preset with these settings, as the manifest's "transform" gives them.

    `resize` is the length of the shorter side before, `crop` of both sides after. One mean makes a grey preset
    (1, crop, crop), three an RGB one (3, crop, crop). `stretch` makes both sides `resize` long whatever the image's proportions, as
    transformers' processors do. Pillow always antialiases, so `antialias=False` is refused.
    """
    return Classification(
        resize=resize,
        crop=crop,
        interpolation=interpolation,
        antialias=antialias,
        stretch=stretch,
        mean=mean,
        std=std,
    )


class Classification(Fixed):
    """Called with a Pillow image or a uint8 array (height, width[, channels]): float32 (channels, crop, crop).

    Other modes than RGB (or grey, for a grey preset) are converted first, by the rules of numzoo.vision.modes.
    """

    def __init__(
        self,
        *,
        resize: int,
        crop: int,
        interpolation: str,
        antialias: bool,
        stretch: bool = False,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        who = "vision.transforms.classification"
        self.resize, self.crop = (_side(value, name, who) for value, name in ((resize, "resize"), (crop, "crop")))
        self.interpolation = check_interpolation(interpolation, who)
        if antialias is not True:
            raise ValueError(f"{who}: antialias is {antialias!r} but Pillow always antialiases; leave it at True")
        if not isinstance(stretch, bool):
            raise ValueError(f"{who}: stretch is {stretch!r} but must be True or False")
        self.antialias, self.stretch = antialias, stretch
        self.mean, self.std = check_statistics(mean, std, who)
        if len(self.mean) not in (1, 3):
            raise ValueError(f"{who}: mean has {len(self.mean)} numbers but images have 1 (grey) or 3 (RGB) channels")

    def apply(self, image: Any, parameters: None = None) -> NDArray[numpy.float32]:
        if hasattr(image, "shape"):
            image = from_array(image)
        image = convert(require_image(image, "vision.transforms.classification"), "RGB" if len(self.mean) == 3 else "L")
        image = center_crop(resize(image, self._target, self.interpolation), (self.crop, self.crop))
        return normalize(to_float(image), self.mean, self.std)

    def __call__(self, image: Any, generator: Any = None) -> NDArray[numpy.float32]:
        return self.apply(image)

    def output_size(self, size: Size, parameters: None = None) -> Size:
        return self.crop, self.crop

    def apply_mask(self, mask: Any, parameters: None = None) -> NDArray[numpy.int64]:
        import numpy

        mask = resize(require_image(mask, "vision.transforms.classification"), self._target, "nearest")
        return numpy.array(center_crop(mask, (self.crop, self.crop)), numpy.int64)

    def apply_boxes(self, boxes: NDArray[Any], parameters: None, size: Size) -> NDArray[Any]:
        import numpy

        target = self._target
        height, width = resized(size, target) if isinstance(target, int) else target
        top, left = center_corner((height, width), (self.crop, self.crop))
        scale = numpy.array([width / size[1], height / size[0]] * 2)
        return cut_boxes(boxes * scale - numpy.array([left, top] * 2), (self.crop, self.crop))

    @property
    def _target(self) -> int | Size:
        return (self.resize, self.resize) if self.stretch else self.resize

    def settings(self) -> dict[str, Any]:
        """The manifest's "transform" object: the preset's dotted name, and what `classification` was called with."""
        return {
            "preset": "vision.transforms.classification",
            "resize": self.resize,
            "crop": self.crop,
            "interpolation": self.interpolation,
            "antialias": self.antialias,
            **({"stretch": True} if self.stretch else {}),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classification) and self.settings() == other.settings()

    def __hash__(self) -> int:
        return hash((self.resize, self.crop, self.interpolation, self.stretch, self.mean, self.std))

    def __repr__(self) -> str:
        values = (f"{name}={value!r}" for name, value in self.settings().items() if name != "preset")
        return f"classification({', '.join(values)})"


def _side(value: Any, name: str, who: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{who}: {name} is {value!r} but must be a whole number of pixels, 1 or more")
    return value
