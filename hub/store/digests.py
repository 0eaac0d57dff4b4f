"""What is computed of a file while it is written: its sha256, and its md5 where nothing better tells it from another."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from numzoo.hub.registry.record import FileRecord

__all__ = ["BesideHasher", "FileHasher"]

_WORTH_A_THREAD = 1 << 15


class FileHasher:
    """The digests of all that `update` was given, as the record asks for them."""

    def __init__(self, record: FileRecord) -> None:
        wants_md5 = record.sha256 is None and record.md5 is not None
        self._sha256 = hashlib.sha256()
        self._md5: Any = hashlib.md5(usedforsecurity=False) if wants_md5 else None

    def update(self, block: bytes | memoryview) -> None:
        """Take more bytes."""
        self._sha256.update(block)
        if self._md5 is not None:
            self._md5.update(block)

    def hexdigest(self) -> str:
        """The sha256 so far."""
        return self._sha256.hexdigest()

    def md5(self) -> str:
        """The md5 so far, or nothing where it is not asked for."""
        return "" if self._md5 is None else str(self._md5.hexdigest())

    def copy(self) -> FileHasher:
        """The same digests, to go on from here apart."""
        twin = object.__new__(FileHasher)
        twin._sha256 = self._sha256.copy()
        twin._md5 = None if self._md5 is None else self._md5.copy()
        return twin


class BesideHasher:
    """A FileHasher, or a hash of hashlib, that works in a thread of its own, one block behind whoever writes: hashing releases Python's lock.

    A block that was given may not change afterwards.
    """

    def __init__(self, hasher: Any) -> None:
        self._hasher = hasher
        self._working: Future[None] | None = None

    def update(self, block: bytes | memoryview) -> None:
        """Take more bytes; what was given before is finished first."""
        self._finish()
        if len(block) < _WORTH_A_THREAD:
            self._hasher.update(block)
        else:
            self._working = _threads().submit(self._hasher.update, block)

    def hexdigest(self) -> str:
        """The sha256 so far."""
        self._finish()
        return str(self._hasher.hexdigest())

    def md5(self) -> str:
        """The md5 so far, or nothing where it is not asked for."""
        self._finish()
        return str(self._hasher.md5())

    def copy(self) -> BesideHasher:
        """The same digests, to go on from here apart."""
        self._finish()
        return BesideHasher(self._hasher.copy())

    def _finish(self) -> None:
        if self._working is not None:
            self._working.result()
            self._working = None


@lru_cache(maxsize=1)
def _threads() -> Executor:
    from concurrent.futures import ThreadPoolExecutor

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_threads.cache_clear)  # A child has none of its parent's threads.
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="numzoo-hash")
