"""Speech to text, with times, by Whisper."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numzoo.audio.errors import AudioError
from numzoo.audio.io import Raw
from numzoo.audio.pipelines.sounds import RATE, sound_of
from numzoo.audio.pipelines.whisper.decoding import Decoder, Decoding
from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary, load_tokenizer
from numzoo.audio.pipelines.whisper.windows import Segment, transcribe
from numzoo.audio.pipelines.whisper.words import Word
from numzoo.audio.transforms.presets import WhisperMel
from numzoo.engine.random import default_generator

__all__ = ["Segment", "SpeechRecognition", "Transcript", "Word", "speech_recognition"]

_AHEAD = 480_000  # samples of silence behind the sound: a window of it


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said: the whole text, the language's code, and the segments with their times."""

    text: str
    language: str
    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        return self.text


class SpeechRecognition:
    """``pipe(sound)`` gives a `Transcript` of a sound of any length.

    >>> hear = hub.pipeline("whisper_base")                     # doctest: +SKIP
    >>> said = hear("speech.wav")                               # doctest: +SKIP
    >>> said.text, said.segments[0].start, said.segments[0].end # doctest: +SKIP
    ('Go forward 10 meters.', 0.0, 2.4)

    A sound is a path, bytes, an array at 16 kHz or a pair (array, rate); a file without a header needs `raw`. `language` is a
    code such as "de" (None: heard in the first window), `task` "transcribe" or "translate" (into English). The other
    settings are those of `Decoding`, such as `word_timestamps`; draws come from `seed`, or from engine.manual_seed's stream.
    `heads` are those that tell when words are said, where the model is none of its authors' (`alignment.heads_of`).
    """

    task = "speech-recognition"

    def __init__(self, model: Any, tokenizer: Any, heads: Any = None) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.tokenizer = model, tokenizer
        self.decoder = Decoder(model, Vocabulary(tokenizer, model.config.n_vocab), heads)
        self.hear = WhisperMel(n_mels=model.config.n_mels)

    def __call__(
        self, sound: Any, *, language: str | None = None, task: str = "transcribe", prompt: str = "", condition: bool = True,
        raw: Raw | None = None, seed: int | None = None, **settings: Any,
    ) -> Transcript:  # fmt: skip
        found: list[Segment] = []
        spoken = language or "en"
        for spoken, segments in self._windows(  # noqa: B007
            sound, Decoding(language=language, task=task, **settings), prompt, condition, raw, seed
        ):
            found += segments
        return Transcript("".join(segment.text for segment in found).strip(), spoken, tuple(found))

    def draw(self, sound: Any, path: str | os.PathLike[str], *, raw: Raw | None = None, **settings: Any) -> None:
        """The waveform and its mel spectrogram with what was said (by words with `word_timestamps`), as a picture. Wants matplotlib."""
        from numzoo.audio.pipelines.drawing import draw_spectrogram

        waveform = sound_of(sound, self.task, raw=raw)
        said = self((waveform, RATE), **settings)
        pieces = [piece for segment in said.segments for piece in segment.words or (segment,)]
        draw_spectrogram(waveform, [(each.start, each.end, each.text) for each in pieces], path)

    def stream(
        self, sound: Any, *, language: str | None = None, task: str = "transcribe", prompt: str = "", condition: bool = True,
        raw: Raw | None = None, seed: int | None = None, **settings: Any,
    ) -> Iterator[Segment]:  # fmt: skip
        """The segments, those of a window as soon as they are known."""
        decoding = Decoding(language=language, task=task, **settings)
        for _, segments in self._windows(sound, decoding, prompt, condition, raw, seed):
            yield from segments

    def languages(self, sound: Any, *, raw: Raw | None = None) -> dict[str, float]:
        """How probable each language is for the first 30 s, the most probable first."""
        waveform = sound_of(sound, "speech-recognition", raw=raw)
        return self.decoder.languages(self.decoder.hear(self.hear(waveform)))

    def _windows(
        self, sound: Any, settings: Decoding, prompt: str, condition: bool, raw: Raw | None, seed: int | None
    ) -> Iterator[tuple[str, list[Segment]]]:
        if settings.language is not None and self.decoder.vocabulary.multilingual:
            self.decoder.vocabulary.language(settings.language)
        mel = self.hear.whole(sound_of(sound, "speech-recognition", raw=raw), _AHEAD)  # the samples themselves may go
        generator = default_generator().numpy if seed is None else np.random.default_rng(seed)
        frames = mel.shape[1] - _AHEAD // 160
        yield from transcribe(
            self.decoder, mel, frames, settings, prompt=prompt, condition=condition, generator=generator
        )


def speech_recognition(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> Any:
    """The pipeline of an entry for ``speech-recognition``: Whisper's; `CtcRecognition` for models that write letter by letter, and
    `TransducerRecognition` for those with a joiner."""
    if hasattr(model, "joiner"):
        from numzoo.audio.pipelines.transducer.recognition import transducer_recognition

        return transducer_recognition(model, files)
    if hasattr(model, "lm_head"):
        from numzoo.audio.pipelines.ctc import ctc_recognition

        return ctc_recognition(model, files, categories=categories, settings=settings)
    return SpeechRecognition(model, load_tokenizer(files), (settings or {}).get("alignment") or _said_heads(files))


def _said_heads(files: Mapping[str, Path]) -> Any:
    """What a repository's generation_config.json says of the heads that tell when words are said."""
    path = files.get("generation_config.json")
    if path is None:
        return None
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise AudioError(f"{path} is no JSON document: {error}") from None
    return said.get("alignment_heads") if isinstance(said, dict) else None
