"""What a sound is read from: a path, its bytes, or an open binary file, made into one seekable file."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .errors import AudioAccessError, AudioError, AudioTooLargeError, MissingAudioError

if TYPE_CHECKING:
    from typing import TypeAlias

    Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

MAX_STREAM_BYTES = 1 << 30  # of a pipe, whose end nobody can see
_PIECE = 1 << 20


@contextmanager
def opened(source: Any, who: str) -> Iterator[tuple[BinaryIO, str]]:
    """A seekable binary file with the bytes of `source`, at its beginning, and what to call it in messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        if len(source) == 0:
            raise AudioError("the sound is empty: 0 bytes were given")
        yield io.BytesIO(source), f"the sound of {len(source):,} bytes"
    elif isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        with _open_path(path) as file:
            yield _seekable(file, repr(path), who), repr(path)
    elif callable(getattr(source, "read", None)):
        name = repr(source.name) if isinstance(getattr(source, "name", None), str) else "the sound file"
        if isinstance(source, io.TextIOBase):
            raise TypeError(f"{who}: {name} is open as text; open it with mode 'rb'")
        yield _seekable(source, name, who), name
    else:
        raise TypeError(f"{who}: source is a {type(source).__name__} but must be a path, bytes or a binary file")


def _open_path(path: Any) -> BinaryIO:
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            raise AudioError(f"{path!r} is a folder, not a sound; give the path of a file in it")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise AudioError(f"{path!r} is a device or a socket; a sound is read from a file or a pipe")
        return cast(BinaryIO, open(path, "rb", buffering=0))  # see library.handle
    except PermissionError as error:
        raise AudioAccessError(
            f"{path!r} cannot be read: permission denied. Check the rights of the file and its folders."
        ) from error
    except AudioError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
            raise AudioError(f"{path!r} cannot be opened: {error.strerror}") from error
        raise MissingAudioError(_missing(path)) from error
    except ValueError as error:  # a zero byte in the path
        raise MissingAudioError(f"there is no sound {path!r}: {error}") from error


def _missing(path: Any) -> str:
    text = os.fsdecode(path)
    if "://" in text:
        return f"there is no file {text!r}. It is an address: download the sound first, then give the path of the file."
    folder, name = os.path.split(text)
    try:
        entries = os.listdir(folder or ".")
    except OSError:
        return f"there is no file {text!r}: the folder {folder!r} does not exist or cannot be listed"
    import difflib

    close = difflib.get_close_matches(name, [entry for entry in entries if entry != name], n=3)
    hint = f" Did you mean {' or '.join(repr(os.path.join(folder, entry)) for entry in close)}?" if close else ""
    return f"there is no file {text!r} (looked in {os.path.abspath(folder or '.')!r}).{hint}"


def _seekable(file: Any, name: str, who: str) -> BinaryIO:
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
            if size > MAX_STREAM_BYTES:
                raise AudioTooLargeError(f"{name} gave more than {MAX_STREAM_BYTES:,} bytes; save it to a file first")
        file, size = kept, kept.tell()
    if size == 0:
        raise AudioError(f"{name} is empty: it has 0 bytes; get the sound again")
    file.seek(0)
    return cast(BinaryIO, file)
