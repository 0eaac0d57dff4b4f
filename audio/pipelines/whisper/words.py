"""Words and their times: tokens joined to words, punctuation to its word, and times that no pause makes too long.

The rules and their numbers are those of Whisper's authors.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numzoo.audio.pipelines.whisper.vocabulary import Vocabulary

__all__ = ["Timing", "Word", "paced", "split", "timings"]

_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # written without spaces between words
_BEFORE, _AFTER = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
_ENDS = ".。!！?？"
_INCOMPLETE = "\ufffd"  # what stands for a letter of which some bytes are still to come
_LONGEST = 0.7  # seconds that a usual word takes at most
_SLACK = 0.5  # seconds by which a first or last word may reach out of its segment


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it stands in the text, with the space before it; from `start` to `end` in seconds; and how sure it is."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(slots=True)
class Timing:
    """A word that is still worked on: how many tokens it is made of, and its seconds from the window's start."""

    text: str
    tokens: int
    start: float
    end: float
    probability: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def split(vocabulary: Vocabulary, tokens: Sequence[int], language: str) -> list[tuple[str, int]]:
    """The words of a text, each with its number of tokens."""
    pieces = _letters(vocabulary, tokens)
    if language in _WITHOUT_SPACES:
        return pieces
    words: list[tuple[str, int]] = []
    for text, count in pieces:
        if not words or text.startswith(" ") or text.strip() in string.punctuation:
            words.append((text, count))
        else:
            words[-1] = words[-1][0] + text, words[-1][1] + count
    return words


def timings(
    words: Sequence[tuple[str, int]], starts: NDArray[np.float64], chances: NDArray[np.float64]
) -> tuple[list[Timing], float]:
    """The words with their times and chances from those of the tokens, and the seconds that a usual word takes.

    At the ends of sentences, where pauses are, no word is longer than twice that; punctuation goes with its word.
    """
    found, place = [], 0
    for text, count in words:
        end = place + count
        found.append(Timing(text, count, float(starts[place]), float(starts[end]), float(chances[place:end].mean())))
        place = end
    lengths = [each.seconds for each in found if each.seconds]
    usual = min(_LONGEST, float(np.median(lengths)) if lengths else 0.0)
    for before, each in itertools.pairwise(found):
        if lengths and each.seconds > 2 * usual:
            if each.text in _ENDS:
                each.end = each.start + 2 * usual
            elif before.text in _ENDS:
                each.start = each.end - 2 * usual
    _join_punctuation(found)
    return found, usual


def paced(words: list[Word], start: float, end: float, usual: float, spoken: float) -> tuple[list[Word], float, float]:
    """The words of a segment from `start` to `end`, and its times made to fit them; `spoken` is when speech ended before it.

    After a pause the first two words are not longer than usual ones can be, and neither the first nor the last word reaches
    far out of the segment.
    """
    if not words:
        return words, start, end
    starts, ends = [word.start for word in words], [word.end for word in words]
    most = 2 * usual
    if ends[0] - spoken > 4 * usual and (
        ends[0] - starts[0] > most or (len(words) > 1 and ends[1] - starts[0] > 2 * most)
    ):
        if len(words) > 1 and ends[1] - starts[1] > most:
            ends[0] = starts[1] = max(ends[1] / 2, ends[1] - most)
        starts[0] = max(0.0, ends[0] - most)
    if start < ends[0] and start - _SLACK > starts[0]:
        starts[0] = max(0.0, min(ends[0] - usual, start))
    else:
        start = starts[0]
    if end > starts[-1] and end + _SLACK < ends[-1]:
        ends[-1] = max(starts[-1] + usual, end)
    else:
        end = ends[-1]
    made = [
        Word(word.text, first, last, word.probability) for word, first, last in zip(words, starts, ends, strict=True)
    ]
    return made, start, end


def _letters(vocabulary: Vocabulary, tokens: Sequence[int]) -> list[tuple[str, int]]:
    """The tokens in the smallest groups that make whole letters."""
    whole = vocabulary.decode(tokens)
    pieces: list[tuple[str, int]] = []
    group: list[int] = []
    length = 0
    for token in tokens:
        group.append(token)
        text = vocabulary.decode(group)
        cut = text.find(_INCOMPLETE)
        if cut < 0 or whole[length + cut : length + cut + 1] == _INCOMPLETE:
            pieces.append((text, len(group)))
            length += len(text)
            group = []
    if group:  # bytes at the end that are no letter
        pieces.append((vocabulary.decode(group), len(group)))
    return pieces


def _join_punctuation(found: list[Timing]) -> None:
    """Give punctuation to the word that it stands before or behind; what was given away is left empty."""
    following = len(found) - 1
    for place in range(len(found) - 2, -1, -1):
        each, word = found[place], found[following]
        if each.text.startswith(" ") and each.text.strip() in _BEFORE:
            word.text, word.tokens = each.text + word.text, each.tokens + word.tokens
            each.text, each.tokens = "", 0
        else:
            following = place
    earlier = 0
    for place in range(1, len(found)):
        word, each = found[earlier], found[place]
        if not word.text.endswith(" ") and each.text in _AFTER:
            word.text, word.tokens = word.text + each.text, word.tokens + each.tokens
            each.text, each.tokens = "", 0
        else:
            earlier = place
