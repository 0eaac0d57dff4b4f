"""What a person gives to be read: a path, bytes, or an open binary file, made into one seekable file.

Images and sounds are opened so; the words and the classes of the errors are theirs.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

__all__ = ["Given"]

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Given:
    """A `thing` ("a sound") in messages, and the errors for one that is wrong, not there, not to be read, or too large."""

    article: str
    thing: str
    wrong: type[Exception]
    missing: type[Exception]
    forbidden: type[Exception]
    large: type[Exception]

    @contextmanager
    def opened(
        self, source: Any, who: str, *, most: int, wanted: str = "a path, bytes or a binary file", buffering: int = -1
    ) -> Iterator[tuple[BinaryIO, str]]:
        """A seekable binary file with the bytes of `source`, at its beginning, and what to call it in messages.

        Of a pipe, whose end nobody can see, at most `most` bytes are read. `wanted` is what else the caller takes.
        """
        if isinstance(source, (bytes, bytearray, memoryview)):
            if len(source) == 0:
                raise self.wrong(f"the {self.thing} is empty: 0 bytes were given")
            yield io.BytesIO(source), f"the {self.thing} of {len(source):,} bytes"
        elif isinstance(source, (str, os.PathLike)):
            path = os.fspath(source)
            with self._open(path, buffering) as file:
                yield self._seekable(file, repr(path), who, most), repr(path)
        elif callable(getattr(source, "read", None)):
            named = isinstance(getattr(source, "name", None), str)
            name = repr(source.name) if named else f"the {self.thing} file"
            if isinstance(source, io.TextIOBase):
                raise TypeError(f"{who}: {name} is open as text; open it with mode 'rb'")
            yield self._seekable(source, name, who, most), name
        else:
            raise TypeError(f"{who}: source is a {type(source).__name__} but must be {wanted}")

    def _open(self, path: Any, buffering: int) -> BinaryIO:
        one = f"{self.article} {self.thing}"
        try:
            kind = os.stat(path).st_mode
            if stat.S_ISDIR(kind):
                raise self.wrong(f"{path!r} is a folder, not {one}; give the path of a file in it")
            if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
                raise self.wrong(f"{path!r} is a device or a socket; {one} is read from a file or a pipe")
            return open(path, "rb", buffering=buffering)
        except self.wrong:
            raise
        except PermissionError as error:
            raise self.forbidden(
                f"{path!r} cannot be read: permission denied. Check the rights of the file and its folders."
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
                raise self.wrong(f"{path!r} cannot be opened: {error.strerror}") from error
            raise self.missing(self._where(path)) from error
        except ValueError as error:  # a zero byte in the path
            raise self.missing(f"there is no {self.thing} {path!r}: {error}") from error

    def _where(self, path: Any) -> str:
        """Why there is no file, and what may have been meant."""
        text = os.fsdecode(path)
        if "://" in text:
            return f"there is no file {text!r}. It is an address: download the {self.thing} first, then give the path of the file."
        folder, name = os.path.split(text)
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            return f"there is no file {text!r}: the folder {folder!r} does not exist or cannot be listed"
        import difflib

        close = difflib.get_close_matches(name, [entry for entry in entries if entry != name], n=3)
        hint = f" Did you mean {' or '.join(repr(os.path.join(folder, entry)) for entry in close)}?" if close else ""
        return f"there is no file {text!r} (looked in {os.path.abspath(folder or '.')!r}).{hint}"

    def _seekable(self, file: Any, name: str, who: str, most: int) -> BinaryIO:
        """`file` itself where it can seek, else its bytes in memory; neither may be empty."""
        try:
            seekable = file.seekable()
            size = file.seek(0, os.SEEK_END) if seekable else -1
        except (AttributeError, OSError):
            seekable, size = False, -1
        if not seekable:
            kept = io.BytesIO()
            while data := file.read(_PIECE):  # a pipe gives what is there, not what was asked for
                if not isinstance(data, bytes):
                    raise TypeError(f"{who}: {name} gives {type(data).__name__}, not bytes; open it with mode 'rb'")
                size = kept.tell() + kept.write(data)
                if size > most:
                    raise self.large(f"{name} gave more than {most:,} bytes; save it to a file first")
            file, size = kept, kept.tell()
        if size == 0:
            raise self.wrong(f"{name} is empty: it has 0 bytes; get the {self.thing} again")
        file.seek(0)
        return cast(BinaryIO, file)
