"""Speech to text, letter by letter, by wav2vec 2.0, HuBERT and WavLM: each word with its times."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.decoding import Decoded, beam_search, greedy
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.letters import Letters, load_letters
from numzoo.audio.pipelines.recognition import Segment, Transcript, Word
from numzoo.audio.pipelines.samples import normal, normalizes
from numzoo.audio.pipelines.sounds import RATE, given_to, sound_of
from numzoo.engine import no_grad

__all__ = ["CtcRecognition", "ctc_recognition"]

WINDOW = 30.0
"""Seconds that the model hears at a time; each place looks at every other, so that time and memory grow with the square."""

OVERLAP = 5.0
"""Seconds on each side of a window that only give it context."""


class CtcRecognition:
    """``pipe(sound)`` gives a `Transcript` of a sound of any length, with a segment for each word.

    >>> hear = hub.pipeline("hf:facebook/wav2vec2-base-960h")   # doctest: +SKIP
    >>> hear("speech.wav").text                                 # doctest: +SKIP
    'GO FORWARD TEN METERS'

    A sound is a path, bytes, an array at 16 kHz or a pair (array, rate); a file without a header needs `raw`. With `width` above 1
    beam search keeps that many beginnings and adds up all paths of a text. With `word_timestamps` a segment's word is in its
    `words` too, as it is with Whisper. Of a segment's fields those of Whisper's decoding
    (temperature, no_speech, compression) say nothing here.
    """

    task = "speech-recognition"

    def __init__(self, model: Any, letters: Letters, *, normalize: bool = True) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.letters, self.normalize = model, letters, normalize

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None, **settings: Any) -> None:
        """The waveform and its mel spectrogram with what was said (by words with `word_timestamps`), as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_spectrogram

        waveform = sound_of(sound, self.task, raw=raw)
        said = self((waveform, RATE), **settings)
        pieces = [piece for segment in said.segments for piece in segment.words or (segment,)]
        draw_spectrogram(waveform, [(each.start, each.end, each.text) for each in pieces], path)

    def __call__(
        self, sound: Any, *, width: int = 1, raw: Raw | None = None, word_timestamps: bool = False
    ) -> Transcript:
        table = self.log_probabilities(sound, raw=raw)
        blank = self.letters.blank
        if not len(table):
            return Transcript("", "", ())
        found = greedy(table, blank=blank) if width == 1 else beam_search(table, width=width, blank=blank)[0]
        return Transcript(self.letters.text(found.tokens), "", self._segments(found, table, word_timestamps))

    def log_probabilities(self, sound: Any, *, raw: Raw | None = None) -> NDArray[np.float64]:
        """How probable each token is at each place: natural logarithms (time, tokens), 50 places a second."""
        waveform = sound_of(sound, self.task, raw=raw)
        if self.normalize:
            waveform = normal(waveform)
        logits = self._logits(waveform)
        logits[:, self.letters.never] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))

    def _logits(self, waveform: NDArray[np.float32]) -> NDArray[np.float64]:
        config = self.model.base.config
        hop = int(np.prod(config.conv_stride))
        frames = max(int(config.frames(len(waveform))), 0)
        context, step = int(OVERLAP * RATE / hop), int((WINDOW - 2 * OVERLAP) * RATE / hop)
        if frames <= step + 2 * context:
            step = max(frames, 1)
        tables = [np.zeros((0, len(self.letters)))]
        for start in range(0, frames, step):
            first, last = max(start - context, 0), min(start + step + context, frames)
            end = len(waveform) if last == frames else self._samples(last - first) + first * hop
            with no_grad():
                given = given_to(self.model, waveform[None, first * hop : end])
                table = self.model(given).numpy()[0].astype(np.float64)
            tables.append(table[start - first :][:step])
        return np.concatenate(tables)

    def _samples(self, frames: int) -> int:
        """The fewest samples that give so many places."""
        config = self.model.base.config
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            frames = (frames - 1) * stride + kernel
        return frames

    def _segments(self, found: Decoded, table: NDArray[np.float64], words: bool) -> tuple[Segment, ...]:
        seconds = float(np.prod(self.model.base.config.conv_stride)) / RATE
        segments = []
        for word in self.letters.words(found.tokens):
            tokens = tuple(found.tokens[place] for place in word)
            start, end = found.steps[word[0]][0], found.steps[word[-1]][1]
            logs = [table[slice(*found.steps[place]), found.tokens[place]].max() for place in word]
            one = Word(self.letters.text(tokens), start * seconds, end * seconds, float(np.exp(np.mean(logs))))
            segments.append(
                Segment(
                    start=one.start,
                    end=one.end,
                    text=one.text,
                    tokens=tokens,
                    temperature=0.0,
                    log_probability=float(np.mean(logs)),
                    no_speech=0.0,
                    compression=1.0,
                    words=(one,) if words else (),
                )
            )
        return tuple(segments)


def ctc_recognition(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> CtcRecognition:
    """The pipeline of an entry or a folder whose model gives letters; `settings` may say normalize, and what `load_letters` reads."""
    letters = load_letters(files, model.lm_head.out_features, categories=categories, settings=settings)
    return CtcRecognition(model, letters, normalize=normalizes(files, settings, CtcRecognition.task))
