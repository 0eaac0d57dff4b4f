"""What every transform is: a draw of random numbers, and their use on an image, its mask and its boxes.

>>> import numpy
>>> from numzoo.vision.transforms import Compose, RandomHorizontalFlip, RandomResizedCrop, ToArray
>>> train = Compose([RandomResizedCrop(224), RandomHorizontalFlip(), ToArray()])
>>> image, mask, boxes = train.joint(photo, mask=labels, generator=numpy.random.default_rng(0))    # doctest: +SKIP
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from typing_extensions import Self

Size = tuple[int, int]
Parameters = TypeVar("Parameters")


class Transform(ABC, Generic[Parameters]):
    """One step from image to image (a Pillow image, or an array of shape (..., height, width)).

    Calling it draws and applies. To share a draw, call `joint`, or `draw` once and the `apply` methods as often as
    needed. Random numbers come from the call's `generator`, else from the one given to `seed`, else fresh from the
    system. In worker processes give each sample its own generator: copies of one would all draw the same.
    """

    _generator: Generator | None = None

    @abstractmethod
    def draw(self, generator: Generator, size: Size) -> Parameters:
        """The random choice for an image of `size` = (height, width); all that is random happens here."""

    @abstractmethod
    def apply(self, image: Any, parameters: Parameters) -> Any:
        """The transformed image, by a choice that `draw` made; `image` itself is left as it was."""

    def apply_mask(self, mask: Any, parameters: Parameters) -> Any:
        """A mask of classes under the same choice: moved like the image, never interpolated, never recoloured."""
        return mask

    def apply_boxes(self, boxes: NDArray[Any], parameters: Parameters, size: Size) -> NDArray[Any]:
        """Boxes (n, 4) of left, top, right, bottom in pixels of an image of `size`, under the same choice.

        They are cut to the new image's edges; one that falls outside becomes empty and keeps its row.
        """
        return boxes

    def output_size(self, size: Size, parameters: Parameters) -> Size:
        """The (height, width) that an image of `size` gets."""
        return size

    def __call__(self, image: Any, generator: Generator | None = None) -> Any:
        return self.apply(image, self.draw(self._random(generator), size_of(image)))

    def joint(
        self, image: Any, *, mask: Any = None, boxes: Any = None, generator: Generator | None = None
    ) -> tuple[Any, Any, Any]:
        """(image, mask, boxes) under one draw; what was not given stays None. `mask` must have the image's size."""
        size = size_of(image)
        if mask is not None and size_of(mask) != size:
            raise ValueError(f"{self!r}: the mask is {size_of(mask)} but the image is {size} (height, width)")
        parameters = self.draw(self._random(generator), size)
        return (
            self.apply(image, parameters),
            None if mask is None else self.apply_mask(mask, parameters),
            None if boxes is None else self.apply_boxes(_as_boxes(boxes), parameters, size),
        )

    def seed(self, generator: Generator | int) -> Self:
        """Draw from this generator (or a new one with this seed) when a call brings none; the transform itself."""
        import numpy

        self._generator = numpy.random.default_rng(generator)
        return self

    def _random(self, generator: Any) -> Generator:
        import numpy

        if generator is None:
            return self._generator or numpy.random.default_rng()
        if not isinstance(generator, numpy.random.Generator):
            raise TypeError(
                f"{self!r}: generator is a {type(generator).__name__} but must be a numpy.random.Generator, "
                "e.g. numpy.random.default_rng(0)"
            )
        return generator


class Fixed(Transform[None]):
    """A transform without chance: it draws nothing, and `apply` needs no parameters."""

    def draw(self, generator: Generator, size: Size) -> None:
        return None

    @abstractmethod
    def apply(self, image: Any, parameters: None = None) -> Any: ...


class Compose(Transform[list[Any]]):
    """Several transforms, one after the other, as one: a draw of it is the list of its steps' draws."""

    def __init__(self, steps: Sequence[Transform[Any]]) -> None:
        for index, step in enumerate(steps):
            if not isinstance(step, Transform):
                raise TypeError(
                    f"Compose: step {index} is a {type(step).__name__} but must be a Transform; "
                    "give a function of your own a subclass with draw and apply"
                )
        self.steps = tuple(steps)

    def draw(self, generator: Generator, size: Size) -> list[Any]:
        drawn: list[Any] = []
        for step in self.steps:
            drawn.append(step.draw(generator, size))
            size = step.output_size(size, drawn[-1])
        return drawn

    def apply(self, image: Any, parameters: list[Any]) -> Any:
        for step, drawn in zip(self.steps, parameters, strict=True):
            image = step.apply(image, drawn)
        return image

    def apply_mask(self, mask: Any, parameters: list[Any]) -> Any:
        for step, drawn in zip(self.steps, parameters, strict=True):
            mask = step.apply_mask(mask, drawn)
        return mask

    def apply_boxes(self, boxes: NDArray[Any], parameters: list[Any], size: Size) -> NDArray[Any]:
        for step, drawn in zip(self.steps, parameters, strict=True):
            boxes = step.apply_boxes(boxes, drawn, size)
            size = step.output_size(size, drawn)
        return boxes

    def output_size(self, size: Size, parameters: list[Any]) -> Size:
        for step, drawn in zip(self.steps, parameters, strict=True):
            size = step.output_size(size, drawn)
        return size

    def __repr__(self) -> str:
        lines = "".join(f"    {step!r},\n" for step in self.steps)
        return f"Compose([\n{lines}])" if lines else "Compose([])"


def size_of(image: Any) -> Size:
    """(height, width) of a Pillow image or of an array (..., height, width)."""
    shape = getattr(image, "shape", None)
    if shape is not None and len(shape) >= 2:
        return int(shape[-2]), int(shape[-1])
    width, height = require_image(image, "a transform").size
    return height, width


def require_image(image: Any, who: str) -> Any:
    """`image`, if it is a Pillow image; else a TypeError that says how to get one."""
    import PIL.Image

    if not isinstance(image, PIL.Image.Image):
        if isinstance(image, str) or hasattr(image, "__fspath__"):
            way = "read the file first: numzoo.vision.read_image(path)"
        elif hasattr(image, "shape"):
            way = "put this step before ToArray, or see numzoo.vision.from_array"
        else:
            way = "see numzoo.vision.read_image"
        raise TypeError(f"{who} was given a {type(image).__name__} but works on Pillow images; {way}")
    return image


def _as_boxes(boxes: Any) -> NDArray[Any]:
    import numpy

    array = numpy.asarray(boxes, numpy.float64)
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes have shape {array.shape} but must be (n, 4): left, top, right, bottom")
    return array
