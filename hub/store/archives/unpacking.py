"""Unpacking one file by the rules of this folder: archives, archives in archives, and single packed files."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from numzoo.hub.errors import FormatError
from numzoo.hub.registry.record import Unpack
from numzoo.hub.store.archives.limits import Budget, Limits
from numzoo.hub.store.archives.member import Member
from numzoo.hub.store.archives.names import Names
from numzoo.hub.store.archives.streams import Plain, Unpacked, packing
from numzoo.hub.store.archives.tars import read_tar
from numzoo.hub.store.archives.trees import Tree
from numzoo.hub.store.archives.zips import read_zip
from numzoo.hub.store.cache import storage

__all__ = ["bare_name", "unpack"]

_SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".gz", ".bz2", ".xz")


def unpack(file: BinaryIO, how: Unpack, tree: Tree, *, name: str, scratch: Path, limits: Limits | None = None) -> None:
    """Give `tree` all that the open `file`, called `name`, holds. `scratch` is a folder for archives in the archive.

    Raises FormatError for a damaged file, UnsafeFileError for one that breaks a rule (names, kinds of members, caps),
    and StorageError; what the tree has taken by then is to be thrown away.
    """
    limits = limits or Limits()
    with storage(f"read {name}"):
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
    budget = Budget(size, limits, name)
    names = Names(name, limits)
    tree.room(size)
    if how.kind in ("tar", "zip"):
        _Run(budget, names, tree, how.inner, scratch).archive(file, how.kind, (how.to,) if how.to else ())
        return
    found = packing(file)
    if found != how.kind:
        raise FormatError(f"{name} is not packed by {how.kind}: it begins as {found or 'nothing'} packed does not.")
    stream = Unpacked(file, how.kind, budget)
    tree.file(names.file(how.to or bare_name(name)), iter(lambda: stream.read(1 << 20), b""))


class _Run:
    """One file's unpacking: what all its archives, the inner ones too, have in common."""

    def __init__(
        self, budget: Budget, names: Names, tree: Tree, inner: tuple[tuple[str, str], ...], scratch: Path
    ) -> None:
        self._budget, self._names, self._tree = budget, names, tree
        self._inner, self._scratch = inner, scratch

    def archive(self, file: BinaryIO, kind: str, below: tuple[str, ...], *, outermost: bool = True) -> None:
        for member in self._members(file, kind):
            if member.is_folder:
                self._tree.folder(self._names.folder(member.name, below))
                continue
            inner = self._inner_kind(member.name) if outermost else None
            if inner is None:
                self._tree.file(self._names.file(member.name, below), member.blocks)
            else:
                folder = self._names.folder(bare_name(member.name), below)
                self._tree.folder(folder)
                self._through(member, inner, folder)

    def _members(self, file: BinaryIO, kind: str) -> Iterator[Member]:
        if kind == "zip":
            return read_zip(file, self._budget)
        packed = packing(file)
        return read_tar(Unpacked(file, packed, self._budget) if packed else Plain(file, self._budget), self._budget)

    def _inner_kind(self, name: str) -> str | None:
        return next((kind for pattern, kind in self._inner if fnmatch.fnmatchcase(name, pattern)), None)

    def _through(self, member: Member, kind: str, below: tuple[str, ...]) -> None:
        """Unpack a member that is an archive, by way of a file that is gone afterwards."""
        path = self._scratch / f"inner.{os.urandom(6).hex()}"
        with storage(f"write {path}"):
            self._tree.room(member.size)
            with open(path, "x+b") as file:
                for block in member.blocks:
                    file.write(block)
                file.seek(0)
                self.archive(file, kind, below, outermost=False)
            path.unlink()


def bare_name(name: str) -> str:
    """A packed file's name without the suffix of its packing; with `.unpacked` where it has none."""
    lowered = name.lower()
    suffix = next((each for each in _SUFFIXES if lowered.endswith(each) and len(name) > len(each)), None)
    return f"{name}.unpacked" if suffix is None else name[: -len(suffix)]
