"""The configuration file, the cache, its limit, and the disk that it lies on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from numzoo.hub import configuration, settings
from numzoo.hub.doctor.finding import Finding
from numzoo.hub.errors import HubError
from numzoo.hub.quantities import size_text
from numzoo.hub.store import eviction
from numzoo.hub.store.cache import Cache

__all__ = ["cache", "configured", "disk", "file_system"]

_LITTLE_SPACE = 1 << 30
_FLEETING = {"tmpfs": "memory", "ramfs": "memory", "overlay": "a container's own layer"}


def configured() -> Iterator[Finding]:
    """Can the configuration file be read, where there is one?"""
    place = configuration.path()
    try:
        configuration.read()
    except HubError as problem:
        yield Finding("configuration", "fail", str(problem), f"Mend {place}, or move it away.", problem.exit_code)
        return
    yield Finding("configuration", "ok", str(place) if place.exists() else f"none at {place}")


def cache() -> Iterator[Finding]:
    """May the cache be written, what does it hold, and is that within its limit?"""
    store = Cache()
    chosen = " (NUMZOO_HOME)" if os.environ.get("NUMZOO_HOME") else ""
    try:
        entries = list(store.entries())
    except HubError as problem:
        yield Finding(
            "cache", "fail", str(problem), "Set NUMZOO_HOME to a folder that you may read.", problem.exit_code
        )
        return
    detail = f"{store.root}{chosen}: {len(entries)} files, {size_text(sum(entry.bytes for entry in entries))}"
    refused = _refusal(_existing(store.root))
    if refused is None:
        yield Finding("cache", "ok", detail)
    else:
        mend = "Set NUMZOO_HOME to a folder that you may write."
        if entries:
            yield Finding("cache", "warn", f"{detail}; nothing can be added: {refused}", mend)
        else:
            yield Finding("cache", "fail", f"{store.root}{chosen}: {refused}", mend, 8)
    yield from _limit(eviction.size(store))


def disk() -> Iterator[Finding]:
    """Is there room for more?"""
    free = shutil.disk_usage(_existing(Cache().root)).free
    if free < _LITTLE_SPACE:
        mend = "Free some space (`numzoo cache prune`), or set NUMZOO_HOME to another disk."
        yield Finding("disk", "warn", f"{size_text(free)} free", mend)
    else:
        yield Finding("disk", "ok", f"{size_text(free)} free")


def file_system() -> Iterator[Finding]:
    """What kind of file system the cache lies on, where Linux tells."""
    kind = _kind(_existing(Cache().root))
    if kind is None:
        return
    if kind in _FLEETING:
        mend = "Set NUMZOO_HOME to a folder that stays (a volume, in a container)."
        yield Finding("file system", "warn", f"{kind}: {_FLEETING[kind]}, which does not last", mend)
    else:
        shares = " (shares blocks with other caches)" if kind in {"btrfs", "xfs", "bcachefs"} else ""
        yield Finding("file system", "ok", f"{kind}{shares}; no locks are needed")


def _limit(held: int) -> Iterator[Finding]:
    try:
        limit = settings.cache_limit()
    except HubError as problem:
        if os.environ.get("NUMZOO_CACHE_LIMIT"):  # the file's own finding tells of the file
            mend = "Set NUMZOO_CACHE_LIMIT to a size such as 20GB, or to none."
            yield Finding("cache limit", "fail", str(problem), mend, problem.exit_code)
        return
    if limit is None:
        yield Finding("cache limit", "ok", "none (NUMZOO_CACHE_LIMIT=20GB would set one)")
    elif held > limit:
        detail = f"{size_text(held)} of {size_text(limit)} are used"
        yield Finding("cache limit", "warn", detail, "numzoo cache prune")
    else:
        yield Finding("cache limit", "ok", f"{size_text(held)} of {size_text(limit)} are used")


def _existing(root: Path) -> Path:
    return next(folder for folder in (root, *root.parents) if folder.exists())


def _refusal(folder: Path) -> str | None:
    """Why a file could not be written, flushed and renamed in `folder`, or None. Nothing is left behind."""
    made: list[str] = []
    try:
        for _ in range(2):
            descriptor, name = tempfile.mkstemp(prefix=".numzoo-doctor-", dir=folder)
            made.append(name)
            with open(descriptor, "wb") as file:
                file.write(b"numzoo")
                file.flush()
                os.fsync(file.fileno())
        os.replace(*made)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        for name in made:
            with contextlib.suppress(OSError):
                os.unlink(name)
    return None


def _kind(folder: Path) -> str | None:
    """The type of the file system that holds `folder`, after Linux's table of mounts."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    path = folder.resolve()
    best: tuple[str, str | None] = ("", None)
    for line in lines:
        fields, _, rest = line.partition(" - ")
        place = fields.split(" ")[4].encode().decode("unicode_escape")
        if (path == Path(place) or Path(place) in path.parents) and len(place) >= len(best[0]):
            best = (place, rest.split(" ")[0])
    return best[1]
