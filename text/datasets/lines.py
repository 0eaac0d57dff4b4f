"""The lines of a text file, found by their places: a corpus of gigabytes costs eight bytes a line."""

from __future__ import annotations

import gzip
import mmap
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError, MissingDatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_UNPACKED = 1 << 32  # bytes that a file packed by gzip may have unpacked

_BLOCK = 1 << 24


class Lines:
    """`lines[i]` is line i of a file in UTF-8, without its end; `skip` lines at the beginning are passed over.

    With `quoted`, a line ends only where the double quotes before it are even in number: a field of a CSV file may hold
    line ends. A file packed by gzip is unpacked into memory. The file is mapped and not read; a process that gets the
    object by pickling maps it anew. Raises MissingDatasetError, and DatasetError for bytes that are not UTF-8.
    """

    def __init__(self, path: str | os.PathLike[str], who: str, *, skip: int = 0, quoted: bool = False) -> None:
        self.path, self.who, self.skip = Path(path), who, skip
        self._data: Any = None
        self._ends = _ends(self._bytes(), quoted)
        if skip > len(self._ends):
            raise DatasetError(
                f"{who}: {str(path)!r} has {len(self._ends)} lines, and not even its header; get it again"
            )

    def __len__(self) -> int:
        return len(self._ends) - self.skip

    def __getitem__(self, index: int) -> str:
        place = index + self.skip
        start = int(self._ends[place - 1]) + 1 if place else 0
        line = bytes(self._bytes()[start : int(self._ends[place])])
        try:
            text = line.decode("utf-8-sig" if place == 0 else "utf-8")
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{self.who}: line {place + 1} of {str(self.path)!r} is not text in UTF-8 ({error}); get it again"
            ) from error
        return text.removesuffix("\r")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None}

    def _bytes(self) -> Any:
        if self._data is None:
            self._data = self._opened()
        return self._data

    def _opened(self) -> Any:
        try:
            with open(self.path, "rb") as file:
                if file.read(2) == b"\x1f\x8b":
                    file.seek(0)
                    return self._unpacked(gzip.GzipFile(fileobj=file))
                if not os.fstat(file.fileno()).st_size:
                    return b""
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DatasetError(
                f"{self.who}: {str(self.path)!r} is damaged inside its gzip packing ({error})"
            ) from error
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: {str(self.path)!r} cannot be read: {error.strerror}") from error

    def _unpacked(self, file: gzip.GzipFile) -> bytes:
        data = bytearray()
        while block := file.read(_BLOCK):
            data += block
            if len(data) > MAX_UNPACKED:
                raise DatasetError(f"{self.who}: {str(self.path)!r} unpacks to more than {MAX_UNPACKED:,} bytes")
        return bytes(data)


def _ends(data: Any, quoted: bool) -> NDArray[Any]:
    """The place of every line's end, int64; the last line need not have one."""
    import numpy

    found, quotes = [], 0
    for start in range(0, len(data), _BLOCK):
        block = numpy.frombuffer(data[start : start + _BLOCK], numpy.uint8)
        ends = numpy.flatnonzero(block == ord("\n"))
        if quoted:
            marks = numpy.flatnonzero(block == ord('"'))
            before = numpy.searchsorted(marks, ends) + quotes
            quotes += len(marks)
            ends = ends[before % 2 == 0]
        found.append(ends.astype(numpy.int64) + start)
    ends = numpy.concatenate(found) if found else numpy.zeros(0, numpy.int64)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        ends = numpy.append(ends, numpy.int64(len(data)))
    return ends
