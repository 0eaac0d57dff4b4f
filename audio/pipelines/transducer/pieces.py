"""The tokens of a transducer: pieces of words, of which a SentencePiece model says which number is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from numzoo.audio.errors import AudioError
from numzoo.hub.errors import FormatError
from numzoo.hub.sentencepiece import read_sentencepiece

__all__ = ["Pieces"]

SPACE = "\u2581"
"""What stands for the space before a word."""

_LARGEST = 64 << 20  # bytes of the file


class Pieces:
    """Pieces by their numbers; those for the unknown, the end of a text and padding are no part of one."""

    def __init__(self, pieces: Sequence[str], silent: Sequence[int] = ()) -> None:
        self.pieces, self.silent = tuple(pieces), frozenset(silent)

    @classmethod
    def of(cls, path: Path) -> Pieces:
        """The pieces of a SentencePiece model. Raises AudioError."""
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise AudioError(f"{path} is no model of SentencePiece: it has more than {_LARGEST >> 20} MiB")
        try:
            found = read_sentencepiece(content, str(path))
        except FormatError as error:
            raise AudioError(str(error)) from error
        return cls(
            [piece for piece, _ in found.pieces], [found.numbers[role] for role in ("unk", "eos", "pad")]
        )  # -1 where there is none

    def __len__(self) -> int:
        return len(self.pieces)

    def text(self, numbers: Sequence[int]) -> str:
        """Tokens as a text."""
        return "".join(self.pieces[n] for n in numbers if n not in self.silent).replace(SPACE, " ").lstrip()

    def words(self, numbers: Sequence[int]) -> list[list[int]]:
        """The places in `numbers` of the pieces of each word."""
        found: list[list[int]] = []
        for place, number in enumerate(numbers):
            if number in self.silent:
                continue
            if self.pieces[number].startswith(SPACE) or not found:
                found.append([])
            found[-1].append(place)
        return [word for word in found if self.text([numbers[place] for place in word]).strip()]
