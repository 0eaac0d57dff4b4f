"""Who speaks, by the GE2E speaker encoder: a voice as a vector, and how like two voices are.

Wan et al., arXiv:1710.10467, section 3; loudness, silences and windows as in Resemblyzer, whose weights these are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.silences import has_detector, shortened, voiced_by_detector, voiced_by_speeches
from numzoo.audio.pipelines.sounds import RATE, given_to, sound_of
from numzoo.audio.transforms.presets import Ge2eMel
from numzoo.engine import inference_mode
from numzoo.hub.errors import HubWarning

__all__ = ["SpeakerVerification", "speaker_verification"]

_WINDOW = 160  # frames of a part, 1.6 s
_HOP = 160  # samples of a frame
_RATE = 1.3  # parts begun in a second
_COVERED = 0.75  # of its last part that a sound must fill
_LOUDNESS = -30.0  # decibels below full scale, to which quieter sounds are raised
_PARTS = 32  # at a time


class SpeakerVerification:
    """``pipe(one, other)`` gives the cosine of two voices: near 1 for one speaker, for different ones mostly below 0.7.

    ``pipe.embed(sound)`` gives the voice itself, a vector (256,) of length 1. Silences are no part of a voice: what is longer than
    0.2 s of them is cut out first. `speech` says how speech is told from silence: "webrtc" as Resemblyzer does, which wants the
    package webrtcvad; a pipeline that finds speech, ``hub.pipeline("silero_vad")``; "all" takes the sound as it is. Without a word
    it is "webrtc" where webrtcvad is installed, and else "all", with a warning.
    """

    task = "speaker-verification"

    def __init__(self, model: Any) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model = model
        self.hear = Ge2eMel(n_mels=model.lstm.input_size)

    def __call__(self, one: Any, other: Any, *, speech: Any = None, raw: Raw | None = None) -> float:
        return float(self.embed(one, speech=speech, raw=raw) @ self.embed(other, speech=speech, raw=raw))

    def embed(self, sound: Any, *, speech: Any = None, raw: Raw | None = None) -> NDArray[np.float32]:
        """The voice in a sound (256,): the mean of `parts`, at length 1."""
        mean = self.parts(sound, speech=speech, raw=raw).mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def parts(self, sound: Any, *, speech: Any = None, raw: Raw | None = None) -> NDArray[np.float32]:
        """The voice in every 1.6 s of what is left of a sound without its silences, 0.77 s apart: (parts, 256), each of length 1."""
        waveform = _spoken(_raised(sound_of(sound, self.task, raw=raw)), speech)
        starts = _starts(len(waveform))
        waveform = np.pad(waveform, (0, max(0, (starts[-1] + _WINDOW) * _HOP - len(waveform))))
        mel = self.hear(waveform)
        windows = np.stack([mel[start : start + _WINDOW] for start in starts])
        with inference_mode():
            found = [
                self.model(given_to(self.model, windows[row : row + _PARTS])).numpy()
                for row in range(0, len(windows), _PARTS)
            ]
        return np.asarray(np.concatenate(found), np.float32)


def _spoken(waveform: NDArray[np.float32], speech: Any) -> NDArray[np.float32]:
    """The waveform without long silences, by what `speech` says."""
    if speech is None:
        speech = "webrtc" if has_detector() else "all"
        if speech == "all":
            warnings.warn(
                "speaker-verification: silences stay in the sounds, since the package webrtcvad is not installed; voices are told "
                "apart better without them. pip install 'numzoo[voices]', or say speech=hub.pipeline('silero_vad'), or speech='all' "
                "(--whole on the command line).",
                HubWarning,
                stacklevel=5,
            )
    if speech == "all":
        return waveform
    if speech == "webrtc":
        return shortened(waveform, voiced_by_detector(waveform))
    if not callable(speech):
        raise AudioError(
            f"speaker-verification: speech is 'webrtc', 'all' or a pipeline that finds speech, but {speech!r:.80} was given"
        )
    return shortened(waveform, voiced_by_speeches(waveform, speech((waveform, RATE))))


def _starts(samples: int) -> list[int]:
    """The frame at which each part begins."""
    frames = math.ceil((samples + 1) / _HOP)
    step = round(RATE / _RATE / _HOP)
    starts = list(range(0, max(1, frames - _WINDOW + step + 1), step))
    covered = (samples - starts[-1] * _HOP) / (_WINDOW * _HOP)
    return starts[:-1] if covered < _COVERED and len(starts) > 1 else starts


def _raised(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    power = float(np.mean(waveform.astype(np.float64) ** 2))
    if power == 0:
        raise AudioError("speaker-verification: the sound is silent, so nobody can be heard in it")
    gain = 10 ** ((_LOUDNESS - 10 * math.log10(power)) / 20)
    return np.asarray(waveform * gain, np.float32) if gain > 1 else waveform


def speaker_verification(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> SpeakerVerification:
    """The pipeline of an entry for ``speaker-verification``."""
    return SpeakerVerification(model)
