"""How words are said: the dictionary of Carnegie Mellon. http://www.speech.cs.cmu.edu/cgi-bin/cmudict"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import TextDataset

_LINE = re.compile(r"(\S+?)(?:\((\d+)\))?  (\S+(?: \S+)*)")


class CMUDict(TextDataset):
    """About 134,000 English words in capitals, with their phonemes (version 0.7b).

    The text is the word, the target a tuple of phonemes, vowels with their stress: ("HH", "AH0", "L", "OW1"). A word that
    is said in several ways comes several times. `symbols` are all phonemes. Names of punctuation marks are left out.
    """

    resource: ClassVar[str] = "data:cmudict"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("cmudict-0.7b", "cmudict-0.7b.symbols")}

    def __len__(self) -> int:
        return len(self._words)

    def _open(self) -> None:
        paths = self.roots if self.fetched else [self._find(name) for name in self.files[""]]
        self.symbols = tuple(self._lines(paths[1]))
        known = frozenset(self.symbols)
        self._words: list[tuple[str, tuple[str, ...]]] = []
        for number, line in enumerate(self._lines(paths[0]), 1):
            if line.startswith(";;;") or (not line[:1].isalnum() and not line.startswith("'")):
                continue
            parts = _LINE.fullmatch(line.rstrip())
            if parts is None or not known.issuperset(parts[3].split()):
                raise DatasetError(
                    f"{self.who}: line {number} of {self.files[''][0]} is no word with phonemes: {line[:80]!r}"
                )
            self._words.append((parts[1], tuple(parts[3].split())))

    def _example(self, place: int) -> tuple[Any, Any]:
        return self._words[place]

    def _lines(self, path: Path) -> list[str]:
        """The lines of a file in Latin-1, in which this dictionary is written."""
        try:
            return path.read_text(encoding="latin-1").rstrip("\n").split("\n")
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: {str(path)!r} cannot be read: {error.strerror}") from error
