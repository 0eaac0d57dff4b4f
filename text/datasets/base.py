"""What all data sets of texts share: where their files come from, and what an example is."""

from __future__ import annotations

import csv
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numzoo.hub.published import Fetch, PublishedDataset

from ..errors import DatasetError, MissingDatasetError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

MAX_FIELD = 1 << 26  # bytes of a quoted field; the csv module stops at 128 kB, which some articles exceed


class TextDataset(PublishedDataset):
    """Texts of one split. By index: (text, target).

    The text is a str, or a tuple of them where an example has several (two sentences to compare, a question and what it
    is about, the words of a sentence). The target is what the class says: the number of a class (of `classes`), a score,
    tags, another text; None where the authors keep it. `transform(text)` makes what stands in the text's place.

    `folder` holds the files, unpacked or packed by gzip, as the archives of the data set have them. Without it `fetch`
    gets each: called with its name in the hub, such as "data:imdb/aclImdb_v1.tar.gz", it returns the path of a verified
    file, or the folder that an archive was unpacked to; left out, that is numzoo.hub.pull_data. `resource` is the name
    in the hub. Raises MissingDatasetError and DatasetError, for a bad line when it is asked for.
    """

    files: ClassVar[dict[str, tuple[str, ...]]] = {}
    """split -> the names of its files in the hub; "" stands for every split."""
    classes: Sequence[str] = ()

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)
        self.fetched = folder is None
        files = self.files.get(self.split, self.files.get("", ()))
        self.roots = [Path(folder)] if folder is not None else [self._fetched(file) for file in files]
        if folder is not None and not self.roots[0].is_dir():
            raise MissingDatasetError(
                f"{self.who}: there is no folder {str(folder)!r}; without it the hub fetches the data"
            )
        self._open()
        if not len(self):
            raise DatasetError(
                f"{self.who}: there is not one example of {self.split!r} in {self.roots[0]}; get it again"
            )

    @cached_property
    def targets(self) -> list[Any]:
        """The target of every example."""
        return [self._example(place)[1] for place in range(len(self))]

    @property
    def labels(self) -> NDArray[numpy.int64]:
        """The numbers of the examples' classes, int64 (n,), where the targets are classes."""
        import numpy

        if not self.classes:
            raise AttributeError(f"{self.who} has no classes; its targets are in .targets")
        if None in self.targets:
            raise AttributeError(f"{self.who}: the labels of {self.split!r} are not public")
        return numpy.array(self.targets, numpy.int64)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        text, target = self._example(self._place(index))
        return (text if self.transform is None else self.transform(text)), target

    def __repr__(self) -> str:
        return f"{self.who}(split={self.split!r}, {len(self)} examples, transform={self.transform!r})"

    @abstractmethod
    def _open(self) -> None:
        """Learn what there is; called once, with `split` and `roots` set."""

    @abstractmethod
    def _example(self, place: int) -> tuple[Any, Any]:
        """The text and the target at a place from 0."""

    def _find(self, *names: str) -> Path:
        """The first of these files or folders that is there: one of the data set's files itself, in its folder, or up to
        two folders deeper; packed by gzip or not.
        """
        spellings = [spelling for name in names for spelling in (name, f"{name}.gz")]
        for root in self.roots:
            if root.is_file() and (len(self.roots) == 1 or self._is_named(root, names)):
                return root
            for spelling in spellings:
                if root.name == spelling or (root / spelling).exists():
                    return root if root.name == spelling else root / spelling
            for depth in ("*", "*/*"):
                for spelling in spellings:
                    if found := sorted(root.glob(f"{depth}/{spelling}")):
                        return found[0]
        places = " and ".join(repr(str(root)) for root in self.roots)
        raise MissingDatasetError(
            f"{self.who}: there is no {' and no '.join(names)} in {places}; is it another data set?"
        )

    def _is_named(self, root: Path, names: Sequence[str]) -> bool:
        """Whether a fetched file, which the store may call by its digest, is one of these: by its place in `files`."""
        files = self.files.get(self.split, self.files.get("", ()))
        return files[self.roots.index(root)].removesuffix(".gz") in {name.rpartition("/")[2] for name in names}


class Table(TextDataset):
    """Examples that are the lines of one file, each split into fields: what most data sets of texts are.

    `members` gives the file of each split, `header` the lines before the first example. Fields are parted by `tab`s, or
    quoted and parted by commas. `_read` makes an example of the fields.
    """

    members: ClassVar[dict[str, str]]
    header: ClassVar[int] = 0
    tabs: ClassVar[bool] = False
    quoted: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self._lines)

    def _open(self) -> None:
        from .lines import Lines

        member = self.members[self.split]
        path = self._find(member, member.rpartition("/")[2])
        if self.quoted:
            csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
        self._lines = Lines(path, self.who, skip=self.header, quoted=self.quoted)

    def _example(self, place: int) -> tuple[Any, Any]:
        line = self._lines[place]
        try:
            if not self.quoted:
                return self._read(line.split("\t"))
            rows = list(csv.reader([line + "\n"], delimiter="\t" if self.tabs else ","))
            return self._read(rows[0] if rows else [])
        except (ValueError, IndexError, csv.Error) as error:
            raise DatasetError(
                f"{self.who}: line {place + self.header + 1} of {self._lines.path.name} is not an example: {line[:80]!r} "
                f"({error}); get the file again"
            ) from error

    @abstractmethod
    def _read(self, fields: list[str]) -> tuple[Any, Any]:
        """The text and the target that the fields of a line are."""

    def _number(self, name: str) -> int:
        """The number of the class with this name."""
        if name not in self.classes:
            raise ValueError(f"{name!r} is none of the classes {', '.join(self.classes)}")
        return list(self.classes).index(name)
