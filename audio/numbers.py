"""Samples as numbers: floats between -1 and 1, or integers of full scale, and the way from one to the other.

An integer of b bits stands for itself over 2^(b-1), so that -1 is there and 1 is one step away; unsigned bytes have
their zero at 128. From integers to floats and back gives the same integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTEGERS = {"uint8": 8, "int16": 16, "int32": 32}
"""The integer types of samples, and how many bits each has."""


def to_float(samples: NDArray[Any], dtype: str = "float32") -> NDArray[Any]:
    """The samples as `dtype`, "float32" or "float64": integers between -1 and 1, floats as they are.

    A float32 holds 24 bits: the last eight of an int32 are rounded. Raises AudioError for other types.
    """
    import numpy

    _check_float(dtype, "to_float")
    samples = numpy.asarray(samples)
    name = samples.dtype.name
    if name in INTEGERS:
        scaled = samples.astype("float64" if name == "int32" else dtype)
        if name == "uint8":
            scaled -= 128
        scaled *= 2.0 ** (1 - INTEGERS[name])
        return scaled.astype(dtype, copy=False)
    if samples.dtype.kind != "f":
        raise AudioError(f"to_float: the samples are {name} but must be a float, {', '.join(INTEGERS)}")
    return samples.astype(dtype, copy=False)


def to_integers(samples: NDArray[Any], dtype: str = "int16", *, clip: bool = False) -> NDArray[Any]:
    """Floats between -1 and 1 as integers, "uint8", "int16" or "int32", rounded to the nearest, halves to even.

    1 becomes the largest integer. What lies beyond -1 and 1 is an AudioError unless `clip` cuts it off there; a NaN is
    one in any case.
    """
    import numpy

    if dtype not in INTEGERS:
        raise AudioError(f"to_integers: dtype is {dtype!r} but must be one of {', '.join(map(repr, INTEGERS))}")
    samples = numpy.asarray(samples)
    if samples.dtype.kind != "f":
        raise AudioError(
            f"to_integers: the samples are {samples.dtype.name} but must be floats; to_float makes them from integers"
        )
    check_range(samples, "to_integers", clip=clip)
    bits = INTEGERS[dtype]
    scaled = numpy.rint(samples.astype("float64") * 2.0 ** (bits - 1))
    scaled = numpy.clip(scaled, -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    return (scaled + 128 if dtype == "uint8" else scaled).astype(dtype)


def check_range(samples: NDArray[Any], who: str, *, clip: bool) -> None:
    """Raise AudioError for a NaN or an infinity, and for values beyond -1 and 1 unless they are to be clipped."""
    import numpy

    if not samples.size:
        return
    low, high = float(samples.min()), float(samples.max())
    if not (numpy.isfinite(low) and numpy.isfinite(high)):
        place = numpy.argwhere(~numpy.isfinite(samples))[0].tolist()
        raise AudioError(f"{who}: the sample at {place} is {samples[tuple(place)]}, which no sound can hold")
    if not clip and (low < -1 or high > 1):
        raise AudioError(
            f"{who}: the samples go from {low:.4g} to {high:.4g}, beyond -1 and 1; scale them "
            f"(waveform / {max(-low, high):.4g}), or say clip=True to cut them off there"
        )


def _check_float(dtype: str, who: str) -> None:
    if dtype not in ("float32", "float64"):
        raise AudioError(f"{who}: dtype is {dtype!r} but must be 'float32' or 'float64'")
