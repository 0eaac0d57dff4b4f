"""One member out of an archive, streamed: nothing is unpacked by name, so no name in an archive can reach the disk.

Zip (and wheels), Debian packages, and tar, plain or packed by gzip, bzip2, xz or zstandard; told apart by their first bytes. Only regular files
count. Reading stops at the first byte beyond what the manifest allows, and where an archive swells beyond reason.
"""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from numzoo.hub.download.sources.ar import MAGIC, find_data
from numzoo.hub.download.sources.packings import MAGIC_BYTES, unpacking
from numzoo.hub.errors import IntegrityError, NotFoundError, UnsafeFileError, UsageError
from numzoo.hub.store.cache import storage

if TYPE_CHECKING:
    from numzoo.hub.store.parts import Part

__all__ = ["pour_member", "split_members"]

_BLOCK = 1 << 20
_HEADER = 16 << 20  # no header of a tar is larger than this
_SWELL, _SMALL = 1000, 1 << 30  # a tar may swell a thousandfold, or to a gibibyte
_NAMES = 1000  # so many names are kept for the message that a member is missing
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # an LZMA header may ask for gigabytes
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    gzip.BadGzipFile,
    ValueError,
)


def split_members(address: str) -> tuple[str, list[str]]:
    """Part `pypi:package!member!inner` into what comes before the first `!` and one or two member names."""
    package, *members = address.split("!")
    if not 1 <= len(members) <= 2 or not all(members):
        raise UsageError(f"{address!r} should name a member of its package: PACKAGE!member, or PACKAGE!archive!member.")
    return package, members


def pour_member(archive: Path, members: Sequence[str], part: Part, size: int | None, folder: Path) -> None:
    """Write one member of an archive to the part; with two names, the second is a member of the first.

    `size` is how many bytes it should have, if known; `folder` takes an archive within the archive. The top folder
    may be left out of a name. Raises NotFoundError without such a member, IntegrityError for a damaged archive
    or another size, and UnsafeFileError for one that breaks a rule.
    """
    *outer, last = members
    for position, name in enumerate(outer):
        inner = folder / f"inner-{position}"
        with storage(f"write {inner}"), open(inner, "xb") as file:
            for block in _member(archive, name, None):
                file.write(block)
        archive = inner
    part.pour(_member(archive, last, size))


def _member(archive: Path, name: str, size: int | None) -> Iterator[bytes]:
    """The blocks of one member."""
    try:
        with open(archive, "rb") as file:
            magic = file.read(len(MAGIC))
            file.seek(0)
            if magic == MAGIC:
                yield from _tar_member(_unpacked(find_data(file, archive.name), archive.name), archive, name, size)
            elif magic[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
                yield from _zip_member(file, archive, name, size)
            else:
                yield from _tar_member(_unpacked(file, archive.name), archive, name, size)
    except _DAMAGED as problem:
        if isinstance(problem, (IntegrityError, UnsafeFileError)):
            raise
        raise IntegrityError(f"{archive.name} is a damaged archive: {problem}.") from problem


def _zip_member(file: IO[bytes], archive: Path, name: str, size: int | None) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as packed:
        found = [info for info in packed.infolist() if info.filename == name]
        found = found or [info for info in packed.infolist() if info.filename.partition("/")[2] == name]
        if not found:
            raise NotFoundError(_missing(archive, name, (info.filename for info in packed.infolist())))
        info = found[0]
        kind = (info.external_attr >> 16) & 0o170000
        if len(found) > 1 or info.is_dir() or kind not in (0, 0o100000) or info.flag_bits & 1:
            raise UnsafeFileError(
                f"{name} is not one plain file of {archive.name}: it is there {len(found)} times, or it is a folder, a "
                f"link or encrypted."
            )
        if info.compress_type not in _PACKINGS:
            raise UnsafeFileError(
                f"{name} in {archive.name} is packed by method {info.compress_type}, which is not read here."
            )
        _same_size(archive, name, info.file_size, size)
        with packed.open(info) as member:
            while block := member.read(_BLOCK):
                yield block


def _tar_member(file: _Bounded, archive: Path, name: str, size: int | None) -> Iterator[bytes]:
    names: list[str] = []
    with tarfile.open(fileobj=file, mode="r:") as packed:  # type: ignore[call-overload]
        while (info := packed.next()) is not None:
            packed.members = []  # A million small members should not fill the memory.
            if name not in (info.name, info.name.partition("/")[2]):
                if len(names) < _NAMES:
                    names.append(info.name)
                continue
            if not info.isreg() or info.issparse():
                raise UnsafeFileError(
                    f"{name} in {archive.name} is a link, a folder or a device, and not a plain file."
                )
            _same_size(archive, name, info.size, size)
            file.limit += info.size
            left, member = info.size, packed.extractfile(info)
            while member is not None and left and (block := member.read(min(_BLOCK, left))):
                left -= len(block)
                yield block
            if left:
                raise IntegrityError(f"{archive.name} ends in the middle of {name}.")
            return
    raise NotFoundError(_missing(archive, name, names))


class _Bounded:
    """An unpacked stream that refuses reads beyond any header, and more bytes than the archive's size explains."""

    def __init__(self, file: IO[bytes] | Any, packed: int, name: str) -> None:
        self._file, self._name = file, name
        self.limit = max(_SMALL, _SWELL * packed)

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= _HEADER:
            raise UnsafeFileError(f"{self._name} has a header of {count} bytes, more than any honest archive has.")
        if self._file.tell() + count > self.limit:
            raise UnsafeFileError(f"{self._name} swells to more than {self.limit} bytes.")
        block: bytes = self._file.read(count)
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset > self.limit:
            raise UnsafeFileError(f"{self._name} swells to more than {self.limit} bytes.")
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def seekable(self) -> bool:
        return True


def _unpacked(file: Any, name: str) -> _Bounded:
    packed = file.seek(0, 2)
    file.seek(0)
    magic = file.read(MAGIC_BYTES)
    file.seek(0)
    return _Bounded(unpacking(file, magic, name), packed, name)


def _same_size(archive: Path, name: str, found: int, wanted: int | None) -> None:
    if wanted is not None and found != wanted:
        raise IntegrityError(f"{name} in {archive.name} has {found} bytes, but {wanted} were expected.")


def _missing(archive: Path, name: str, there: Iterator[str] | Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(there), n=3)
    return f"{archive.name} has no member {name}." + (f" It has {', '.join(near)}." if near else "")
