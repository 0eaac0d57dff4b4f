"""A sound of any length: windows of 30 s, each beginning where the last time of the one before says that it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.pipelines.whisper.decoding import Decoded, Decoder, Decoding

__all__ = ["Segment", "transcribe"]

_SECONDS = 0.01  # of a frame of the spectrogram
_HOT = 0.5  # a text of a higher temperature is no guide for the next


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a transcript: from `start` to `end` in seconds, its text and tokens, and how sure it is."""

    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    log_probability: float
    no_speech: float
    compression: float


class _Piece(NamedTuple):
    """Tokens from one time to another, in frames of the window."""

    start: int
    end: int
    tokens: list[int]


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
    place = 0
    while place < frames:
        size = min(window, frames - place)
        part = np.pad(mel[:, place : place + size], ((0, 0), (0, window - size)))
        features = decoder.features(part)
        if settings.language is None:
            settings = replace(settings, language=next(iter(decoder.languages(features))))
        decoded = decoder.decode(features, settings, guide, generator)
        language = settings.language or "en"
        if _is_silence(decoded, settings):
            place += size
            yield language, []
            continue
        pieces, moved = split(decoded.tokens, vocabulary.first_time, size)
        segments = [_segment(decoder, decoded, piece, place) for piece in pieces]
        for segment in segments:
            guide += segment.tokens
        if not condition or decoded.temperature > _HOT:
            guide = []
        place += moved
        yield language, [segment for segment in segments if segment.text.strip()]


def split(tokens: Sequence[int], first_time: int, size: int) -> tuple[list[_Piece], int]:
    """The pieces of a window of `size` frames, and how many frames on the next window begins.

    Two times side by side end one piece and begin the next. What follows the last such pair is left to the next window,
    unless a single time at the end says that nothing follows.
    """
    is_time = [token >= first_time for token in tokens]
    cuts = [place for place in range(1, len(tokens)) if is_time[place] and is_time[place - 1]]
    single = is_time[-2:] == [False, True]
    if not cuts:
        times = [token for token in tokens if token >= first_time]
        end = 2 * (times[-1] - first_time) if times and times[-1] != first_time else size
        return [_Piece(0, end, list(tokens))], size
    if single:
        cuts.append(len(tokens))
    pieces, last = [], 0
    for cut in cuts:
        part = list(tokens[last:cut])
        pieces.append(_Piece(2 * (part[0] - first_time), 2 * (part[-1] - first_time), part))
        last = cut
    return pieces, size if single else max(1, pieces[-1].end)


def _segment(decoder: Decoder, decoded: Decoded, piece: _Piece, place: int) -> Segment:
    text, tokens = decoder.vocabulary.decode(piece.tokens), tuple(piece.tokens)
    if piece.start == piece.end or not text.strip():
        text, tokens = "", tokens[:0]
    return Segment(
        round((place + piece.start) * _SECONDS, 2), round((place + piece.end) * _SECONDS, 2), text, tokens,
        decoded.temperature, decoded.log_probability, decoded.no_speech, decoded.compression,
    )  # fmt: skip


def _is_silence(decoded: Decoded, settings: Decoding) -> bool:
    if settings.no_speech is None or decoded.no_speech <= settings.no_speech:
        return False
    return settings.log_probability is None or decoded.log_probability <= settings.log_probability
