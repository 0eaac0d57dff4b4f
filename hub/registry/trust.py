"""`models.lock`: the full digests of files whose manifest entry gives only the beginning of one, or none.

Such a file is refused until somebody says that its first download may be trusted. The digest found then is written
here, and from then on it binds like one from the manifest. The lock lies in the present folder if there is one (a
project's own), and else in NUMZOO_HOME. It is JSON: `{"schema": 1, "files": {"<prefix>-<bytes>": {"name", "sha256",
"bytes"}}}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from numzoo.hub import settings
from numzoo.hub.errors import FormatError, IntegrityError, StorageError
from numzoo.hub.registry.record import FileRecord, check_sha256
from numzoo.hub.store.cache import storage

__all__ = ["lock_path", "locked", "remember"]

_NAME = "models.lock"
_SCHEMA = 1
_PATIENCE_SECONDS = 10.0


def lock_path(home: Path | None = None) -> Path:
    """The lock that counts: the present folder's if it has one, or else that of the store at `home`."""
    here = Path.cwd() / _NAME
    return here if here.is_file() else (settings.home() if home is None else home) / _NAME


def locked(record: FileRecord, home: Path | None = None) -> FileRecord:
    """The record with its full digest, if the lock has it; otherwise the record as it is.

    Raises FormatError for a lock that cannot be read, and IntegrityError for one that contradicts the manifest.
    """
    if record.sha256 is not None:
        return record
    path = lock_path(home)
    found = _read(path)["files"].get(_key(record))
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
    with storage(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(path) as file:
            content = _read(path)
            before = content["files"].get(_key(record))
            if before is not None and (known := _entry(before, record, path)[0]) != sha256:
                raise IntegrityError(
                    f"{record.label} has sha256 {sha256}, but {path} locks {known}. The file has changed since it was "
                    f"first trusted. If the change is meant, remove its entry from {path}."
                )
            content["files"][_key(record)] = {"name": record.name, "sha256": sha256, "bytes": size}
            content["files"] = dict(sorted(content["files"].items()))
            file.write(json.dumps(content, indent=2).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return path


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[Any]:
    """The next version of `path`, which nobody else can be writing; it takes the place of the old one at the end.

    Making the file is what excludes others, and the rename ends it; one that a dead process left is removed.
    """
    new = path.with_name(f"{path.name}.new")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            file = open(new, "xb")  # noqa: SIM115
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise StorageError(
                    f"{new} is there, so another process seems to be writing {path.name}. Delete it if none is."
                ) from None
            with contextlib.suppress(FileNotFoundError):
                if time.time() - new.stat().st_mtime > _PATIENCE_SECONDS:
                    new.unlink()
            time.sleep(0.02)
    try:
        with file:
            yield file
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any]:
    try:
        with storage(f"read {path}"):
            content = json.loads(path.read_bytes())
    except StorageError as problem:
        if isinstance(problem.__cause__, FileNotFoundError):
            return {"schema": _SCHEMA, "files": {}}
        raise
    except (ValueError, RecursionError) as problem:
        raise FormatError(f"{path} is not JSON: {problem}. Mend it, or delete it and trust its files anew.") from None
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA or not isinstance(content.get("files"), dict):
        raise FormatError(f'{path} is not a lock of schema {_SCHEMA}: it needs "schema": {_SCHEMA} and "files".')
    return content


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
