"""A strict reader of the few tar headers that old PyTorch wrote: regular files, with extended (PAX) headers between.

Nothing is unpacked: members are windows of the file. Links, devices, folders, repeated names and anything but zeros
behind the end blocks are refused. Layout: POSIX.1-2001, pax.
"""

from __future__ import annotations

import re

import numpy as np

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["read_members", "recognise"]

BLOCK = 512

_OCTAL = re.compile(rb" *([0-7]+)[ \x00]*")
_HARMLESS = {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "charset", "hdrcharset"}


def recognise(source: Source) -> bool:
    """Whether the first block is a POSIX tar header."""
    return source.size >= BLOCK and bytes(source.view[257:262]) == b"ustar"


def read_members(source: Source, wanted: frozenset[str]) -> dict[str, Source]:
    """Give the members by name; other names than `wanted`, and a missing one, raise."""
    members: dict[str, Source] = {}
    position, extended_size, extended = 0, None, False
    for _ in range(limits.TAR_HEADERS):
        block = bytes(source.view[position : position + BLOCK])
        if len(block) < BLOCK:
            raise FormatError(f"The tar file is cut short at byte {position}.")
        if not any(block):
            break
        kind, name, size = _header(block, position)
        begin = position + BLOCK
        if kind == b"x":
            if extended:
                raise FormatError(f"The tar file has two extended headers before one member, at byte {position}.")
            if size > 64 * BLOCK or begin + size > source.size:
                raise FormatError(f"The tar file has an extended header of {size} bytes at byte {position}.")
            extended, extended_size = True, _extended_size(bytes(source.view[begin : begin + size]), position)
        elif kind in (b"0", b"\x00"):
            size = size if extended_size is None else extended_size
            extended, extended_size = False, None
            _check_member(name, wanted, members)
            if begin + size > source.size:
                raise FormatError(f"The tar member {name!r} lies outside the file: cut short?")
            members[name] = source.window(begin, size)
        else:
            raise UnsafeFileError(f"The tar member {name!r} is of the type {kind!r}; only regular files are read.")
        position = begin + -(-size // BLOCK) * BLOCK
    else:
        raise FormatError(f"The tar file has more than {limits.TAR_HEADERS} headers.")
    if position < source.size and source.array(position, source.size - position).max() != 0:
        raise UnsafeFileError(f"The tar file goes on after its end at byte {position}; nothing may follow it.")
    if extended or members.keys() != wanted:
        raise FormatError(f"The tar file lacks {', '.join(sorted(wanted - members.keys())) or 'its last member'}.")
    return members


def _header(block: bytes, position: int) -> tuple[bytes, str, int]:
    claimed = _OCTAL.fullmatch(block[148:156])
    actual = int(np.frombuffer(block, np.uint8).sum()) - sum(block[148:156]) + 8 * 0x20
    if claimed is None or int(claimed[1], 8) != actual:
        raise FormatError(f"The tar header at byte {position} is damaged: its checksum does not fit.")
    if block[257:262] != b"ustar":
        raise FormatError(f"The tar header at byte {position} is not a POSIX one.")
    size = _OCTAL.fullmatch(block[124:136])
    if size is None:
        raise FormatError(f"The tar header at byte {position} has no size.")
    if block[157:257].strip(b"\x00"):
        raise UnsafeFileError(f"The tar header at byte {position} is a link.")
    name = block[:100].split(b"\x00", 1)[0]
    if block[345:500].strip(b"\x00"):
        raise UnsafeFileError(f"The tar member {name!r} lies in a folder.")
    return block[156:157], name.decode("latin-1"), int(size[1], 8)


def _check_member(name: str, wanted: frozenset[str], members: dict[str, Source]) -> None:
    if name not in wanted:
        raise UnsafeFileError(f"The tar file holds a member {name!r}; wanted only {', '.join(sorted(wanted))}.")
    if name in members:
        raise UnsafeFileError(f"The tar file holds {name!r} twice.")


def _extended_size(raw: bytes, position: int) -> int | None:
    """Read the records `length key=value`; only a size and what does not matter may stand there."""
    size = None
    where = f"The extended tar header at byte {position}"
    while raw:
        head, blank, _ = raw.partition(b" ")
        if not blank or not head.isdigit() or len(head) > 6 or not len(head) + 3 <= int(head) <= len(raw):
            raise FormatError(f"{where} is damaged.")
        record, raw = raw[len(head) + 1 : int(head)], raw[int(head) :]
        key, equals, value = record.partition(b"=")
        if not equals or not record.endswith(b"\n"):
            raise FormatError(f"{where} is damaged.")
        name = key.decode("latin-1")
        if name == "size":
            digits = value[:-1]
            if size is not None or not digits.isdigit() or len(digits) > 15:
                raise FormatError(f"{where} has a damaged size.")
            size = int(digits)
        elif name not in _HARMLESS:
            raise UnsafeFileError(f"{where} sets {name!r}, which no checkpoint needs.")
    return size
