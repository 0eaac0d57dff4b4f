"""What every transform asks of a waveform and of its settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.numbers import to_float

__all__ = ["as_waveform", "whole"]

_LOUDEST = 2.0**32
"""Full scale is 1, or that of an integer in a float; far above, powers of a sound are no float32 any more."""


def as_waveform(waveform: ArrayLike, who: str, *, least: int = 1) -> NDArray[np.float32]:
    """`waveform` as float32 (..., samples): integers become -1 to 1. At least `least` samples, each a number of a size that sounds have."""
    if isinstance(waveform, (str, bytes)):
        raise AudioError(
            f"{who}: {waveform!r:.60} is no waveform; read the file first: numzoo.audio.read_audio(path)[0]"
        )
    try:
        given = np.asarray(waveform)
    except ValueError as error:
        raise AudioError(f"{who}: wants a waveform (..., samples), and rows of different lengths are none") from error
    if given.dtype.kind not in "fiu" or given.ndim < 1:
        raise AudioError(f"{who}: wants a waveform (..., samples) of numbers, not {given.dtype} {given.shape}")
    known = given.dtype.kind == "f" or given.dtype.name in ("uint8", "int16", "int32")
    with np.errstate(over="ignore"):  # a float64 that no float32 holds becomes an infinity, which is named below
        sound = to_float(given) if known else None
    if sound is None:
        raise AudioError(f"{who}: samples are floats, uint8, int16 or int32, not {given.dtype}")
    if sound.shape[-1] < least or not sound.size:
        raise AudioError(
            f"{who}: the sound has {sound.shape[-1]} samples, but at least {least} are wanted; give a longer one"
        )
    if not (sound.min() >= -_LOUDEST and sound.max() <= _LOUDEST):  # false for a NaN too
        place = np.argwhere(~(np.abs(sound) <= _LOUDEST))[0].tolist()
        raise AudioError(
            f"{who}: the sample at {place} is {given[tuple(place)]:.4g}, which no sound can hold; full scale is 1"
        )
    return np.asarray(sound, np.float32)


def whole(value: Any, name: str, *, least: int = 1) -> int:
    """`value`, if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} is {value!r} but must be a whole number, {least} or more")
    return int(value)
