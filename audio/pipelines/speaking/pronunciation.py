"""How English words are said: by the dictionary of Carnegie Mellon, or as somebody writes down.

Phonemes are those of ARPAbet without stress, as the model gave them that made torchaudio's training data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numzoo.audio.errors import DatasetError, MissingDatasetError
from numzoo.audio.pipelines.speaking.symbols import PHONEMES, PHONES, SILENT, plain

__all__ = ["Pronunciation"]

_WORD = r"'?[^\W_]+(?:'[^\W_]+)*'?"
_PIECES = re.compile(rf"\[([^\[\]]*)\]|({_WORD})|(.)", re.DOTALL)
_STRESS = re.compile(r"[012]$")
_SHOWN = 5  # words in a message
_LONGEST_ACRONYM = 6


class Pronunciation:
    """``phonemes(text)`` gives the symbols of a plain text.

    What stands in brackets is phonemes by hand ("[T AH M EY T OW]"); words are looked up in `own` and in the dictionary, where
    the first of several pronunciations is taken. What the dictionary lacks: a possessive is said as its word and an s,
    an acronym of up to six capitals letter by letter. Other unknown words are refused.
    """

    def __init__(self, dictionary: Mapping[str, str], own: Mapping[str, str | Sequence[str]] | None = None) -> None:
        self.dictionary = dictionary
        self.own = _own(own or {})

    @classmethod
    def load(cls, path: Path) -> Pronunciation:
        """By a file of CMUdict, of version 0.7b or of what its maintainers keep since. Raises DatasetError."""
        try:
            lines = path.read_text(encoding="latin-1").splitlines()
        except OSError as error:
            raise MissingDatasetError(
                f"the dictionary {str(path)!r} cannot be read: {error.strerror or error}"
            ) from error
        pairs = (line.partition(" ") for line in lines)
        words = {word.lower(): said for word, _, said in pairs if not word.endswith(")") and not word.startswith(";")}
        if "hello" not in words:
            raise DatasetError(f"{str(path)!r} is no dictionary of pronunciations as CMUdict is: it lacks 'hello'")
        return cls(words)

    def also(self, own: Mapping[str, str | Sequence[str]] | None) -> Pronunciation:
        """The same with more words of one's own, which go before."""
        if not own:
            return self
        both = Pronunciation(self.dictionary, own)
        both.own = {**self.own, **both.own}
        return both

    def phonemes(self, text: str) -> tuple[list[str], set[str]]:
        """The symbols, and the characters that were left out. Raises ValueError where a word is unknown."""
        symbols: list[str] = []
        unknown: list[str] = []
        left: set[str] = set()
        for by_hand, word, mark in _PIECES.findall(text):
            if word:
                said = self.word(word)
                if said is None:
                    unknown.append(word)
                symbols += said or ()
            elif mark in PHONEMES:
                symbols.append(mark)
            elif mark:
                left |= {mark} - SILENT
            else:
                symbols += phones_of(by_hand, "")
        if unknown:
            some = ", ".join(repr(word)[:40] for word in dict.fromkeys(unknown[:_SHOWN]))
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise ValueError(
                f"text-to-speech: the dictionary does not say how {some}{more} is said; write numbers as words, write phonemes in "
                "brackets as in 'I say [T AH M EY T OW]', give pronunciations={'tomato': 'T AH M EY T OW'}, or take a model that "
                "reads characters"
            )
        return symbols, left

    def word(self, word: str) -> list[str] | None:
        """How a word is said; None for one that is unknown."""
        known = self._known(word.lower()) or self._known(word.lower().strip("'"))
        if known is not None:
            return known
        owner, apostrophe, rest = word.rpartition("'")
        if apostrophe and rest.lower() in ("s", "") and (known := self.word(owner)) is not None:
            return [*known, *_possessive(known[-1])] if rest else known
        if word.isascii() and word.isalpha() and word.isupper() and len(word) <= _LONGEST_ACRONYM:
            letters = [["EY"] if letter == "A" else self._known(letter.lower()) for letter in word]
            if all(letters):
                return [symbol for said in letters for symbol in ("-", *(said or ()))][1:]
        return None

    def _known(self, word: str) -> list[str] | None:
        if word in self.own:
            return list(self.own[word])
        said = self.dictionary.get(word)
        if said is None:
            return None
        try:
            return phones_of(said.partition("#")[0], "")
        except ValueError as error:
            raise DatasetError(f"the dictionary says {word!r:.60} as {said!r:.80}: {error}") from error


def _own(given: Any) -> dict[str, list[str]]:
    """Words of one's own as texts have them once they are plain, with their phonemes. Raises TypeError or ValueError."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"text-to-speech: pronunciations are words with their phonemes, {{'tomato': 'T AH M EY T OW'}}, not {type(given).__name__}"
        )
    found = {}
    for word, said in given.items():
        if not isinstance(word, str) or not re.fullmatch(_WORD, simple := plain(word).lower()):
            raise ValueError(f"text-to-speech: pronunciations are of single words, and {word!r:.60} is none")
        if not isinstance(said, (str, Sequence)):
            raise TypeError(
                f"text-to-speech: the pronunciation of {word!r:.60} is a str or a list of phonemes, not {type(said).__name__}"
            )
        found[simple] = phones_of(said, f"of {word!r:.60} ")
    return found


def phones_of(said: str | Sequence[str], whose: str) -> list[str]:
    """Phonemes as they are written down, checked, without stress."""
    given = said.split() if isinstance(said, str) else list(said)
    phones = [_STRESS.sub("", str(phone).upper()) for phone in given]
    wrong = [phone for phone in phones if phone not in PHONES]
    if wrong or not phones:
        what = f"{wrong[0]!r:.40} is no phoneme" if wrong else f"the pronunciation {whose}is empty"
        raise ValueError(f"text-to-speech: {what}; ARPAbet has {' '.join(PHONES)}")
    return phones


def _possessive(last: str) -> list[str]:
    """How the s of a possessive is said behind a phoneme."""
    if last in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return ["IH", "Z"]
    return ["S"] if last in ("P", "T", "K", "F", "TH") else ["Z"]
