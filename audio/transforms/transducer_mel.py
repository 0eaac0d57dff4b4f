"""What Emformer RNN-T hears: mel bands on a scale that is straight for quiet and logarithmic for loud, at mean 0 and variance 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.transforms.checks import whole
from numzoo.audio.transforms.frames import power_of
from numzoo.audio.transforms.mel import mel_filters
from numzoo.audio.transforms.presets import mono

__all__ = ["TransducerMel"]

RATE, FRAME, HOP = 16_000, 400, 160

_GAIN = 32767.0**2  # power of samples of 16 bits
_E = np.float32(math.e)


class TransducerMel:
    """A waveform (samples,) at 16 kHz to float32 (frames, n_mels), 100 frames a second, each around its time.

    Power in bands of the HTK scale, of samples as integers of 16 bits; the logarithm of what is above e, and then what is not above e
    by e; minus `mean`, times `invstddev` (n_mels,), the statistics of what the model was trained on (the feature extractor of
    torchaudio's RNNTBundle).
    """

    def __init__(self, mean: ArrayLike = 0.0, invstddev: ArrayLike = 1.0, *, n_mels: int = 80) -> None:
        self.n_mels = whole(n_mels, "n_mels")
        self.mean, self.invstddev = (self._of_bands(each) for each in (mean, invstddev))
        self.filters = mel_filters(RATE, FRAME, self.n_mels)

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        return self.frames(np.pad(self.checked(waveform), FRAME // 2, mode="reflect"))

    def checked(self, waveform: ArrayLike) -> NDArray[np.float32]:
        """The one channel of a waveform, if it is long enough for its ends to be mirrored."""
        sound = mono(waveform, "audio.transforms.TransducerMel")
        if len(sound) <= FRAME // 2:
            raise AudioError(
                f"audio.transforms.TransducerMel: the sound has {len(sound)} samples, but more than {FRAME // 2} are wanted"
            )
        return sound

    def frames(self, padded: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of samples whose frames begin with the first of them: (1 + (samples - 400) // 160, n_mels)."""
        settings: dict[str, Any] = {"n_fft": FRAME, "hop_length": HOP, "win_length": None, "center": False}
        loud = power_of(padded, 2, **settings, filters=self.filters).T * np.float32(_GAIN)
        scaled = np.where(loud > _E, np.log(np.maximum(loud, _E)), loud)
        scaled = np.where(scaled <= _E, scaled / _E, scaled)  # of the logarithms too, as the models were trained
        return np.asarray((scaled - self.mean) * self.invstddev, np.float32)

    def _of_bands(self, given: ArrayLike) -> NDArray[np.float32]:
        values = np.asarray(given, np.float32)
        if values.shape not in ((), (self.n_mels,)) or not np.isfinite(values).all():
            raise AudioError(
                f"audio.transforms.TransducerMel: mean and invstddev are a number for each of {self.n_mels} bands, not an array {values.shape}"
            )
        return values
