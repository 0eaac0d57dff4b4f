"""The pitch of a tone or a voice over time, by CREPE (Kim et al., arXiv:1802.06182)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.io import Raw
from numzoo.audio.models.crepe import RATE, pieces_of, pitch_of
from numzoo.audio.pipelines.sounds import given_to, sound_of
from numzoo.engine import inference_mode

__all__ = ["Pitch", "PitchEstimation", "pitch_estimation"]

_FRAMES = 128  # at a time


class Pitch(NamedTuple):
    """For each time in seconds the pitch in Hz and how sure it is, 0 to 1: three arrays (times,)."""

    times: NDArray[np.float64]
    pitch: NDArray[np.float64]
    confidence: NDArray[np.float32]


class PitchEstimation:
    """``pipe(sound)`` gives a `Pitch`, a value for every `step` seconds.

    Where nothing has a pitch the confidence is low, and the pitch means nothing. Sounds as `SpeechRecognition` takes them.
    """

    task = "pitch-estimation"

    def __init__(self, model: Any) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model = model

    def __call__(self, sound: Any, *, step: float = 0.01, raw: Raw | None = None) -> Pitch:
        hop = round(step * RATE) if np.isfinite(step) else 0
        if hop < 1:
            raise ValueError(f"step is {step!r} but must be at least {1 / RATE} seconds")
        waveform = sound_of(sound, "pitch-estimation", raw=raw)
        likely = []
        with inference_mode():
            for frames in pieces_of(waveform, hop, _FRAMES):
                likely.append(np.asarray(self.model(given_to(self.model, frames)).numpy(), np.float32))
        chances = np.concatenate(likely)
        times: NDArray[np.float64] = np.arange(len(chances)) / (RATE / hop)
        return Pitch(times, pitch_of(chances), chances.max(axis=1))

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None) -> None:
        """The waveform and the pitch curve, as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_pitch

        waveform = sound_of(sound, self.task, raw=raw)
        draw_pitch(waveform, *self((waveform, RATE)), path)


def pitch_estimation(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> PitchEstimation:
    """The pipeline of an entry for ``pitch-estimation``."""
    return PitchEstimation(model)
