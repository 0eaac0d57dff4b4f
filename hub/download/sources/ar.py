"""Debian packages: an `ar` archive of three members, of which data.tar.* holds the files. Only this one is read."""

from __future__ import annotations

from typing import IO

from numzoo.hub.errors import IntegrityError

__all__ = ["MAGIC", "Window", "find_data"]

MAGIC = b"!<arch>\n"

_HEADER = 60  # of a member: name 16, time 12, owner 6, group 6, mode 8, size 10, two closing bytes
_MEMBERS = 16  # a package has three, and perhaps a signature


def find_data(file: IO[bytes], name: str) -> Window:
    """The tar of a Debian package's files, packed as it is. Raises IntegrityError for what is no Debian package."""
    size = file.seek(0, 2)
    position = len(MAGIC)
    for place in range(_MEMBERS):
        file.seek(position)
        header = file.read(_HEADER)
        if not header:
            break
        length = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not length.isdigit():
            raise IntegrityError(f"{name} is a damaged Debian package: what should head its member {place} does not.")
        begin, end = position + _HEADER, position + _HEADER + int(length)
        if end > size:
            raise IntegrityError(f"{name} is a damaged Debian package: it ends in the middle of member {place}.")
        member = header[:16].decode("latin-1").strip().rstrip("/")
        if place == 0 and member != "debian-binary":
            break
        if member.startswith("data.tar"):
            return Window(file, begin, end)
        position = end + end % 2
    raise IntegrityError(f"{name} is not a Debian package: it has no data.tar.")


class Window:
    """The bytes of an open file from `begin` to `end`, as a file of their own."""

    def __init__(self, file: IO[bytes], begin: int, end: int) -> None:
        self._file, self._begin, self._end, self._position = file, begin, end, begin

    def read(self, count: int = -1) -> bytes:
        left = self._end - self._position
        self._file.seek(self._position)
        block = self._file.read(left if count < 0 else min(count, left))
        self._position += len(block)
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (self._begin, self._position, self._end)[whence]
        self._position = min(max(start + offset, self._begin), self._end)
        return self.tell()

    def tell(self) -> int:
        return self._position - self._begin

    def seekable(self) -> bool:
        return True
