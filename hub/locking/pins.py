"""What a lock does to a load: a locked name means the locked entry, and its files the locked digests."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.errors import IntegrityError, LockWarning, NotFoundError
from numzoo.hub.locking.document import Locked, entries
from numzoo.hub.locking.place import lock_path, named_lock
from numzoo.hub.registry.lineage import follow
from numzoo.hub.registry.record import FileRecord

if TYPE_CHECKING:
    from numzoo.hub.registry.layered import Layered
    from numzoo.hub.registry.manifest import Manifest

__all__ = ["file_record", "held", "locked_entries", "pinned", "unpinned"]

_UNPINNED: ContextVar[bool] = ContextVar("numzoo unpinned", default=False)
_SAFE_SOURCES = ("https:", "http:", "hf:", "file:")


def locked_entries(home: Path | None = None) -> tuple[dict[str, Locked], Path]:
    """The entries of the lock that counts now, and its path. NotFoundError for a named lock that is not there."""
    path = lock_path(home)
    return entries(path, needed=named_lock() is not None), path


def held(asked: str, now: str, manifest: Manifest | Layered) -> str:
    """The full name that `asked` means: by the lock, or else `now`, which is what the registry says.

    A LockWarning says so where the registry's default has moved, or where it calls the locked entry otherwise by now.
    Raises NotFoundError if the registry lacks what the lock holds, and IntegrityError if its new name has other bytes.
    """
    if asked == now:
        return now
    known, path = locked_entries()
    entry = known.get(asked) or next((entry for entry in known.values() if asked in entry.names), None)
    if entry is None or entry.name == now:
        return now
    full = follow(entry.name, manifest.aliases)
    model, _, tag = full.partition(".")
    upgrade = f"`numzoo lock {asked} --upgrade`"
    if tag not in manifest.tags.get(model, ()):
        raise NotFoundError(
            f"{path} locks {asked} to {entry.name}, which the registry does not have any more; it says {now}. "
            f"{upgrade} takes that."
        )
    if full == entry.name:
        said = f"{path} locks {asked} to {full}; the registry's default is {now} by now ({upgrade} takes it)."
    else:
        locked = {file.sha256 for file in entry.files}
        if any(file.sha256 not in locked for file in manifest.entry(full).files):
            raise IntegrityError(
                f"The registry calls {entry.name} {full} by now, with other files than {path} locks. {_alarm(asked)}"
            )
        said = f"{path} locks {asked} to {entry.name}, which the registry calls {full} by now ({upgrade})."
    warnings.warn(said, LockWarning, stacklevel=4)
    return full


@contextlib.contextmanager
def unpinned() -> Iterator[None]:
    """Within this, locked entries are not held to: for writing them anew."""
    token = _UNPINNED.set(True)
    try:
        yield
    finally:
        _UNPINNED.reset(token)


def pinned(file: FileRecord, home: Path | None = None) -> FileRecord:
    """The record as the lock holds it: with its digest and size, and its sources after the registry's own.

    A file whose entry is not locked stays as it is. Raises IntegrityError where the registry says another digest under the
    same name, or lists a file that the lock does not have: the same name must not come to mean other bytes in silence.
    """
    if not file.owner or _UNPINNED.get():
        return file
    known, path = locked_entries(home)
    entry = known.get(file.owner)
    if entry is None:
        return file
    lock = entry.file(file.name)
    if lock is None:
        raise IntegrityError(
            f"The registry lists the file {file.name} for {file.owner}, but {path} locks that name without it. "
            f"{_alarm(file.owner)}"
        )
    if not lock.sha256.startswith(file.sha256 or file.sha256_prefix or "") or (
        None not in (file.bytes, lock.bytes) and file.bytes != lock.bytes
    ):
        said = file.sha256 or f"{file.sha256_prefix or ''}..."
        raise IntegrityError(
            f"The registry says that {file.label} of {file.owner} has sha256 {said} and {file.bytes} bytes, but {path} "
            f"locks sha256 {lock.sha256} and {lock.bytes} bytes. {_alarm(file.owner)}"
        )
    size = lock.bytes if file.bytes is None else file.bytes
    return replace(file, sha256=lock.sha256, bytes=size, sources=(*file.sources, *_more_sources(file, lock.sources)))


def file_record(entry: Locked, name: str, base: str = "") -> FileRecord:
    """The record of one file of a locked entry, from the lock alone, for a registry that does not know it any more.

    Only sources that are plain transfers are used: a lock may come with somebody else's project, and a package index's
    own programs need not be started because of it.
    """
    file = entry.file(name)
    assert file is not None, name
    return FileRecord(
        file.sha256,
        bytes=file.bytes,
        sources=tuple(source for source in file.sources if source.startswith(_SAFE_SOURCES)),
        name=file.name,
        base=base,
        owner=entry.name,
        license=entry.license,
    )


def _more_sources(file: FileRecord, locked: tuple[str, ...]) -> list[str]:
    return [source for source in locked if source not in file.sources and source.startswith(_SAFE_SOURCES)]


def _alarm(name: str) -> str:
    return (
        f"Somebody has changed what {name} means: nothing was fetched. If you have found out that the change is meant, "
        f"say `numzoo lock {name} --upgrade`."
    )
