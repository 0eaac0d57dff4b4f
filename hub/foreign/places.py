"""Where the files of a checkpoint lie: a folder on this machine, or a repository of the Hugging Face hub at one commit.

Both give names to open files; which of them hold what, weights.py and translation.py say.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO

from numzoo.hub.errors import FormatError, NotFoundError, StorageError
from numzoo.hub.registry.manifest import parse
from numzoo.hub.store.cache import digest_of, storage
from numzoo.hub.store.opened import VerifiedFile

__all__ = ["POOLING", "Folder", "Place", "plain_name"]

_LARGEST_JSON = 64 << 20

POOLING = "1_Pooling/config.json"
"""The one file below a place that may be read: how sentence-transformers makes one vector of a text."""


class Place(ABC):
    """Files with names, side by side. `name` is what models and reports call the place."""

    name: str
    index = ""
    """The file that lists the shards, where a person gave this one and not the place."""
    verified = False
    """Whether the sha256 of every file was known before it was opened."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of the files, sorted; folders within are left out, but for `POOLING`."""

    @abstractmethod
    def open(self, name: str) -> tuple[BinaryIO, str]:
        """The file, open at position 0, and the sha256 of these very bytes."""

    def label(self, name: str) -> str:
        """What messages call a file of this place."""
        return f"{self.name}/{name}"

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def read_json(self, name: str) -> Any:
        """A JSON file, read with its bounds. Raises FormatError for one that is malformed or larger than any honest one."""
        stream, _ = self.open(name)
        with stream, storage(f"read {self.label(name)}"):
            text = stream.read(_LARGEST_JSON + 1)
        if len(text) > _LARGEST_JSON:
            raise FormatError(f"{self.label(name)} is larger than {_LARGEST_JSON >> 20} MiB, the most that is read.")
        return parse(text, who=self.label(name))

    def json_or_none(self, name: str) -> Any:
        """The same, or None where there is no such file."""
        return self.read_json(name) if name in self else None


class Folder(Place):
    """The regular files of one folder; nothing outside of it is ever opened, links to elsewhere are the person's own."""

    def __init__(self, path: str | os.PathLike[str], *, index: str = "") -> None:
        self.path = Path(path)
        self.name = str(path)
        self.index = index

    def names(self) -> list[str]:
        with storage(f"list {self.path}"):
            try:
                below = [POOLING] if (self.path / POOLING).is_file() else []
                return sorted([*below, *(entry.name for entry in os.scandir(self.path) if entry.is_file())])
            except FileNotFoundError:
                raise NotFoundError(f"There is no folder {self.path}.") from None

    def open(self, name: str) -> tuple[BinaryIO, str]:
        path = self.path / (name if name == POOLING else plain_name(name, self.name))
        try:
            raw = open(path, "rb", buffering=0)  # noqa: SIM115 (the caller closes it)
            stream = VerifiedFile(raw, os.fstat(raw.fileno()))
        except FileNotFoundError:
            raise NotFoundError(f"{self.path} has no file {name}.") from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error
        try:
            sha256 = digest_of(stream)
            stream.seek(0)
        except BaseException:
            stream.close()
            raise
        return stream, sha256


def plain_name(name: object, who: str) -> str:
    """`name`, if it is that of a file right in the place; FormatError for a path to anywhere else."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= 255
        or name in (".", "..")
        or any(letter in name for letter in "/\\\0:")
        or not name.isprintable()
    ):
        raise FormatError(f"{who} names the file {ascii(name)[:100]}, but only files right beside it are opened.")
    return name
