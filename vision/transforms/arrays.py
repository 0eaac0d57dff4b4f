"""From Pillow images to the arrays that models take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..io import to_array
from .base import Fixed, require_image

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class ToArray(Fixed):
    """Of an eight-bit image float32 (channels, height, width) from 0 to 1; of a mask int64 (height, width)."""

    def apply(self, image: Any, parameters: None = None) -> NDArray[numpy.float32]:
        return to_float(require_image(image, "ToArray"))

    def apply_mask(self, mask: Any, parameters: None = None) -> NDArray[numpy.int64]:
        import numpy

        return numpy.array(mask, numpy.int64)

    def __repr__(self) -> str:
        return "ToArray()"


class Normalize(Fixed):
    """(x - mean) / std per channel, in the array's own dtype, on float arrays (..., channels, height, width)."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = check_statistics(mean, std, "Normalize")

    def apply(self, image: Any, parameters: None = None) -> NDArray[Any]:
        import numpy

        array = numpy.array(image) if hasattr(image, "shape") else None
        if array is None or array.dtype.kind != "f" or array.ndim < 3 or array.shape[-3] != len(self.mean):
            given = f"{array.dtype} {array.shape}" if array is not None else type(image).__name__
            raise ValueError(
                f"{self!r} was given {given} but wants floats (..., {len(self.mean)}, height, width); "
                "put it after ToArray"
            )
        return normalize(array, self.mean, self.std)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


def batch(images: Iterable[Any], transform: Callable[[Any], Any]) -> NDArray[Any]:
    """`transform` of every image, in one array (n, channels, height, width).

    Raises ValueError where there is no image, or where results differ in shape or dtype.
    """
    import numpy

    results = [numpy.asarray(transform(image)) for image in images]
    if not results:
        raise ValueError("batch: there are no images; give at least one")
    for index, result in enumerate(results):
        if (result.shape, result.dtype) != (results[0].shape, results[0].dtype):
            raise ValueError(
                f"batch: image {index} became {result.dtype} {result.shape} but image 0 {results[0].dtype} "
                f"{results[0].shape}; end the transform with a crop to one size"
            )
    return numpy.stack(results)


def to_float(image: Any) -> NDArray[numpy.float32]:
    """float32 (channels, height, width), value / 255, of an eight-bit Pillow image."""
    import numpy

    pixels = numpy.asarray(image) if image.mode in ("RGB", "L") else to_array(image)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    result = numpy.empty(planes.shape, numpy.float32)
    result[...] = planes
    result /= numpy.float32(255)
    return result


def normalize(array: NDArray[Any], mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    """(array - mean) / std in place: subtracted, then divided, each rounded to the array's dtype."""
    import numpy

    array -= numpy.asarray(mean, array.dtype)[:, None, None]
    array /= numpy.asarray(std, array.dtype)[:, None, None]
    return array


def check_statistics(
    mean: Sequence[float], std: Sequence[float], who: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`mean` and `std` as tuples: equally many, finite, no standard deviation that float32 rounds to zero."""
    import numpy

    means, stds = tuple(map(float, mean)), tuple(map(float, std))
    if not means or len(means) != len(stds):
        raise ValueError(f"{who}: mean has {len(means)} and std {len(stds)} numbers but both need one for each channel")
    if not (
        numpy.isfinite(means).all() and numpy.isfinite(stds).all() and (numpy.asarray(stds, numpy.float32) > 0).all()
    ):
        raise ValueError(f"{who}: mean is {means} and std {stds} but they must be finite, and std above zero")
    return means, stds
