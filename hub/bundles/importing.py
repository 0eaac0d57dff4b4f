"""Taking a bundle in: everything is checked before anything is written, and every byte on the way into the store.

The order: what the bundle says it is (digest of the manifest, signature if a key is given, entries held to the rules of
manifests from elsewhere), licences, the lock, room on the disk, the files. What was taken in stays when it stops, and
the next attempt goes on from there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numzoo.hub.bundles.contents import LICENCES, LOCK
from numzoo.hub.bundles.reading import Bundle
from numzoo.hub.errors import FormatError, IntegrityError, NotFoundError, StorageError, TrustError, UsageError
from numzoo.hub.licensing.acceptance import require_acceptance_of_files
from numzoo.hub.locking import document as lock_document
from numzoo.hub.locking.relock import merged
from numzoo.hub.locking.writing import change_lock
from numzoo.hub.quantities import size_text
from numzoo.hub.registry.foreign import Origin
from numzoo.hub.registry.manifest import Manifest, parse
from numzoo.hub.registry.names import Registry
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.registry.static.layout import LARGEST_MANIFEST, LARGEST_POINTER, POINTER, blob_name
from numzoo.hub.registry.static.signing import key_id, verify
from numzoo.hub.registry.static.statement import Pointer, read_pointer
from numzoo.hub.registry.trust import locked
from numzoo.hub.store.cache import Cache, storage
from numzoo.hub.store.whole import write_whole

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["Checked", "check_against", "check_bundle", "keep_registry", "merge_lock", "take_in", "verify_files"]

_BLOCK = 1 << 20
_LARGEST_LOCK = 16 << 20
_RESERVE = 16 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """A bundle whose statements hold together: its registry, its files (each digest once), its lock, its signers."""

    bundle: Bundle
    registry: Registry
    files: tuple[FileRecord, ...]
    lock: dict[str, Any]
    pointer: Pointer
    texts: tuple[bytes, bytes]
    every: tuple[FileRecord, ...]
    key: str | None

    @property
    def signers(self) -> list[str]:
        """The ids of the keys that the bundle claims to be signed by; only `key` was looked at."""
        return [key_id(public) for public, _ in self.pointer.signatures]


def check_bundle(bundle: Bundle, keys: Sequence[str] = ()) -> Checked:
    """Hold together what a bundle says: pointer, manifest, lock, and the names and sizes of its files, whose bytes are not
    read here. With `keys`, one of these public keys must have signed it. Raises FormatError or IntegrityError."""
    who = str(bundle.path)
    data = bundle.read(POINTER, LARGEST_POINTER)
    pointer = read_pointer(data, who=f"{who}, {POINTER}")
    key = verify(pointer.message, pointer.signatures, keys) if keys else None
    if keys and key is None:
        wanted = ", ".join(key_id(each) for each in keys)
        raise IntegrityError(f"The bundle {who} is not signed by {wanted}, or was changed after it was.")
    name = blob_name(pointer.statement.sha256)
    text = bundle.read(name, LARGEST_MANIFEST)
    if hashlib.sha256(text).hexdigest() != pointer.statement.sha256:
        raise IntegrityError(f"The manifest of the bundle {who} is not the one that its {POINTER} names.")
    manifest = Manifest(parse(text, who=who), who=who, origin=Origin(blobs=("blob:",)))
    registry = Registry(manifest)
    files = _files(manifest)
    named = {POINTER, LOCK, LICENCES, name}
    for file in files:
        if file.sha256 is None or file.bytes is None:
            raise FormatError(f"The bundle {who} gives no whole digest and size for {file.label} of {file.owner}.")
        blob = blob_name(file.sha256)
        named.add(blob)
        if bundle.names.get(blob) != file.bytes:
            raise IntegrityError(f"The bundle {who} lacks {file.label} of {file.owner}, or has it in another size.")
    if more := sorted(set(bundle.names) - named):
        raise IntegrityError(f"The bundle {who} holds {more[0]}, which its manifest does not name.")
    lock = lock_document.parsed(bundle.read(LOCK, _LARGEST_LOCK), Path(f"{who}, {LOCK}"))
    _check_lock(lock, files, who)
    once = tuple({file.sha256: file for file in files}.values())
    return Checked(bundle, registry, once, lock, pointer, (data, text), tuple(files), key)


def check_against(checked: Checked, registry: Registry, *, trust_first_use: bool = False) -> list[str]:
    """Compare the bundle with the registries here; give its names that none of them knows.

    Raises IntegrityError where one says another digest under the same name, and TrustError where it does not know the
    whole digest, unless the bundle was signed by a key that was asked for, or is trusted.
    """
    strange = []
    for owner in dict.fromkeys(file.owner for file in checked.every):
        try:
            known = {file.name: file for file in registry.records(owner)}
        except (NotFoundError, UsageError):
            strange.append(owner)
            continue
        for file in (file for file in checked.every if file.owner == owner):
            here = known.get(file.name)
            if here is None or not _fits(here, file):
                raise IntegrityError(
                    f"The bundle {checked.bundle.path} has {file.label} of {owner} with sha256 {file.sha256}, but the registry here says "
                    f"{'nothing of it' if here is None else here.sha256 or here.sha256_prefix}. Nothing was taken in."
                )
            if here.sha256 is None and locked(here).sha256 is None and checked.key is None and not trust_first_use:
                raise TrustError(
                    f"The registry here does not know the whole sha256 of {file.label} of {owner}, so the bundle would decide it. "
                    f"To trust it, say --trust-first-use, or --key with the key that signed it."
                )
    return strange


def take_in(checked: Checked, cache: Cache, progress: Progress | None = None) -> list[FileRecord]:
    """Put the bundle's files into the store, each verified; give those that were not there before.

    Licences that must be accepted are looked at first, then the room on the disk. Raises LicenseError, StorageError, and
    IntegrityError for a file that is not what its name says.
    """
    require_acceptance_of_files(checked.files)
    absent = [file for file in checked.files if not _here(file, cache)]
    _check_room(absent, cache)
    for file in absent:
        _take_one(checked.bundle, file, cache, progress)
    return absent


def verify_files(checked: Checked) -> None:
    """Hash every file of the bundle; IntegrityError names the first that is wrong."""
    for file in checked.files:
        hasher = hashlib.sha256()
        with checked.bundle.open(blob_name(str(file.sha256))) as source:
            for block in _blocks(source, file, 0):
                hasher.update(block)
        if hasher.hexdigest() != file.sha256:
            raise _wrong(checked.bundle, file)


def merge_lock(checked: Checked, path: Path, *, dry_run: bool = False) -> list[str]:
    """Add the bundle's locked entries to the lock at `path`; give the names of those that were not there or changed.

    Raises IntegrityError where an entry is locked there to other bytes; nothing is written then.
    """
    theirs = lock_document.locked(checked.lock)
    changed: list[str] = []

    def edit(content: dict[str, Any]) -> None:
        changed.clear()
        known = content.setdefault("entries", {})
        taken = {name for full, fields in known.items() for name in fields.get("names", ()) if full not in theirs}
        for full, entry in theirs.items():
            # A shorter name that means something else here goes on meaning it.
            entry = replace(entry, names=tuple(name for name in entry.names if name not in taken))
            fields = merged(known.get(full), entry, path)
            if known.get(full) != fields:
                known[full] = fields
                changed.append(full)

    if dry_run:
        edit(lock_document.read(path))
    else:
        change_lock(path, edit)
    return changed


def keep_registry(checked: Checked, cache: Cache) -> Path:
    """Keep the bundle's registry (not its files, which are in the store) for names that no other registry here knows;
    give its folder, which `--registry` takes."""
    sha256 = checked.pointer.statement.sha256
    folder = cache.root / "bundles" / sha256[:16]
    write_whole(folder / blob_name(sha256), checked.texts[1])
    write_whole(folder / POINTER, checked.texts[0])
    return folder


def _files(manifest: Manifest) -> list[FileRecord]:
    sections: tuple[tuple[Literal["samples", "data"], list[str]], ...] = (
        ("samples", manifest.samples),
        ("data", manifest.data),
    )
    files = [file for name in manifest.names for file in manifest.entry(name).files]
    return files + [
        file for section, names in sections for name in names for file in manifest.resource(section, name).files
    ]


def _check_lock(lock: dict[str, Any], files: Sequence[FileRecord], who: str) -> None:
    """See that the bundle's lock says nothing but what its manifest says."""
    known = {(file.owner, file.name): file.sha256 for file in files}
    for entry in lock_document.locked(lock).values():
        for file in entry.files:
            if known.get((entry.name, file.name)) != file.sha256:
                raise IntegrityError(f"The lock of the bundle {who} and its manifest differ about {file.name!r:.200}.")
        if set(entry.names) - {entry.name.partition(".")[0]}:
            raise IntegrityError(f"The lock of the bundle {who} gives {entry.name} a name that means something else.")


def _fits(here: FileRecord, file: FileRecord) -> bool:
    """Whether what a registry here says of a file leaves room for the bundle's."""
    return str(file.sha256).startswith(here.sha256 or here.sha256_prefix or "") and here.bytes in (None, file.bytes)


def _here(file: FileRecord, cache: Cache) -> bool:
    """Whether the store has the file, with the right bytes; one that was damaged there is replaced."""
    try:
        cache.open_verified(str(file.sha256), file.bytes, use=False).close()
    except (NotFoundError, IntegrityError):
        return False
    return True


def _check_room(files: Sequence[FileRecord], cache: Cache) -> None:
    wanted = sum(file.bytes or 0 for file in files)
    if not wanted:
        return
    with storage(f"look at the disk of {cache.root}"):
        cache.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache.root).free
    if wanted + _RESERVE > free:
        raise StorageError(
            f"The bundle needs {size_text(wanted)} more, but the disk of {cache.root} has {size_text(free)} free (and {size_text(_RESERVE)} are "
            f"left alone). Free some space, or set NUMZOO_HOME to a folder on another disk."
        )


def _take_one(bundle: Bundle, file: FileRecord, cache: Cache, progress: Progress | None) -> None:
    """Copy a file into the store, from where an earlier attempt stopped."""
    from numzoo.hub.store.parts import Part

    with Part(cache, replace(file, chunks=None), progress) as part, bundle.open(blob_name(str(file.sha256))) as source:
        begun = part.length
        for block in _blocks(source, file, begun):
            part.write(block)
        if begun and not part.right():  # what was left of another attempt was wrong
            part.restart()
            with bundle.open(blob_name(str(file.sha256))) as again:
                for block in _blocks(again, file, 0):
                    part.write(block)
        if not part.right():
            part.discard()
            raise _wrong(bundle, file)
        part.publish(cache)


def _blocks(source: Any, file: FileRecord, skip: int) -> Any:
    """The bytes of a file of a bundle, whose reader stands at its first, after `skip` of them."""
    source.seek(skip, 1)
    left = (file.bytes or 0) - skip
    while left > 0:
        block = source.read(min(_BLOCK, left))
        if not block:
            return
        left -= len(block)
        yield block


def _wrong(bundle: Bundle, file: FileRecord) -> IntegrityError:
    return IntegrityError(
        f"{file.label} of {file.owner} in the bundle {bundle.path} does not have the sha256 {file.sha256}: it was damaged on its "
        f"way, or changed. Copy the bundle again."
    )
