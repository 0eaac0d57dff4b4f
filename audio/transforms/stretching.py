"""Sounds made longer or shorter at the same pitch, by the phase vocoder (Flanagan, Golden, 1966)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.transforms.checks import as_waveform, whole
from numzoo.audio.transforms.frames import istft, stft

__all__ = ["TimeStretch", "phase_vocoder", "time_stretch"]


def phase_vocoder(spectra: ArrayLike, rate: float, *, hop_length: int) -> NDArray[np.complex64]:
    """Spectra (..., frequencies, frames) of a sound `rate` times as fast: (..., frequencies, ceil(frames / rate)).

    Magnitudes are interpolated between frames; phases go on as fast as they do between the two frames, measured from what
    `hop_length` samples mean at each frequency. torchaudio's and librosa's definition.
    """
    given = np.asarray(spectra, np.complex64)
    if given.ndim < 2:
        raise ValueError(f"phase_vocoder: wants spectra (..., frequencies, frames), not {given.shape}")
    if not (rate > 0 and np.isfinite(rate)):
        raise ValueError(f"rate is {rate!r} but must be above 0")
    advance = np.pi * whole(hop_length, "hop_length") * np.linspace(0, 1, given.shape[-2])[:, None]
    places = np.arange(0, given.shape[-1], rate)
    frames = np.pad(given, [*((0, 0) for _ in given.shape[:-1]), (0, 2)])
    low = places.astype(np.int64)
    part = (places - low).astype(np.float32)
    one, other = frames[..., low], frames[..., low + 1]
    turn = np.angle(other).astype(np.float64) - np.angle(one) - advance
    turn = turn - 2 * np.pi * np.round(turn / (2 * np.pi)) + advance
    first = np.angle(frames[..., :1]).astype(np.float64)
    phase = np.cumsum(np.concatenate([first, turn[..., :-1]], axis=-1), axis=-1)
    size = part * np.abs(other) + (1 - part) * np.abs(one)
    return np.asarray(size * np.exp(1j * phase), np.complex64)


def time_stretch(
    waveform: ArrayLike, rate: float, *, n_fft: int = 2048, hop_length: int | None = None
) -> NDArray[np.float32]:
    """A waveform (..., samples) `rate` times as fast at the same pitch: (..., round(samples / rate)). librosa's definition."""
    sound = as_waveform(waveform, "time_stretch")
    hop = n_fft // 4 if hop_length is None else hop_length
    spectra = stft(sound, n_fft=n_fft, hop_length=hop, pad_mode="constant")
    length = max(1, round(sound.shape[-1] / rate)) if rate > 0 else 0
    return istft(phase_vocoder(spectra, rate, hop_length=hop), n_fft=n_fft, hop_length=hop, length=length)


class TimeStretch:
    """`phase_vocoder` at a fixed rate: spectra of frames `hop_length` apart to those of a sound `rate` times as fast."""

    def __init__(self, rate: float, *, hop_length: int = 200) -> None:
        self.rate, self.hop_length = rate, whole(hop_length, "hop_length")

    def __call__(self, spectra: ArrayLike) -> NDArray[np.complex64]:
        return phase_vocoder(spectra, self.rate, hop_length=self.hop_length)
