"""What scripts keep beside the weights when they save a run: its arguments, NumPy's numbers, paths. All of it becomes plain data.

A script's `argparse.Namespace` is a mapping of its arguments here, a NumPy number the Python number of the same bytes, a path
its text. Nothing of argparse, NumPy or pathlib is asked for: these are names in a table.
"""

from __future__ import annotations

import struct

from numzoo.hub.errors import FormatError

__all__ = ["NUMBERS", "NumberType", "Record", "RecordType", "number_type", "path_text", "scalar", "set_number_type"]

NUMBERS = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e", "f4": "f", "f8": "d"}  # fmt: skip
"""NumPy's codes of the numbers that are read, and struct's."""


class Record(dict[object, object]):
    """What an argparse.Namespace becomes: its attributes by name."""

    __slots__ = ()


class RecordType:
    """The class that a Record stands for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class NumberType:
    """A NumPy dtype of one number: its code, and the order of its bytes once BUILD has said it."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "="


def number_type(arguments: tuple[object, ...]) -> NumberType:
    """numpy.dtype(code, align, copy)."""
    code = arguments[0] if arguments and len(arguments) <= 3 else None
    if type(code) is not str or code not in NUMBERS:
        raise FormatError(
            f"numpy.dtype was given {code!a:.40}; of NumPy's types numbers are read ({', '.join(NUMBERS)})"
        )
    return NumberType(code)


def set_number_type(target: NumberType, state: object) -> None:
    """What BUILD says of a dtype: (version, byte order, ...), all of a structure being None."""
    if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or any(state[2:5]):
        raise FormatError("BUILD gives numpy.dtype the state of something other than a number")
    target.order = str(state[1])


def scalar(arguments: tuple[object, ...]) -> float | int | bool:
    """numpy.core.multiarray.scalar(dtype, bytes): the number."""
    kind, content = arguments if len(arguments) == 2 else (None, None)
    if type(kind) is not NumberType or type(content) is not bytes:
        raise FormatError("scalar was given something other than a number's dtype and its bytes")
    layout = struct.Struct((">" if kind.order == ">" else "<") + NUMBERS[kind.code])
    if len(content) != layout.size:
        raise FormatError(f"scalar was given {len(content)} bytes for a number of {layout.size}")
    value: float | int | bool = layout.unpack(content)[0]
    return value


def path_text(arguments: tuple[object, ...]) -> str:
    """pathlib.PosixPath(*parts) and its kin: the parts with slashes between."""
    if len(arguments) > 256 or not all(type(part) is str for part in arguments):
        raise FormatError("a path was given something other than its parts")
    root = len(arguments) > 1 and arguments[0] == "/"
    return "/" * root + "/".join(map(str, arguments[root:]))
