"""Making the store hold what a lock names: everything fetched and verified, and on request nothing else kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.errors import NotFoundError, OfflineError, UsageError
from numzoo.hub.locking.document import Locked, entries, read
from numzoo.hub.locking.pins import file_record, pinned
from numzoo.hub.locking.relock import entry_for
from numzoo.hub.registry.names import Registry

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch
    from numzoo.hub.registry.record import FileRecord
    from numzoo.hub.store.cache import Cache, Entry

__all__ = ["missing", "superfluous", "sync", "wanted_files"]


def wanted_files(path: Path, names: Sequence[str], registry: Registry) -> list[FileRecord]:
    """The records of all files that the lock at `path` names, or of those of `names` alone.

    Sources and chunk digests come from the registry where it knows the entry. Raises NotFoundError for a name that is not
    locked, and IntegrityError where the registry says another digest under a locked name.
    """
    known = entries(path, needed=True)
    chosen: dict[str, Locked] = {}
    for name in names or known:
        entry = entry_for(name, known)
        if entry is None:
            raise NotFoundError(f"{path} does not lock {name!r}. `numzoo lock {name}` adds it.")
        chosen[entry.name] = entry
    return [record for entry in chosen.values() for record in _records(entry, registry)]


def sync(files: Sequence[FileRecord], fetch: Fetch) -> list[Path]:
    """Fetch and verify every file; give their paths. Licences are looked at before the first byte, and when offline all
    that is missing is named at once (OfflineError)."""
    from numzoo.hub import settings

    absent = missing(files)
    if absent and (settings.offline() if fetch.offline is None else fetch.offline):
        names = ", ".join(f"{file.owner} ({file.label})" for file in absent)
        raise OfflineError(f"{len(absent)} of {len(files)} files are not here, and this is offline: {names}.")
    return fetch.paths(files)


def missing(files: Iterable[FileRecord]) -> list[FileRecord]:
    """Those of the files that are neither in the store nor inside the package."""
    from numzoo.hub.download.embedded import embedded_path
    from numzoo.hub.store.cache import Cache

    store = Cache()
    return [f for f in files if embedded_path(f) is None and (f.sha256 is None or not store.has(f.sha256))]


def superfluous(path: Path, cache: Cache) -> list[Entry]:
    """The blobs of the store that the lock at `path` does not name."""
    trusted = read(path).get("files", {}).values()
    named = {file.sha256 for entry in entries(path, needed=True).values() for file in entry.files}
    named |= {fields["sha256"] for fields in trusted if isinstance(fields, dict) and "sha256" in fields}
    return [blob for blob in cache.entries() if blob.sha256 not in named]


def _records(entry: Locked, registry: Registry) -> list[FileRecord]:
    try:
        known = {file.name: file for file in registry.files(entry.name)}
    except (NotFoundError, UsageError):
        return [file_record(entry, file.name, registry.manifest.base) for file in entry.files]
    records = []
    for file in entry.files:
        record = known.get(file.name)
        if record is None:
            record = file_record(entry, file.name, registry.manifest.base)
        records.append(pinned(record))
    for name, record in known.items():
        if entry.file(name) is None:
            pinned(record)  # raises: the registry lists a file that the lock does not have
    return records
