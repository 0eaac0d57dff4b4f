"""Which commit a repository's name meant when it was first used, and the digests of the files of it that were used since.

It stands in `models.lock` below "entries", under ``hf:OWNER/REPO@REVISION``. From there on the name means that commit and these bytes,
even when the branch has moved, and neither needs to be asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numzoo.hub.errors import FormatError, IntegrityError
from numzoo.hub.locking.pins import locked_entries
from numzoo.hub.locking.place import lock_path
from numzoo.hub.locking.writing import change_lock
from numzoo.hub.registry.record import check_sha256

__all__ = ["LockedRepository", "recall", "remember_file"]


@dataclass(frozen=True, slots=True)
class LockedRepository:
    """A commit, the licence (SPDX), and (sha256, bytes) of the files that are known by name."""

    commit: str
    license: str = ""
    files: dict[str, tuple[str, int | None]] = field(default_factory=dict)


def recall(key: str) -> LockedRepository | None:
    """What the lock has of a repository's name, or None. Raises FormatError for an entry without a commit."""
    known, path = locked_entries()
    entry = known.get(key)
    if entry is None:
        return None
    if len(entry.revision) != 40 or not set(entry.revision) <= set("0123456789abcdef"):
        raise FormatError(
            f"{path} locks {key} to the revision {entry.revision!r}; wanted the 40 hex digits of a commit."
        )
    files = {file.name: (file.sha256, file.bytes) for file in entry.files}
    return LockedRepository(entry.revision, entry.license, files)


def remember_file(key: str, commit: str, license: str, name: str, sha256: str, size: int) -> Path:
    """Write a file's digest into the lock; its path. Raises IntegrityError where another one was locked in the meantime."""
    check_sha256(sha256)
    repository = key.removeprefix("hf:").partition("@")[0]
    path = lock_path()

    def edit(content: dict[str, Any]) -> None:
        entry = content.setdefault("entries", {}).setdefault(key, {"revision": commit, "files": []})
        if license:
            entry.setdefault("license", license)
        known = {each["name"]: each["sha256"] for each in entry["files"]}
        if entry.get("revision") != commit or known.get(name, sha256) != sha256:
            raise IntegrityError(
                f"{path} locks {key} to commit {entry.get('revision')} and {name} to sha256 {known.get(name, '(none)')}, but commit {commit} "
                f"and {sha256} were to be locked. If the change is meant, say `numzoo lock --remove {key}` first."
            )
        if name not in known:
            source = f"hf:{repository}@{commit}/{name}"
            entry["files"].append({"name": name, "sha256": sha256, "bytes": size, "sources": [source]})

    change_lock(path, edit)
    return path
