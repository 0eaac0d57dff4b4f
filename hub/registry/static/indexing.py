"""`numzoo index`: a folder with files and a manifest written by hand becomes a registry, or a registry gets its next version.

The draft is a manifest like any other whose files have ``file:`` sources below its own folder; digests, sizes and
chunks need not stand in it. Each such file is copied into the blobs and read once; one whose sha256 the draft names
and that is there already is not read again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numzoo.hub.errors import FormatError, IntegrityError, NotFoundError, StorageError, UsageError
from numzoo.hub.registry.foreign import inner_path
from numzoo.hub.registry.manifest import file_name, parse
from numzoo.hub.registry.static.layout import LARGEST_MANIFEST, POINTER, Folder, read_at_most
from numzoo.hub.registry.static.publishing import Document, present, put_entry
from numzoo.hub.store.cache import digest_of, storage

__all__ = ["Edits", "check_blobs", "ingest", "merge", "orphans", "read_draft"]

_UNFINISHED_SECONDS = 3600.0
_SECTIONS = ("models", "samples", "data")


@dataclass(frozen=True, slots=True)
class Edits:
    """What an owner says of entries that are there: why one is withdrawn, why and for what one is deprecated, which
    become good again, new aliases, and which tag a bare model name means."""

    withdrawn: Mapping[str, str] = field(default_factory=dict)
    deprecated: Mapping[str, str] = field(default_factory=dict)
    replaced_by: Mapping[str, str] = field(default_factory=dict)
    restored: Sequence[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    defaults: Sequence[str] = ()

    def apply(self, document: Document) -> None:
        """Change the document so. Raises NotFoundError for an entry that is not there."""
        for name in self.restored:
            for state in ("withdrawn", "deprecated"):
                _entry(document, name).pop(state, None)
        for name, reason in self.withdrawn.items():
            _entry(document, name)["withdrawn"] = reason
        for name, message in self.deprecated.items():
            _entry(document, name)["deprecated"] = {"message": message}
        for name, successor in self.replaced_by.items():
            if "deprecated" not in _entry(document, name):
                raise UsageError(f"{name} is not deprecated; say why it is replaced with --deprecate {name}=MESSAGE.")
            _entry(document, name)["deprecated"]["replaced_by"] = successor
        for old, new in self.aliases.items():
            document.setdefault("aliases", {})[old] = new
        for name in self.defaults:
            _entry(document, name)
            model, _, tag = name.partition(".")
            document.setdefault("defaults", {})[model] = tag


def read_draft(path: Path) -> Document:
    """A manifest written by hand, its JSON checked and nothing else yet."""
    try:
        with storage(f"read {path}", elsewhere=True), open(path, "rb") as file:
            text = read_at_most(file, LARGEST_MANIFEST, str(path))
    except StorageError as problem:
        if isinstance(problem.__cause__, FileNotFoundError):
            raise NotFoundError(f"There is no manifest {path}.") from None
        raise
    document = parse(text, who=path.name)
    if not isinstance(document, dict) or not isinstance(document.get("models", {}), dict):
        raise FormatError(f'{path.name} is no manifest; it begins as {{"schema": 1, "models": {{...}}}}.')
    return {"models": {}, **document}


def ingest(draft: Document, base: Path, folder: Folder, *, dry_run: bool = False) -> list[str]:
    """Copy every file that a ``file:`` source of the draft names into the blobs and say so in the draft; the names of the
    files that were copied. With `dry_run` they are read and not copied."""
    known = {file["sha256"]: file for file in _files(present(folder)[1]) if "sha256" in file}
    copied = []
    for section in _SECTIONS:
        entries = draft.get(section, {})
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            files = entry.get("files") if isinstance(entry, dict) else None
            for index, file in enumerate(files if isinstance(files, list) else ()):
                if isinstance(file, dict) and isinstance(file.get("sources"), list):
                    where = f"$.{section}[{name!r}].files[{index}]"
                    copied += _ingest_file(file, base, folder, known, where, dry_run)
    return copied


def merge(document: Document, draft: Document, *, replace: bool) -> None:
    """Put all of a draft into the document; what is there and not in the draft stays."""
    for section in _SECTIONS:
        for name, fields in draft.get(section, {}).items():
            if not isinstance(fields, dict):
                raise FormatError(f"$.{section}[{name!r}] is {fields!r:.60}; wanted an object.")
            put_entry(document, section, name, fields, replace=replace)
    for section in ("defaults", "aliases"):
        if section in draft:
            document.setdefault(section, {}).update(draft[section])
    unknown = set(draft) - {*_SECTIONS, "defaults", "aliases", "schema"}
    if unknown:
        raise FormatError(f"The manifest has the unknown field {sorted(unknown)[0]!r}.")


def check_blobs(folder: Folder) -> list[str]:
    """Hash every blob; the digests in the names of those that are not what they say."""
    wrong = []
    for sha256, path in folder.blobs():
        with storage(f"read {path}", elsewhere=True), open(path, "rb") as file:
            if digest_of(file) != sha256:
                wrong.append(sha256)
    return wrong


def orphans(folder: Folder) -> list[Path]:
    """The blobs that the present manifest neither is nor names, such as manifests of earlier versions, and what a
    publisher that was killed has left unfinished."""
    pointer, document = present(folder)
    if pointer is None:
        return []
    named = {pointer.statement.sha256}
    named |= {file["sha256"] for file in _files(document) if "sha256" in file}
    blobs = [path for sha256, path in folder.blobs() if sha256 not in named]
    hidden = [
        *folder.root.glob(f".{POINTER}.*"),
        *folder.root.glob("blobs/.*"),
        *folder.root.glob("blobs/sha256/??/.*"),
    ]
    return blobs + [
        path for path in hidden if path.is_file() and time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS
    ]


def _entry(document: Document, name: str) -> dict[str, Any]:
    entry = document["models"].get(name)
    if entry is None:
        raise NotFoundError(f"The registry has no entry {name!r}; it has {', '.join(document['models']) or 'none'}.")
    fields: dict[str, Any] = entry
    return fields


def _ingest_file(
    file: dict[str, Any], base: Path, folder: Folder, known: Mapping[str, Any], where: str, dry_run: bool
) -> list[str]:
    own = [source for source in file["sources"] if isinstance(source, str) and source.startswith("file:")]
    if not own:
        return []
    try:
        path = inner_path(own[0].removeprefix("file:"), base)
    except UsageError as problem:
        raise FormatError(f"{where} has the source {own[0]!r}. {problem}") from None
    name = file.get("name") or file_name(own[0])
    if not name:
        raise FormatError(f"{where} has the source {own[0]!r}; give the file a name of letters and digits, as 'name'.")
    others = [source for source in file["sources"] if source not in own]
    stated = file.get("sha256")
    copied = []
    if isinstance(stated, str) and stated in known and folder.has(stated, known[stated].get("bytes")):
        file.setdefault("format", known[stated]["format"])
        file.update({field: known[stated][field] for field in ("bytes", "chunks") if field in known[stated]})
    else:
        if not path.is_file():
            raise NotFoundError(f"{where}: there is no file {path}.")
        if dry_run:
            with storage(f"read {path}", elsewhere=True), open(path, "rb") as stream:
                found, size, chunks = digest_of(stream), path.stat().st_size, None
        else:
            added = folder.add(path)
            found, size, chunks = added.sha256, added.bytes, added.chunks
        if isinstance(stated, str) and found != stated:
            raise IntegrityError(f"{where}: {path} has sha256 {found}, but the manifest says {stated}.")
        file.update(sha256=found, bytes=size)
        if chunks is not None:
            file["chunks"] = {"size": chunks.size, "sha256": list(chunks.sha256)}
        copied.append(name)
    if "format" not in file:
        file["format"] = _format(path)
    file["sources"] = [f"blob:{name}", *others]
    return copied


def _files(document: Document) -> Iterator[dict[str, Any]]:
    for section in _SECTIONS:
        for entry in document.get(section, {}).values():
            yield from entry["files"]


def _format(path: Path) -> str:
    """The format of a checkpoint by its bytes, or of another file by its name."""
    from numzoo.hub.checkpoint import read_metadata

    try:
        return read_metadata(path).format
    except FormatError:
        return re.sub("[^a-z0-9]", "", path.suffix.lower()) or "bytes"
