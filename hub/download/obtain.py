"""From a record to a verified blob: the store, other programs' caches, then the sources in their order.

Whatever happens, a blob appears only whole and only with the right digest, and what was fetched so far is kept for the
next attempt, unless it was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub import settings
from numzoo.hub.download.progress import Progress
from numzoo.hub.errors import (
    HubError,
    IntegrityError,
    LicenseError,
    NetworkError,
    NotFoundError,
    OfflineError,
    StorageError,
    TrustError,
    UnsafeFileError,
    UsageError,
)
from numzoo.hub.registry import trust
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import Cache

if TYPE_CHECKING:
    from numzoo.hub.download.sources import Order, Patience
    from numzoo.hub.store.parts import Part

__all__ = ["Progress", "obtain"]

# The class of the error after all sources failed, by what any of them met: what may be over tomorrow comes first.
_GRAVITY = (NetworkError, OfflineError, UnsafeFileError, IntegrityError, LicenseError, NotFoundError, UsageError)
_LARGEST_SPAN = 32 << 20
_PACKAGE = "package:"


def obtain(
    file: FileRecord,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    trust_first_use: bool = False,
    refresh: bool = False,
    cache: Cache | None = None,
    patience: Patience | None = None,
    beside: Path | None = None,
) -> str:
    """Give the sha256 of the file's blob in the store, after fetching it if it is not there.

    A blob that is there is not hashed here: `Cache.open_verified` does that for whoever reads it. `refresh` hashes it,
    and fetches again what is wrong with it. Offline (or with NUMZOO_OFFLINE=1) no socket is opened and no program is
    started. `trust_first_use` accepts a file of which the manifest has not the full digest, and locks what it is.
    `beside` is a file of the person's own that is taken in place of any source.

    Raises TrustError for such a file otherwise, OfflineError, StorageError, or one error that lists what each source
    answered: NetworkError if any could not be reached, else IntegrityError if any gave wrong bytes, else LicenseError
    or NotFoundError.
    """
    cache = cache or Cache()
    file = trust.locked(file, cache.root)
    if file.sha256 is None and not trust_first_use:
        raise TrustError(
            f"The full sha256 of {file.label} is not known, {file.known}. To accept what comes first and lock it in "
            f"{trust.lock_path(cache.root)}, say --trust-first-use (trust_first_use=True)."
        )
    if file.sha256 is not None and cache.has(file.sha256):
        if not refresh or _intact(cache, file):
            return file.sha256
        cache.set_aside(file.sha256)
    if beside is not None:
        return _taken(cache, file, beside, progress)
    return _fetch(cache, file, offline or settings.offline(), progress, patience)


def _fetch(cache: Cache, file: FileRecord, offline: bool, progress: Progress | None, patience: Patience | None) -> str:
    from numzoo.hub.download.mirrors import mirrored
    from numzoo.hub.download.sources import Order, Patience, fetch
    from numzoo.hub.download.sources.web import SlowError
    from numzoo.hub.store.parts import Part

    settings.cache_limit()  # What is wrong with it is told before a download, not after it.
    if (found := _from_neighbours(cache, file)) is not None:
        return found
    file = replace(file, sources=mirrored(file.sources))
    attempts: dict[str, HubError] = {}
    # Without any digest a beginning from before could pass for the whole, or be another file's.
    with Part(cache, file, progress, adopt=file.checkable) as part:
        part.fill()
        if part.length and part.right():
            return _publish(cache, file, part)
        part.check_space()
        order = Order(file, cache, patience or Patience(), file.bytes, share=_may_share(file))
        for place, source in enumerate(file.sources, 1):
            order = replace(order, others=place < len(file.sources))
            while source not in attempts:
                try:
                    _deliver(part, file, partial(fetch, source, part, order, offline=offline))
                    return _publish(cache, file, part)
                except StorageError:
                    raise
                except SlowError:
                    attempts.update(_share(part, file, order, attempts))
                    if part.right():
                        return _publish(cache, file, part)
                    order = replace(order, share=False)
                except HubError as problem:
                    attempts[source] = problem
    raise _summary(file, attempts)


def _may_share(file: FileRecord) -> bool:
    """Whether several connections may serve one file: not below a rate limit, and not with spans that fill memory."""
    from numzoo.hub.download import throttle

    small = file.chunks is None or file.chunks.size <= _LARGEST_SPAN
    return file.bytes is not None and file.checkable and small and throttle.current() is None


def _share(part: Part, file: FileRecord, order: Order, failed: Collection[str]) -> dict[str, HubError]:
    """Fetch the rest from all sources on the web at once; give why each one failed that did for good."""
    from numzoo.hub.download.ranges import Mirror, NoRangesError, fetch_shared
    from numzoo.hub.download.sources import locate

    left = [source for source in file.sources if source not in failed]
    places = [(source, locate(source)) for source in left if not source.startswith(_PACKAGE)]
    mirrors = [Mirror(source, *place) for source, place in places if place is not None]
    fetch_shared(mirrors, part, order)
    if part.length == file.bytes and not part.right():
        part.begin()
        part.restart()  # Without chunk digests nobody can tell who lied: each has to give the whole file alone.
        return {}
    problems = {mirror.source: mirror.problem for mirror in mirrors if mirror.problem is not None}
    return {source: problem for source, problem in problems.items() if not isinstance(problem, NoRangesError)}


def _deliver(part: Part, file: FileRecord, run: Callable[[], None]) -> None:
    """Run one source; raise IntegrityError unless the part is the wanted file then."""
    before = part.length
    try:
        run()
        if not part.right() and part.inherited:
            # Bytes from before were wrong perhaps, and not this source's: it gets another chance, on its own.
            part.begin()
            part.restart()
            run()
        if not part.right():
            raise IntegrityError(_mismatch(part, file))
    except (IntegrityError, UnsafeFileError):
        if part.length != before and file.chunks is None:
            part.begin()
            part.restart()
        raise


def _publish(cache: Cache, file: FileRecord, part: Part) -> str:
    sha256 = part.publish(cache)
    if file.sha256 is None:
        trust.remember(file, sha256, part.length, cache.root)
    return sha256


def _from_neighbours(cache: Cache, file: FileRecord) -> str | None:
    """Take the file from another program's cache if it lies there and is right, as far as its digest is known."""
    if not file.checkable:
        return None
    from numzoo.hub.store import neighbours

    for path in neighbours.places(file):
        if neighbours.adopt(cache, file, path):
            return file.sha256
        if (found := _copied(cache, file, path)) is not None:
            return found
    return None


def _taken(cache: Cache, file: FileRecord, path: Path, progress: Progress | None) -> str:
    """Copy a file that the person has; raises IntegrityError where it is another one."""
    from numzoo.hub.download.sources import local
    from numzoo.hub.store.parts import Part

    with Part(cache, file, progress, adopt=False) as part:
        try:
            local.copy(path, part, file.bytes)
            if not part.right():
                raise IntegrityError(_mismatch(part, file))
            return _publish(cache, file, part)
        except HubError:
            part.discard()
            raise


def _copied(cache: Cache, file: FileRecord, path: Path) -> str | None:
    from numzoo.hub.download.sources import local
    from numzoo.hub.store.parts import Part

    with Part(cache, file, adopt=False) as part:
        try:
            local.copy(path, part, file.bytes)
            if part.right():
                return _publish(cache, file, part)
        except (IntegrityError, NotFoundError):
            pass  # Another file of that name, or gone by now.
        except StorageError:
            if part.length:
                raise  # It is the store that has no room, not the other cache that cannot be read.
        part.discard()
    return None


def _intact(cache: Cache, file: FileRecord) -> bool:
    try:
        cache.open_verified(str(file.sha256), file.bytes, remember=False).close()
    except (IntegrityError, NotFoundError):
        return False
    return True


def _mismatch(part: Part, file: FileRecord) -> str:
    if file.bytes is not None and part.length != file.bytes:
        return f"It has {part.length} bytes, but {file.bytes} were expected. Nothing of it was kept."
    if file.sha256 is None and file.sha256_prefix is None:
        return f"{file.label} has another md5 than {file.md5}, which the manifest gives. Nothing of it was kept."
    wanted = f"sha256 {file.sha256}" if file.sha256 else f"a sha256 that begins with {file.sha256_prefix}"
    return (
        f"{file.label} has sha256 {part.digest()}, but {wanted} was expected. Nothing of it was kept. Likely causes: "
        f"this source carries another version, something on the way changed the bytes, or the manifest is out of date."
    )


def _summary(file: FileRecord, attempts: dict[str, HubError]) -> HubError:
    """One error that lists every attempt."""
    if not attempts:
        return NotFoundError(f"{file.label} is not in the store, and its record names no source to fetch it from.")
    kinds = [type(problem) for problem in attempts.values()]
    kind = next((kind for kind in _GRAVITY if any(issubclass(found, kind) for found in kinds)), NetworkError)
    if kind is OfflineError:
        start = (
            f"{file.label} is not on this machine, and the network is switched off: fetch it once with the network on."
        )
    else:
        start = f"{file.label} could not be had from any of its sources."
    return kind("\n".join([start, *(f"  {source}: {problem}" for source, problem in attempts.items())]))
