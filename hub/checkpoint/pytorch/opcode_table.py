"""Every opcode of the pickle language: its name, and what follows its byte. Layout: PEP 307, PEP 3154 and PEP 574."""

from __future__ import annotations

__all__ = ["ARGUMENTS", "PROTO", "STOP"]

PROTO, STOP = 0x80, 0x2E

# What follows an opcode's byte: a number of bytes, `L1 L4 L8` a length of so many bytes and then that much, `line` to
# the end of the line, `lines` two of them.
ARGUMENTS: dict[int, tuple[str, int | str]] = {
    0x28: ("MARK", 0), 0x2E: ("STOP", 0), 0x30: ("POP", 0), 0x31: ("POP_MARK", 0), 0x32: ("DUP", 0),
    0x46: ("FLOAT", "line"), 0x49: ("INT", "line"), 0x4A: ("BININT", 4), 0x4B: ("BININT1", 1), 0x4C: ("LONG", "line"),
    0x4D: ("BININT2", 2), 0x4E: ("NONE", 0), 0x50: ("PERSID", "line"), 0x51: ("BINPERSID", 0), 0x52: ("REDUCE", 0),
    0x53: ("STRING", "line"), 0x54: ("BINSTRING", "L4"), 0x55: ("SHORT_BINSTRING", "L1"), 0x56: ("UNICODE", "line"),
    0x58: ("BINUNICODE", "L4"), 0x61: ("APPEND", 0), 0x62: ("BUILD", 0), 0x63: ("GLOBAL", "lines"), 0x64: ("DICT", 0),
    0x7D: ("EMPTY_DICT", 0), 0x65: ("APPENDS", 0), 0x67: ("GET", "line"), 0x68: ("BINGET", 1), 0x69: ("INST", "lines"),
    0x6A: ("LONG_BINGET", 4), 0x6C: ("LIST", 0), 0x5D: ("EMPTY_LIST", 0), 0x6F: ("OBJ", 0), 0x70: ("PUT", "line"),
    0x71: ("BINPUT", 1), 0x72: ("LONG_BINPUT", 4), 0x73: ("SETITEM", 0), 0x74: ("TUPLE", 0), 0x29: ("EMPTY_TUPLE", 0),
    0x75: ("SETITEMS", 0), 0x47: ("BINFLOAT", 8), 0x42: ("BINBYTES", "L4"), 0x43: ("SHORT_BINBYTES", "L1"),
    0x80: ("PROTO", 1), 0x81: ("NEWOBJ", 0), 0x82: ("EXT1", 1), 0x83: ("EXT2", 2), 0x84: ("EXT4", 4),
    0x85: ("TUPLE1", 0), 0x86: ("TUPLE2", 0), 0x87: ("TUPLE3", 0), 0x88: ("NEWTRUE", 0), 0x89: ("NEWFALSE", 0),
    0x8A: ("LONG1", "L1"), 0x8B: ("LONG4", "L4"), 0x8C: ("SHORT_BINUNICODE", "L1"), 0x8D: ("BINUNICODE8", "L8"),
    0x8E: ("BINBYTES8", "L8"), 0x8F: ("EMPTY_SET", 0), 0x90: ("ADDITEMS", 0), 0x91: ("FROZENSET", 0),
    0x92: ("NEWOBJ_EX", 0), 0x93: ("STACK_GLOBAL", 0), 0x94: ("MEMOIZE", 0), 0x95: ("FRAME", 8),
    0x96: ("BYTEARRAY8", "L8"), 0x97: ("NEXT_BUFFER", 0), 0x98: ("READONLY_BUFFER", 0),
}  # fmt: skip
