"""Rectangles blanked out: random erasing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .base import Size, Transform
from .crops import Box, check_range, draw_shape
from .turns import check_probability

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


class Erased(NamedTuple):
    """A draw of RandomErasing: the part, and the seed of its noise."""

    part: Box
    seed: int


class RandomErasing(Transform["Erased | None"]):
    """With probability `p`, one rectangle of a float array (..., channels, height, width) overwritten.

    `scale` bounds its share of the area, `ratio` its height / width. `value` is a number, one per channel, or "random"
    (normal noise). Where ten tries find no rectangle smaller than the image, nothing is erased. Zhong et al.,
    arXiv:1708.04896. Masks and boxes stay: what is hidden is still there.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0.0,
    ) -> None:
        self.p = check_probability(p, "RandomErasing")
        self.scale = check_range(scale, 0.0, 1.0, "RandomErasing: scale")
        self.ratio = check_range(ratio, 0.0, math.inf, "RandomErasing: ratio")
        if isinstance(value, str) and value != "random":
            raise ValueError(f'RandomErasing: value is {value!r} but must be a number, one per channel, or "random"')
        self.value = value if isinstance(value, (str, int, float)) else tuple(value)

    def draw(self, generator: Generator, size: Size) -> Erased | None:
        if generator.random() >= self.p:
            return None
        for _ in range(10):
            width, height = draw_shape(generator, size, self.scale, self.ratio)
            if 0 < height < size[0] and 0 < width < size[1]:
                top = int(generator.integers(0, size[0] - height + 1))
                left = int(generator.integers(0, size[1] - width + 1))
                return Erased(Box(top, left, height, width), int(generator.integers(2**63)))
        return None

    def apply(self, image: Any, parameters: Erased | None) -> NDArray[Any]:
        import numpy

        if not hasattr(image, "shape") or image.ndim < 3 or image.dtype.kind != "f":
            given = f"{image.dtype} {image.shape}" if hasattr(image, "shape") else type(image).__name__
            raise ValueError(
                f"{self!r} was given {given} but wants floats (..., channels, height, width); put it after ToArray"
            )
        if parameters is None:
            return image  # type: ignore[no-any-return]
        top, left, height, width = parameters.part
        erased = numpy.array(image)
        hole = erased[..., top : top + height, left : left + width]
        if self.value == "random":
            hole[...] = numpy.random.default_rng(parameters.seed).standard_normal(hole.shape)
            return erased
        value = numpy.asarray(self.value, erased.dtype).reshape(-1, 1, 1)
        if len(value) not in (1, hole.shape[-3]):
            raise ValueError(f"{self!r}: value has {len(value)} numbers but the image has {hole.shape[-3]} channels")
        hole[...] = value
        return erased

    def __repr__(self) -> str:
        return f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value!r})"
