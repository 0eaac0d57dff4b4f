"""Where unpacked files live: `data/NAME/<16 hex digits of what was unpacked and how>/` of the store.

Each of these folders holds `files/`, what was unpacked, and `unpacked.json`, which says from which file and how. A
folder appears by one rename, whole, after everything in it has reached the disk; so processes may unpack the same file
at the same time, any may die, and whoever comes next either finds it or begins anew. The digits are of the packed
file's sha256 and of the way it is unpacked: where either changes, there is another folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from numzoo.hub import settings
from numzoo.hub.errors import StorageError
from numzoo.hub.registry.record import ARCHIVES, FileRecord, Unpack
from numzoo.hub.store import uses
from numzoo.hub.store.archives.limits import Limits
from numzoo.hub.store.cache import Cache, storage

__all__ = ["Tree", "compare", "contents", "find", "make", "place", "remove", "remove_tree", "trees", "use"]

_RULES = 1
"""Grows when the same file would unpack to something else; older folders are made anew then."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An unpacked folder: the sha256 of what was unpacked, the bytes of its files together, when it was made."""

    sha256: str
    bytes: int
    path: Path
    written: float

    @property
    def key(self) -> str:
        """What notes of its use call it."""
        return self.path.name

    @property
    def name(self) -> str:
        """What it is called in messages: its data set's name."""
        return self.path.parent.name


def trees(cache: Cache) -> Iterator[Tree]:
    """Every unpacked folder that says what it is, in the order of the names; the sizes are those that its note tells."""
    for path in sorted((cache.root / "data").glob("*/*")):
        found = _read(path)
        size, sha256 = found.get("bytes"), found.get("sha256")
        if type(size) is int and isinstance(sha256, str) and not path.is_symlink():
            with contextlib.suppress(OSError):
                yield Tree(sha256, size, path, path.lstat().st_mtime)


def place(cache: Cache, file: FileRecord) -> Path:
    """The folder of an unpacked file, whether it is there or not. The record needs its full sha256 and `unpack`."""
    import hashlib

    name = re.sub(r"[^A-Za-z0-9_-]", "-", file.owner.rpartition(":")[2]) or "unnamed"
    said = json.dumps(_wanted(file), sort_keys=True)
    return cache.root / "data" / name / hashlib.sha256(said.encode()).hexdigest()[:16]


def contents(cache: Cache, file: FileRecord) -> Path:
    """What a loader gets: the folder of an archive's members, or the one file that a single packed file holds."""
    files = place(cache, file) / "files"
    how = _how(file)
    return files if how.kind in ARCHIVES else files / how.to


def find(cache: Cache, file: FileRecord) -> Path | None:
    """The contents of a file that was unpacked before, from these very bytes and in this very way; None otherwise."""
    return contents(cache, file) if _note(place(cache, file)) == _wanted(file) else None


def use(cache: Cache, file: FileRecord) -> Path | None:
    """The same for whoever goes on to read the files: while this process lives, they are not evicted."""
    uses.hold(cache.refs, place(cache, file).name)
    return find(cache, file)


def make(cache: Cache, file: FileRecord, packed: BinaryIO, limits: Limits | None = None) -> Path:
    """Unpack the verified, open `packed` file, and give its contents; one that is there already is used.

    Raises UnsafeFileError for an archive that breaks a rule, FormatError for a damaged one, StorageError where the disk
    has no room; nothing is left of it then.
    """
    from numzoo.hub.store.archives.trees import NewTree
    from numzoo.hub.store.archives.unpacking import unpack
    from numzoo.hub.store.claims import work_folder

    limit = settings.cache_limit()
    if (found := use(cache, file)) is not None:
        return found
    with work_folder(cache) as work:
        tree = NewTree(work / "new" / "files")
        unpack(packed, _how(file), tree, name=file.label, scratch=work, limits=limits)
        note = work / "new" / "unpacked.json"
        with storage(f"write {note}"), open(note, "x", encoding="utf-8") as text:
            text.write(json.dumps({**_wanted(file), "files": tree.files, "bytes": tree.bytes}) + "\n")
            text.flush()
            os.fsync(text.fileno())
        tree.finish()
        _publish(work, place(cache, file), file)
    if limit is not None:
        from numzoo.hub.store.eviction import evict

        evict(cache, limit)
    return contents(cache, file)


def compare(cache: Cache, file: FileRecord, packed: BinaryIO) -> None:
    """Hold what was unpacked against the verified `packed` file; raises IntegrityError for the first difference."""
    from numzoo.hub.store.archives.trees import Comparison
    from numzoo.hub.store.archives.unpacking import unpack
    from numzoo.hub.store.claims import work_folder

    tree = Comparison(place(cache, file) / "files")
    with work_folder(cache) as work:
        unpack(packed, _how(file), tree, name=file.label, scratch=work)
    tree.finish()


def remove(cache: Cache, file: FileRecord) -> int:
    """Delete what a file was unpacked to, and give the number of bytes that were freed."""
    return remove_tree(cache, place(cache, file))


def remove_tree(cache: Cache, folder: Path) -> int:
    """Delete an unpacked folder, and give the number of bytes that were freed."""
    from numzoo.hub.store.claims import work_folder

    freed = sum(_sizes(folder))
    with storage(f"delete {folder}"):
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            # First the name, so that nobody takes half a folder for a whole one.
            with work_folder(cache) as work:
                os.rename(folder, work / "gone")
        with contextlib.suppress(OSError):
            folder.parent.rmdir()  # if it was the last
    uses.forget(cache.refs, folder.name)
    return freed


def _publish(work: Path, target: Path, file: FileRecord) -> None:
    with storage(f"publish {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(10):
            try:
                return os.rename(work / "new", target)
            except OSError:
                if _note(target) == _wanted(file):
                    return None  # Another process was faster, with the same bytes.
                with contextlib.suppress(FileNotFoundError):
                    os.rename(target, work / f"stale.{os.urandom(6).hex()}")
    raise StorageError(f"{target} cannot be replaced. Delete it and try again.")


def _how(file: FileRecord) -> Unpack:
    """How the file is unpacked, with the name of a single packed file's content filled in."""
    from numzoo.hub.store.archives.unpacking import bare_name

    how = file.unpack
    assert how is not None
    return how if how.to or how.kind in ARCHIVES else replace(how, to=bare_name(file.label))


def _wanted(file: FileRecord) -> dict[str, Any]:
    how = _how(file)
    inner = [list(pair) for pair in how.inner]
    return {"schema": 1, "rules": _RULES, "sha256": file.sha256, "kind": how.kind, "to": how.to, "inner": inner}


def _note(folder: Path) -> dict[str, Any] | None:
    """What a folder says of itself, without its figures; None where it is none of ours."""
    found = _read(folder)
    return {key: value for key, value in found.items() if key not in ("files", "bytes")} if found else None


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "unpacked.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if type(found) is dict else {}


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(place, name)).st_size
