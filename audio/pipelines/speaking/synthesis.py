"""Text to speech: symbols, Tacotron 2, a vocoder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.errors import AudioError
from numzoo.audio.models.tacotron import SpeakingTacotron2, Tacotron2
from numzoo.audio.pipelines.sounds import finite
from numzoo.audio.pipelines.speaking.pronunciation import Pronunciation
from numzoo.audio.pipelines.speaking.sentences import sentences
from numzoo.audio.pipelines.speaking.symbols import CHARACTERS, PHONEMES, plain, spelt
from numzoo.audio.pipelines.speaking.vocoders import RATE, Vocoder, WaveRNNVocoder, vocoder_of
from numzoo.hub.errors import HubWarning

__all__ = ["Spoken", "TextToSpeech", "text_to_speech"]

_MOST = 10_000
"""Characters that are said at once: some eleven minutes."""

_PAUSE = 0.15  # seconds between the pieces of a long text
_DICTIONARY = "cmudict.dict"


class Spoken(NamedTuple):
    """Samples (samples,) and how many of them a second has: what `write_audio` and the pipelines that hear take."""

    samples: NDArray[np.float32]
    rate: int


class TextToSpeech:
    """``pipe(text)`` gives what is said as (samples, rate), for a list of texts a list; English.

    >>> speak = hub.pipeline("tacotron2_characters", trust_first_use=True)  # doctest: +SKIP
    >>> said = speak("Hello world.")                                        # doctest: +SKIP
    >>> write_audio(said.samples, "hello.wav", said.rate, clip=True)        # doctest: +SKIP

    A text of more than `longest` characters is said in pieces, cut where sentences end. The same text is said a little
    differently each time, but for a `seed`. `vocoder` is "griffin-lim" or a model (``hub.load("hifigan_vocoder_v3")``) in place of what
    the weights bring; `temperature` is WaveRNN's. Where no end is heard, a warning says so and the sound is cut after
    `max_steps` frames.

    A `pronunciation` makes the model one of phonemes: words are looked up in it, `pronunciations` has others ({"tomato": "T AH M EY T
    OW"}), and phonemes may stand in brackets. Without it letters are the symbols, and numbers are left out: write them as words.

    Raises ValueError for what cannot be said, and for more than 10,000 characters, which `stream` takes piece by piece.
    """

    task = "text-to-speech"

    def __init__(self, model: Tacotron2, *, pronunciation: Pronunciation | None = None, vocoder: Any = None) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model, self.pronunciation = model, pronunciation
        self.alphabet = CHARACTERS if pronunciation is None else PHONEMES
        if model.config.n_symbol != len(self.alphabet):
            raise AudioError(
                f"text-to-speech: the model has {model.config.n_symbol} symbols; models of characters have {len(CHARACTERS)}, models of "
                f"phonemes, which want a dictionary, {len(PHONEMES)}"
            )
        brought = model.vocoder if isinstance(model, SpeakingTacotron2) else "griffin-lim"
        self.vocoder = self._fitting(brought if vocoder is None else vocoder)
        self._numbers = {symbol: number for number, symbol in enumerate(self.alphabet)}

    def __call__(self, texts: str | Sequence[str], **settings: Any) -> Any:
        if isinstance(texts, str):
            return self._spoken(texts, settings)
        if not isinstance(texts, Sequence) or isinstance(texts, bytes):
            raise TypeError(f"text-to-speech: wants a text or a list of texts, not {type(texts).__name__}")
        return [self._spoken(text, settings) for text in texts]

    def stream(
        self, text: str, *, longest: int = 200, seed: int | None = None, vocoder: Any = None, temperature: float = 1.0,
        max_steps: int | None = None, pronunciations: Mapping[str, Any] | None = None,
    ) -> Iterator[Spoken]:  # fmt: skip
        """What is said in pieces, each as soon as it is known; the text may have any length."""
        if isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
            raise ValueError(f"text-to-speech: longest is a positive number of characters, not {longest!r:.40}")
        voice = self.vocoder if vocoder is None else self._fitting(vocoder)
        if temperature != 1.0 and not isinstance(voice, WaveRNNVocoder):
            raise ValueError("text-to-speech: temperature is for WaveRNN, and this vocoder draws no samples")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ValueError(f"text-to-speech: seed is a whole number from 0, not {seed!r:.40}")
        draw = np.random.default_rng(seed)
        for symbols in self.symbols(text, longest=longest, pronunciations=pronunciations):
            said = self.model.say([[self._numbers[each] for each in symbols]], max_steps=max_steps, generator=draw)
            if not said.ended.all():
                warnings.warn(
                    f"text-to-speech: no end was heard within {said.mel.shape[2]} frames, where the sound was cut; shorter sentences or "
                    "another seed may help",
                    HubWarning,
                    stacklevel=2,
                )
            mel = np.asarray(said.mel.numpy()[0, :, : said.frames[0]], np.float32)
            yield Spoken(finite(voice(finite(mel, self.task), draw, temperature), self.task), RATE)

    def symbols(
        self, text: str, *, longest: int = 200, pronunciations: Mapping[str, Any] | None = None
    ) -> list[list[str]]:
        """The symbols of each piece of a text, as the model reads them. Raises ValueError where nothing of it can be said."""
        if not isinstance(text, str):
            raise TypeError(f"text-to-speech: a text is a str, not {type(text).__name__}")
        if pronunciations and self.pronunciation is None:
            raise ValueError("text-to-speech: pronunciations are for models of phonemes, and this one reads characters")
        words = None if self.pronunciation is None else self.pronunciation.also(pronunciations)
        pieces, left = [], set()
        for piece in sentences(plain(text), longest):
            found, without = spelt(piece) if words is None else words.phonemes(piece)
            left |= without
            if any(symbol.isalpha() for symbol in found):
                pieces.append(found)
        if not pieces:
            given = f"{text.strip()!r:.40} has no letter" if text.strip() else "the text is empty; give one"
            raise ValueError(f"text-to-speech: {given} that can be said, which are those of English")
        if left:
            some = ", ".join(repr(each) for each in sorted(left)[:8])
            warnings.warn(
                f"text-to-speech: the model has no symbols for {some}{' and more' if len(left) > 8 else ''}, which were left out; write "
                "numbers and signs as words",
                HubWarning,
                stacklevel=2,
            )
        return pieces

    def _spoken(self, text: str, settings: Mapping[str, Any]) -> Spoken:
        if isinstance(text, str) and len(text) > _MOST:
            raise ValueError(
                f"text-to-speech: the text has {len(text)} characters, and at most {_MOST} are said at once; give it in parts, or take "
                "what pipe.stream(text) gives"
            )
        pause = np.zeros(round(_PAUSE * RATE), np.float32)
        parts = [part for spoken in self.stream(text, **settings) for part in (pause, spoken.samples)]
        return Spoken(np.concatenate(parts[1:]), RATE)

    def _fitting(self, vocoder: Any) -> Vocoder:
        voice = vocoder_of(vocoder)
        if voice.n_mels != self.model.config.n_mels:
            raise ValueError(
                f"text-to-speech: the vocoder hears {voice.n_mels} mel bands, but the model gives {self.model.config.n_mels}"
            )
        return voice


def text_to_speech(
    model: Any, files: Mapping[str, Path], *, categories: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> TextToSpeech:
    """The pipeline of an entry for ``text-to-speech``; one with CMUdict beside its weights reads phonemes."""
    words = Pronunciation.load(files[_DICTIONARY]) if _DICTIONARY in files else None
    return TextToSpeech(model, pronunciation=words)
