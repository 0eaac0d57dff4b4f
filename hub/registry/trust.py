"""Trust on first use: the full digests of files whose manifest entry gives only the beginning of one, or none.

Such a file is refused until somebody says that its first download may be trusted. The digest found then is written
into `models.lock` (`hub/locking`), below "files", and from then on it binds like one from the manifest. The lock is that of
the project around the present folder if it has one, and else that of NUMZOO_HOME.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from numzoo.hub.errors import FormatError, IntegrityError
from numzoo.hub.locking import document
from numzoo.hub.locking.pins import pinned
from numzoo.hub.locking.place import lock_path
from numzoo.hub.locking.writing import change_lock
from numzoo.hub.registry.record import FileRecord, check_sha256

__all__ = ["lock_path", "locked", "remember"]


def locked(record: FileRecord, home: Path | None = None) -> FileRecord:
    """The record as the lock holds it: by its entry's name, or with the full digest that was trusted at first use.

    Raises FormatError for a lock that cannot be read, and IntegrityError for one that contradicts the manifest.
    """
    record = pinned(record, home)
    if record.sha256 is not None:
        return record
    path = lock_path(home)
    found = document.read(path).get("files", {}).get(_key(record))
    if found is None:
        return record
    digest, size = _entry(found, record, path)
    return replace(record, sha256=digest, bytes=size)


def remember(record: FileRecord, sha256: str, size: int, home: Path | None = None) -> Path:
    """Write the digest and the size in bytes of a file that was trusted at first use; give the lock's path.

    Raises IntegrityError if another digest was locked in the meantime, and StorageError if the lock cannot be written.
    """
    check_sha256(sha256)
    path = lock_path(home)

    def add(content: dict[str, Any]) -> None:
        files = content.setdefault("files", {})
        before = files.get(_key(record))
        if before is not None and (known := _entry(before, record, path)[0]) != sha256:
            raise IntegrityError(
                f"{record.label} has sha256 {sha256}, but {path} locks {known}. The file has changed since it was "
                f"first trusted. If the change is meant, remove its entry from {path}."
            )
        files[_key(record)] = {"name": record.name, "sha256": sha256, "bytes": size}

    change_lock(path, add)
    return path


def _entry(entry: Any, record: FileRecord, path: Path) -> tuple[str, int]:
    try:
        digest, size = check_sha256(entry["sha256"]), entry["bytes"]
        if type(size) is not int or size < 0:
            raise ValueError(size)
    except (TypeError, KeyError, ValueError):
        raise FormatError(f"{path} has a damaged entry for {record.label}: it needs a sha256 and bytes.") from None
    if not digest.startswith(record.sha256_prefix or "") or record.bytes not in (None, size):
        raise IntegrityError(
            f"{path} locks {record.label} to sha256 {digest} and {size} bytes, but in the manifest it begins with "
            f"{record.sha256_prefix or 'anything'} and has {record.bytes} bytes."
        )
    return digest, size


def _key(record: FileRecord) -> str:
    known = record.sha256_prefix or record.key
    return known if record.bytes is None else f"{known}-{record.bytes}"
