"""Running text to model: WikiText, Penn Treebank, the first gigabyte of Wikipedia."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import TextDataset


class _Corpus(TextDataset):
    """An example is a line, empty ones included, so that the whole text comes of them; the target is None."""

    members: ClassVar[dict[str, str]]

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def text(self) -> str:
        """The whole text of the split."""
        return "\n".join(self._lines[place] for place in range(len(self._lines)))

    def _open(self) -> None:
        from .lines import Lines

        self._lines = Lines(self._find(self.members[self.split]), self.who)

    def _example(self, place: int) -> tuple[Any, Any]:
        return self._lines[place], None


class WikiText2(_Corpus):
    """Good articles of Wikipedia, two million words: 36,718, 3,760 and 4,358 lines. Merity et al., arXiv:1609.07843

    An example is a line, empty ones included, words parted by spaces, rare ones <unk>; the target is None.
    """

    resource: ClassVar[str] = "data:wikitext-2"
    splits: ClassVar[tuple[str, ...]] = ("train", "valid", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("wikitext-2-v1.zip",)}
    members: ClassVar[dict[str, str]] = {split: f"wiki.{split}.tokens" for split in splits}


class WikiText103(WikiText2):
    """The same of 103 million words: 1,801,350 lines to train with; validation and test are WikiText2's."""

    resource: ClassVar[str] = "data:wikitext-103"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("wikitext-103-v1.zip",)}


class PennTreebank(_Corpus):
    """The Wall Street Journal of 1989, a million words of a vocabulary of 10,000. Marcus et al., 1993; Mikolov et al., 2010

    An example is a line, a sentence in small letters, rare words <unk>, numbers N; the target is None.
    """

    resource: ClassVar[str] = "data:penn-treebank"
    splits: ClassVar[tuple[str, ...]] = ("train", "valid", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {split: (f"ptb.{split}.txt",) for split in splits}
    members: ClassVar[dict[str, str]] = {split: f"ptb.{split}.txt" for split in splits}


class EnWik9(_Corpus):
    """The first billion bytes of Wikipedia as XML, 13,147,026 lines. http://mattmahoney.net/dc/textdata.html

    An example is a line; the target is None.
    """

    resource: ClassVar[str] = "data:enwik9"
    splits: ClassVar[tuple[str, ...]] = ("train",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("enwik9.zip",)}
    members: ClassVar[dict[str, str]] = {"train": "enwik9"}
