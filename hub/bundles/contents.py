"""What a bundle holds: a manifest of its entries alone, their files, the lock that names them, and who signed it.

    registry.json               the pointer of a static registry (hub/registry/static): the manifest's digest, signatures
    models.lock                 what the bundled names meant where the bundle was made
    LICENCES.txt                for people: under which terms everything stands, and where to read them
    blobs/sha256/ab/<64 hex>    the manifest, and every file

Nothing in it depends on when or where it was made, so the same things give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.errors import UsageError
from numzoo.hub.licensing.expressions import parse_license
from numzoo.hub.licensing.inventory import Item, inventory
from numzoo.hub.licensing.terms import where_to_read
from numzoo.hub.locking import document as lock_document
from numzoo.hub.locking.document import Locked
from numzoo.hub.locking.relock import registry_entry
from numzoo.hub.registry.foreign import Origin
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry, is_resource
from numzoo.hub.registry.static.layout import POINTER, blob_name
from numzoo.hub.registry.static.signing import PrivateKey
from numzoo.hub.registry.static.statement import Statement, write_pointer

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch

__all__ = ["LICENCES", "LOCK", "Contents", "Member", "gather", "is_member_name"]

LOCK, LICENCES = "models.lock", "LICENCES.txt"
_MEMBER = re.compile(
    rf"{re.escape(POINTER)}|{LOCK}|{re.escape(LICENCES)}|blobs/sha256/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})"
)
_MADE = datetime(2000, 1, 1, tzinfo=timezone.utc)  # no real time, so that the same things give the same bytes
_GONE = ("file:", "package:", "blob:")  # sources that mean nothing elsewhere


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a bundle: its bytes, or the path of a file that has this digest, with its size."""

    name: str
    size: int
    data: bytes | None = None
    path: Path | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to be written: the items, and the members in their order."""

    items: tuple[Item, ...]
    members: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        """The size of all members."""
        return sum(member.size for member in self.members)


def is_member_name(name: str) -> bool:
    """Whether a bundle may hold a file of this name."""
    return _MEMBER.fullmatch(name) is not None


def gather(
    names: Sequence[str],
    registry: Registry,
    fetch: Fetch,
    *,
    locked: dict[str, Locked],
    keys: Sequence[PrivateKey] = (),
) -> Contents:
    """Fetch and verify the files of `names` and say what a bundle of them holds; `keys` sign it.

    `locked` are the entries of a lock; the shorter names in there go into the bundle's own. Raises UsageError without
    names, and what fetching raises.
    """
    if not names:
        raise UsageError("A bundle needs names: `numzoo bundle create OUT NAME...`, or --from-lock.")
    if elsewhere := [name for name in names if name.startswith("hf:")]:
        raise UsageError(
            f"A bundle holds entries of registries, but {elsewhere[0]} is a repository. Make an entry of it first: "
            f"load it, hub.save it, and `numzoo publish` it to a registry of your own."
        )
    items = sorted(inventory(registry, names), key=lambda item: item.name)
    files = [file for item in items for file in item.files]
    paths = fetch.paths(files)
    known = dict(zip(files, paths, strict=True))
    blobs: dict[str, Member] = {}
    sections: dict[str, dict[str, Any]] = {}
    entries: dict[str, Locked] = {}
    for item in items:
        digests = []
        for file in item.files:
            path = known[file]
            digest, size = _digest(file.sha256, path), path.stat().st_size
            digests.append((digest, size))
            blobs[digest] = Member(blob_name(digest), size, path=path, sha256=digest)
        section, name = _place(item.name)
        sections.setdefault(section, {})[name] = _fields(registry, section, name, digests)
        entries[item.name] = _locked(item, registry, digests, names, locked)
    text = _json({"schema": 1, **_defaults(sections.get("models", {}), registry), "models": {}, **sections})
    Manifest(json.loads(text), who="the bundle", origin=Origin(blobs=("blob:",)))  # as whoever imports it will hold it
    sha256 = hashlib.sha256(text).hexdigest()
    blobs[sha256] = Member(blob_name(sha256), len(text), data=text, sha256=sha256)
    statement = Statement(sha256[:32], 1, sha256, len(text), _MADE)
    small = {
        POINTER: write_pointer(statement, tuple(keys)),
        LOCK: lock_document.written({"schema": 1, "entries": {name: _plain(entry) for name, entry in entries.items()}}),
        LICENCES: _licences(items).encode("utf-8"),
    }
    members = [Member(name, len(data), data=data) for name, data in small.items()]
    return Contents(tuple(items), (*members, *(blobs[digest] for digest in sorted(blobs))))


def _digest(known: str | None, path: Path) -> str:
    """The digest of a file that was verified: a blob's name is its digest, a file of the package has a known one."""
    return known or path.name


def _place(name: str) -> tuple[str, str]:
    kind, colon, rest = name.partition(":")
    return ({"sample": "samples", "data": "data"}[kind], rest) if colon else ("models", name)


def _fields(registry: Registry, section: str, name: str, digests: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """An entry as the bundle's manifest has it: whole digests, its own blobs as the first source."""
    fields = registry.manifest.fields(section, name)
    about = registry.manifest.entry(name) if section == "models" else registry.manifest.resource(section, name)
    for file, record, (sha256, size) in zip(fields["files"], about.files, digests, strict=True):
        file.pop("sha256_prefix", None)
        sources = [source for source in file["sources"] if not source.startswith(_GONE)]
        file.update(name=record.name, sha256=sha256, bytes=size, sources=[f"blob:{record.name}", *sources])
    return fields


def _defaults(models: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Which tag a bare name means in the bundle: the registry's default if it is there, else the first."""
    tags: dict[str, list[str]] = {}
    for name in models:
        model, _, tag = name.partition(".")
        tags.setdefault(model, []).append(tag)
    chosen = {
        model: next((tag for tag in registry.manifest.tags[model] if tag in known), known[0])
        for model, known in tags.items()
        if len(known) > 1
    }
    return {"defaults": chosen} if chosen else {}


def _locked(
    item: Item, registry: Registry, digests: Sequence[tuple[str, int]], names: Sequence[str], locked: dict[str, Locked]
) -> Locked:
    entry = registry_entry(item.name, registry, None)
    files = tuple(
        replace(file, sha256=sha256, bytes=size, sources=tuple(s for s in file.sources if not s.startswith(_GONE)))
        for file, (sha256, size) in zip(entry.files, digests, strict=True)
    )
    model = item.name.partition(".")[0]
    shorter = {model} & {*names, *(locked[item.name].names if item.name in locked else ())}
    if is_resource(item.name) or (shorter and registry.full_name(model) != item.name):
        shorter = set()
    return replace(entry, files=files, names=tuple(sorted(shorter)))


def _plain(entry: Locked) -> dict[str, Any]:
    return {
        **({"names": list(entry.names)} if entry.names else {}),
        "registry": entry.registry,
        "license": entry.license,
        "files": [
            {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "sources": list(file.sources)}
            for file in entry.files
        ],
    }


def _licences(items: Sequence[Item]) -> str:
    lines = ["Under which terms the contents of this bundle stand. What binds is the text of each licence.", ""]
    for item in items:
        lines += [f"{item.name}: {item.license}", f"  from {item.source}"]
        for name in dict.fromkeys(parse_license(item.license).licenses):
            lines.append(f"  {name}: {where_to_read(name, item.source)}")
        lines.append("")
    return "\n".join(lines)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode("utf-8") + b"\n"
