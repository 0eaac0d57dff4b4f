"""How a registry lies in a folder, which is also how a bundle does: content-addressed files and one small pointer.

    blobs/sha256/ab/<64 hex>    every file, and every manifest: the name is the sha256 of the bytes
    registry.json               says which of the blobs is the manifest now (statement.py); the only file that changes

Whoever publishes writes the blobs first and then puts the new pointer in the place of the old one, by a rename. So a
reader that comes in between finds the old registry or the new one, and never a mixture.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from numzoo.hub.errors import FormatError, NotFoundError, StorageError
from numzoo.hub.registry.record import Chunks, check_sha256
from numzoo.hub.store.cache import storage
from numzoo.hub.store.whole import write_whole

__all__ = ["CHUNK", "LARGEST_MANIFEST", "LARGEST_POINTER", "POINTER", "Added", "Folder", "blob_name", "read_at_most"]

POINTER = "registry.json"
LARGEST_POINTER = 64 << 10
LARGEST_MANIFEST = 64 << 20
"""The most bytes that are read of each, whatever a server sends."""

CHUNK = 4 << 20
"""The size of the chunks whose digests an entry lists; a file of one chunk lists none."""

_BLOCK = 1 << 20
_PATIENCE_SECONDS = 20.0


def blob_name(sha256: str) -> str:
    """Where the blob of this digest lies below the registry's folder or address."""
    check_sha256(sha256)
    return f"blobs/sha256/{sha256[:2]}/{sha256}"


@dataclass(frozen=True, slots=True)
class Added:
    """A file that was added: what an entry says of it."""

    sha256: str
    bytes: int
    chunks: Chunks | None


class Folder:
    """A registry's folder on this machine. Making one touches no disk."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).absolute()

    def pointer(self) -> bytes | None:
        """The bytes of the pointer, None where there is no registry yet."""
        try:
            with storage(f"read {self.root / POINTER}", elsewhere=True), open(self.root / POINTER, "rb") as file:
                return read_at_most(file, LARGEST_POINTER, str(self.root / POINTER))
        except StorageError as problem:
            if isinstance(problem.__cause__, (FileNotFoundError, NotADirectoryError)):
                return None
            raise

    def path(self, sha256: str) -> Path:
        """Where the blob of this digest lies, or would lie."""
        return self.root / blob_name(sha256)

    def has(self, sha256: str, bytes: int | None = None) -> bool:
        """Whether there is a blob of this name (and size). Its bytes are not looked at."""
        path = self.path(sha256)
        return path.is_file() and (bytes is None or path.stat().st_size == bytes)

    def read(self, sha256: str, most: int) -> bytes:
        """A small blob's bytes, at most `most` of them; they are not hashed here."""
        path = self.path(sha256)
        try:
            with storage(f"read {path}", elsewhere=True), open(path, "rb") as file:
                return read_at_most(file, most, str(path))
        except StorageError as problem:
            if isinstance(problem.__cause__, FileNotFoundError):
                raise NotFoundError(f"The registry {self.root} lacks its file {blob_name(sha256)}.") from None
            raise

    def add(self, path: Path) -> Added:
        """Copy a file into the blobs, if it is not there, and give its digest, size and chunk digests."""
        temporary = self.root / "blobs" / f".{os.urandom(8).hex()}.new"
        try:
            with storage(f"copy {path} into {self.root}", elsewhere=True):
                temporary.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "rb") as source, open(temporary, "xb") as target:
                    added = _copy(source, target)
                    os.fsync(target.fileno())
                if not self.has(added.sha256, added.bytes):
                    self.path(added.sha256).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(temporary, self.path(added.sha256))
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return added

    def add_bytes(self, data: bytes) -> str:
        """Make `data` a blob, if it is none yet, and give its digest."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.has(sha256, len(data)):
            write_whole(self.path(sha256), data)
        return sha256

    def point(self, pointer: bytes, *, instead_of: bytes | None = None) -> None:
        """Put a new pointer in the place of the old one; what it points to must be there. Do so within `changing`.

        Where the old one is no longer the one given, somebody has published meanwhile: StorageError, and nothing changes.
        """
        if instead_of is not None and self.pointer() != instead_of:
            raise StorageError(f"Somebody else has published to {self.root} meanwhile. Run the command again.")
        write_whole(self.root / POINTER, pointer)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other publishers of this machine out while the pointer is read, thought about and written.

        Making the file excludes the others; one that a process left that died is taken over after some seconds.
        """
        mark = self.root / f".{POINTER}.changing"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with storage(f"write {mark}", elsewhere=True):
            self.root.mkdir(parents=True, exist_ok=True)
            while True:
                try:
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                    break
                except FileExistsError:
                    pass
                if time.monotonic() > deadline:
                    raise StorageError(f"{mark} is there, so somebody seems to be publishing. Delete it if nobody is.")
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - mark.stat().st_mtime > _PATIENCE_SECONDS / 2:
                        mark.unlink()
                time.sleep(0.02)
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def blobs(self) -> Iterator[tuple[str, Path]]:
        """The digest in the name, and the path, of every blob, in order."""
        with storage(f"list {self.root}", elsewhere=True):
            for path in sorted((self.root / "blobs" / "sha256").glob("??/*")):
                if re.fullmatch(r"[0-9a-f]{64}", path.name) and path.parent.name == path.name[:2] and path.is_file():
                    yield path.name, path


def read_at_most(file: BinaryIO, most: int, who: str) -> bytes:
    """All of an open file, or FormatError if it has more than `most` bytes."""
    data = file.read(most + 1)
    if len(data) > most:
        raise FormatError(f"{who} is larger than {most} bytes, the most that is read.")
    return data


def _copy(source: BinaryIO, target: BinaryIO) -> Added:
    whole, size, digests = hashlib.sha256(), 0, []
    chunk, room = hashlib.sha256(), CHUNK
    while block := source.read(min(_BLOCK, room)):
        target.write(block)
        whole.update(block)
        chunk.update(block)
        size, room = size + len(block), room - len(block)
        if not room:
            digests.append(chunk.hexdigest())
            chunk, room = hashlib.sha256(), CHUNK
    if room < CHUNK:
        digests.append(chunk.hexdigest())
    target.flush()
    return Added(whole.hexdigest(), size, Chunks(CHUNK, tuple(digests)) if len(digests) > 1 else None)
