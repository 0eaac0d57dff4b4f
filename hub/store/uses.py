"""When each blob was last used, and which of them this process needs: what eviction goes by.

    refs/used/<64 hex>          empty; its time of modification is the last use

A use is one system call on a small file of its own. The blob's own times stay as they are, because the notes of what
was hashed (cache.py) go by them, and a file system's times of access cannot be relied on.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["forget", "held", "last_used", "mark", "note"]

_HELD: set[tuple[Path, str]] = set()


def note(refs: Path, sha256: str) -> Path:
    """Where the last use of a blob is written down, in the store's folder of notes."""
    return refs / "used" / sha256


def mark(refs: Path, sha256: str) -> None:
    """The blob is used now, and this process may go on using it. Where no note can be written, none is."""
    _HELD.add((refs, sha256))
    path = note(refs, sha256)
    with contextlib.suppress(OSError):
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def last_used(refs: Path, sha256: str, written: float) -> float:
    """When the blob was last used, in seconds since the epoch; `written`, its own time, where no use is known."""
    try:
        return max(written, note(refs, sha256).stat().st_mtime)
    except OSError:
        return written


def held(refs: Path) -> set[str]:
    """The digests of all blobs of this store that this process has opened or published."""
    return {sha256 for store, sha256 in _HELD.copy() if store == refs}


def forget(refs: Path, sha256: str) -> None:
    """Remove the note of a blob that is gone."""
    with contextlib.suppress(OSError):
        note(refs, sha256).unlink(missing_ok=True)
