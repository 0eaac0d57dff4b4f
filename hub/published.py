"""What published data sets of all kinds share: one split of files that lie in a folder or come from the hub, read by index.

The domains' own bases, of images, sounds, texts and tables, say what an example is and how it is read.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

__all__ = ["Fetch", "PublishedDataset", "place_of"]

Fetch: TypeAlias = "Callable[[str], str | os.PathLike[str]]"
"""From the name of a data set's file in the hub to its path on this machine."""


class PublishedDataset(ABC):
    """One split of a published data set.

    `folder` holds the files. Without it `fetch` gets each: called with its name in the hub, such as
    "data:dtd/dtd-r1.0.1.tar.gz", it returns the path of a verified file, or of the folder that it was unpacked to; left out,
    that is numzoo.hub.pull_data. `resource` is the name in the hub. Raises ValueError for a split that there is not, and
    where a folder and a fetch are both given.
    """

    resource: ClassVar[str] = ""
    """What the hub calls the data set."""
    splits: ClassVar[tuple[str, ...]]
    item: ClassVar[str] = "example"
    """What messages call one of them."""

    def __init__(
        self, folder: str | os.PathLike[str] | None, split: str | None, *, transform: Callable[..., Any] | None,
        fetch: Fetch | None, resource: str | None = None,
    ) -> None:  # fmt: skip
        split = self.splits[0] if split is None else split
        if split not in self.splits:
            raise ValueError(f"{self.who}: split is {split!r} but must be one of {', '.join(map(repr, self.splits))}")
        if folder is not None and fetch is not None:
            raise ValueError(
                f"{self.who}: folder and fetch were both given, but the files come from one place; leave one out"
            )
        self.split, self.transform = split, transform
        self.name = resource or self.resource
        self._folder = None if folder is None else Path(folder)
        self._fetch = fetch

    @property
    def who(self) -> str:
        """The name in messages."""
        return type(self).__name__

    def _fetched(self, file: str) -> Path:
        """The path of one of the data set's files, from whoever fetches them."""
        name = f"{self.name}/{file}"
        if self._fetch is not None:
            return Path(self._fetch(name))
        from numzoo.hub import pull_data

        found: Path = next(iter(pull_data(name).values()))
        return found

    @abstractmethod
    def __len__(self) -> int:
        """How many examples there are."""

    def _place(self, index: Any) -> int:
        """The place from 0 that an index means."""
        return place_of(index, len(self), self.who, self.item)


def place_of(index: Any, length: int, who: str, item: str = "example") -> int:
    """The place from 0 that `index` means among `length` items; from the end, if it is below zero. TypeError, IndexError."""
    try:
        place = index.__index__()
    except AttributeError:
        raise TypeError(
            f"{who}: the index is a {type(index).__name__} but must be a whole number; for several at once use a list: "
            "[dataset[i] for i in indices]"
        ) from None
    if not -length <= place < length:
        raise IndexError(f"{who}: there is no {item} {place} among {length}")
    return int(place) % length
