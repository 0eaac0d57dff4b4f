"""The library that decodes and encodes sounds, imported with the first of them."""

from __future__ import annotations

import io
import os
from functools import lru_cache
from typing import Any, BinaryIO

from .errors import MissingLibraryError


def sound_library() -> Any:
    """The module soundfile. Raises MissingLibraryError where it, or the C library that it needs, is not there."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise MissingLibraryError(
            f'sounds are read and written by soundfile, which cannot be used here ({error}): pip install "numzoo[audio]"'
        ) from error
    return soundfile


@lru_cache(maxsize=1)
def straight_reader() -> Any:
    """The class SoundFile, except that a read is not followed by a seek to where it has ended anyway.

    In MP3 a seek is not exact, and so a sound that was read in two pieces would be another than in one.
    """

    class Straight(sound_library().SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Straight


def handle(file: BinaryIO) -> Any:
    """What the library is to be given for an open file: its descriptor, or else a stand-in without a name.

    A descriptor is faster, and errors of the disk come back; but behind a buffer it would stand somewhere else, and the
    library's own C runtime has others on Windows. From a name the library would guess a format.
    """
    return file.fileno() if isinstance(file, io.FileIO) and os.name == "posix" else _Nameless(file)


class _Nameless:
    """A file whose errors do not get lost in the library, which can only be given bytes: `failure` keeps the first."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.failure: BaseException | None = None

    def read(self, count: int) -> bytes:
        return self._tried(self._file.read, count) or b""

    def write(self, data: bytes) -> int:
        return self._tried(self._file.write, data) or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return int(self._file.seek(offset, whence))
        except ValueError:  # a damaged file leads to before its beginning
            return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def _tried(self, call: Any, argument: Any) -> Any:
        try:
            return call(argument)
        except Exception as error:
            self.failure = self.failure or error
            return None


def failure_of(given: Any) -> BaseException | None:
    """What went wrong with the file behind a `handle`, if it kept that."""
    return getattr(given, "failure", None)
