"""A lock as data: JSON, sorted, one fact a line, so that a change is a few lines of a diff.

    {"schema": 1,
     "entries": {"resnet50.imagenet1k-v2": {"names": ["resnet50"], "registry": "numzoo", "license": "BSD-3-Clause",
                  "files": [{"name": ..., "sha256": ..., "bytes": ..., "sources": [...]}]}},
     "files": {"<prefix>-<bytes>": {"name": ..., "sha256": ..., "bytes": ...}}}

`names` are the shorter names that somebody locked and that meant this entry then; `revision` says which state of a
repository a moving name meant. `files` holds digests that were trusted at first use (`hub/registry/trust.py`). Fields that are
unknown here are kept as they are. JSON has no comments, and a file with any is refused.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numzoo.hub.errors import FormatError, HubError, NotFoundError, StorageError
from numzoo.hub.registry.manifest import parse
from numzoo.hub.registry.schema import check
from numzoo.hub.store.cache import storage

__all__ = ["Locked", "LockedFile", "empty", "entries", "locked", "parsed", "read", "read_bytes", "written"]

_SCHEMA_NUMBER = 1
_LARGEST = 16 << 20

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema"],
    "properties": {
        "schema": {"const": _SCHEMA_NUMBER},
        "entries": {
            "type": "object",
            "propertyNames": {"minLength": 1, "maxLength": 400},
            "additionalProperties": {"$ref": "#/$defs/entry"},
        },
        "files": {"type": "object"},
    },
    "$defs": {
        "entry": {
            "type": "object",
            "required": ["files"],
            "properties": {
                "names": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 400}},
                "registry": {"type": "string", "maxLength": 2000},
                "revision": {"type": "string", "minLength": 1, "maxLength": 200},
                "license": {"type": "string", "minLength": 1, "maxLength": 200},
                "files": {"type": "array", "minItems": 1, "maxItems": 10000, "items": {"$ref": "#/$defs/file"}},
            },
        },
        "file": {
            "type": "object",
            "required": ["name", "sha256"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 1000},
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "bytes": {"type": "integer", "minimum": 0},
                "sources": {"type": "array", "maxItems": 100, "items": {"type": "string", "maxLength": 2000}},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class LockedFile:
    """One file of a locked entry; `bytes` is None where nobody knew it."""

    name: str
    sha256: str
    bytes: int | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Locked:
    """One locked entry. `names` are the shorter names that mean it in this project."""

    name: str
    files: tuple[LockedFile, ...]
    names: tuple[str, ...] = ()
    registry: str = ""
    revision: str = ""
    license: str = ""

    def file(self, name: str) -> LockedFile | None:
        """The file of this name."""
        return next((file for file in self.files if file.name == name), None)


def empty() -> dict[str, Any]:
    """A lock that locks nothing."""
    return {"schema": _SCHEMA_NUMBER}


def read(path: Path) -> dict[str, Any]:
    """The lock at `path`, checked; an empty one where there is none. Raises FormatError, which says what is wrong."""
    return parsed(read_bytes(path), path)


def read_bytes(path: Path) -> bytes | None:
    """The bytes of the lock, or None where there is none."""
    try:
        with storage(f"read {path}", elsewhere=True), open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except StorageError as problem:
        if isinstance(problem.__cause__, FileNotFoundError):
            return None
        raise
    if len(data) > _LARGEST:
        raise FormatError(f"{path} is larger than {_LARGEST >> 20} MiB, the most that is read of a lock.")
    return data


def parsed(data: bytes | None, path: Path) -> dict[str, Any]:
    """The lock in these bytes, checked."""
    if data is None:
        return empty()
    try:
        content = parse(data, who=str(path))
        check(content, _SCHEMA, _SCHEMA, who=str(path))
    except HubError as problem:
        comment = " JSON has no comments." if any(mark in data for mark in (b"//", b"/*", b"\n#")) else ""
        raise FormatError(f"{problem}{comment if 'not valid JSON' in str(problem) else ''} {_WAY_OUT}") from None
    if not isinstance(content.get("files", {}), dict):  # as the schema says; for the types
        raise FormatError(f'{path}: "files" is no object.')
    made: dict[str, Any] = content
    return made


def written(content: dict[str, Any]) -> bytes:
    """The lock as it stands in a file: the known sections first, each sorted by name."""
    content = dict(content)
    entries = {
        name: {**entry, "files": sorted(entry["files"], key=lambda file: str(file["name"]))}
        for name, entry in sorted(content.pop("entries", {}).items())
    }
    files = dict(sorted(content.pop("files", {}).items()))
    known = {
        "schema": content.pop("schema"),
        **({"entries": entries} if entries else {}),
        **({"files": files} if files else {}),
    }
    return json.dumps({**known, **content}, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def entries(path: Path, *, needed: bool = False) -> dict[str, Locked]:
    """The entries of the lock at `path` by their names; with `needed`, NotFoundError where there is no lock."""
    if needed and not path.is_file():
        raise NotFoundError(f"There is no lock {path}; `numzoo lock NAME` makes one.")
    try:
        status = os.stat(path)
    except OSError:
        return {}
    return _entries(path, (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


_REMEMBERED: dict[Path, tuple[tuple[int, ...], dict[str, Locked]]] = {}


def _entries(path: Path, state: tuple[int, ...]) -> dict[str, Locked]:
    """Read once for every state of the file: a load asks for several files of one lock."""
    if (known := _REMEMBERED.get(path)) is None or known[0] != state:
        known = _REMEMBERED[path] = (state, locked(read(path)))
    return known[1]


def locked(content: dict[str, Any]) -> dict[str, Locked]:
    """The entries of a lock that was read, by their names."""
    return {name: _locked(name, fields) for name, fields in content.get("entries", {}).items()}


def _locked(name: str, fields: dict[str, Any]) -> Locked:
    files = tuple(
        LockedFile(file["name"], file["sha256"], file.get("bytes"), tuple(file.get("sources", ())))
        for file in fields["files"]
    )
    return Locked(
        name,
        files,
        tuple(fields.get("names", ())),
        fields.get("registry", ""),
        fields.get("revision", ""),
        fields.get("license", ""),
    )


_WAY_OUT = "Mend it, take it from version control, or delete it and lock anew."
