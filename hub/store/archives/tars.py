"""A strict reader of tar files, as a stream: regular files and folders, and nothing else.

Formats: the old one, POSIX.1-1988 (ustar), GNU's with long names, POSIX.1-2001 (pax), whose records for path and size
count. Links, devices, pipes, sparse files and volumes of several parts are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from numzoo.hub.errors import FormatError, UnsafeFileError
from numzoo.hub.store.archives.limits import Budget
from numzoo.hub.store.archives.member import Member

__all__ = ["read_tar"]

_BLOCK = 512
_PIECE = 1 << 20
_NOTES = 64 << 10  # what the headers before one member may take
_OCTAL = re.compile(rb"[ \x00]*([0-7]*)[ \x00]*")
_FILES, _FOLDER = (b"0", b"\x00", b"7"), b"5"
_REFUSED = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe"}


class _Stream(Protocol):
    def read(self, count: int, /) -> bytes: ...


def read_tar(stream: _Stream, budget: Budget) -> Iterator[Member]:
    """The members in their order; each one's blocks must be taken before the next is asked for."""
    who = budget.who
    long_name: str | None = None
    extended: dict[str, str] = {}
    shared: dict[str, str] = {}
    notes = 0
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise FormatError(f"{who} is a tar file that was cut short: it ends without its closing blocks.")
        if not any(block):
            break
        kind, name, size = _header(block, who)
        if kind in (b"x", b"g", b"L"):
            notes += size
            if notes > _NOTES:
                raise UnsafeFileError(f"{who} has headers of more than {_NOTES} bytes before one member.")
            content = _whole(stream, size, who)
            if kind == b"L":
                long_name = _text(content.rstrip(b"\x00"), who)
            else:
                (shared if kind == b"g" else extended).update(_records(content, who))
            continue
        known = {**shared, **extended}
        if sparse := next((key for key in known if key.startswith("GNU.sparse")), None):
            raise UnsafeFileError(f"{who} holds a sparse file ({sparse}), which is not unpacked here.")
        name = known.get("path") or long_name or name
        size = _size(known["size"], who) if "size" in known else size
        long_name, extended, notes = None, {}, 0
        budget.member()
        if kind in _FILES and not name.endswith("/"):
            body = _Body(stream, size, who)
            yield Member(name, False, size, iter(body))
            body.finish()
        elif kind == _FOLDER or kind in _FILES:
            yield Member(name, True, 0, iter(()))
            _Body(stream, size if kind in _FILES else 0, who).finish()
        else:
            what = _REFUSED.get(kind, f"of the type {kind!r}")
            raise UnsafeFileError(f"{who} has the member {name!r}, which is {what}; only files and folders are taken.")
    while stream.read(_PIECE):
        pass  # To the end, since only there a packed stream says whether all of it was right.


class _Body:
    """A member's bytes, and the zeros that fill its last block."""

    def __init__(self, stream: _Stream, size: int, who: str) -> None:
        self._stream, self._left, self._who = stream, size, who
        self._padding = -size % _BLOCK

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            piece = self._stream.read(min(_PIECE, self._left))
            if not piece:
                raise FormatError(f"{self._who} is a tar file that was cut short in the middle of a member.")
            self._left -= len(piece)
            yield piece

    def finish(self) -> None:
        """Go to the next header."""
        for _ in self:
            pass
        if len(self._stream.read(self._padding)) < self._padding:
            raise FormatError(f"{self._who} is a tar file that was cut short behind a member.")
        self._padding = 0


def _header(block: bytes, who: str) -> tuple[bytes, str, int]:
    claimed = _OCTAL.fullmatch(block[148:156])
    actual = sum(block) - sum(block[148:156]) + 8 * 0x20
    if claimed is None or not claimed[1] or int(claimed[1], 8) != actual:
        raise FormatError(f"{who} is no tar file, or a damaged one: the checksum of a header does not fit.")
    name = block[:100].split(b"\x00", 1)[0]
    if block[257:263] == b"ustar\x00" and (prefix := block[345:500].split(b"\x00", 1)[0]):
        name = prefix + b"/" + name
    return block[156:157], _text(name, who), _number(block[124:136], who)


def _number(field: bytes, who: str) -> int:
    if field[0] == 0x80:  # GNU's way to write what has no room in octal digits
        size = int.from_bytes(field[1:], "big")
    else:
        found = _OCTAL.fullmatch(field)
        if found is None:
            raise FormatError(f"{who} has a tar header whose size is {field!r}, which is no number.")
        size = int(found[1] or b"0", 8)
    if size >= 1 << 62:
        raise UnsafeFileError(f"{who} has a tar header that promises {size} bytes.")
    return size


def _whole(stream: _Stream, size: int, who: str) -> bytes:
    body = _Body(stream, size, who)
    content = b"".join(body)
    body.finish()
    return content


def _records(raw: bytes, who: str) -> dict[str, str]:
    """The pax records `length key=value`; only those that change what is unpacked are given."""
    found = {}
    while raw:
        head, _, _ = raw.partition(b" ")
        if not head.isdigit() or len(head) > 6 or not len(head) + 3 <= int(head) <= len(raw):
            raise FormatError(f"{who} has a damaged extended tar header.")
        record, raw = raw[len(head) + 1 : int(head)], raw[int(head) :]
        key, equals, value = record.partition(b"=")
        if not equals or not record.endswith(b"\n"):
            raise FormatError(f"{who} has a damaged extended tar header.")
        if key in (b"path", b"size") or key.startswith(b"GNU.sparse"):
            found[key.decode("ascii", "replace")] = _text(value[:-1], who)
    return found


def _size(text: str, who: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise FormatError(f"{who} has a damaged size in an extended tar header.")
    return int(text)


def _text(raw: bytes, who: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{who} has a member whose name {raw[:80]!r} is not UTF-8.") from None
