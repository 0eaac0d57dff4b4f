"""The wire format of protobuf, as far as ONNX needs it: fields one after another, lengths held against what is there.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.errors import FormatError

__all__ = ["DOUBLE", "FLOAT", "LENGTH", "VARINT", "Wire", "count_varints", "decode_varints"]

VARINT, DOUBLE, LENGTH, FLOAT = 0, 1, 2, 5

Field = tuple[int, int, int, int]
"""Number, wire type, and two integers: a varint's value and 0, or where the content begins and ends."""


class Wire:
    """Walks through messages of one file; all walks together see at most `limits.FIELDS` fields."""

    def __init__(self, source: Source) -> None:
        self.view = source.view
        self.fields_left = limits.FIELDS

    def fields(self, begin: int, end: int) -> Iterator[Field]:
        """Give the fields of the message between two bytes."""
        position = begin
        while position < end:
            self.fields_left -= 1
            if self.fields_left < 0:
                raise FormatError(f"The ONNX file has more than {limits.FIELDS} fields.")
            here = position
            tag, position = self.varint(position, end)
            number, kind = tag >> 3, tag & 7
            if kind == VARINT:
                value, position = self.varint(position, end)
                yield number, kind, value, 0
                continue
            if kind == LENGTH:
                size, position = self.varint(position, end)
            elif kind in (DOUBLE, FLOAT):
                size = 8 if kind == DOUBLE else 4
            else:
                raise FormatError(f"The ONNX file has a field of the wire type {kind} at byte {here}.")
            if number == 0 or position + size > end:
                raise FormatError(f"The ONNX file has a field at byte {here} that leaves its message: cut short?")
            yield number, kind, position, position + size
            position += size

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """Give the number at `position`, below 2^64, and the byte behind it."""
        value = shift = 0
        while position < end and shift < 70:
            byte = self.view[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return value, position
            shift += 7
        raise FormatError(f"The ONNX file has a damaged number before byte {position}.")

    def text(self, begin: int, end: int, what: str) -> str:
        """Give the text between two bytes."""
        if end - begin > limits.TEXT:
            raise FormatError(f"The ONNX file has {what} of {end - begin} bytes.")
        try:
            return str(self.view[begin:end], "utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"The ONNX file has {what} at byte {begin} that is not UTF-8.") from None


def count_varints(packed: NDArray[np.uint8]) -> int:
    """Give how many numbers follow one another in `packed`; one that is too long or has no end raises FormatError."""
    count, last = 0, -1
    for begin in range(0, len(packed), limits.MEBIBYTE):
        ends = np.flatnonzero(packed[begin : begin + limits.MEBIBYTE] < 0x80) + begin
        if len(ends):
            if int(np.diff(ends, prepend=last).max()) > 10:
                break
            count, last = count + len(ends), int(ends[-1])
    if last != len(packed) - 1:
        raise FormatError("The ONNX file has packed numbers that are damaged.")
    return count


def decode_varints(packed: NDArray[np.uint8], count: int) -> NDArray[np.uint64]:
    """Give the `count` numbers in `packed`, which `count_varints` has seen, modulo 2^64."""
    numbers = np.zeros(count, np.uint64)
    done = position = 0
    while position < len(packed):
        piece = packed[position : position + limits.MEBIBYTE]
        ends = np.flatnonzero(piece < 0x80)
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts + 1
        target = numbers[done : done + len(ends)]
        for place in range(int(lengths.max())):
            longer = lengths > place
            digits = (piece[starts[longer] + place] & np.uint8(0x7F)).astype(np.uint64)
            target[longer] |= digits << np.uint64(7 * place)
        done += len(ends)
        position += int(ends[-1]) + 1
    return numbers
