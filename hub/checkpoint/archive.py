"""A strict reader of zip directories: every byte of the file must be accounted for, once.

Zip files can be made so that two readers see two different contents. This one refuses whatever allows that: members
that overlap, leave gaps, disagree with the directory or share a name; bytes before the first member; a comment;
encryption; links. Members are read in place, since PyTorch stores them uncompressed.
Layout: PKWARE's APPNOTE, sections 4.3 to 4.5.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["DEFLATED", "STORED", "Member", "inflate", "read_directory", "verify_checksum"]

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x0001, 0x0008, 0x0800
_DEFLATE_LEVEL = 0x0006


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: `packed` bytes at `offset`, which inflate to `size` (the same where it is stored)."""

    name: str
    offset: int
    packed: int
    size: int
    checksum: int
    method: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    header: int


def read_directory(source: Source) -> dict[str, Member]:
    """Give the members of a zip file by name, in the directory's order; folders are left out.

    Raises FormatError where the file is damaged, and UnsafeFileError where it breaks one of the rules above.
    """
    count, begin, end = _find_directory(source)
    entries = _entries(source, count, begin, end)
    members: dict[str, Member] = {}
    names: set[str] = set()
    position = 0
    for entry in sorted(entries, key=lambda entry: entry.header):
        name = _check_name(entry.name)
        if name in names:
            raise UnsafeFileError(f"The zip file holds {name!r} twice.")
        names.add(name)
        if entry.header != position:
            what = "overlaps the one before it" if entry.header < position else "leaves hidden bytes before it"
            raise UnsafeFileError(f"The zip member {name!r} begins at byte {entry.header}, not {position}: it {what}.")
        if entry.method not in (STORED, DEFLATED):
            raise UnsafeFileError(f"The zip member {name!r} is packed by method {entry.method}, which is not read.")
        offset = _data_offset(source, entry, name, begin)
        position = _member_end(source, entry, name, offset, begin)
        if name.endswith("/"):
            if entry.size or entry.packed:
                raise UnsafeFileError(f"The zip folder {name!r} holds bytes.")
            continue
        members[name] = Member(name, offset, entry.packed, entry.size, entry.checksum, entry.method)
    if position != begin:
        raise UnsafeFileError(f"The zip members end at byte {position}, but the directory begins at {begin}.")
    return members


def verify_checksum(source: Source, member: Member) -> None:
    """Hold a stored member's bytes against its CRC-32; raise FormatError where they differ."""
    found = zlib.crc32(source.view[member.offset : member.offset + member.packed])
    if found != member.checksum:
        raise FormatError(
            f"The zip member {member.name!r} is damaged: its CRC-32 is {found:08x}, the directory says "
            f"{member.checksum:08x}."
        )


def inflate(source: Source, member: Member) -> Source:
    """Give a member's content as a source: in place where it is stored, else inflated within bounds and checked."""
    if member.method == STORED:
        verify_checksum(source, member)
        return source.window(member.offset, member.size)
    if member.size > limits.INFLATED_FREE + limits.INFLATED_RATIO * member.packed:
        raise UnsafeFileError(
            f"The zip member {member.name!r} would grow from {member.packed} to {member.size} bytes; the limit is "
            f"{limits.INFLATED_RATIO} times and {limits.INFLATED_FREE} bytes."
        )
    content = memoryview(np.empty(member.size, np.uint8).data)  # unlike a bytearray, not filled with zeros first
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    packed: bytes | memoryview = source.view[member.offset : member.offset + member.packed]
    position = 0
    try:
        while not machine.eof:
            piece = machine.decompress(packed, limits.MEBIBYTE)
            packed = machine.unconsumed_tail
            if not piece and not packed and not machine.eof:
                break
            if position + len(piece) > member.size:
                raise FormatError(f"The zip member {member.name!r} inflates to more than its {member.size} bytes.")
            content[position : position + len(piece)] = piece
            position += len(piece)
    except zlib.error as error:
        raise FormatError(f"The zip member {member.name!r} does not inflate: {error}.") from None
    if not machine.eof or machine.unused_data or packed or position != member.size:
        raise FormatError(f"The zip member {member.name!r} does not inflate to its {member.size} bytes.")
    if zlib.crc32(content) != member.checksum:
        raise FormatError(f"The zip member {member.name!r} is damaged: its CRC-32 is not the directory's.")
    return Source(content)


def _find_directory(source: Source) -> tuple[int, int, int]:
    """Give the number of entries and the first and last byte of the central directory."""
    end = source.size - _END.size
    if end < 0 or bytes(source.view[end : end + 4]) != b"PK\x05\x06":
        raise FormatError("The zip file has no directory at its end: cut short, or something was appended.")
    _, disk, start_disk, here, count, size, begin, comment = _END.unpack_from(source.view, end)
    if comment or disk not in (0, _FULL16) or start_disk not in (0, _FULL16):
        raise UnsafeFileError("The zip file has a comment or spans disks, which a checkpoint never does.")
    locator = end - _LOCATOR.size
    if locator >= 0 and bytes(source.view[locator : locator + 4]) == b"PK\x06\x07":
        _, disk, record, disks = _LOCATOR.unpack_from(source.view, locator)
        if disk != 0 or disks > 1 or record + _END64.size != locator:
            raise FormatError("The zip64 directory record is not where the file says.")
        wide = _END64.unpack_from(source.view, record)
        if wide[0] != b"PK\x06\x06" or wide[1] != _END64.size - 12 or wide[4] or wide[5]:
            raise FormatError("The zip64 directory record is damaged.")
        for narrow, full, value in (
            (here, _FULL16, wide[6]),
            (count, _FULL16, wide[7]),
            (size, _FULL32, wide[8]),
            (begin, _FULL32, wide[9]),
        ):
            if narrow not in (full, value):
                raise UnsafeFileError("The zip file's two directory records disagree.")
        here, count, size, begin = wide[6:]
        end = record
    if here != count or count > limits.MEMBERS:
        raise FormatError(f"The zip directory claims {count} members ({here} on this disk).")
    if begin + size != end:
        raise FormatError(f"The zip directory of {size} bytes at byte {begin} does not end at byte {end}.")
    return count, begin, end


def _entries(source: Source, count: int, begin: int, end: int) -> list[_Entry]:
    view, position = source.view, begin
    entries = []
    for _ in range(count):
        if position + _CENTRAL.size > end:
            raise FormatError("The zip directory ends before its last member.")
        record = _CENTRAL.unpack_from(view, position)
        mark, made, _needed, flags, method, _time, _date, checksum, packed, size = record[:10]
        name, extra, comment, disk, _internal, external, header = record[10:]
        if mark != b"PK\x01\x02":
            raise FormatError(f"The zip directory is damaged at byte {position}.")
        position += _CENTRAL.size
        if position + name + extra + comment > end:
            raise FormatError("The zip directory ends inside a member's name.")
        raw = bytes(view[position : position + name])
        fields = bytes(view[position + name : position + name + extra])
        position += name + extra + comment
        if comment or disk not in (0, _FULL16):
            raise UnsafeFileError(f"The zip member {raw!r} has a comment or lies on another disk.")
        _check_flags(raw, flags, method)
        if made >> 8 == 3 and (external >> 28) not in (0, 0x8, 0x4):
            raise UnsafeFileError(f"The zip member {raw!r} is a link or a device, not a file.")
        wide = _wide_field(raw, fields, [value == _FULL32 for value in (size, packed, header)])
        size, packed, header = (wide.pop(0) if value == _FULL32 else value for value in (size, packed, header))
        if method == STORED and size != packed:
            raise UnsafeFileError(f"The stored zip member {raw!r} has two sizes, {packed} and {size}.")
        entries.append(_Entry(raw, flags, method, checksum, packed, size, header))
    if position != end:
        raise UnsafeFileError("The zip directory holds bytes after its last member.")
    return entries


def _check_flags(name: bytes, flags: int, method: int) -> None:
    if flags & _ENCRYPTED:
        raise UnsafeFileError(f"The zip member {name!r} is encrypted.")
    allowed = _DESCRIPTOR | _UTF8 | (_DEFLATE_LEVEL if method == DEFLATED else 0)
    if flags & ~allowed:
        raise UnsafeFileError(f"The zip member {name!r} has the flags {flags:#06x}, which are not read.")


def _wide_field(name: bytes, extra: bytes, wanted: list[bool]) -> list[int]:
    """Give the 64-bit values that stand for full 32-bit ones, from the extra field with the id 1."""
    position, found = 0, None
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4
        if position + length > len(extra):
            raise FormatError(f"The zip member {name!r} has a damaged extra field.")
        if kind == 1:
            if found is not None:
                raise UnsafeFileError(f"The zip member {name!r} has two zip64 fields.")
            found = extra[position : position + length]
        position += length
    count = sum(wanted)
    if found is None or count == 0:
        if count:
            raise FormatError(f"The zip member {name!r} lacks the zip64 field that its sizes need.")
        return []
    if len(found) < 8 * count:
        raise FormatError(f"The zip member {name!r} has a zip64 field that is too short.")
    return list(struct.unpack_from(f"<{count}Q", found))


def _data_offset(source: Source, entry: _Entry, name: str, limit: int) -> int:
    """Hold the local header against the directory and give the first byte of the data."""
    mark, _needed, flags, method, _time, _date, checksum, packed, size, name_bytes, extra = _LOCAL.unpack_from(
        source.view, entry.header
    )
    if mark != b"PK\x03\x04":
        raise FormatError(f"The zip member {name!r} has no header at byte {entry.header}.")
    begin: int = entry.header + _LOCAL.size
    offset: int = begin + name_bytes + extra
    if offset > limit:
        raise FormatError(f"The zip member {name!r} lies outside the file.")
    raw = bytes(source.view[begin : begin + name_bytes])
    if (raw, flags, method) != (entry.name, entry.flags, entry.method):
        raise UnsafeFileError(f"The zip member {name!r} is described differently in its header and in the directory.")
    fields = bytes(source.view[begin + name_bytes : offset])
    wide = _wide_field(entry.name, fields, [size == _FULL32, packed == _FULL32])
    size, packed = (wide.pop(0) if value == _FULL32 else value for value in (size, packed))
    told = (checksum, packed, size)
    if told != (entry.checksum, entry.packed, entry.size) and not (flags & _DESCRIPTOR and told == (0, 0, 0)):
        raise UnsafeFileError(f"The zip member {name!r} has other sizes in its header than in the directory.")
    return offset


def _member_end(source: Source, entry: _Entry, name: str, offset: int, limit: int) -> int:
    """Give the byte after a member: after its data, or after the descriptor that repeats checksum and sizes."""
    end = offset + entry.packed
    if end > limit:
        raise FormatError(f"The zip member {name!r} lies outside the file.")
    if not entry.flags & _DESCRIPTOR:
        return end
    for layout in (struct.Struct("<4sIII"), struct.Struct("<4sIQQ")):
        if end + layout.size > limit:
            break
        if layout.unpack_from(source.view, end) == (b"PK\x07\x08", entry.checksum, entry.packed, entry.size):
            return end + layout.size
    if entry.size == 0:  # PyTorch sets the flag on empty records too, without writing a descriptor
        return end
    raise UnsafeFileError(f"The zip member {name!r} has a data descriptor that differs from the directory.")


def _check_name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"The zip member {raw!r} has a name that is not UTF-8.") from None
    parts = name.split("/")
    if not name or "\x00" in name or "\\" in name or name[1:2] == ":" or name.startswith("/") or ".." in parts:
        raise UnsafeFileError(f"The zip member {name!r} has a name that leaves the archive.")
    return name
