"""A strict reader of zip files, by their directory: regular files and folders, stored, deflated or packed by bzip2.

Refused are encrypted members, links and devices, members that share bytes of the file (a small file could then unpack
to any size), and sizes or checksums that are not as promised. Layout: PKWARE's APPNOTE, sections 4.3 to 4.5.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from numzoo.hub.errors import FormatError, UnsafeFileError
from numzoo.hub.store.archives.limits import Budget
from numzoo.hub.store.archives.member import Member
from numzoo.hub.store.cache import storage

__all__ = ["read_zip"]

_PIECE = 1 << 18
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x2041, 0x0800
_STORED, _DEFLATED, _BZIP2 = 0, 8, 12
_UNIX, _MACOS = 3, 19


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    method: int
    checksum: int
    packed: int
    size: int
    header: int


def read_zip(file: BinaryIO, budget: Budget) -> Iterator[Member]:
    """The members by their place in the file; each one's blocks must be taken before the next is asked for."""
    who = budget.who
    with storage(f"read {file.name}"):
        length = file.seek(0, os.SEEK_END)
    begin, size, count = _find_directory(file, length, budget)
    entries = sorted(_directory(file, begin, size, count, budget), key=lambda entry: entry.header)
    ends = [*(entry.header for entry in entries), begin][1:]
    for entry, end in zip(entries, ends, strict=True):
        offset = _data_offset(file, entry, who)
        if offset + entry.packed > end:
            raise UnsafeFileError(f"{who} has the member {entry.name!r}, which overlaps what comes after it.")
        if entry.name.endswith("/"):
            if entry.size:
                raise UnsafeFileError(f"{who} has the folder {entry.name!r}, which holds bytes.")
            yield Member(entry.name, True, 0, iter(()))
        else:
            yield Member(entry.name, False, entry.size, _contents(file, entry, offset, budget))


def _find_directory(file: BinaryIO, length: int, budget: Budget) -> tuple[int, int, int]:
    """Where the directory begins, how many bytes it has, and how many members it claims."""
    who = budget.who
    tail = _at(file, max(0, length - _END.size - _FULL16), min(length, _END.size + _FULL16), who)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        raise FormatError(f"{who} is no zip file, or one that was cut short: it has no directory at its end.")
    _, disk, start, here, count, size, begin, _ = _END.unpack_from(tail, place)
    position = length - len(tail) + place
    if (
        position >= _LOCATOR.size
        and (found := _at(file, position - _LOCATOR.size, _LOCATOR.size, who))[:4] == b"PK\x06\x07"
    ):
        _, _, record, disks = _LOCATOR.unpack(found)
        if disks > 1 or record + _END64.size > position:
            raise FormatError(f"{who} has a damaged zip64 directory record.")
        mark, _, _, _, disk, start, here, count, size, begin = _END64.unpack(_at(file, record, _END64.size, who))
        if mark != b"PK\x06\x06":
            raise FormatError(f"{who} has a damaged zip64 directory record.")
        position = record
    if disk or start or here != count:
        raise UnsafeFileError(f"{who} is one volume of a zip file of several, which is not unpacked here.")
    if begin + size > position:
        raise FormatError(f"{who} has a zip directory that does not lie inside the file.")
    if size > budget.limits.directory or count > budget.limits.members:
        raise UnsafeFileError(f"{who} has a zip directory of {size} bytes and {count} members, too many to unpack.")
    return begin, size, count


def _directory(file: BinaryIO, begin: int, size: int, count: int, budget: Budget) -> Iterator[_Entry]:
    who, position, end = budget.who, begin, begin + size
    for _ in range(count):
        budget.member()
        if position + _ENTRY.size > end:
            raise FormatError(f"{who} has a zip directory that ends before its last member.")
        fields = _ENTRY.unpack(_at(file, position, _ENTRY.size, who))
        mark, made, _, flags, method, _, _, checksum, packed, size = fields[:10]
        name_length, extra_length, comment_length, disk, _, attributes, header = fields[10:]
        if mark != b"PK\x01\x02" or disk not in (0, _FULL16):
            raise FormatError(f"{who} has a zip directory that is damaged at byte {position}.")
        text = _at(file, position + _ENTRY.size, name_length + extra_length, who)
        position += _ENTRY.size + name_length + extra_length + comment_length
        if position > end:
            raise FormatError(f"{who} has a zip directory that ends inside a name.")
        name = _name(text[:name_length], flags, who)
        if flags & _ENCRYPTED:
            raise UnsafeFileError(f"{who} has the member {name!r}, which is encrypted.")
        if made >> 8 in (_UNIX, _MACOS) and attributes >> 28 not in (0, 0o04, 0o10):
            raise UnsafeFileError(f"{who} has the member {name!r}, which is a link or a device; only files are taken.")
        if method not in (_STORED, _DEFLATED, _BZIP2):
            raise UnsafeFileError(f"{who} has the member {name!r}, packed by method {method}, which is not read here.")
        wanted = [value == _FULL32 for value in (size, packed, header)]
        if any(wanted):
            wide = iter(_wide(text[name_length:], sum(wanted), name, who))
            size, packed, header = (
                next(wide) if each else value for each, value in zip(wanted, (size, packed, header), strict=True)
            )
        yield _Entry(name, method, checksum, packed, size, header)
    if position != end:
        raise FormatError(f"{who} has a zip directory with bytes after its last member.")


def _contents(file: BinaryIO, entry: _Entry, offset: int, budget: Budget) -> Iterator[bytes]:
    """The unpacked bytes of one member, held to its size and its checksum."""
    who, checksum, length = budget.who, 0, 0
    for piece in _inflated(file, entry, offset, who):
        length += len(piece)
        if length > entry.size:
            raise FormatError(
                f"{who} has the member {entry.name!r}, which unpacks to more than its {entry.size} bytes."
            )
        budget.spend(len(piece))
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if length != entry.size or checksum != entry.checksum:
        raise FormatError(f"{who} has the member {entry.name!r}, which is damaged: its size or its CRC-32 is another.")


def _inflated(file: BinaryIO, entry: _Entry, offset: int, who: str) -> Iterator[bytes]:
    left, position = entry.packed, offset
    if entry.method == _STORED:
        while left:
            piece = _at(file, position, min(_PIECE, left), who)
            position, left = position + len(piece), left - len(piece)
            yield piece
        return
    machine: Any
    if entry.method == _DEFLATED:
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
    else:
        import bz2

        machine = bz2.BZ2Decompressor()
    packed = b""
    while not machine.eof:
        if not packed and getattr(machine, "needs_input", True):
            if not left:
                break
            packed = _at(file, position, min(_PIECE, left), who)
            position, left = position + len(packed), left - len(packed)
        try:
            piece = machine.decompress(packed, _PIECE)
        except (zlib.error, OSError, ValueError) as error:
            raise FormatError(f"{who} has the member {entry.name!r}, which does not unpack: {error}.") from None
        packed = getattr(machine, "unconsumed_tail", b"")
        if piece:
            yield piece
    while entry.method == _DEFLATED and not machine.eof and (piece := machine.decompress(packed, _PIECE)):
        packed = machine.unconsumed_tail
        yield piece
    if not machine.eof or machine.unused_data or left:
        raise FormatError(f"{who} has the member {entry.name!r}, whose packed bytes do not end where they should.")


def _data_offset(file: BinaryIO, entry: _Entry, who: str) -> int:
    """Where a member's bytes begin, by the header before them."""
    fields = _LOCAL.unpack(_at(file, entry.header, _LOCAL.size, who))
    if fields[0] != b"PK\x03\x04":
        raise FormatError(f"{who} has no member where its directory says that {entry.name!r} is.")
    return entry.header + _LOCAL.size + int(fields[9]) + int(fields[10])


def _wide(extra: bytes, count: int, name: str, who: str) -> tuple[int, ...]:
    """The zip64 numbers that a directory entry has no room for."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1 and 8 * count <= length <= len(extra) - 4:
            return struct.unpack_from(f"<{count}Q", extra, 4)
        extra = extra[4 + length :]
    raise FormatError(f"{who} has the member {name!r}, whose sizes are missing from its zip64 field.")


def _name(raw: bytes, flags: int, who: str) -> str:
    try:
        return raw.decode("utf-8")  # Programs that do not say so mostly write UTF-8 too.
    except UnicodeDecodeError:
        if flags & _UTF8:
            raise FormatError(f"{who} has a member whose name {raw[:80]!r} is not UTF-8.") from None
        return raw.decode("cp437")


def _at(file: BinaryIO, position: int, count: int, who: str) -> bytes:
    with storage(f"read {file.name}"):
        file.seek(position)
        block = file.read(count)
    if len(block) < count:
        raise FormatError(f"{who} is a zip file that was cut short.")
    return block
