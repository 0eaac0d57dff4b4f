"""Sentences in two languages: Multi30k's captions, IWSLT's talks. The text is in the first, the target in the second."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import TextDataset
from .lines import Lines

if TYPE_CHECKING:
    from pathlib import Path

    from numzoo.hub.published import Fetch


class Multi30k(TextDataset):
    """Captions of photographs in English and German: 29,000, 1,014 and 1,000. Elliott et al., arXiv:1605.00459

    `languages` is (from, to), two of "de", "en" and, for "test" only, "fr".
    """

    resource: ClassVar[str] = "data:multi30k"
    splits: ClassVar[tuple[str, ...]] = ("train", "valid", "test")
    files: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("training.tar.gz",),
        "valid": ("validation.tar.gz",),
        "test": ("mmt16_task1_test.tar.gz",),
    }
    stems: ClassVar[dict[str, str]] = {"train": "train", "valid": "val", "test": "test"}
    known: ClassVar[tuple[str, ...]] = ("de", "en", "fr")

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        languages: tuple[str, str] = ("de", "en"),
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        languages = tuple(languages)  # type: ignore[assignment]
        if len(languages) != 2 or languages[0] == languages[1] or not set(languages) <= set(self.known):
            raise ValueError(
                f"{self.who}: languages is {languages!r} but must be two of {', '.join(self.known)}: from, to"
            )
        self.languages = languages
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)

    def __len__(self) -> int:
        return len(self._sides[0])

    def _open(self) -> None:
        self._sides: Any = [
            Lines(self._find(f"{self.stems[self.split]}.{language}"), self.who) for language in self.languages
        ]
        self._check_sides()

    def _example(self, place: int) -> tuple[Any, Any]:
        return self._sides[0][place].strip(), self._sides[1][place].strip()

    def _check_sides(self) -> None:
        one, other = (len(side) for side in self._sides)
        if one != other:
            raise DatasetError(
                f"{self.who}: {self.split!r} has {one} sentences in {self.languages[0]!r} but {other} in "
                f"{self.languages[1]!r}; get the files again"
            )


class IWSLT2016(Multi30k):
    """TED talks in English and Arabic, Czech, French or German. Cettolo et al., https://wit3.fbk.eu

    `languages` is (from, to), one of them "en". "valid" is the campaign's set tst2013, "test" tst2014.
    """

    resource: ClassVar[str] = "data:iwslt2016"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("2016-01.tgz",)}
    known: ClassVar[tuple[str, ...]] = ("de", "en", "fr", "ar", "cs")
    sets: ClassVar[dict[str, str]] = {"valid": "tst2013", "test": "tst2014"}
    series: ClassVar[str] = "IWSLT16"

    def _open(self) -> None:
        pair = "-".join(self.languages)
        self._sides = []
        for language in self.languages:
            if self.split == "train":
                path = self._find(f"train.tags.{pair}.{language}", f"{pair}/train.tags.{pair}.{language}")
                self._sides.append(list(_plain_lines(path, self.who)))
            else:
                name = f"{self.series}.TED.{self.sets[self.split]}.{pair}.{language}.xml"
                self._sides.append(list(_segments(self._find(name, f"{pair}/{name}"), self.who)))
        self._check_sides()

    def _find(self, *names: str) -> Path:
        for root in self.roots:
            for name in names:
                if found := sorted(root.rglob(name)):
                    return found[0]
        return super()._find(*names)


class IWSLT2017(IWSLT2016):
    """TED talks in English, German, Italian, Dutch and Romanian, any to any. Cettolo et al., https://wit3.fbk.eu

    `languages` is (from, to). "valid" is the campaign's set dev2010, "test" tst2010.
    """

    resource: ClassVar[str] = "data:iwslt2017"
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("2017-01-trnmted.tgz",)}
    known: ClassVar[tuple[str, ...]] = ("de", "en", "it", "nl", "ro")
    sets: ClassVar[dict[str, str]] = {"valid": "dev2010", "test": "tst2010"}
    series: ClassVar[str] = "IWSLT17"


_SEGMENT = re.compile(r'<seg id="\d+">(.*?)</seg>')


def _plain_lines(path: Path, who: str) -> Iterator[str]:
    """The sentences of a training file; lines that begin with a mark-up tag tell of the talk."""
    lines = Lines(path, who)
    for place in range(len(lines)):
        if not (line := lines[place].strip()).startswith("<"):
            yield line


def _segments(path: Path, who: str) -> Iterator[str]:
    """The sentences of an evaluation file, which is nearly XML."""
    lines = Lines(path, who)
    for place in range(len(lines)):
        if (found := _SEGMENT.search(lines[place])) is not None:
            yield unescape(found[1]).strip()
