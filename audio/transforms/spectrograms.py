"""Spectrograms, mel spectrograms and cepstral coefficients, as torchaudio and librosa define them.

Their differences are settings: librosa pads the ends with zeros (`pad_mode="constant"`) and has Slaney's mel bands
(`mel_scale="slaney"`, `norm="slaney"`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.transforms.checks import as_waveform, whole
from numzoo.audio.transforms.frames import hann, power_of
from numzoo.audio.transforms.frames import stft as complex_spectra
from numzoo.audio.transforms.mel import mel_filters

__all__ = ["MFCC", "AmplitudeToDB", "MelSpectrogram", "Spectrogram", "amplitude_to_db"]


class Spectrogram:
    """A waveform (..., samples) to |stft|^`power` (..., n_fft // 2 + 1, frames); complex spectra where `power` is None.

    `normalized` divides by the root of the sum of the window's squares.
    """

    def __init__(
        self, *, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None, power: float | None = 2.0,
        normalized: bool = False, center: bool = True, pad_mode: str = "reflect", window: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        self.n_fft = whole(n_fft, "n_fft")
        self.win_length = whole(win_length if win_length is not None else n_fft, "win_length")
        self.hop_length = whole(hop_length if hop_length is not None else max(1, self.win_length // 2), "hop_length")
        if power is not None and not power > 0:
            raise ValueError(f"power is {power!r} but must be above 0, or None for complex spectra")
        self.power, self.center, self.pad_mode = power, center, pad_mode
        taper = hann(self.win_length) if window is None else np.asarray(window, np.float32)
        self.window = taper / np.sqrt(np.sum(taper**2)) if normalized else taper

    def __call__(self, waveform: ArrayLike) -> Any:
        settings: dict[str, Any] = {
            "n_fft": self.n_fft, "hop_length": self.hop_length, "win_length": self.win_length, "window": self.window,
            "center": self.center, "pad_mode": self.pad_mode,
        }  # fmt: skip
        if self.power is None:
            return complex_spectra(waveform, **settings)
        return power_of(waveform, self.power, **settings, filters=self._filters())

    def _filters(self) -> NDArray[np.float32] | None:
        return None


class MelSpectrogram(Spectrogram):
    """A waveform (..., samples) to its power in mel bands (..., n_mels, frames); bands as in `mel_filters`."""

    def __init__(
        self, sample_rate: int = 16000, *, n_mels: int = 128, f_min: float = 0.0, f_max: float | None = None, norm: str | None = None,
        mel_scale: str = "htk", power: float = 2.0, **settings: Any,
    ) -> None:  # fmt: skip
        super().__init__(power=power, **settings)
        self.filters = mel_filters(
            sample_rate, self.n_fft, n_mels, f_min=f_min, f_max=f_max, norm=norm, mel_scale=mel_scale
        )

    def _filters(self) -> NDArray[np.float32] | None:
        return self.filters


def amplitude_to_db(
    values: ArrayLike, *, stype: str = "power", ref: float = 1.0, amin: float = 1e-10, top_db: float | None = None
) -> NDArray[np.float32]:
    """10 log10(x / ref) of powers, 20 log10(x / ref) of magnitudes (`stype="magnitude"`), in decibels.

    What is below `amin` counts as that; what is more than `top_db` below the largest of all is raised to that. librosa's
    ``power_to_db`` has `top_db` 80, its ``amplitude_to_db`` also `amin` 1e-5.
    """
    if stype not in ("power", "magnitude"):
        raise ValueError(f"stype is {stype!r} but must be 'power' or 'magnitude'")
    if not (amin > 0 and ref > 0) or (top_db is not None and top_db < 0):
        raise ValueError(f"amin and ref are above 0, and top_db is 0 or more, not {amin!r}, {ref!r} and {top_db!r}")
    factor = 10.0 if stype == "power" else 20.0
    given = np.asarray(values, np.float32)
    decibels = np.float32(factor) * np.log10(np.maximum(given, np.float32(amin)))
    decibels -= np.float32(factor * np.log10(max(amin, ref)))
    if top_db is not None and decibels.size:
        np.maximum(decibels, decibels.max() - np.float32(top_db), out=decibels)
    return np.asarray(decibels, np.float32)


class AmplitudeToDB:
    """`amplitude_to_db` with its settings, as a callable."""

    def __init__(self, **settings: Any) -> None:
        amplitude_to_db(np.ones(1), **settings)  # refuses what means nothing
        self.settings = settings

    def __call__(self, values: ArrayLike) -> NDArray[np.float32]:
        return amplitude_to_db(values, **self.settings)


class MFCC:
    """A waveform (..., samples) to mel-frequency cepstral coefficients (..., n_mfcc, frames).

    They are the cosine transform (of length 1) of the mel bands in decibels, at most 80 below the largest; with `log_mels` of
    log(x + 1e-6). `melkwargs` are the settings of `MelSpectrogram`. librosa's are those with
    melkwargs={"n_fft": 2048, "hop_length": 512, "mel_scale": "slaney", "norm": "slaney", "pad_mode": "constant"}.
    """

    def __init__(
        self, sample_rate: int = 16000, *, n_mfcc: int = 40, log_mels: bool = False, melkwargs: Mapping[str, Any] | None = None
    ) -> None:  # fmt: skip
        self.mel = MelSpectrogram(sample_rate, **(melkwargs or {}))
        bands = len(self.mel.filters)
        if whole(n_mfcc, "n_mfcc") > bands:
            raise ValueError(
                f"n_mfcc is {n_mfcc}, more than there are mel bands ({bands}); raise n_mels, or take fewer"
            )
        self.log_mels, self.cosines = log_mels, _cosines(n_mfcc, bands)

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        mel = self.mel(as_waveform(waveform, "MFCC"))
        heard = np.log(mel + np.float32(1e-6)) if self.log_mels else amplitude_to_db(mel, top_db=80.0)
        return np.asarray(self.cosines @ heard, np.float32)


@functools.lru_cache(maxsize=8)
def _cosines(wanted: int, bands: int) -> NDArray[np.float32]:
    """The first rows of the orthonormal cosine transform of the second type: (wanted, bands)."""
    rows = np.cos(np.pi / bands * (np.arange(bands) + 0.5) * np.arange(wanted)[:, None]) * np.sqrt(2 / bands)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)
