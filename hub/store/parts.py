"""Unfinished files, without locks: many processes may fetch the same file, and any may die at any moment.

A part is written by one process only, which its name tells: `<key>.<owner>.<id>.part`, where `<key>` is the wanted
digest and `<owner>` names the machine (or container), the process and the moment it began. A part whose owner is dead,
or which its owner has set free, is a leftover (claims.py).

A part hashes what is written to it, so the digest is known with the last byte. Spans may be placed out of their order
too. Where the record has chunk digests, these are the map of what is there: a chunk counts if its digest is right,
wherever it came from, so spans that lie ahead outlive the process, and leftovers give their good chunks and lose the
others. Without chunk digests a file on disk is right from its beginning to its end or not at all; so spans that lie
ahead wait in memory.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.errors import IntegrityError, StorageError
from numzoo.hub.quantities import size_text
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import Cache, storage
from numzoo.hub.store.claims import claim, delete, fresh_name, note_of, set_free
from numzoo.hub.store.digests import BesideHasher, FileHasher

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress, Transfer

__all__ = ["Part"]

_BLOCK = 1 << 20
_UNKNOWN_STEP = 64 << 20
_RESERVE = 16 << 20  # what a download must leave free on the disk


class Part:
    """An unfinished file that only this process writes, from the leftovers of others if there are any.

    `length` bytes are written, without a gap; more may be placed ahead of them. `origin` is where the present one of
    several joined sources begins. `inherited` says that some bytes came from elsewhere than the source now being read,
    so that a wrong digest may not be its fault.
    """

    def __init__(
        self, cache: Cache, record: FileRecord, progress: Progress | None = None, *, adopt: bool = True
    ) -> None:
        import hashlib

        self.record = record
        self.length = 0
        self.inherited = False
        self._new_hasher = hashlib.sha256
        self._whole = self._inheriting = False
        self._folder = cache.parts
        self._salvage: list[Path] = []
        self._useless: set[int] = set()
        # Spans that wait for their turn: offset -> how many bytes lie on the disk there, or the bytes themselves.
        self._ahead: dict[int, int | bytes] = {}
        key = record.key
        with storage(f"write to {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            leftovers = list(claim(self._folder, key)) if adopt else []
            self.path = self._settle(leftovers, key)
            self._file = open(self.path, "r+b" if self.path.exists() else "x+b", buffering=0)  # noqa: SIM115
        self._start = self._origin = self._checked = (
            0,
            BesideHasher(FileHasher(record)),
            BesideHasher(self._new_hasher()),
        )
        self._hasher, self._chunk = self._start[1].copy(), self._start[2].copy()
        self._transfer: Transfer | None = None
        self._read_own()
        if progress:
            self._transfer = progress.start(record.label, record.bytes, self.length)

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
            self._put(piece)
            try:
                self._take(piece)
            finally:
                self._advance(len(piece))  # Last, since whoever is told may end the transfer there.
            view = view[len(piece) :]

    def missing(self, most: int) -> list[tuple[int, int]]:
        """The spans (start, end) that are not here, each of at most `most` bytes or one chunk; needs a known size.

        Where there are chunks, each span is one or more of them, and what leftovers have right is taken in first.
        """
        chunks, total = self.record.chunks, self.record.bytes or 0
        if chunks is None:
            return [(at, min(at + most, total)) for at in range(self.length, total, most)]
        self._return_to(self._checked)
        spans: list[tuple[int, int]] = []
        for at in range(self.length, total, chunks.size):
            end = min(at + chunks.size, total)
            if self._salvage and (good := self._good_chunk(at // chunks.size)):
                self._inherit(at, good)
            elif at >= self.length and at not in self._ahead:
                start = spans[-1][0] if spans and spans[-1][1] == at and end - spans[-1][0] <= most else at
                if start != at:
                    spans.pop()
                spans.append((start, end))
        return spans

    def place(self, start: int, data: bytes) -> None:
        """Take a span of `missing`, in whatever order they come; raises IntegrityError where a chunk of it is wrong."""
        if start < self.length or start in self._ahead:
            return  # It has come before.
        if start == self.length:
            self.write(data)
            self._catch_up()
        elif (chunks := self.record.chunks) is None:
            self._ahead[start] = data
            self._advance(len(data))
        else:
            view = memoryview(data)
            pieces = [view[at : at + chunks.size] for at in range(0, len(data), chunks.size)]
            for number, piece in enumerate(pieces, start // chunks.size):
                if self._new_hasher(piece).hexdigest() != chunks.sha256[number]:
                    raise IntegrityError(self._wrong_chunk(number))
            for number, piece in enumerate(pieces, start // chunks.size):
                self._ahead[number * chunks.size] = len(piece)
                self._put(piece, number * chunks.size)
                self._advance(len(piece))

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
        """Take in the chunks that come next, as long as they are here already: placed ahead, or right in leftovers."""
        self._catch_up()
        while self._salvage and self._chunk_number() is not None and (good := self._good_chunk(self._chunk_number())):
            self._inherit(self.length, good)

    def gap_end(self) -> int | None:
        """Where the next chunk begins that is here already; None if there is none ahead."""
        chunks, number = self.record.chunks, self._chunk_number()
        if chunks is None or number is None or not (self._salvage or self._ahead):
            return None
        ahead = (later * chunks.size for later in range(number + 1, len(chunks.sha256)))
        return next((at for at in ahead if at in self._ahead or self._good_chunk(at // chunks.size)), None)

    def check_space(self, wanted: int | None = None) -> None:
        """Raise StorageError if the rest of the file (of `wanted` bytes where the record has no size) has no room."""
        total = self.record.bytes if self.record.bytes is not None else wanted
        with storage(f"look at the disk of {self._folder}"):
            free = shutil.disk_usage(self._folder).free
        missing = (total or 0) - self.length - sum(size for size in self._ahead.values() if isinstance(size, int))
        if missing > 0 and missing + _RESERVE > free:
            raise StorageError(
                f"{self.record.label} needs {size_text(missing)} more, but the disk of {self._folder} has {size_text(free)} free "
                f"(and {size_text(_RESERVE)} are left alone). Free some space, or set NUMZOO_HOME to a folder on another disk."
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
        with storage(f"write {self.path}"):
            self._file.truncate(self.length)  # A wrong chunk may have left bytes behind the last right one.
        self._file.close()
        self.validator = None  # Before the part itself goes, so that no death leaves it behind alone.
        cache.publish(self.path, sha256)
        self._whole = True
        self._forget()
        return sha256

    def discard(self) -> None:
        """Delete the part and what is left of the leftovers."""
        self._file.close()
        delete(self.path)
        self._forget()

    def close(self) -> None:
        """Let go: a part with bytes in it stays behind as a leftover for the next process, an empty one goes."""
        if self._transfer:
            self._transfer.finish(whole=self._whole)
        if self._file.closed:
            return
        if self.length == 0 and not self._salvage and not self._ahead:
            self.discard()
            return
        self._file.close()
        with contextlib.suppress(OSError):
            for path in [self.path, *self._salvage]:
                set_free(path)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the part keeps of itself: (length, hash so far, hash of the present chunk so far)

    def _mark(self) -> tuple[int, Any, Any]:
        return self.length, self._hasher.copy(), self._chunk.copy()

    def _return_to(self, mark: tuple[int, Any, Any]) -> None:
        dropped = self.length - mark[0]
        if self.record.chunks is None:
            dropped += sum(len(span) for span in self._ahead.values() if isinstance(span, bytes))
            self._ahead = {}
            with storage(f"write {self.path}"):
                self._file.truncate(mark[0])
        self.length, self._hasher, self._chunk = mark[0], mark[1].copy(), mark[2].copy()
        if dropped:
            self._advance(-dropped)

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
            raise IntegrityError(self._wrong_chunk(number))
        if (again := self._ahead.pop(number * chunks.size, None)) is not None:
            self._advance(-int(again))  # A source that cannot skip it has sent it once more.
        self._chunk = BesideHasher(self._new_hasher())
        self._checked = self._mark()

    def _wrong_chunk(self, number: int) -> str:
        chunks = self.record.chunks
        at = number * chunks.size if chunks else 0
        return (
            f"Chunk {number} of {self.record.label} (bytes {at} and following) is not what the manifest says. Its bytes "
            f"were dropped; what was right is kept."
        )

    def _catch_up(self) -> None:
        """Count and hash the spans that the end of the written bytes has now reached."""
        while (span := self._ahead.pop(self.length, None)) is not None:
            if isinstance(span, int):
                with storage(f"read {self.path}"):
                    self._file.seek(self.length)
                    data = self._file.read(span) or b""
            else:
                data = span
                self._put(data)
            self.length += len(data)
            self._hasher.update(data)
            if self.record.chunks:
                self._checked = self._mark()

    def _put(self, data: bytes | memoryview, at: int | None = None) -> None:
        """Write bytes to the file: at the end of what is there, or ahead of it."""
        with storage(f"write {self.path}"):
            self._file.seek(self.length if at is None else at)
            written, view = 0, memoryview(data)
            while written < len(view):
                written += self._file.write(view[written:]) or 0

    def _inherit(self, at: int, chunk: bytes) -> None:
        """Take in a chunk of a leftover."""
        self._inheriting = self.inherited = True
        try:
            self.place(at, chunk)
        finally:
            self._inheriting = False

    def _advance(self, count: int) -> None:
        if self._transfer:
            self._transfer.advance(count, fetched=not self._inheriting)

    # Leftovers

    def _settle(self, leftovers: list[Path], key: str) -> Path:
        fresh = fresh_name(self._folder, key)
        limit = self.record.bytes
        usable = [path for path in leftovers if limit is None or path.stat().st_size <= limit]
        usable.sort(key=lambda path: path.stat().st_size, reverse=True)
        if self.record.chunks:
            self._salvage, kept = usable, usable
        else:
            kept = usable[:1]
        for path in set(leftovers) - set(kept):
            delete(path)
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
        return note_of(self.path)

    def _forget(self) -> None:
        for path in self._salvage:
            delete(path)
        self._salvage = []
