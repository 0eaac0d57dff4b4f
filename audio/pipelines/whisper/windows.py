"""A sound of any length: windows of 30 s, each beginning where the last time of the one before says that it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.pipelines.whisper import words
from numzoo.audio.pipelines.whisper.decoding import Decoded, Decoder, Decoding, Heard
from numzoo.audio.pipelines.whisper.words import Word

__all__ = ["Segment", "transcribe"]

_SECONDS = 0.01  # of a frame of the spectrogram
_HOT = 0.5  # a text of a higher temperature is no guide for the next


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a transcript: from `start` to `end` in seconds, its text and tokens, how sure it is, and its words where
    their times were asked for."""

    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    log_probability: float
    no_speech: float
    compression: float
    words: tuple[Word, ...] = ()


class _Piece(NamedTuple):
    """Tokens from one time to another, in frames of the window."""

    start: int
    end: int
    tokens: list[int]


class _Timed(NamedTuple):
    """Tokens from one time to another, in seconds of the whole sound, and their words."""

    start: float
    end: float
    tokens: list[int]
    words: tuple[Word, ...] = ()


def transcribe(
    decoder: Decoder, mel: NDArray[np.float32], frames: int, settings: Decoding, *, prompt: str = "", condition: bool = True,
    generator: np.random.Generator,
) -> Iterator[tuple[str, list[Segment]]]:  # fmt: skip
    """The language and the segments of each window of `mel` (n_mels, at least `frames`), as soon as they are known.

    `prompt` is a text that might have come before; with `condition` each window knows the text of those before it.
    """
    vocabulary = decoder.vocabulary
    window = 2 * decoder.model.config.n_audio_ctx
    guide = vocabulary.encode(" " + prompt.strip()) if prompt.strip() else []
    place, spoken = 0, 0.0
    while place < frames:
        size = min(window, frames - place)
        part = np.pad(mel[:, place : place + size], ((0, 0), (0, window - size)))
        heard = decoder.hear(part)
        if settings.language is None:
            settings = replace(settings, language=next(iter(decoder.languages(heard))))
        decoded = decoder.decode(heard, settings, guide, generator)
        language = settings.language or "en"
        if _is_silence(decoded, settings):
            del heard
            place += size
            yield language, []
            continue
        pieces, moved, whole = split(decoded.tokens, vocabulary.first_time, size)
        found = [
            _Timed((place + piece.start) * _SECONDS, (place + piece.end) * _SECONDS, piece.tokens) for piece in pieces
        ]
        following = place + moved
        if settings.word_timestamps:
            found = _words(decoder, heard, found, settings, place * _SECONDS, size // 2, spoken)
            spoken = next((each.words[-1].end for each in reversed(found) if each.words), found[-1].end)
            if not whole and round(spoken / _SECONDS) > place:
                following = round(spoken / _SECONDS)
        del heard  # before the encoder wants its memory for the next window
        segments = [_segment(decoder, decoded, each) for each in found]
        for segment in segments:
            guide += segment.tokens
        if not condition or decoded.temperature > _HOT:
            guide = []
        place = following
        yield language, [segment for segment in segments if segment.text.strip()]


def split(tokens: Sequence[int], first_time: int, size: int) -> tuple[list[_Piece], int, bool]:
    """The pieces of a window of `size` frames, how many frames on the next window begins, and whether a time at the end says
    that nothing follows in this one.

    Two times side by side end one piece and begin the next. What follows the last such pair is left to the next window,
    unless a single time at the end says that nothing follows.
    """
    is_time = [token >= first_time for token in tokens]
    cuts = [place for place in range(1, len(tokens)) if is_time[place] and is_time[place - 1]]
    single = is_time[-2:] == [False, True]
    if not cuts:
        times = [token for token in tokens if token >= first_time]
        end = 2 * (times[-1] - first_time) if times and times[-1] != first_time else size
        return [_Piece(0, end, list(tokens))], size, single
    if single:
        cuts.append(len(tokens))
    pieces, last = [], 0
    for cut in cuts:
        part = list(tokens[last:cut])
        pieces.append(_Piece(2 * (part[0] - first_time), 2 * (part[-1] - first_time), part))
        last = cut
    return pieces, size if single else max(1, pieces[-1].end), single


def _words(
    decoder: Decoder, heard: Heard, found: list[_Timed], settings: Decoding, offset: float, places: int, spoken: float
) -> list[_Timed]:
    """The pieces with their words, and their times made to fit; `offset` is when the window begins."""
    vocabulary = decoder.vocabulary
    texts = [[token for token in each.tokens if token < vocabulary.end] for each in found]
    tokens = [token for text in texts for token in text]
    if not tokens or not places:
        return found
    starts, chances = decoder.align(heard, tokens, settings, places)
    given, usual = words.timings(words.split(vocabulary, tokens, settings.language or "en"), starts, chances)
    made, next_word = [], 0
    for each, text in zip(found, texts, strict=True):
        own, count = [], 0
        while next_word < len(given) and count < len(text):
            timing = given[next_word]
            if timing.text:
                own.append(
                    Word(
                        timing.text, round(offset + timing.start, 2), round(offset + timing.end, 2), timing.probability
                    )
                )
            count, next_word = count + timing.tokens, next_word + 1
        own, start, end = words.paced(own, each.start, each.end, usual, spoken)
        spoken = end if own else spoken
        made.append(_Timed(start, end, each.tokens, tuple(own)))
    return made


def _segment(decoder: Decoder, decoded: Decoded, found: _Timed) -> Segment:
    text, tokens = decoder.vocabulary.decode(found.tokens), tuple(found.tokens)
    start, end, spoken = round(found.start, 2), round(found.end, 2), found.words
    if start == end or not text.strip():
        text, tokens, spoken = "", (), ()
    return Segment(
        start,
        end,
        text,
        tokens,
        decoded.temperature,
        decoded.log_probability,
        decoded.no_speech,
        decoded.compression,
        spoken,
    )


def _is_silence(decoded: Decoded, settings: Decoding) -> bool:
    if settings.no_speech is None or decoded.no_speech <= settings.no_speech:
        return False
    return settings.log_probability is None or decoded.log_probability <= settings.log_probability
