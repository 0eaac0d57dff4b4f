"""What is computed of a file while it is written: its sha256, and its md5 where nothing better tells it from another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numzoo.hub.registry.record import FileRecord

__all__ = ["FileHasher"]


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
