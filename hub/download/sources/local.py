"""`file:` sources: a file on this machine, copied into the store and hashed on the way.

It is copied and never linked, because somebody may yet write to the original.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from numzoo.hub.errors import IntegrityError, NotFoundError, StorageError, UsageError

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Order
    from numzoo.hub.store.parts import Part

__all__ = ["copy", "fetch"]

_BLOCK = 1 << 20


def fetch(address: str, part: Part, order: Order) -> None:
    """Copy the file of a `file:` source to the part."""
    copy(_path(address, order.folder), part, order.size)


def copy(path: Path, part: Part, size: int | None) -> None:
    """Copy one regular file to the part; `size` is the number of bytes that it should have, if known."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"There is no file {path}.") from None
    except OSError as problem:
        raise StorageError(f"Could not open {path}: {problem.strerror}. Check who may read it.") from problem
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise IntegrityError(f"{path} is not a regular file.")
        if size is not None and status.st_size != size:
            raise IntegrityError(f"{path} has {status.st_size} bytes, but {size} were expected.")
        part.check_space(part.origin + status.st_size)
        part.pour(_blocks(descriptor, path))
    finally:
        os.close(descriptor)


def _blocks(descriptor: int, path: Path) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(descriptor, _BLOCK)
        except OSError as problem:
            raise StorageError(f"Could not read {path}: {problem.strerror}.") from problem
        if not block:
            return
        yield block


def _path(address: str, folder: Path) -> Path:
    text = address.partition(":")[2]
    if text.startswith("//"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost"):
            raise UsageError(f"{address!r} names the machine {parts.netloc}; a file: source is on this one.")
        text = unquote(parts.path)
    if "\0" in text:
        raise UsageError(f"{address!r} is not a path.")
    return folder / Path(text).expanduser()
