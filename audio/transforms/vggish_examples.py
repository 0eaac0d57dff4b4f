"""What VGGish hears: examples of 0.96 s, 96 frames of 64 mel bands each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numzoo.audio.transforms.frames import power_of
from numzoo.audio.transforms.mel import hz_to_mel
from numzoo.audio.transforms.presets import mono

__all__ = ["VggishMel", "vggish_mel"]

RATE, FRAMES, BANDS = 16_000, 96, 64
HOP = 160
LEAST = 400 + (FRAMES - 1) * HOP
"""Samples of the shortest sound that holds an example; each further one takes `FRAMES` * `HOP` more."""

_WINDOW, _SIZE = 400, 512  # 25 ms in a transform of the next power of two
_LOWEST, _HIGHEST = 125.0, 7500.0
_OFFSET = 0.01  # in the logarithm


class VggishMel:
    """A waveform (samples,) at 16 kHz to examples, float32 (examples, 1, 96, 64); what is left over at the end is no example.

    Magnitudes of frames of 25 ms, 10 ms apart, of which the first begins with the sound; in 64 bands from 125 to 7500 Hz that are
    triangles in mels (HTK's scale), without the mean; the logarithm of 0.01 more (the authors' vggish_input, and torchaudio's
    VGGishInputProcessor).
    """

    def __init__(self) -> None:
        self.filters = _filters()

    def __call__(self, waveform: ArrayLike) -> NDArray[np.float32]:
        sound = mono(waveform, "audio.transforms.vggish_mel")
        if len(sound) < LEAST:
            return np.zeros((0, 1, FRAMES, BANDS), np.float32)
        spare = (_SIZE - _WINDOW) // 2  # the window lies in the middle of a frame, which leaves magnitudes as they are
        settings: dict[str, Any] = {"n_fft": _SIZE, "hop_length": HOP, "win_length": _WINDOW, "center": False}
        mel = power_of(np.pad(sound, spare), 1, **settings, filters=self.filters)
        logs = np.log(mel.T + np.float32(_OFFSET))  # (frames, bands)
        examples = len(logs) // FRAMES
        return np.ascontiguousarray(logs[: examples * FRAMES].reshape(examples, 1, FRAMES, BANDS))

    def settings(self) -> dict[str, Any]:
        """The manifest's "transform" object."""
        return {"preset": "audio.transforms.vggish_mel"}

    def __repr__(self) -> str:
        return "vggish_mel()"


def vggish_mel() -> VggishMel:
    """The preset of VGGish."""
    return VggishMel()


def _filters() -> NDArray[np.float32]:
    """The weight of every frequency in every band (64, 257): straight lines in mels, not in Hz as in `mel_filters`."""
    edges = np.linspace(hz_to_mel(_LOWEST), hz_to_mel(_HIGHEST), BANDS + 2)
    away = hz_to_mel(np.fft.rfftfreq(_SIZE, 1 / RATE)) - edges[:, None]  # (edges, frequencies)
    widths = np.diff(edges)[:, None]
    found = np.maximum(0, np.minimum(away[:-2] / widths[:-1], -away[2:] / widths[1:]))
    found[:, 0] = 0
    return np.asarray(found, np.float32)
