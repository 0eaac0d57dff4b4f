"""Unfinished files, without locks: many processes may fetch the same file, and any may die at any moment.

A part is written by one process only, which its name tells: `<key>.<owner>.<id>.part`, where `<key>` is the wanted
digest and `<owner>` names the machine (or container), the process and the moment it began. A part whose owner is dead,
or which its owner has set free, is a leftover. Whoever renames a leftover to a name of its own has it alone, since a
rename succeeds for one only. If it cannot be known whether an owner lives (another machine on a shared disk), a part
that has lain still for a while is copied, so that two processes never write the same inode.

A part hashes what is written to it, so the digest is known with the last byte. Where the record has chunk digests, no
chunk stays in a part that is not right, and leftovers give their good chunks and lose the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.errors import IntegrityError, StorageError
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import Cache, storage
from numzoo.hub.store.ownership import alive, owner

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["Part", "work_folder"]

_BLOCK = 1 << 20
_FREE = "free"
_STILL_SECONDS = 15 * 60  # longer than any stall that a living transfer would sit out
_WEEK_SECONDS = 7 * 24 * 3600
_UNKNOWN_STEP = 64 << 20
_RESERVE = 16 << 20  # what a download must leave free on the disk


class Part:
    """An unfinished file that only this process writes, from the leftovers of others if there are any.

    `length` bytes are written. `origin` is where the present one of several joined sources begins. `inherited` says
    that some bytes came from elsewhere than the source now being read, so that a wrong digest may not be its fault.
    """

    def __init__(
        self, cache: Cache, record: FileRecord, progress: Progress | None = None, *, adopt: bool = True
    ) -> None:
        import hashlib

        from numzoo.hub.store.digests import FileHasher

        self.record = record
        self.length = 0
        self.inherited = False
        self._new_hasher = hashlib.sha256
        self._progress = progress
        self._folder = cache.parts
        self._salvage: list[Path] = []
        self._useless: set[int] = set()
        key = record.key
        with storage(f"write to {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            leftovers = list(_claim(self._folder, key)) if adopt else []
            self.path = self._settle(leftovers, key)
            self._file = open(self.path, "r+b" if self.path.exists() else "x+b", buffering=0)  # noqa: SIM115
        self._start = self._origin = self._checked = (0, FileHasher(record), self._new_hasher())
        self._hasher, self._chunk = self._start[1].copy(), self._start[2].copy()
        self._read_own()
        if progress:
            progress.start(record.label, record.bytes, self.length)

    @property
    def origin(self) -> int:
        """The offset at which the present source's bytes begin."""
        return self._origin[0]

    def write(self, block: bytes | memoryview) -> None:
        """Append bytes; raises IntegrityError on the first byte too many or the first wrong chunk."""
        limit = self.record.bytes
        if limit is not None and self.length + len(block) > limit:
            raise IntegrityError(f"More than the {limit} bytes of {self.record.label} came.")
        if limit is None and self.length // _UNKNOWN_STEP != (self.length + len(block)) // _UNKNOWN_STEP:
            self.check_space(self.length + _UNKNOWN_STEP)  # Nobody has said how much is to come.
        view = memoryview(block)
        while view:
            piece = view[: self._room()]
            with storage(f"write {self.path}"):
                written = 0
                while written < len(piece):
                    written += self._file.write(piece[written:]) or 0
            if self._progress:
                self._progress.advance(len(piece))
            self._take(piece)
            view = view[len(piece) :]

    def pour(self, blocks: Iterable[bytes]) -> None:
        """Take the present source's whole contents from their first byte on.

        Chunks that were checked stay, and the bytes that would repeat them are passed over; anything else there goes.
        """
        if self.record.chunks is None:
            self.restart()
        skip = self.length - self.origin
        for block in blocks:
            self.write(memoryview(block)[skip:])
            skip = max(0, skip - len(block))

    def digest(self) -> str:
        """The sha256 of everything written so far."""
        return str(self._hasher.hexdigest())

    def right(self) -> bool:
        """Whether what is written is, by its digests and its size, the file that the record wants."""
        return self.record.accepts(self.digest(), self._hasher.md5(), self.length)

    def begin(self, *, join: bool = False) -> None:
        """A source begins: at the end of what is there if it is `join`ed to another, else in place of it."""
        if join:
            self._origin = self._mark()
        else:
            self._origin = self._start
            if self.record.chunks:
                self._return_to(self._checked)  # An unchecked rest of another source's would be blamed on this one.
            self.inherited = self.length > 0

    def restart(self) -> None:
        """Drop what the present source has given, and what was there before it if it is not joined to another."""
        if self.length > self.origin:
            self.validator = None
        self._return_to(self._origin)
        self._checked = min(self._checked, self._origin, key=lambda mark: mark[0])
        if self.origin == 0:
            self.inherited = False

    def fill(self) -> None:
        """Copy the chunks that come next from leftovers, as long as they have them right."""
        while self._salvage and self._chunk_number() is not None and (good := self._good_chunk(self._chunk_number())):
            self.write(good)
            self.inherited = True

    def gap_end(self) -> int | None:
        """Where the next chunk begins that a leftover has right; None if there is none ahead."""
        chunks, number = self.record.chunks, self._chunk_number()
        if chunks is None or number is None or not self._salvage:
            return None
        ahead = range(number + 1, len(chunks.sha256))
        return next((later * chunks.size for later in ahead if self._good_chunk(later)), None)

    def check_space(self, wanted: int | None = None) -> None:
        """Raise StorageError if the rest of the file (of `wanted` bytes where the record has no size) has no room."""
        total = self.record.bytes if self.record.bytes is not None else wanted
        with storage(f"look at the disk of {self._folder}"):
            free = shutil.disk_usage(self._folder).free
        missing = (total or 0) - self.length
        if missing > 0 and missing + _RESERVE > free:
            raise StorageError(
                f"{self.record.label} needs {missing} more bytes, but the disk of {self._folder} has {free} free "
                f"(and {_RESERVE} are left alone). Free some space, or set NUMZOO_HOME to a folder on another disk."
            )

    @property
    def validator(self) -> dict[str, str] | None:
        """What the server said of the version that these bytes come from: `{"address": ..., "if_range": ...}`."""
        try:
            found = json.loads(self._note().read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and all(isinstance(text, str) for text in found.values()) else None

    @validator.setter
    def validator(self, value: dict[str, str] | None) -> None:
        with contextlib.suppress(OSError):  # Without it a resumed transfer is merely checked later, by its digest.
            if value is None:
                self._note().unlink(missing_ok=True)
            else:
                self._note().write_text(json.dumps(value), encoding="utf-8")

    def publish(self, cache: Cache) -> str:
        """Make the finished part a blob, and give its digest. The caller has seen that it is `right`."""
        sha256 = self.digest()
        self._file.close()
        self.validator = None  # Before the part itself goes, so that no death leaves it behind alone.
        cache.publish(self.path, sha256)
        self._forget()
        return sha256

    def discard(self) -> None:
        """Delete the part and what is left of the leftovers."""
        self._file.close()
        _delete(self.path)
        self._forget()

    def close(self) -> None:
        """Let go: a part with bytes in it stays behind as a leftover for the next process, an empty one goes."""
        if self._progress:
            self._progress.finish()
        if self._file.closed:
            return
        if self.length == 0 and not self._salvage:
            self.discard()
            return
        self._file.close()
        with contextlib.suppress(OSError):
            for path in [self.path, *self._salvage]:
                key, _, rest = path.name.split(".", 2)
                os.rename(path, path.with_name(f"{key}.{_FREE}.{rest}"))

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the part keeps of itself: (length, hash so far, hash of the present chunk so far)

    def _mark(self) -> tuple[int, Any, Any]:
        return self.length, self._hasher.copy(), self._chunk.copy()

    def _return_to(self, mark: tuple[int, Any, Any]) -> None:
        dropped = self.length - mark[0]
        if dropped <= 0:
            return
        with storage(f"write {self.path}"):
            self._file.truncate(mark[0])
            self._file.seek(mark[0])
        self.length, self._hasher, self._chunk = mark[0], mark[1].copy(), mark[2].copy()
        if self._progress:
            self._progress.advance(-dropped)

    def _room(self) -> int:
        chunks = self.record.chunks
        return _BLOCK if chunks is None else min(_BLOCK, chunks.size - self.length % chunks.size)

    def _take(self, piece: memoryview) -> None:
        """Count and hash a piece that lies in the file and crosses no chunk's end."""
        self.length += len(piece)
        self._hasher.update(piece)
        chunks = self.record.chunks
        if chunks is None:
            return
        self._chunk.update(piece)
        last = self.length == self.record.bytes
        if self.length % chunks.size and not last:
            return
        number = (self.length - 1) // chunks.size
        if number >= len(chunks.sha256) or self._chunk.hexdigest() != chunks.sha256[number]:
            self._return_to(self._checked)
            raise IntegrityError(
                f"Chunk {number} of {self.record.label} (bytes {number * chunks.size} and following) is not what the "
                f"manifest says. Its bytes were dropped; the {self.length} bytes before it are kept."
            )
        self._chunk = self._new_hasher()
        self._checked = self._mark()

    # Leftovers

    def _settle(self, leftovers: list[Path], key: str) -> Path:
        fresh = self._folder / f"{key}.{owner()}.{os.urandom(6).hex()}.part"
        limit = self.record.bytes
        usable = [path for path in leftovers if limit is None or path.stat().st_size <= limit]
        usable.sort(key=lambda path: path.stat().st_size, reverse=True)
        if self.record.chunks:
            self._salvage, kept = usable, usable
        else:
            kept = usable[:1]
        for path in set(leftovers) - set(kept):
            _delete(path)
        return kept[0] if kept and not self.record.chunks else fresh

    def _read_own(self) -> None:
        with storage(f"read {self.path}"):
            while block := self._file.read(_BLOCK):
                self.length += len(block)
                self._hasher.update(block)
        self.inherited = self.length > 0
        if self.length == self.record.bytes and not self.right():
            self.begin()
            self.restart()

    def _chunk_number(self) -> int | None:
        chunks = self.record.chunks
        if chunks is None or self.origin or self.length % chunks.size:
            return None
        number = self.length // chunks.size
        return number if number < len(chunks.sha256) else None

    def _good_chunk(self, number: int | None) -> bytes | None:
        chunks = self.record.chunks
        if chunks is None or number is None or number in self._useless:
            return None
        for path in self._salvage:
            with contextlib.suppress(OSError), open(path, "rb") as file:
                file.seek(number * chunks.size)
                block = file.read(chunks.size)
                if self._new_hasher(block).hexdigest() == chunks.sha256[number]:
                    return block
        self._useless.add(number)
        return None

    def _note(self) -> Path:
        return _note_of(self.path)

    def _forget(self) -> None:
        for path in self._salvage:
            _delete(path)
        self._salvage = []


@contextlib.contextmanager
def work_folder(cache: Cache) -> Iterator[Path]:
    """A folder of one's own on the store's disk, which is gone afterwards, whatever happened in between."""
    folder = cache.parts / f"work.{owner()}.{os.urandom(6).hex()}.tmp"
    with storage(f"make {folder}"):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _claim(folder: Path, key: str) -> Iterator[Path]:
    """Rename the leftovers of `key` to names of our own; sweep away what nobody will come back for."""
    now = time.time()
    for path in sorted(folder.iterdir()):
        fields = path.name.split(".")
        with contextlib.suppress(FileNotFoundError):  # Somebody else was faster.
            age = now - path.stat().st_mtime
            living = alive(fields[1]) if len(fields) == 4 and fields[1] != _FREE else False
            if len(fields) == 4 and fields[3] == "part" and fields[0] == key and living is not True:
                if living is False:
                    mine = folder / f"{key}.{owner()}.{fields[2]}.part"
                    os.rename(path, mine)
                    yield mine
                elif age > _STILL_SECONDS:
                    mine = folder / f"{key}.{owner()}.{os.urandom(6).hex()}.part"
                    shutil.copyfile(path, mine)
                    _delete(path)
                    yield mine
            elif path.is_dir():
                if living is False or age > _WEEK_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
            elif age > _WEEK_SECONDS and living is not True:
                _delete(path)


def _note_of(part: Path) -> Path:
    """Where the note of a part lies: it goes by the part's id, which stays when the owner changes."""
    return part.with_name(f"{part.name.split('.')[2]}.json") if part.name.count(".") == 3 else part


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        _note_of(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
