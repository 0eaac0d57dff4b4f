"""What an archive is unpacked into: a folder that is filled, or one that is held against the archive.

Files are made new, never through a link, with the permissions that the umask gives; an archive's own permissions,
owners and times are not looked at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from numzoo.hub.errors import IntegrityError, StorageError
from numzoo.hub.quantities import size_text
from numzoo.hub.store.cache import storage

__all__ = ["Comparison", "NewTree", "Tree"]

_STEP = 64 << 20
_RESERVE = 16 << 20  # what unpacking must leave free on the disk
_FEW = 256  # so many files are brought to the disk one by one; more of them by one call for everything


class Tree(Protocol):
    """What takes the members of an archive, each by the parts of its checked path."""

    def room(self, size: int) -> None:
        """Learn how many bytes are to come at least."""

    def folder(self, parts: tuple[str, ...]) -> None:
        """Take a folder."""

    def file(self, parts: tuple[str, ...], blocks: Iterable[bytes]) -> None:
        """Take a file with these bytes."""


class NewTree:
    """A folder of one's own, filled. Raises StorageError where the disk is full or refuses."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = self.bytes = 0
        self._since = 0
        self._made: set[tuple[str, ...]] = {()}
        with storage(f"make {root}"):
            root.mkdir(parents=True)

    def room(self, size: int) -> None:
        with storage(f"look at the disk of {self.root}"):
            free = shutil.disk_usage(self.root).free
        if size + _RESERVE > free:
            raise StorageError(
                f"Unpacking to {self.root} needs {size_text(size)} more, but the disk has {size_text(free)} free (and {size_text(_RESERVE)} are "
                f"left alone). Free some space, or set NUMZOO_HOME to a folder on another disk."
            )

    def folder(self, parts: tuple[str, ...]) -> None:
        if parts not in self._made:
            with storage(f"make {self.root.joinpath(*parts)}"):
                self.root.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            self._made.add(parts)

    def file(self, parts: tuple[str, ...], blocks: Iterable[bytes]) -> None:
        self.folder(parts[:-1])
        path = self.root.joinpath(*parts)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with storage(f"write {path}"), open(os.open(path, flags, 0o666), "wb", buffering=0) as file:
            for block in blocks:
                written = 0
                while written < len(block):
                    written += file.write(memoryview(block)[written:]) or 0
                self.bytes += len(block)
                self._since += len(block)
                if self._since >= _STEP:
                    self._since = 0
                    self.room(_STEP)
            self.files += 1
            if self.files <= _FEW or not hasattr(os, "sync"):
                os.fsync(file.fileno())

    def finish(self) -> None:
        """Bring everything to the disk, so that the tree may get its name."""
        if self.files > _FEW and hasattr(os, "sync"):
            os.sync()


class Comparison:
    """A folder that should hold exactly what comes. Raises IntegrityError for the first thing that differs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: set[tuple[str, ...]] = set()

    def room(self, size: int) -> None:
        pass

    def folder(self, parts: tuple[str, ...]) -> None:
        path = self.root.joinpath(*parts)
        for end in range(len(parts) + 1):
            self._seen.add(parts[:end])
        if path.is_symlink() or not path.is_dir():
            raise self._differs(path, "is no folder")

    def file(self, parts: tuple[str, ...], blocks: Iterable[bytes]) -> None:
        self.folder(parts[:-1])
        path = self.root.joinpath(*parts)
        self._seen.add(parts)
        if path.is_symlink() or not path.is_file():
            raise self._differs(path, "is no plain file")
        with storage(f"read {path}"), open(path, "rb") as file:
            for block in blocks:
                if file.read(len(block)) != block:
                    raise self._differs(path, "has other bytes")
            if file.read(1):
                raise self._differs(path, "has more bytes")

    def finish(self) -> None:
        """Look for what the archive does not hold."""
        with storage(f"list {self.root}"):
            for place, folders, files in os.walk(self.root):
                here = Path(place).relative_to(self.root).parts
                for name in [*folders, *files]:
                    if (*here, name) not in self._seen:
                        raise self._differs(Path(place, name), "is there too")

    def _differs(self, path: Path, how: str) -> IntegrityError:
        return IntegrityError(f"{path} {how}: it is not as it was unpacked. Say --repair to unpack it anew.")
