"""How good speech sounds, by SQUIM: estimates of measures that else need the clean recording, and of what listeners would say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.sounds import RATE, finite, given_to, sound_of
from numzoo.engine import inference_mode

__all__ = ["OpinionScore", "Quality", "SpeechQuality", "speech_quality"]

TASK = "speech-quality"
SECONDS = 15.0
"""What is longer is judged in pieces of equal length, and the mean of their scores counts."""

_FAINTEST = 1e-10  # of full scale; below it nothing sounds, and squares are soon no float32


class Quality(NamedTuple):
    """How intelligible speech is (STOI, 0 to 1), how good it sounds (wide-band PESQ, 1 to 4.64), and how strong it is beside its
    distortions (SI-SDR, decibels)."""

    stoi: float
    pesq: float
    si_sdr: float


class SpeechQuality:
    """``pipe(sound)`` gives the `Quality` of speech of any length, `seconds` of it judged at once: the model's work grows with the square.

    Sounds as `SpeechRecognition` takes them.
    """

    task = TASK
    wants_reference = False

    def __init__(self, model: Any) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.least = model, model.config.win_len

    def __call__(self, sound: Any, *, seconds: float = SECONDS, raw: Raw | None = None) -> Quality:
        scores = []
        for piece in _pieces(_speech(sound, raw, "the sound", self.least), seconds):
            with inference_mode():
                scores.append([float(score.numpy()[0]) for score in self.model(given_to(self.model, piece[None]))])
        return Quality(*finite(np.mean(scores, axis=0), self.task).tolist())


class OpinionScore:
    """``pipe(sound, reference)`` gives the mean opinion score of speech, 1 (bad) to 5 (excellent).

    The reference is any clean recording of speech, by whomever and of whatever words; it is repeated or cut to the length of the sound.
    """

    task = TASK
    wants_reference = True

    def __init__(self, model: Any) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.least = model, model.ssl_model.config.fewest

    def __call__(self, sound: Any, reference: Any, *, seconds: float = SECONDS, raw: Raw | None = None) -> float:
        speech, clean = _speech(sound, raw, "the sound", self.least), _speech(reference, raw, "the reference")
        scores = []
        for piece in _pieces(speech, seconds):
            with inference_mode():
                given = (given_to(self.model, each[None]) for each in (piece, clean))
                scores.append(float(self.model(*given).numpy()[0]))
        return float(finite(np.array(scores), self.task).mean())


def _speech(sound: Any, raw: Raw | None, what: str, least: int = 1) -> NDArray[np.float32]:
    waveform = sound_of(sound, TASK, raw=raw)
    if len(waveform) < least:
        raise AudioError(
            f"{TASK}: {what} has {len(waveform)} samples at 16 kHz, but the model wants {least}; give a longer one"
        )
    if _silent(waveform):
        raise AudioError(f"{TASK}: {what} is silent, so there is no speech in it to be judged")
    return waveform


def _pieces(waveform: NDArray[np.float32], seconds: float) -> Iterator[NDArray[np.float32]]:
    """The sound in pieces of about one length, at most `seconds` long, without silent ones."""
    if not isinstance(seconds, Real) or not (math.isfinite(seconds) and seconds >= 1):
        raise ValueError(f"{TASK}: seconds is how much is judged at once, 1 or more, not {seconds!r:.40}")
    count = math.ceil(len(waveform) / (seconds * RATE))
    for piece in np.array_split(waveform, count):
        if not _silent(piece):
            yield piece


def _silent(waveform: NDArray[np.float32]) -> bool:
    return bool(np.abs(waveform).max() < _FAINTEST)


def speech_quality(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> SpeechQuality | OpinionScore:
    """The pipeline of an entry for ``speech-quality``: the one that wants a reference, if the model does."""
    return OpinionScore(model) if hasattr(model, "ssl_model") else SpeechQuality(model)
