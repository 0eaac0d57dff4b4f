"""The patterns of a manifest's ``keys``: regular expressions that cannot be slow, whoever wrote them.

A manifest may come from elsewhere, and a regular expression can be written so that it never comes to an end. What is read here
is a part of Python's language: letters, ``.``, classes, groups, ``(?: )``, ``(?= )``, ``(?! )``, ``|``, and what repeats a single
letter or class. A group may be left out (``?``) and never repeated, so that no repetition stands in another; how many ways there
are to match is counted and bounded; and all the matching of one manifest entry has a limit in seconds.
"""

from __future__ import annotations

import re
import time

from numzoo.hub.errors import FormatError

__all__ = ["NamePattern", "Stopwatch", "compile_pattern"]

_LONGEST_NAME = 256
_SECONDS = 10.0
_MOST_WAYS = 64**3 * 16  # a repetition counts for 64, alternatives for as many as they are
_GROUP = re.compile(r"\((?:\?[:=!])?")
_ATOM = re.compile(
    r"\\[dDwWsS]|\\[^\w\s]|\[\^?(?:\\[dwsDWS]|\\[^\w\s]|(?!--)[^\\\[\]&~|])+\]|[^\\\[\]()|?*+{}^$]", re.ASCII
)
_REPEATED = re.compile(r"[*+]|\{\d{1,3}(?:,\d{0,3})?\}")


class Stopwatch:
    """How many seconds the patterns of one entry have taken so far."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent = 0.0


class NamePattern:
    """A pattern for whole names of tensors. Names of more than 256 characters fit none."""

    __slots__ = ("_compiled", "_watch", "groups", "text")

    def __init__(self, text: str, watch: Stopwatch) -> None:
        self.text, self._watch = text, watch
        self._compiled = re.compile(text)
        self.groups = self._compiled.groups

    def __repr__(self) -> str:
        return f"NamePattern({self.text!r})"

    def fullmatch(self, name: str) -> re.Match[str] | None:
        """Whether the whole `name` fits, and what its groups are. Raises FormatError when the entry's patterns took too long."""
        if len(name) > _LONGEST_NAME:
            return None
        start = time.perf_counter()
        found = self._compiled.fullmatch(name)
        self._watch.spent += time.perf_counter() - start
        if self._watch.spent > _SECONDS:
            raise FormatError(
                f"The patterns of this entry's keys took more than {_SECONDS:.0f} s over the names of the file, the last of them "
                f"{self.text!r:.80}. Such patterns are of no use, and perhaps meant to be so."
            )
        return found


def compile_pattern(text: str, watch: Stopwatch) -> NamePattern:
    """`text` as a pattern. Raises ValueError with the reason where it is none, or none that is surely quick."""
    reader = _Reader(text)
    ways = reader.alternatives()
    if reader.place < len(text):
        raise ValueError(f"no group is open at character {reader.place}")
    if ways > _MOST_WAYS:
        raise ValueError("there are too many ways to match it: it has too many repetitions and alternatives")
    try:
        return NamePattern(text, watch)
    except (re.error, OverflowError) as error:
        raise ValueError(str(error)) from None


class _Reader:
    """Reads a pattern from left to right and counts in how many ways it may match."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def alternatives(self) -> int:
        """What ``|`` separates, up to the end or the group's parenthesis."""
        ways = self._sequence()
        while self._take("|"):
            ways += self._sequence()
        return ways

    def _sequence(self) -> int:
        ways = 1
        while self.place < len(self.text) and self.text[self.place] not in "|)":
            ways *= self._piece()
            if ways > _MOST_WAYS:
                raise ValueError("there are too many ways to match it: it has too many repetitions and alternatives")
        return ways

    def _piece(self) -> int:
        if group := self._found(_GROUP):
            ahead = group in ("(?=", "(?!")
            if self.text[self.place : self.place + 1] in ("?", "*", "+"):
                raise ValueError(f"a group that begins with '{group}{self.text[self.place]}' is not read here")
            ways = self.alternatives()
            if not self._take(")"):
                raise ValueError("a group is not closed")
            if self._found(_REPEATED):
                raise ValueError("a group is repeated; only single letters and classes may be")
            if self._take("?"):
                ways += 0 if ahead else 1
                self._no_more()
            return ways
        if not self._found(_ATOM):
            raise ValueError(f"{self.text[self.place :]!r:.20} is not read here, at character {self.place}")
        if self._found(_REPEATED):
            self._take("?")
            self._no_more()
            return 64
        if self._take("?"):
            self._no_more()
            return 2
        return 1

    def _no_more(self) -> None:
        if self._found(_REPEATED) or self._take("?"):
            raise ValueError(f"two repetitions follow each other before character {self.place}")

    def _found(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.place)
        self.place = found.end() if found else self.place
        return found[0] if found else ""

    def _take(self, letter: str) -> bool:
        if self.text.startswith(letter, self.place):
            self.place += 1
            return True
        return False
