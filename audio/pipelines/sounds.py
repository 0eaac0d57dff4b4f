"""What pipelines of sounds take: a file, its bytes, or samples; made the channels and the rate that a model hears."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw, read_audio
from numzoo.audio.transforms.checks import as_waveform
from numzoo.audio.transforms.presets import mono
from numzoo.audio.transforms.resampling import resample
from numzoo.engine import Tensor

__all__ = ["RATE", "channels_of", "finite", "given_to", "sound_of"]

RATE = 16_000
"""Samples a second that most models hear."""


def sound_of(
    source: Any, who: str, *, raw: Raw | None = None, rate: int | None = None, wanted: int = RATE
) -> NDArray[np.float32]:
    """One channel (samples,) at `wanted` samples a second: the mean of the channels of `source`, resampled.

    `source` is what `read_audio` takes; or an array (samples,) or (channels, samples), of `rate` (or `wanted`) samples a second;
    or the pair (array, rate) that `read_audio` gives. Raises AudioError.
    """
    values, given = _read(source, who, raw, rate, wanted, to_mono=True)
    found = mono(values, who)
    return found if given == wanted else resample(found, given, wanted)


def channels_of(
    source: Any, who: str, channels: int, wanted: int, *, raw: Raw | None = None, rate: int | None = None
) -> NDArray[np.float32]:
    """So many channels (channels, samples) at `wanted` samples a second. One channel goes to all, several become their mean where
    one is wanted; any other number is refused. `source` as in `sound_of`."""
    if channels == 1:
        return sound_of(source, who, raw=raw, rate=rate, wanted=wanted)[None]
    values, given = _read(source, who, raw, rate, wanted, to_mono=False)
    sound = as_waveform(values, who)
    sound = sound[None] if sound.ndim == 1 else sound
    if sound.ndim != 2 or len(sound) not in (1, channels):
        raise AudioError(
            f"{who}: the model hears {channels} channels, and {sound.shape} is neither (samples,) nor (1 or {channels}, samples); mix "
            f"the channels down to {channels} first"
        )
    sound = sound if given == wanted else resample(sound, given, wanted)
    return np.ascontiguousarray(np.broadcast_to(sound, (channels, sound.shape[1])))


def finite(values: NDArray[Any], who: str) -> NDArray[Any]:
    """What a model gave. Raises AudioError where a NaN or an infinity is among it."""
    if not np.isfinite(values).all():
        raise AudioError(
            f"{who}: the model gave numbers that are none (NaN or infinite); its weights may be damaged, or dtype too narrow for it"
        )
    return values


def given_to(model: Any, array: NDArray[np.floating[Any]], *, narrow: bool = True) -> Tensor:
    """Samples or features as a tensor where the model's weights are and in their type: what every pipeline of sounds gives its model.

    The widest type counts: a model that holds some weights as a file has them, in 16 bits, computes in float32. Without `narrow`
    the type stays.
    """
    given = Tensor(array)
    weights = [weight for weight in model.parameters() if weight.dtype.kind not in "iub"]
    if not weights:
        return given
    widest = max(weights, key=lambda weight: weight.dtype.itemsize)
    return given.to(device=widest.device, dtype=widest.dtype if narrow else given.dtype)


def _read(source: Any, who: str, raw: Raw | None, rate: int | None, wanted: int, *, to_mono: bool) -> tuple[Any, int]:
    """Samples as they are given, and their rate."""
    if isinstance(source, tuple) and len(source) == 2:
        source, rate = source
    if isinstance(source, (list, np.ndarray)) or hasattr(source, "numpy"):
        given = wanted if rate is None else rate
        if isinstance(given, bool) or not hasattr(given, "__index__") or not 1 <= given < 1 << 31:
            raise AudioError(f"{who}: rate is {given!r} but must be a whole number of samples a second, such as 16000")
        return source.numpy() if hasattr(source, "numpy") else source, int(given)
    waveform, given = read_audio(source, mono=to_mono, raw=raw)
    if not waveform.shape[1]:
        raise AudioError(f"{who}: the sound has no samples")
    return waveform, given
