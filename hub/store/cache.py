"""The store of verified files: a blob's name is its sha256, so a name can never mean two contents.

    blobs/sha256/ab/<64 hex>    whole, verified files, published by one atomic rename
    parts/                      unfinished files (parts.py)
    refs/verified/<64 hex>      which inode, in which state, was last seen to have the right digest
    refs/used/<64 hex>          when it was last used (uses.py)

No locks and no symbolic links. Permissions are those that the umask gives. Whoever opens a blob through `open_verified`
gets the very descriptor that was hashed, so nothing can be exchanged between the check and the use. A size cap, if there
is one, is kept after every publish (eviction.py).
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from numzoo.hub import settings
from numzoo.hub.errors import HubError, IntegrityError, NotFoundError, StorageError
from numzoo.hub.registry.record import check_sha256
from numzoo.hub.store import uses
from numzoo.hub.store.opened import VerifiedFile, state_of

__all__ = ["Cache", "Entry", "digest_of", "storage"]

_BLOCK = 1 << 20
# A file that changed this recently might change again within one tick of its file system's clock, and the change would
# not show: such a file is hashed again next time.
_SETTLED_SECONDS = 5.0
_LARGEST_NOTE = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """One blob: its digest, its size in bytes, its path, and when it was written (seconds since the epoch)."""

    sha256: str
    bytes: int
    path: Path
    written: float


class Cache:
    """The store below `root`, which is NUMZOO_HOME or the platform's cache folder if none is given.

    Making a Cache touches no disk. Every method raises StorageError where the disk refuses.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = settings.home() if root is None else Path(root).absolute()

    @property
    def parts(self) -> Path:
        """The folder of unfinished files."""
        return self.root / "parts"

    @property
    def refs(self) -> Path:
        """The folder of small notes."""
        return self.root / "refs"

    def path(self, sha256: str) -> Path:
        """Where the blob of this digest lies, or would lie."""
        check_sha256(sha256)
        return self.root / "blobs" / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether there is a blob of this name; `open_verified` tells whether its bytes are still right."""
        return os.path.lexists(self.path(sha256))

    def publish(self, temporary: Path, sha256: str) -> Path:
        """Make a finished file, whose bytes the caller has hashed, the blob of this digest; give the blob's path.

        The bytes reach the disk before the name does. A blob that is already there is replaced: it has the same bytes.
        What exceeds the size cap then is evicted, if it is not in use.
        """
        target, limit = self.path(sha256), settings.cache_limit()
        with storage(f"publish {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "r+b", buffering=0) as file:
                os.fsync(file.fileno())
            try:
                os.replace(temporary, target)
            except PermissionError:
                # Windows does not replace a file that somebody has open: then that file is the one to use.
                if os.name != "nt" or not target.is_file():
                    raise
                temporary.unlink()
            except FileNotFoundError:
                # A network file system that repeats a request whose answer was lost: the first one did it.
                if not target.is_file():
                    raise
            _sync_folder(target.parent)
        uses.mark(self.refs, sha256)
        if limit is not None:
            from numzoo.hub.store.eviction import evict

            evict(self, limit)
        return target

    def open_verified(
        self, sha256: str, bytes: int | None = None, *, remember: bool = True, use: bool = True
    ) -> VerifiedFile:
        """Open the blob once, hash what was opened, and give it at position 0.

        A blob that was hashed before and whose device, inode, size and both times have not moved since is not hashed
        again; `remember=False` hashes it in any case, and does not count as a use, nor does anything with `use=False`.
        Raises NotFoundError without a blob, and IntegrityError if the size or the digest is wrong or if the path is not
        a regular file.
        """
        path = self.path(sha256)
        raw = self._open(path)
        try:
            before = os.fstat(raw.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise IntegrityError(f"The blob {path} is not a regular file. {_way_out(path)}")
            if bytes is not None and before.st_size != bytes:
                raise IntegrityError(
                    f"The blob {path} has {before.st_size} bytes, but {bytes} were expected. {_way_out(path)}"
                )
            if not (remember and self._seen(sha256) == state_of(before)):
                found = digest_of(raw)
                if found != sha256:
                    raise IntegrityError(
                        f"The blob {path} has sha256 {found}, but {sha256} was expected: it was changed or damaged "
                        f"after it was stored. {_way_out(path)}"
                    )
                self._remember(sha256, before, os.fstat(raw.fileno()))
                raw.seek(0)
            if remember and use:
                uses.mark(self.refs, sha256)
            return VerifiedFile(raw, before)
        except BaseException:
            raw.close()
            raise

    def remove(self, sha256: str) -> int:
        """Delete a blob and give the number of bytes that were freed, 0 if there was none."""
        path = self.path(sha256)
        with storage(f"delete {path}"):
            try:
                size = path.lstat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
            finally:
                with contextlib.suppress(OSError):
                    self._note(sha256).unlink(missing_ok=True)
                uses.forget(self.refs, sha256)
        return size

    def set_aside(self, sha256: str) -> None:
        """Take a blob that turned out wrong out of the store; its good chunks may still serve the next download."""
        path = self.path(sha256)
        with storage(f"move {path}"), contextlib.suppress(FileNotFoundError):
            self.parts.mkdir(parents=True, exist_ok=True)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                os.replace(path, self.parts / f"{sha256}.free.{os.urandom(6).hex()}.part")
            elif stat.S_ISDIR(mode):
                os.rename(path, self.parts / f"work.free.{os.urandom(6).hex()}.tmp")
            else:
                path.unlink()

    def entries(self, *, irregular: bool = False) -> Iterator[Entry]:
        """Every blob, in the order of the digests; files that are not blobs are passed over.

        So are links, folders and the like that bear the name of a blob, unless `irregular` asks for them.
        """
        with storage(f"list {self.root}"):
            for path in sorted((self.root / "blobs" / "sha256").glob("??/*")):
                try:
                    sha256, status = check_sha256(path.name), path.lstat()
                except (ValueError, FileNotFoundError):
                    continue
                if irregular or stat.S_ISREG(status.st_mode):
                    yield Entry(sha256, status.st_size, path, status.st_mtime)

    def size(self) -> int:
        """The number of bytes of all blobs."""
        return sum(entry.bytes for entry in self.entries())

    def _open(self, path: Path) -> io.FileIO:
        # O_NONBLOCK: opening a pipe that somebody put in a blob's place must not wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with storage(f"open {path}"):
            try:
                if path.is_symlink():
                    raise IntegrityError(f"The blob {path} is a symbolic link. {_way_out(path)}")
                return io.FileIO(str(path), "rb", opener=lambda name, _: _open_again(name, flags))
            except FileNotFoundError:
                raise NotFoundError(f"There is no blob {path}. Pull the model or data set again.") from None
            except IsADirectoryError:
                raise IntegrityError(f"The blob {path} is a folder. {_way_out(path)}") from None
            except OSError as problem:
                if problem.errno == errno.ELOOP:
                    raise IntegrityError(f"The blob {path} is a symbolic link. {_way_out(path)}") from None
                raise

    def _note(self, sha256: str) -> Path:
        return self.refs / "verified" / sha256

    def _seen(self, sha256: str) -> list[int] | None:
        """The state that a note tells of, if nobody but this user or root can have written it."""
        try:
            with open(self._note(sha256), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if os.name == "posix" and (status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022):
                    return None
                state = json.loads(file.read(_LARGEST_NOTE))
        except (OSError, ValueError, RecursionError):
            return None
        return state if isinstance(state, list) else None

    def _remember(self, sha256: str, before: os.stat_result, after: os.stat_result) -> None:
        age = time.time() - max(after.st_ctime, after.st_mtime)
        if os.name != "posix" or age < _SETTLED_SECONDS or state_of(before) != state_of(after):
            return  # Elsewhere st_ctime is the time of creation, and a changed file could pass for the old one.
        note = self._note(sha256)
        temporary = note.with_name(f"{sha256}.{os.urandom(6).hex()}")
        # Only a shortcut: a folder that cannot be written costs the next load a hash, and nothing else.
        with contextlib.suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            # Never writable by a group, whatever the umask: see _seen.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with open(descriptor, "w", encoding="ascii") as file:
                json.dump(state_of(after), file)
            os.replace(temporary, note)


def digest_of(file: io.FileIO | BinaryIO) -> str:
    """The sha256 of an open file from its beginning to its end; memory stays at one block."""
    import hashlib

    hasher, block = hashlib.sha256(), bytearray(_BLOCK)
    view = memoryview(block)
    file.seek(0)
    with storage(f"read {file.name}"):
        while count := file.readinto(view):  # type: ignore[union-attr]
            hasher.update(view[:count])
    return hasher.hexdigest()


@contextlib.contextmanager
def storage(what: str, *, elsewhere: bool = False) -> Iterator[None]:
    """Turn an OSError of the disk within into a StorageError that says what was tried, and the way out; `elsewhere` is
    outside the cache, where another NUMZOO_HOME is none."""
    try:
        yield
    except HubError:
        raise  # Some errors of the hub are OSErrors too, and have said everything.
    except OSError as problem:
        advice = {
            errno.ENOSPC: "The disk is full: free some space, or set NUMZOO_HOME to a folder on another disk.",
            errno.EDQUOT: "The disk quota is used up: free some space, or set NUMZOO_HOME to a folder elsewhere.",
            errno.EACCES: "Set NUMZOO_HOME to a folder that you may write.",
            errno.EPERM: "Set NUMZOO_HOME to a folder that you may write.",
            errno.EROFS: "The file system is read-only: set NUMZOO_HOME to a folder that you may write.",
        }.get(problem.errno or 0, "Set NUMZOO_HOME to another folder if this one cannot be used.")
        told = "" if elsewhere else f" {advice}"
        raise StorageError(f"Could not {what}: {problem.strerror or problem}.{told}") from problem


def _open_again(name: str, flags: int) -> int:
    """Open a file; once more where a network file system still knows only the one that it has replaced."""
    try:
        return os.open(name, flags)
    except OSError as problem:
        if problem.errno != getattr(errno, "ESTALE", None):
            raise
        return os.open(name, flags)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # Some network file systems cannot; the rename itself has succeeded.
    finally:
        os.close(descriptor)


def _way_out(path: Path) -> str:
    return f"Delete {path} and pull again."
