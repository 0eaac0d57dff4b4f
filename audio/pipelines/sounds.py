"""What pipelines of sounds take: a file, its bytes, or samples; made one channel at the model's rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw, read_audio
from numzoo.audio.transforms.presets import mono
from numzoo.audio.transforms.resampling import resample

__all__ = ["RATE", "sound_of"]

RATE = 16_000
"""Samples a second that all these models hear."""


def sound_of(source: Any, who: str, *, raw: Raw | None = None, rate: int | None = None) -> NDArray[np.float32]:
    """One channel (samples,) at 16 kHz: the mean of the channels of `source`, resampled.

    `source` is what `read_audio` takes; or an array (samples,) or (channels, samples), of `rate` (16 kHz) samples a second;
    or the pair (array, rate) that `read_audio` gives. Raises AudioError.
    """
    if isinstance(source, tuple) and len(source) == 2:
        source, rate = source
    if isinstance(source, (list, np.ndarray)) or hasattr(source, "numpy"):
        values = source.numpy() if hasattr(source, "numpy") else source
        given = RATE if rate is None else rate
        if isinstance(given, bool) or not hasattr(given, "__index__") or not 1 <= given < 1 << 31:
            raise AudioError(f"{who}: rate is {given!r} but must be a whole number of samples a second, such as 16000")
        found = mono(values, who)
    else:
        waveform, given = read_audio(source, mono=True, raw=raw)
        if not waveform.shape[1]:
            raise AudioError(f"{who}: the sound has no samples")
        found = mono(waveform, who)
    return found if given == RATE else resample(found, given, RATE)
