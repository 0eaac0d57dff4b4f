"""The size cap: unpacked data sets go first, then blobs, those that were not used for longest first, until the rest fits.

What was unpacked can be unpacked again from its blob, or fetched with it. Nothing here locks anything. A process that has a
blob open keeps its bytes, whatever becomes of the name; one that finds the name gone fetches the file again. What is never
evicted: what this process has used, what anybody has used in the last minute, unpacked folders of processes that live, and
what the project's `models.lock` names.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

from numzoo.hub.errors import StorageError
from numzoo.hub.store import unpacked, uses
from numzoo.hub.store.cache import Cache, Entry

__all__ = ["Held", "delete", "evict", "excess", "pinned", "size"]

Held: TypeAlias = "Entry | unpacked.Tree"

GRACE_SECONDS = 60.0
"""What was used so recently is likely to be needed by a command that still runs."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def size(cache: Cache) -> int:
    """What the limit is for: the bytes of all blobs and of all unpacked data sets."""
    return cache.size() + sum(tree.bytes for tree in unpacked.trees(cache))


def evict(cache: Cache, limit: int) -> list[Held]:
    """Delete what `excess` names and give it. What cannot be deleted, or has been used by now, stays."""
    gone: list[Held] = []
    for each, used in excess(cache, limit):
        if _last_used(cache, each) > used or _is_needed(cache, each):
            continue
        try:
            delete(cache, each)
        except StorageError:
            continue
        gone.append(each)
    return gone


def delete(cache: Cache, each: Held) -> int:
    """Delete one blob or unpacked folder, and give the number of bytes that were freed."""
    return cache.remove(each.sha256) if isinstance(each, Entry) else unpacked.remove_tree(cache, each.path)


def excess(cache: Cache, limit: int) -> list[tuple[Held, float]]:
    """What to delete so that the rest has at most `limit` bytes, each with its last use, in the order of going.

    It may be too little, where what must stay is more than the limit.
    """
    held: list[Held] = [*unpacked.trees(cache), *cache.entries()]
    over = sum(each.bytes for each in held) - limit
    if over <= 0:
        return []
    locked = pinned()
    if locked is None:
        return []
    newest = time.time() - GRACE_SECONDS
    aged = [(each, _last_used(cache, each)) for each in held]
    chosen: list[tuple[Held, float]] = []
    for each, used in sorted(aged, key=lambda pair: (isinstance(pair[0], Entry), pair[1])):
        if over <= 0:
            break
        if used <= newest and each.sha256 not in locked and not _is_needed(cache, each):
            chosen.append((each, used))
            over -= each.bytes
    return chosen


def _key(each: Held) -> str:
    return each.sha256 if isinstance(each, Entry) else each.key


def _last_used(cache: Cache, each: Held) -> float:
    return uses.last_used(cache.refs, _key(each), each.written)


def _is_needed(cache: Cache, each: Held) -> bool:
    if isinstance(each, Entry):
        return each.sha256 in uses.held(cache.refs)
    return uses.is_needed(cache.refs, each.key)


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
