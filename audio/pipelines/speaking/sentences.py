"""Long texts in pieces that a model of sentences can say."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

__all__ = ["sentences"]

_UNITS = re.compile(r"(?:\[[^\[\]]*\]|\S)+")  # words, with the marks and the brackets that stand at them
_BRACKETS = re.compile(r"\[[^\[\]]*\]|(?:[^\[]|\[(?![^\[\]]*\]))+")  # and what is around them
_LONGEST_WORD = 200
_ENDS = (re.compile(r"[.!?][)']*$"), re.compile(r"[:;,][)']*$|-$"))


def sentences(text: str, longest: int) -> list[str]:
    """A plain text in pieces of at most `longest` characters, cut behind sentences, else behind commas, else between words.

    A text that is short enough stays whole; a word that is longer than a piece may be is one by itself, unless it is longer than
    any word is.
    """
    units = [part for unit in _UNITS.findall(text) for part in _parts(unit, max(longest, _LONGEST_WORD))]
    pieces: list[str] = []
    start = 0
    while start < len(units):
        stop = _fitting(units, start, longest)
        if stop < len(units):
            for end in _ENDS:
                found = [place for place in range(start + 1, stop + 1) if end.search(units[place - 1])]
                if found:
                    stop = found[-1]
                    break
        pieces.append(" ".join(units[start:stop]))
        start = stop
    return pieces


def _fitting(units: list[str], start: int, longest: int) -> int:
    """Up to where words from `start` on have room in a piece, at least one."""
    length, stop = len(units[start]), start + 1
    while stop < len(units) and length + 1 + len(units[stop]) <= longest:
        length += 1 + len(units[stop])
        stop += 1
    return stop


def _parts(unit: str, longest: int) -> Iterator[str]:
    """What nobody says in one breath, cut; brackets between their phonemes, each part in brackets of its own."""
    if len(unit) <= longest:
        yield unit
        return
    for part in _BRACKETS.findall(unit):
        if len(part) > longest and part.startswith("[") and part.endswith("]"):
            inner = textwrap.wrap(part[1:-1], max(1, longest - 2), break_on_hyphens=False)
            yield from (f"[{phonemes}]" for phonemes in inner)
        else:
            yield from (part[place : place + longest] for place in range(0, len(part), longest))
