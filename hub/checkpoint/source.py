"""The bytes of a checkpoint: one mapping of the very file that was opened, private and writable unless it is asked to be
read-only.

Arrays made on a writable mapping share its pages until somebody writes to them; a write stays in this process.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.errors import FormatError, HubError, NotFoundError, StorageError, UnsafeFileError, UsageError

__all__ = ["Folder", "Mapping", "Source", "find_in_folder", "map_descriptor", "open_source", "read_past"]


# How transformers and diffusers name the one checkpoint of a folder, or its index.
_STEMS = (("model", "safetensors"), ("pytorch_model", "bin"), ("diffusion_pytorch_model", "safetensors"))


class Source:
    """A window of bytes: `view` reads them in place, `copy` gives an aligned array of its own."""

    __slots__ = ("_descriptor", "_start", "folder", "size", "view")

    def __init__(
        self, view: memoryview, descriptor: int | None = None, start: int = 0, folder: Folder | None = None
    ) -> None:
        self.view = view
        self.size = len(view)
        self.folder = folder  # None for what lies inside another file, or was given as an open one
        self._descriptor = descriptor
        self._start = start

    def place(self) -> tuple[int | None, int]:
        """Give the descriptor behind the bytes, if they come from a file, and where in it they begin."""
        return self._descriptor, self._start

    def window(self, offset: int, size: int) -> Source:
        """Give `size` bytes at `offset` as a source of its own, without a copy."""
        return Source(self.view[offset : offset + size], self._descriptor, self._start + offset)

    def array(self, offset: int, size: int) -> NDArray[np.uint8]:
        """Give `size` bytes at `offset` as an array on the mapping."""
        return np.frombuffer(self.view, np.uint8, size, offset)

    def copy(self, offset: int, size: int) -> NDArray[np.uint8]:
        """Give `size` bytes at `offset` as a fresh array.

        The bytes are read past the mapping, so that they do not lie in memory twice.
        """
        fresh = np.empty(size, np.uint8)
        if self._descriptor is None or not hasattr(os, "preadv"):
            fresh[:] = self.array(offset, size)
            return fresh
        done = 0
        while done < size:
            try:
                count = os.preadv(self._descriptor, [fresh.data[done:]], self._start + offset + done)
            except OSError as error:
                raise StorageError(f"The file cannot be read: {error.strerror}.") from error
            if count == 0:
                raise FormatError("The file became shorter while it was read.")
            done += count
        return fresh


class Mapping(mmap.mmap):
    """A mapping that keeps a descriptor of its file, the one that was opened."""

    descriptor: int | None = None
    unwritten: int | None = None
    """The descriptor, while it is sure that nothing was written to the mapping: see ``read_past``."""

    def __del__(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


@contextlib.contextmanager
def read_past(arrays: Iterable[NDArray[Any]]) -> Iterator[None]:
    """Let the bytes of these arrays be read from their files within, past the mappings on which they lie.

    For arrays that nobody has written to since they were read from a checkpoint.
    """
    mappings = {id(base): base for base in map(_mapping_of, arrays) if base is not None}.values()
    for mapping in mappings:
        mapping.unwritten = mapping.descriptor
    try:
        yield
    finally:
        for mapping in mappings:
            mapping.unwritten = None


def _mapping_of(array: NDArray[Any]) -> Mapping | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    while isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, Mapping) else None


class Folder:
    """The folder of a checkpoint that names files beside it: they are opened by plain names, and closed together."""

    def __init__(self, path: str, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self.bytes = 0
        self._opened: list[BinaryIO] = []

    def open(self, name: str, who: str) -> Source:
        """Map the file `name` of the folder; `who` names it, for the message.

        A symbolic link is followed, since caches are made of them, but no name leads out of the folder.
        Errors: UnsafeFileError (a path in place of a name), FormatError (no such file), StorageError.
        """
        if not name or name in (".", "..") or any(mark in name for mark in "/\\\0:"):
            raise UnsafeFileError(f"{who} names the file {name[:100]!a}; wanted a plain name in its own folder.")
        path = os.path.join(self.path, name)
        try:
            source, opened, _ = open_source(path, writable=self.writable)
        except (NotFoundError, UsageError):
            raise FormatError(
                f"{who} lies in the file {name[:100]!a}, which is not in the folder {self.path}."
            ) from None
        if opened is not None:
            self._opened.append(opened)
        self.bytes += source.size
        return source

    def close(self) -> None:
        """Close what was opened; arrays that were mapped stay."""
        for opened in self._opened:
            opened.close()


def find_in_folder(folder: str) -> str:
    """Give the checkpoint of a folder, by the names that transformers gives: an index first, safetensors first.

    Raises UsageError where there is none.
    """
    for stem, ending in _STEMS:
        for name in (f"{stem}.{ending}.index.json", f"{stem}.{ending}"):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    raise UsageError(
        f"{folder} is a folder, and not a regular file; it holds neither model.safetensors nor pytorch_model.bin nor an "
        "index of them. Give the checkpoint's own path."
    )


def open_source(
    file: str | os.PathLike[str] | BinaryIO, *, writable: bool = True
) -> tuple[Source, BinaryIO | None, str]:
    """Map `file` from its first byte; give the source, what the caller must close afterwards, and a name for messages.

    An open file keeps its position and stays open; one without a descriptor (io.BytesIO) is read into memory.
    Errors: NotFoundError, StorageError (cannot be opened or mapped), UsageError (not a file), FormatError (empty).
    """
    if isinstance(file, (str, os.PathLike)):
        name = os.fspath(file)
        try:
            if os.path.isdir(name):
                name = find_in_folder(name)
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise UsageError(f"{name} is not a regular file; a checkpoint must be one.")
            opened = open(name, "rb")  # noqa: SIM115 (the caller closes it)
        except FileNotFoundError:
            raise NotFoundError(f"There is no file {name}.") from None
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{name!a} can be no file's name: {error}.") from None  # a NUL, or half a character
        except OSError as error:
            raise StorageError(f"{name} cannot be opened: {error.strerror}.") from error
        try:
            source = map_descriptor(opened.fileno(), name, writable=writable)
            source.folder = Folder(os.path.dirname(name), writable)
            return source, opened, name
        except BaseException:
            opened.close()
            raise
    if isinstance(file, io.TextIOBase) or not hasattr(file, "read"):
        raise UsageError(f"A checkpoint is read from a path or a file opened in binary mode, but {file!r} was given.")
    label = getattr(file, "name", None)
    name = label if isinstance(label, str) else "the open file"
    raw = getattr(file, "raw", file)
    try:
        if isinstance(raw, io.FileIO):
            if raw.writable():
                file.flush()
            return map_descriptor(raw.fileno(), name, writable=writable), None, name
        position = file.tell()
        file.seek(0)
        content = bytearray(file.read())
        file.seek(position)
    except HubError:
        raise
    except (OSError, ValueError) as error:  # a stream that cannot seek, a closed file
        raise UsageError(f"{name} cannot be read from its first byte: {error}.") from error
    if not content:
        raise FormatError(f"{name} is empty.")
    return Source(memoryview(content)), None, name


def map_descriptor(descriptor: int, name: str, *, writable: bool = True) -> Source:
    """Map the whole file behind `descriptor`, private and writable, or else read-only."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{name} is not a regular file; a checkpoint must be one.")
    if status.st_size == 0:
        raise FormatError(f"{name} is empty.")
    try:
        mapping: Any = Mapping(descriptor, 0, access=mmap.ACCESS_COPY if writable else mmap.ACCESS_READ)
        mapping.descriptor = os.dup(descriptor)
    except OSError as error:
        raise StorageError(f"{name} cannot be mapped: {error.strerror}.") from error
    return Source(memoryview(mapping), descriptor)
