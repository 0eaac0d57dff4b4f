"""The size cap: blobs that were not used for longest go first, until the rest fits.

Nothing here locks anything. A process that has a blob open keeps its bytes, whatever becomes of the name; one that
finds the name gone fetches the file again. What is never evicted: what this process has used, what anybody has used in
the last minute, and what the project's `models.lock` names.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from numzoo.hub.errors import StorageError
from numzoo.hub.store import uses

if TYPE_CHECKING:
    from numzoo.hub.store.cache import Cache, Entry

__all__ = ["evict", "excess", "pinned"]

GRACE_SECONDS = 60.0
"""What was used so recently is likely to be needed by a command that still runs."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def evict(cache: Cache, limit: int) -> list[Entry]:
    """Delete what `excess` names and give it. What cannot be deleted, or has been used by now, stays."""
    gone = []
    for entry, used in excess(cache, limit):
        if uses.last_used(cache.refs, entry.sha256, entry.written) > used:
            continue
        try:
            cache.remove(entry.sha256)
        except StorageError:
            continue
        gone.append(entry)
    return gone


def excess(cache: Cache, limit: int) -> list[tuple[Entry, float]]:
    """The blobs to delete so that the rest has at most `limit` bytes, each with its last use, the oldest first.

    They may be too few, where what must stay is more than the limit.
    """
    entries = list(cache.entries())
    over = sum(entry.bytes for entry in entries) - limit
    if over <= 0:
        return []
    locked = pinned()
    if locked is None:
        return []
    kept = uses.held(cache.refs) | locked
    newest = time.time() - GRACE_SECONDS
    aged = ((entry, uses.last_used(cache.refs, entry.sha256, entry.written)) for entry in entries)
    chosen: list[tuple[Entry, float]] = []
    for entry, used in sorted(aged, key=lambda pair: pair[1]):
        if over <= 0 or used > newest:
            break
        if entry.sha256 not in kept:
            chosen.append((entry, used))
            over -= entry.bytes
    return chosen


def pinned() -> set[str] | None:
    """The digests that the project's `models.lock` names, wherever in it; None where it cannot be read.

    The store's own lock is left out: it only remembers what was trusted once.
    """
    from numzoo.hub.locking.place import named_lock, project_lock

    path = named_lock() or project_lock()
    try:
        document = {} if path is None else json.loads(path.read_bytes())
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, RecursionError):
        return None  # Whoever needs it will say what is wrong with it.
    return {text for text in _texts(document) if _DIGEST.fullmatch(text)}


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each
