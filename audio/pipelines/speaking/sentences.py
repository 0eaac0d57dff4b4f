"""Long texts in pieces that a model of sentences can say."""

from __future__ import annotations

import re

__all__ = ["sentences"]

_UNITS = re.compile(r"(?:\[[^\[\]]*\]|\S)+")  # words, with the marks and the brackets that stand at them
_ENDS = (re.compile(r"[.!?][)']*$"), re.compile(r"[:;,][)']*$|-$"))


def sentences(text: str, longest: int) -> list[str]:
    """A plain text in pieces of at most `longest` characters, cut behind sentences, else behind commas, else between words.

    A text that is short enough stays whole; a word that is longer than a piece may be is one by itself.
    """
    units = _UNITS.findall(text)
    pieces: list[str] = []
    while units:
        count = _fitting(units, longest)
        if count < len(units):
            for end in _ENDS:
                found = [place for place in range(1, count + 1) if end.search(units[place - 1])]
                if found:
                    count = found[-1]
                    break
        pieces.append(" ".join(units[:count]))
        units = units[count:]
    return pieces


def _fitting(units: list[str], longest: int) -> int:
    """How many of the next words have room in a piece, at least one."""
    length, count = len(units[0]), 1
    while count < len(units) and length + 1 + len(units[count]) <= longest:
        length += 1 + len(units[count])
        count += 1
    return count
