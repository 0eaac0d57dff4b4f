"""Mel bands: triangles that follow how people hear pitch, in both definitions that are in use.

"htk" (Young et al., The HTK Book: mel = 2595 log10(1 + f / 700)) is torchaudio's own scale; "slaney" (Slaney, Auditory Toolbox,
1998: straight below 1000 Hz, logarithmic above) is librosa's. `norm="slaney"` gives every band the same area.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.transforms.checks import whole

__all__ = ["hz_to_mel", "mel_filters", "mel_to_hz"]

_STEP = 200 / 3  # Hz in a mel of Slaney's below 1000 Hz
_BREAK = 1000.0
_RATIO = np.log(6.4) / 27  # of the logarithm above, per mel


def hz_to_mel(frequency: Any, scale: str = "htk") -> Any:
    """Frequencies in Hz as mels of the scale "htk" or "slaney"."""
    hz = np.asarray(frequency, np.float64)
    if _scale(scale) == "htk":
        return 2595 * np.log10(1 + hz / 700)
    return np.where(hz >= _BREAK, _BREAK / _STEP + np.log(np.maximum(hz, _BREAK) / _BREAK) / _RATIO, hz / _STEP)


def mel_to_hz(mels: Any, scale: str = "htk") -> Any:
    """Mels of the scale "htk" or "slaney" as frequencies in Hz."""
    mel = np.asarray(mels, np.float64)
    if _scale(scale) == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    knee = _BREAK / _STEP
    return np.where(mel >= knee, _BREAK * np.exp(_RATIO * (np.maximum(mel, knee) - knee)), mel * _STEP)


@functools.lru_cache(maxsize=32)
def mel_filters(
    sample_rate: int, n_fft: int, n_mels: int, *, f_min: float = 0.0, f_max: float | None = None, norm: str | None = None,
    mel_scale: str = "htk",
) -> NDArray[np.float32]:  # fmt: skip
    """The weight of every frequency of a spectrum in every band: (n_mels, n_fft // 2 + 1), read-only.

    The bands' centres lie evenly in mels between `f_min` and `f_max` (half the rate) Hz; each band is a triangle from its
    neighbours' centre to the other's, of height 1, or with norm="slaney" of area 1.
    """
    rate, size, bands = whole(sample_rate, "sample_rate"), whole(n_fft, "n_fft"), whole(n_mels, "n_mels")
    top = rate / 2 if f_max is None else float(f_max)
    if not 0 <= f_min < top:
        raise ValueError(f"f_min is {f_min} and f_max {top}, but 0 <= f_min < f_max must hold")
    if norm not in (None, "slaney"):
        raise ValueError(f"norm is {norm!r} but must be None or 'slaney'")
    edges = mel_to_hz(np.linspace(hz_to_mel(f_min, mel_scale), hz_to_mel(top, mel_scale), bands + 2), mel_scale)
    away = edges[:, None] - np.fft.rfftfreq(size, 1 / rate)
    widths = np.diff(edges)[:, None]
    filters = np.maximum(0, np.minimum(-away[:-2] / widths[:-1], away[2:] / widths[1:]))  # (n_mels, frequencies)
    if norm == "slaney":
        filters *= (2 / (edges[2:] - edges[:-2]))[:, None]
    made: NDArray[np.float32] = filters.astype(np.float32)
    made.setflags(write=False)
    return made


def _scale(scale: str) -> str:
    if scale not in ("htk", "slaney"):
        raise ValueError(f"mel_scale is {scale!r} but must be 'htk' or 'slaney'")
    return scale
