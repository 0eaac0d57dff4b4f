"""Writing a bundle: beside its place first, every byte hashed on the way, then there by one rename."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from numzoo.hub.bundles.contents import Contents, Member
from numzoo.hub.errors import IntegrityError, StorageError, UsageError
from numzoo.hub.store.cache import storage

__all__ = ["write_bundle"]

_BLOCK = 1 << 20
_RESERVE = 16 << 20


def write_bundle(out: Path, contents: Contents) -> None:
    """Write the bundle: one file if `out` ends in ``.tar``, else a folder. The same contents give the same bytes.

    Raises UsageError where `out` is there already, StorageError where there is no room, and IntegrityError where a
    file has changed since it was verified; nothing is left at `out` then.
    """
    out = Path(os.path.abspath(out))
    if os.path.lexists(out):
        raise UsageError(f"{out} is there already, and a bundle is not written over anything. Choose another name.")
    with storage(f"write {out}", elsewhere=True):
        out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(out.parent).free
        wanted = contents.bytes + len(contents.members) * 1024 + _RESERVE
        if wanted > free:
            raise StorageError(f"The bundle needs {wanted} bytes, but the disk of {out.parent} has {free} free.")
        temporary = out.with_name(f".{out.name}.{os.urandom(6).hex()}")
        try:
            (_write_tar if out.suffix == ".tar" else _write_folder)(temporary, contents)
            os.rename(temporary, out)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


def _write_folder(folder: Path, contents: Contents) -> None:
    for member in contents.members:
        path = folder.joinpath(*member.name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as target, _opened(member) as source:
            shutil.copyfileobj(source, target, _BLOCK)
            target.flush()
            os.fsync(target.fileno())


def _write_tar(path: Path, contents: Contents) -> None:
    """Regular files only, in a fixed order, without owners, times or folders."""
    with open(path, "xb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for member in contents.members:
                header = tarfile.TarInfo(member.name)
                header.size, header.mode, header.mtime = member.size, 0o644, 0
                with _opened(member) as source:
                    tar.addfile(header, source)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _opened(member: Member) -> Iterator[BinaryIO]:
    """The member's bytes; at the end IntegrityError unless they were read to the last and are the right ones."""
    with _Hashed(member) as source:
        yield source  # type: ignore[misc]
        source.check()


class _Hashed:
    """Reads a member and hashes what is read."""

    def __init__(self, member: Member) -> None:
        self._member, self._hasher, self._count = member, hashlib.sha256(), 0
        self._source: BinaryIO = io.BytesIO(member.data or b"") if member.path is None else open(member.path, "rb")  # noqa: SIM115

    def __enter__(self) -> _Hashed:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        self._hasher.update(block)
        self._count += len(block)
        return block

    def check(self) -> None:
        more = self._source.read(1)
        right = not self._member.sha256 or self._hasher.hexdigest() == self._member.sha256
        if more or self._count != self._member.size or not right:
            raise IntegrityError(
                f"{self._member.path} changed while the bundle was written. Pull it again, and start anew."
            )
