"""The features that pretrained models of sound were trained with, as the manifest's "transform" names them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.transforms.checks import as_waveform, whole
from numzoo.audio.transforms.frames import power_of
from numzoo.audio.transforms.mel import mel_filters

__all__ = ["Ge2eMel", "HifiganMel", "WhisperMel", "ge2e_mel", "hifigan_mel", "whisper_mel"]

RATE = 16_000
"""Samples a second that Whisper and the speaker encoder want."""

_FRAME, _HOP = 400, 160  # 25 ms every 10 ms
_AT_ONCE = 30_000  # frames of a long sound: five minutes


class WhisperMel:
    """A waveform (samples,) at 16 kHz to what Whisper hears: float32 (n_mels, 100 a second).

    The sound is cut or filled up with silence to `seconds` (0: left as long as it is). Bands are those of `mel_filters` with
    Slaney's scale and norm; of their base-10 logarithm what lies more than 8 below the largest is raised to that, and the
    rest is scaled by (x + 4) / 4 (Radford et al., arXiv:2212.04356, section 2.2, and its authors' code).
    """

    def __init__(self, *, n_mels: int = 80, seconds: int = 30) -> None:
        self.n_mels, self.seconds = whole(n_mels, "n_mels"), whole(seconds, "seconds", least=0)
        self.filters = mel_filters(RATE, _FRAME, self.n_mels, norm="slaney", mel_scale="slaney")

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        sound = mono(waveform, "audio.transforms.whisper_mel")
        if self.seconds:
            wanted = self.seconds * RATE
            sound = np.pad(sound[:wanted], (0, max(0, wanted - len(sound))))
        return self.whole(sound)

    def whole(self, sound: NDArray[np.float32], silence: int = 0) -> NDArray[np.float32]:
        """All of a sound, with `silence` samples of nothing behind it, however long it is."""
        if len(sound) + silence <= _FRAME // 2:
            silence = _FRAME
        frames = (len(sound) + silence) // _HOP
        mel = np.empty((self.n_mels, frames), np.float32)
        for first in range(0, frames, _AT_ONCE):  # so that a long sound is not copied whole
            last = min(first + _AT_ONCE, frames)
            piece = _around(sound, silence, first * _HOP - _FRAME // 2, (last - 1) * _HOP + _FRAME // 2)
            mel[:, first:last] = power_of(
                piece, 2, n_fft=_FRAME, hop_length=_HOP, win_length=None, center=False, filters=self.filters
            )
        np.log10(np.maximum(mel, 1e-10, out=mel), out=mel)
        if mel.size:
            np.maximum(mel, mel.max() - np.float32(8), out=mel)
        mel += 4
        mel /= 4
        return mel

    def settings(self) -> dict[str, Any]:
        """The manifest's "transform" object."""
        return {"preset": "audio.transforms.whisper_mel", "n_mels": self.n_mels, "seconds": self.seconds}

    def __repr__(self) -> str:
        return f"whisper_mel(n_mels={self.n_mels}, seconds={self.seconds})"


class Ge2eMel:
    """A waveform (samples,) at 16 kHz to what the GE2E speaker encoder hears: float32 (frames, n_mels), 100 frames a second.

    Power, not its logarithm, in bands of Slaney's scale and norm; the ends of the sound are filled with zeros, as librosa
    does by default (Resemblyzer's code).
    """

    def __init__(self, *, n_mels: int = 40) -> None:
        self.n_mels = whole(n_mels, "n_mels")
        self.filters = mel_filters(RATE, _FRAME, self.n_mels, norm="slaney", mel_scale="slaney")

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        sound = mono(waveform, "audio.transforms.ge2e_mel")
        mel = power_of(
            sound, 2, n_fft=_FRAME, hop_length=_HOP, win_length=None, pad_mode="constant", filters=self.filters
        )
        return np.ascontiguousarray(mel.T)

    def settings(self) -> dict[str, Any]:
        """The manifest's "transform" object."""
        return {"preset": "audio.transforms.ge2e_mel", "n_mels": self.n_mels}

    def __repr__(self) -> str:
        return f"ge2e_mel(n_mels={self.n_mels})"


class HifiganMel:
    """A waveform (samples,) at `sample_rate` to what HiFi-GAN makes heard again: float32 (n_mels, samples // 256).

    The natural logarithm of magnitudes in bands of Slaney's scale and norm up to `f_max`, at least 1e-5; frames of 1024 samples
    lie around the middles of steps of 256, and the ends are mirrored (the authors' meldataset.py).
    """

    def __init__(self, *, sample_rate: int = 22050, n_mels: int = 80, f_max: float = 8000.0) -> None:
        self.sample_rate, self.n_mels, self.f_max = whole(sample_rate, "sample_rate"), whole(n_mels, "n_mels"), f_max
        self.filters = mel_filters(sample_rate, 1024, n_mels, f_max=f_max, norm="slaney", mel_scale="slaney")

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        sound = mono(waveform, "audio.transforms.hifigan_mel")
        if len(sound) <= 384:
            raise AudioError(f"audio.transforms.hifigan_mel: {len(sound)} samples are too few, it takes 385")
        ends = np.pad(sound, 384, mode="reflect")
        power = power_of(ends, 2, n_fft=1024, hop_length=256, win_length=None, center=False)
        bands = self.filters @ np.sqrt(power + np.float32(1e-9))
        return np.asarray(np.log(np.maximum(bands, np.float32(1e-5))), np.float32)

    def settings(self) -> dict[str, Any]:
        """The manifest's "transform" object."""
        sizes = {"sample_rate": self.sample_rate, "n_mels": self.n_mels, "f_max": self.f_max}
        return {"preset": "audio.transforms.hifigan_mel", **sizes}

    def __repr__(self) -> str:
        return f"hifigan_mel(sample_rate={self.sample_rate}, n_mels={self.n_mels}, f_max={self.f_max})"


def whisper_mel(*, n_mels: int = 80, seconds: int = 30) -> WhisperMel:
    """The preset of Whisper: 80 bands, 128 for large-v3 and turbo."""
    return WhisperMel(n_mels=n_mels, seconds=seconds)


def ge2e_mel(*, n_mels: int = 40) -> Ge2eMel:
    """The preset of the GE2E speaker encoder."""
    return Ge2eMel(n_mels=n_mels)


def hifigan_mel(*, sample_rate: int = 22050, n_mels: int = 80, f_max: float = 8000.0) -> HifiganMel:
    """The preset of HiFi-GAN."""
    return HifiganMel(sample_rate=sample_rate, n_mels=n_mels, f_max=f_max)


def _around(sound: NDArray[np.float32], silence: int, start: int, end: int) -> NDArray[np.float32]:
    """The samples from `start` to `end` of a sound with `silence` behind it, mirrored beyond both ends."""
    length = len(sound) + silence
    piece = np.zeros(end - start, np.float32)
    first, last = max(start, 0), min(end, len(sound))
    if first < last:
        piece[first - start : last - start] = sound[first:last]
    beyond = [*range(start, 0), *range(max(length, start), end)]
    if beyond:
        there = np.array(beyond)
        from_where = np.where(there < 0, -there, 2 * (length - 1) - there)
        heard = from_where < len(sound)
        piece[there[heard] - start] = sound[from_where[heard]]
    return piece


def mono(waveform: ArrayLike, who: str) -> NDArray[np.float32]:
    """A waveform as (samples,): the mean of its channels, if it has several."""
    sound = as_waveform(waveform, who)
    if sound.ndim > 2:
        raise AudioError(f"{who}: wants one sound, (samples,) or (channels, samples), not {sound.shape}")
    if sound.ndim == 1 or len(sound) == 1:
        return sound.reshape(-1)
    return np.asarray(sound.mean(axis=0), np.float32)
