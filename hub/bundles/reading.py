"""Reading a bundle, a folder or one ``.tar``, as something that a stranger made: only regular files of known names.

Of tar, the least is read: plain headers of regular files, one after the other, with right checksums, each name once, and
nothing behind the end. Links, devices, folders, extended headers, absolute names and ``..`` do not exist in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from numzoo.hub.bundles.contents import is_member_name
from numzoo.hub.errors import FormatError, NotFoundError, UnsafeFileError
from numzoo.hub.registry.static.layout import POINTER
from numzoo.hub.store.cache import storage

__all__ = ["Bundle", "open_bundle"]

_RECORD = 512
_FOLDER = re.compile(r"blobs(/sha256(/[0-9a-f]{2})?)?")
_MOST_MEMBERS = 1_000_000


class Bundle(ABC):
    """An open bundle. `names` are its files with their sizes; their bytes are checked by whoever reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: dict[str, int] = {}

    @abstractmethod
    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file of the bundle at its first byte; no more than its size may be read."""

    def read(self, name: str, most: int) -> bytes:
        """A small file's bytes. Raises NotFoundError without one, and FormatError if it has more than `most` bytes."""
        if name not in self.names:
            raise NotFoundError(f"The bundle {self.path} lacks {name}.")
        if self.names[name] > most:
            raise FormatError(f"{name} of the bundle {self.path} is larger than {most} bytes, the most that is read.")
        with self.open(name) as file:
            data = file.read(self.names[name])
        if len(data) != self.names[name]:
            raise FormatError(f"{name} of the bundle {self.path} has changed while it was read.")
        return data

    def close(self) -> None:  # noqa: B027 (a folder has nothing to close)
        """Close what is open."""

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Open the bundle at `path`. Raises NotFoundError where there is none, and UnsafeFileError or FormatError for a
    file or folder that is none."""
    path = Path(path)
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise NotFoundError(f"There is no bundle {path}.")
    return _Tar(path)


class _Folder(Bundle):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with storage(f"read {path}", elsewhere=True):
            self._list(path, "")
        if POINTER not in self.names:
            raise NotFoundError(f"{path} is no bundle: it has no {POINTER}.")

    def _list(self, folder: Path, beginning: str) -> None:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            name = f"{beginning}{entry.name}"
            if entry.is_symlink():
                raise UnsafeFileError(f"The bundle {self.path} holds the link {name!r:.200}; wanted are plain files.")
            if entry.is_dir() and _FOLDER.fullmatch(name):
                self._list(Path(entry.path), f"{name}/")
            elif not entry.is_file() or not is_member_name(name):
                raise UnsafeFileError(f"The bundle {self.path} holds {name!r:.200}, which no bundle does.")
            else:
                self.names[name] = entry.stat().st_size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        path = self.path.joinpath(*name.split("/"))
        with storage(f"read {path}", elsewhere=True):
            file = _plain_file(path, getattr(os, "O_NOFOLLOW", 0))
        with file:
            yield file


class _Tar(Bundle):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._offsets: dict[str, int] = {}
        with storage(f"read {path}", elsewhere=True):
            self._file = _plain_file(path)
        try:
            with storage(f"read {path}", elsewhere=True):
                self._index()
        except BaseException:
            self._file.close()
            raise

    def _index(self) -> None:
        status = os.fstat(self._file.fileno())
        at = 0
        while True:
            header = self._file.read(_RECORD)
            if header == bytes(_RECORD):
                break
            name, size = self._member(header)
            if name in self.names:
                raise UnsafeFileError(f"The bundle {self.path} holds {name} twice.")
            if len(self.names) == _MOST_MEMBERS:
                raise UnsafeFileError(f"The bundle {self.path} holds more than {_MOST_MEMBERS} files.")
            self.names[name], self._offsets[name] = size, at + _RECORD
            at += _RECORD + -(-size // _RECORD) * _RECORD
            if at > status.st_size:
                raise FormatError(f"The bundle {self.path} is cut off within {name}. Copy it again.")
            self._file.seek(at)
        while block := self._file.read(1 << 16):
            if block.strip(b"\0"):
                raise UnsafeFileError(f"The bundle {self.path} holds something behind its end.")
        if POINTER not in self.names:
            raise FormatError(f"{self.path} is no bundle: it has no {POINTER}.")

    def _member(self, header: bytes) -> tuple[str, int]:
        """The name and size in a header, which must be that of a regular file with a name that a bundle may hold."""
        if len(header) < _RECORD:
            raise FormatError(f"{self.path} is no bundle, or is cut off: a tar ends with two empty records.")
        if not header[257:262] == b"ustar" or _number(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * 32:
            raise FormatError(
                f"{self.path} is no bundle: it is no plain tar, or was damaged on its way. Copy it again."
            )
        name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
        if header[156:157] not in (b"0", b"\0") or header[345:500].strip(b"\0"):
            raise UnsafeFileError(f"The bundle {self.path} holds {name!r}, which is no plain file.")
        if not is_member_name(name):
            raise UnsafeFileError(f"The bundle {self.path} holds {name!r}, which no bundle does.")
        size = _number(header[124:136])
        if size is None:
            raise FormatError(f"The bundle {self.path} gives no size for {name}.")
        return name, size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        self._file.seek(self._offsets[name])
        yield self._file

    def close(self) -> None:
        self._file.close()


def _plain_file(path: Path, more: int = 0) -> BinaryIO:
    """Open a regular file; UnsafeFileError for anything else, without waiting for a pipe's other end."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | more)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeFileError(f"{path} is no regular file.")
    return open(descriptor, "rb")


def _number(field: bytes) -> int | None:
    """A number of a header: octal digits, or in base 256 where they do not suffice."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    return int(text, 8) if text and not text.strip(b"01234567") else None
