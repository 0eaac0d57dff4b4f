"""Whether a data set's files are as they were fetched and unpacked, and how they are removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from numzoo.hub.download.data import where
from numzoo.hub.download.embedded import embedded_path
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import IntegrityError
from numzoo.hub.registry import trust
from numzoo.hub.store import unpacked
from numzoo.hub.store.cache import Cache

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress
    from numzoo.hub.registry.record import FileRecord

__all__ = ["check", "forget", "kept"]


def check(
    file: FileRecord,
    *,
    repair: bool = False,
    offline: bool = False,
    progress: Progress | Literal[False] | None = None,
) -> str:
    """Hash a file of a data set anew and compare what was unpacked from it; give what was found.

    That is "ok", "unpacked" (the archive itself is gone, so what was unpacked from it cannot be compared), "absent" or,
    with `repair`, "repaired". Nothing is fetched but for a repair. Raises IntegrityError for what is wrong otherwise.
    """
    cache = Cache()
    if embedded_path(file) is not None:
        Fetch(offline=True).verify(file)
        return "ok"
    known = trust.locked(file, cache.root)
    if known.sha256 is None:
        return "absent"
    tree = where(known) if known.unpack is not None else None
    if not cache.has(known.sha256):
        return "absent" if tree is None else "unpacked"
    try:
        with cache.open_verified(known.sha256, known.bytes, remember=False) as packed:
            if tree is not None:
                unpacked.compare(cache, known, packed)
        return "ok"
    except IntegrityError:
        if not repair:
            raise
    _make_anew(cache, known, Fetch(True if offline else None, progress=progress))
    return "repaired"


def kept(file: FileRecord, *, packed: bool, unpacked: bool) -> Iterator[tuple[str, Path, int]]:
    """What the store holds of a file: ("packed" or "unpacked", where, how many bytes)."""
    cache = Cache()
    known = trust.locked(file, cache.root)
    if known.sha256 is None or embedded_path(file) is not None:
        return
    if packed and cache.has(known.sha256):
        path = cache.path(known.sha256)
        yield "packed", path, path.lstat().st_size
    if unpacked and known.unpack is not None and os.path.lexists(folder := _place(cache, known)):
        yield "unpacked", folder, sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def forget(file: FileRecord, what: str) -> int:
    """Remove what `kept` has told of, and give the number of bytes that were freed."""
    cache = Cache()
    known = trust.locked(file, cache.root)
    return unpacked.remove(cache, known) if what == "unpacked" else cache.remove(str(known.sha256))


def _place(cache: Cache, file: FileRecord) -> Path:
    return unpacked.place(cache, file)


def _make_anew(cache: Cache, file: FileRecord, fetch: Fetch) -> None:
    try:
        cache.open_verified(str(file.sha256), file.bytes, remember=False).close()
    except IntegrityError:
        cache.set_aside(str(file.sha256))
    packed, sha256 = fetch.open(file)
    with packed:
        if file.unpack is not None:
            unpacked.remove(cache, file)
            unpacked.make(cache, replace(file, sha256=sha256), packed)
