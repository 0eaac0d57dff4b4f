"""Sounds to classes, by wav2vec 2.0, HuBERT and WavLM, or by Whisper's encoder: words, speakers, moods."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.samples import normal, normalizes
from numzoo.audio.pipelines.sounds import RATE, given_to, sound_of
from numzoo.audio.transforms.presets import WhisperMel
from numzoo.engine import no_grad

__all__ = ["AudioClassification", "audio_classification"]


class AudioClassification:
    """``pipe(sound)`` gives the most probable classes: [(label, probability), ...], the best first.

    A sound is a path, bytes, an array at 16 kHz or a pair (array, rate); a file without a header needs `raw`. It is heard whole.
    """

    task = "audio-classification"

    def __init__(self, model: Any, categories: Sequence[str] = (), *, normalize: bool = True) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.categories, self.normalize = model, tuple(categories), normalize

    def __call__(self, sound: Any, *, top: int = 5, raw: Raw | None = None) -> list[tuple[str, float]]:
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise ValueError(f"top is a number of classes from 1, not {top!r}")
        waveform = sound_of(sound, self.task, raw=raw)
        logits = self._logits(waveform)
        powers = np.exp(logits - logits.max())
        order = np.argsort(-powers, kind="stable")[:top]
        return [(self._label(int(place)), float(powers[place] / powers.sum())) for place in order]

    def _logits(self, waveform: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.model.base.config.frames(len(waveform)) < 1:
            raise AudioError(
                f"{self.task}: the sound has {len(waveform)} samples, too few to be heard; give a longer one"
            )
        with no_grad():
            samples = normal(waveform) if self.normalize else waveform
            logits = self.model(given_to(self.model, samples[None])).numpy()[0]
        return np.asarray(logits, np.float64)

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None) -> None:
        """The waveform and its mel spectrogram, as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_spectrogram

        draw_spectrogram(sound_of(sound, self.task, raw=raw), [], path)

    def _label(self, place: int) -> str:
        return self.categories[place] if place < len(self.categories) else f"class {place}"


class MelClassification(AudioClassification):
    """The same by Whisper's encoder: a sound that is longer than what it was trained on is heard in pieces, whose logits are averaged."""

    def __init__(self, model: Any, categories: Sequence[str] = ()) -> None:
        super().__init__(model, categories)
        self.hear = WhisperMel(n_mels=model.config.n_mels)

    def _logits(self, waveform: NDArray[np.float32]) -> NDArray[np.float64]:
        piece = round(self.model.seconds * RATE)
        count = max(1, -(-len(waveform) // piece))
        padded = np.pad(waveform, (0, count * piece - len(waveform)))
        found = []
        with no_grad():
            for part in padded.reshape(count, piece):
                logits = self.model(given_to(self.model, self.hear.whole(part)[None])).numpy()[0]
                found.append(np.asarray(logits, np.float64))
        return np.asarray(np.mean(found, axis=0), np.float64)


def audio_classification(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> AudioClassification:
    """The pipeline of an entry or a folder for ``audio-classification``."""
    if hasattr(model, "seconds"):
        return MelClassification(model, categories)
    who = AudioClassification.task
    return AudioClassification(model, categories, normalize=normalizes(files, settings, who))
