"""The digests of a file's chunks, computed when an entry is made: what lets a download be judged as it comes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from numzoo.hub.errors import IntegrityError, NotFoundError, UsageError
from numzoo.hub.registry.record import Chunks
from numzoo.hub.store.cache import storage

__all__ = ["chunk_digests", "chunk_size"]

_SMALLEST, _LARGEST = 4 << 20, 32 << 20
_MANY = 64
_BLOCK = 1 << 20


def chunk_size(size: int) -> int:
    """How long the chunks of a file of `size` bytes should be: 4 MiB, doubled (up to 32) while there were over 64."""
    chunk = _SMALLEST
    while chunk < _LARGEST and size > _MANY * chunk:
        chunk *= 2
    return chunk


def chunk_digests(path: str | os.PathLike[str], size: int | None = None) -> Chunks:
    """The sha256 of every `size` bytes of a file (`chunk_size` of its length if None), in order.

    Raises NotFoundError without such a file, UsageError for a size that is none or an empty file, IntegrityError for a
    file that changes meanwhile, and StorageError from the disk.
    """
    if size is not None and size < 1:
        raise UsageError(f"A chunk size is a positive number of bytes, but {size} was given.")
    path = Path(path)
    with storage(f"read {path}", elsewhere=True):
        try:
            file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise NotFoundError(f"There is no file {path}.") from None
        with file:
            length = os.fstat(file.fileno()).st_size
            if length == 0:
                raise UsageError(f"{path} is empty, so it has no chunks.")
            size = size or chunk_size(length)
            digests = []
            for start in range(0, length, size):
                hasher, left = hashlib.sha256(), min(size, length - start)
                while left and (block := file.read(min(_BLOCK, left))):
                    hasher.update(block)
                    left -= len(block)
                if left:
                    break
                digests.append(hasher.hexdigest())
            if len(digests) != -(-length // size) or file.read(1):
                raise IntegrityError(f"{path} changed while it was read. Try again when nobody writes it.")
    return Chunks(size, tuple(digests))
