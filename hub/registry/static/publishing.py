"""The next version of a registry's folder: checked as a reader will check it, written beside the present one, pointed to.

A name means one set of files for good: what is published under it again must be the same, or be meant (`replace`), and
then counts up the entry's revision. The registry's own version counts up with every change.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from numzoo.hub.errors import IntegrityError, UsageError
from numzoo.hub.registry.foreign import Origin
from numzoo.hub.registry.manifest import Manifest, parse
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.registry.static.layout import LARGEST_MANIFEST, LARGEST_POINTER, POINTER, Folder
from numzoo.hub.registry.static.signing import PrivateKey, key_id, verify
from numzoo.hub.registry.static.statement import Pointer, Statement, now, read_pointer, write_pointer

__all__ = ["GOOD_DAYS", "Published", "check_whole", "own_blobs", "present", "publish", "put_entry"]

GOOD_DAYS = 365
"""For how many days a signed registry is good, where nothing else is said."""

_FIELDS_OF_STATE = ("revision", "deprecated", "withdrawn")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """What was published: the statement, whether anything changed, and the public keys that signed."""

    statement: Statement
    changed: bool
    keys: tuple[str, ...]


def present(folder: Folder) -> tuple[Pointer | None, Document]:
    """The pointer and the manifest of a registry's folder as they are, or None and an empty one where there is none."""
    data = folder.pointer()
    if data is None:
        return None, {"schema": 1, "models": {}}
    who = str(folder.root / POINTER)
    pointer = read_pointer(data, who=who)
    text = folder.read(pointer.statement.sha256, pointer.statement.bytes)
    if hashlib.sha256(text).hexdigest() != pointer.statement.sha256:
        raise IntegrityError(
            f"The manifest that {who} names was changed. Put the right one back, from a copy or mirror."
        )
    document: Document = parse(text, who=str(folder.path(pointer.statement.sha256)))
    return pointer, document


def publish(
    folder: Folder,
    change: Callable[[Document], None],
    *,
    keys: Sequence[PrivateKey] = (),
    days: int | None = None,
    new_key: bool = False,
    dry_run: bool = False,
) -> Published:
    """Let `change` work on the manifest's document and publish what comes of it.

    `days` is how long the new version is good (None: GOOD_DAYS for a signed one, for ever for another). Where nothing
    has changed and more than half of the time is left, nothing is written. Raises UsageError where a signed registry
    would lose its signature (`new_key` says that it shall have another), and what `check_whole` raises; then nothing has changed.
    """
    if dry_run:
        return _publish(folder, change, keys, days, new_key=new_key, dry_run=True)
    with folder.changing():
        return _publish(folder, change, keys, days, new_key=new_key, dry_run=False)


def put_entry(document: Document, section: str, name: str, fields: Mapping[str, Any], *, replace: bool) -> bool:
    """Put an entry into the document; give whether that changed it. What became of the entry it replaces, such as that
    it is deprecated, stays unless `fields` says otherwise. Raises UsageError for another entry of that name."""
    entries = document.setdefault(section, {})
    before = entries.get(name)
    if before is None:
        entries[name] = dict(fields)
        return True
    after = {**{field: before[field] for field in _FIELDS_OF_STATE if field in before}, **fields}
    if after == before:
        return False
    if _content(after) != _content(before):
        if not replace:
            raise UsageError(
                f"{name} is published already, with other content. What a name means does not change: publish under "
                f"another tag, or say --replace if the old one was never meant to be used."
            )
        if section == "models":
            after["revision"] = before.get("revision", 1) + 1
    entries[name] = after
    return True


def check_whole(document: Document, folder: Folder | None) -> None:
    """Hold every entry to what a reader elsewhere will hold it to, and see that every blob is in the folder, if one is
    given.

    Raises FormatError, and IntegrityError for a blob that is missing or has another size.
    """
    manifest = Manifest(document, who="the new manifest", origin=Origin(blobs=("",)))
    for owner, files in _all_files(manifest):
        for file in files:
            if folder is None or not own_blobs(file):
                continue
            if file.sha256 is None or not folder.has(file.sha256, file.bytes):
                raise IntegrityError(f"{owner}: the blob of {file.label} is not in {folder.root}, or has another size.")


def own_blobs(file: FileRecord) -> bool:
    """Whether the registry itself keeps this file, by its record in a manifest with the origin of `check_whole`."""
    return any(source.startswith("blobs/sha256/") for source in file.sources)


def _content(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _FIELDS_OF_STATE}


def _all_files(manifest: Manifest) -> Iterator[tuple[str, tuple[FileRecord, ...]]]:
    for name in manifest.names:
        yield name, manifest.entry(name).files
    for section, names in (("samples", manifest.samples), ("data", manifest.data)):
        for name in names:
            yield name, manifest.resource(section, name).files


def _publish(
    folder: Folder,
    change: Callable[[Document], None],
    keys: Sequence[PrivateKey],
    days: int | None,
    *,
    new_key: bool,
    dry_run: bool,
) -> Published:
    before = folder.pointer()
    pointer, document = present(folder)
    _check_keys(pointer, keys, new_key)
    change(document)
    check_whole(document, None if dry_run else folder)
    text = json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"
    if len(text) > LARGEST_MANIFEST:
        raise UsageError(f"The manifest would have {len(text)} bytes; readers take {LARGEST_MANIFEST} at most.")
    moment = now()
    expires = _expiry(moment, days, signed=bool(keys))
    sha256 = hashlib.sha256(text).hexdigest()
    public = tuple(key.public for key in keys)
    if pointer is not None and _is_good(pointer, sha256, public, moment, days):
        return Published(pointer.statement, False, public)
    if pointer is None:
        statement = Statement(os.urandom(16).hex(), 1, sha256, len(text), moment, expires)
    else:
        statement = replace(
            pointer.statement,
            version=pointer.statement.version + 1,
            sha256=sha256,
            bytes=len(text),
            published=moment,
            expires=expires,
        )
    data = write_pointer(statement, tuple(keys))
    assert len(data) <= LARGEST_POINTER
    if not dry_run:
        folder.add_bytes(text)
        folder.point(data, instead_of=before)
    return Published(statement, True, public)


def _check_keys(pointer: Pointer | None, keys: Sequence[PrivateKey], new_key: bool) -> None:
    """See that a signed registry stays signed by somebody its readers accept, and that it is what was signed last: a
    new signature under a manifest that somebody else has put there would make it good."""
    if pointer is None or not pointer.signatures:
        return
    signers = ", ".join(key_id(key) for key, _ in pointer.signatures)
    if not keys:
        raise UsageError(
            f"This registry is signed by {signers}; give that key with --sign, or its readers will refuse it."
        )
    own = {key.public for key in keys} & {key for key, _ in pointer.signatures}
    if not own and not new_key:
        raise UsageError(
            f"This registry is signed by {signers}, and with none of the keys given. Sign with the old and the new one, "
            f"until its readers accept the new one; where the old one is lost, say --new-key."
        )
    if own and verify(pointer.message, pointer.signatures, own) is None:
        raise IntegrityError(
            f"The {POINTER} of this registry was changed after it was signed by {signers}. Put the right one back."
        )


def _expiry(moment: datetime, days: int | None, *, signed: bool) -> datetime | None:
    if days is None:
        days = GOOD_DAYS if signed else 0
    return moment + timedelta(days=days) if days else None


def _is_good(pointer: Pointer, sha256: str, keys: Sequence[str], moment: datetime, days: int | None) -> bool:
    """Whether the present pointer says the same, has the same signatures, and is good for more than half of its time."""
    old = pointer.statement
    if old.sha256 != sha256 or {key for key, _ in pointer.signatures} != set(keys):
        return False
    if any(verify(pointer.message, pointer.signatures, [key]) is None for key in keys):
        return False
    if days is not None and old.expires != (old.published + timedelta(days=days) if days else None):
        return False
    return old.expires is None or moment < old.published + (old.expires - old.published) / 2
