"""When each blob and each unpacked folder was last used, and who needs it still: what eviction goes by.

    refs/used/<key>             empty; its time of modification is the last use
    refs/users/<key>.<owner>    empty; this process reads files of an unpacked folder (ownership.py names processes)

The key is a blob's digest, or the name of an unpacked folder. A process that has a blob open keeps its bytes; of a folder it
opens files whenever it likes, which is why others have to know of it. A use is one system call on a small file of its own. The
blob's own times stay as they are, because the notes of what was hashed (cache.py) go by them, and a file system's times of
access cannot be relied on.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from numzoo.hub.store.ownership import alive, owner

__all__ = ["USERS", "forget", "held", "hold", "is_needed", "last_used", "mark", "note"]

USERS = "users"
"""The folder of notes about processes."""

_HELD: set[tuple[Path, str]] = set()
_WEEK_SECONDS = 7 * 24 * 3600.0


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


def hold(refs: Path, key: str) -> None:
    """This process reads files of an unpacked folder from now on, until it ends. Where no note can be written, none is."""
    mark(refs, key)
    path = refs / USERS / f"{key}.{owner()}"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def is_needed(refs: Path, key: str) -> bool:
    """Whether a process that lives reads files of an unpacked folder, as far as can be known: of one on another machine that
    may be a week ago."""
    if (refs, key) in _HELD:
        return True
    with contextlib.suppress(OSError):
        for path in (refs / USERS).glob(f"{key}.*"):
            living = alive(path.name.partition(".")[2])
            with contextlib.suppress(OSError):
                if living or (living is None and time.time() - path.stat().st_mtime < _WEEK_SECONDS):
                    return True
    return False


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
        for path in (refs / USERS).glob(f"{sha256}.*"):
            path.unlink(missing_ok=True)
