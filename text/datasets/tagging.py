"""Words with their tags: the chunks of CoNLL-2000, the parts of speech of Universal Dependencies."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import DatasetError
from .base import TextDataset


class CoNLL2000(TextDataset):
    """Sentences of the Wall Street Journal cut into phrases: 8,936 to train with, 2,012 to test. Sang, Buchholz, 2000

    The text is a tuple of words, the target a tuple of as many tags: "B-NP" begins a noun phrase, "I-NP" is inside one,
    "O" outside of all. `details(index)` has the words' parts of speech.
    """

    resource: ClassVar[str] = "data:conll2000"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {split: (f"{split}.txt.gz",) for split in splits}
    members: ClassVar[dict[str, str]] = {split: f"{split}.txt" for split in splits}
    separator: ClassVar[str] = " "
    tag: ClassVar[int] = 2
    columns: ClassVar[tuple[str, ...]] = ("word", "part_of_speech", "chunk")

    def __len__(self) -> int:
        return len(self._begins) - 1

    def details(self, index: int) -> dict[str, Any]:
        """Every column of the sentence: name -> a tuple with a value for each word."""
        rows = self._rows(self._place(index))
        return {name: tuple(row[column] for row in rows) for column, name in enumerate(self.columns)}

    def _open(self) -> None:
        from .lines import Lines

        self._lines = Lines(self._find(self.members[self.split]), self.who)
        inside = False
        self._begins: list[int] = []  # of each sentence, and one more for the end of the last
        for place in range(len(self._lines)):
            blank = not self._lines[place].strip()
            if not blank and not inside:
                self._begins.append(place)
            inside = not blank
        self._begins.append(len(self._lines))

    def _example(self, place: int) -> tuple[Any, Any]:
        rows = self._rows(place)
        return tuple(row[0] for row in rows), tuple(row[self.tag] for row in rows)

    def _rows(self, place: int) -> list[list[str]]:
        rows = []
        for number in range(self._begins[place], self._begins[place + 1]):
            if not (line := self._lines[number].rstrip()):
                break
            rows.append(line.split(self.separator))
            if len(rows[-1]) != len(self.columns):
                raise DatasetError(
                    f"{self.who}: line {number + 1} of {self._lines.path.name} has {len(rows[-1])} columns in place of "
                    f"{len(self.columns)}: {line[:80]!r}; get the file again"
                )
        return rows


class UDPOS(CoNLL2000):
    """Sentences of English web pages with parts of speech: 12,543, 2,002 and 2,077. Silveira et al., LREC 2014

    The text is a tuple of words, the target a tuple of as many universal tags ("NOUN", "VERB", ...). `details(index)` has
    the tags of the Penn Treebank too.
    """

    resource: ClassVar[str] = "data:udpos"
    splits: ClassVar[tuple[str, ...]] = ("train", "valid", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("en-ud-v2.zip",)}
    members: ClassVar[dict[str, str]] = {
        "train": "en-ud-tag.v2.train.txt",
        "valid": "en-ud-tag.v2.dev.txt",
        "test": "en-ud-tag.v2.test.txt",
    }
    separator: ClassVar[str] = "\t"
    tag: ClassVar[int] = 1
    columns: ClassVar[tuple[str, ...]] = ("word", "universal", "penn")
