"""MATLAB's level 5 files (.mat): numbers, texts, cells and structures, read within bounds and without SciPy.

A header of 128 bytes, then elements: a tag of type and size, and data; a matrix is an element that holds others, and may
be packed by zlib. Objects, functions, sparse and complex matrices are refused: no data set here needs them.
Source: MathWorks, MAT-File Format, "Level 5 MAT-File Format".
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError, MissingDatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 1 << 32  # unpacked
_DEPTH, _ITEMS = 8, 1_000_000
_BLOCK = 1 << 20
_MATRIX, _PACKED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCTURE, _TEXT = 1, 2, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX, _LOGICAL = 0x0800, 0x0200


def read_mat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The variables of a file by name: arrays in MATLAB's shapes, texts as str (a list of rows where there are several),
    cells as flat lists, structures as flat lists of dictionaries, both in MATLAB's order (columns first).

    Raises MissingDatasetError, or DatasetError where a file is not of this format, damaged, or asks for too much.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise MissingDatasetError(
            f"there is no file {name!r}; check the path, or let the hub fetch the data"
        ) from error
    except OSError as error:
        raise DatasetError(f"{name!r} cannot be read: {error.strerror}; give the path of a .mat file") from error
    if len(content) > MAX_BYTES:
        raise DatasetError(f"{name!r} is larger than the {MAX_BYTES:,} bytes that are read here")
    return _Reader(name, content).variables()


def array_of(variables: dict[str, Any], name: str, path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array called `name`; DatasetError where the file at `path` has none."""
    import numpy

    found = variables.get(name)
    if not isinstance(found, numpy.ndarray):
        raise DatasetError(f"{os.fspath(path)!r} must hold an array {name!r}; it is another file than its name says")
    return found


class _Reader:
    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content
        mark = content[126:128]
        if len(content) < 128 or mark not in (b"IM", b"MI"):
            raise DatasetError(
                f"{name!r} is not a MATLAB file of level 5 (version 7.3 is HDF5, version 4 is older); get it again"
            )
        self.order = "<" if mark == b"IM" else ">"
        self.left = MAX_BYTES
        self.items = 0

    def variables(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        place = 128
        while place < len(self.content):
            kind, data, place = self.element(memoryview(self.content), place)
            if kind == _PACKED:
                kind, data, _ = self.element(memoryview(self.inflated(data)), 0)
            if kind != _MATRIX:
                raise self.damaged(f"it holds an element of type {kind} where a matrix belongs")
            name, value = self.matrix(data, 0)
            found[name] = value
        return found

    def element(self, data: memoryview, place: int) -> tuple[int, memoryview, int]:
        """The type and the data of the element at `place`, and where the next begins."""
        if place + 8 > len(data):
            raise self.damaged("it ends within a tag")
        first, size = struct.unpack_from(f"{self.order}2I", data, place)
        if first >> 16:  # up to four bytes lie in the tag itself
            kind, size = first & 0xFFFF, first >> 16
            if size > 4:
                raise self.damaged(f"it has a small element of {size} bytes")
            return kind, data[place + 4 : place + 4 + size], place + 8
        begin = place + 8
        if begin + size > len(data):
            raise self.damaged(f"it ends within an element of {size} bytes")
        return first, data[begin : begin + size], begin + size + (-size % 8 if first != _PACKED else 0)

    def inflated(self, packed: memoryview) -> bytearray:
        """Unpack block by block: memory grows with what is there, and not with what is promised."""
        machine, content = zlib.decompressobj(), bytearray()
        rest: bytes | memoryview = packed
        try:
            while not machine.eof:
                piece = machine.decompress(rest, _BLOCK)
                rest = machine.unconsumed_tail
                self.left -= len(piece)
                if self.left < 0:
                    raise self.damaged(f"it unpacks to more than {MAX_BYTES:,} bytes")
                if not piece and not rest and not machine.eof:
                    raise self.damaged("it ends within its packing")
                content += piece
        except zlib.error as error:
            raise self.damaged(f"its packing is wrong ({error})") from None
        return content

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """The name and the value of a matrix element."""
        if depth > _DEPTH:
            raise self.damaged(f"its cells are nested deeper than {_DEPTH}")
        if not len(data):
            return "", []
        _, flags, place = self.element(data, 0)
        _, sizes, place = self.element(data, place)
        _, name, place = self.element(data, place)
        if len(flags) < 8:
            raise self.damaged("a matrix has no flags")
        (word,) = struct.unpack_from(f"{self.order}I", flags)
        code = word & 0xFF
        shape = struct.unpack(f"{self.order}{len(sizes) // 4}i", sizes[: len(sizes) // 4 * 4])
        if len(shape) < 2 or len(shape) > 32 or min(shape) < 0:
            raise self.damaged(f"a matrix has the shape {shape}")
        title = bytes(name).decode("latin-1")
        if code in _CLASSES and not word & _COMPLEX:
            return title, self.numbers(data, place, _CLASSES[code], shape, logical=bool(word & _LOGICAL))
        if code == _TEXT:
            return title, self.text(data, place, shape)
        if code == _CELL:
            return title, self.cells(data, place, math.prod(shape), depth)[0]
        if code == _STRUCTURE:
            return title, self.structures(data, place, math.prod(shape), depth)
        raise DatasetError(f"{self.name!r}: {title!r} is complex or of MATLAB's class {code}, which is not read here")

    def numbers(
        self, data: memoryview, place: int, wanted: str, shape: tuple[int, ...], *, logical: bool
    ) -> NDArray[Any]:
        import numpy

        kind, held, _ = self.element(data, place)
        if kind not in _NUMBERS:
            raise self.damaged(f"numbers are stored as type {kind}")
        stored = numpy.dtype(self.order + _NUMBERS[kind])
        count = math.prod(shape)
        if len(held) != count * stored.itemsize:
            raise self.damaged(f"a matrix {shape} of {stored.name} holds {len(held)} bytes")
        array = numpy.frombuffer(held, stored, count).reshape(shape, order="F")
        return array.astype("?" if logical else wanted, order="K", copy=False)

    def text(self, data: memoryview, place: int, shape: tuple[int, ...]) -> str | list[str]:
        kind, held, _ = self.element(data, place)
        if kind not in _TEXTS:
            raise self.damaged(f"a text is stored as type {kind}")
        encoding = _TEXTS[kind]
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self.order == "<" else "-be"
        try:
            text = bytes(held).decode(encoding)
        except UnicodeDecodeError:
            raise self.damaged(f"a text is not {encoding}") from None
        if len(text) != math.prod(shape):
            raise self.damaged(f"a text {shape} has {len(text)} characters")
        rows = shape[0]
        return text if rows == 1 else [text[row::rows] for row in range(rows)]

    def cells(self, data: memoryview, place: int, count: int, depth: int) -> tuple[list[Any], int]:
        self.items += count
        if self.items > _ITEMS:
            raise self.damaged(f"it holds more than {_ITEMS:,} cells")
        values = []
        for _ in range(count):
            kind, held, place = self.element(data, place)
            if kind != _MATRIX:
                raise self.damaged(f"a cell is of type {kind}")
            values.append(self.matrix(held, depth + 1)[1])
        return values, place

    def structures(self, data: memoryview, place: int, count: int, depth: int) -> list[dict[str, Any]]:
        _, length, place = self.element(data, place)
        _, names, place = self.element(data, place)
        (size,) = struct.unpack_from(f"{self.order}i", length) if len(length) >= 4 else (0,)
        if not 0 < size <= 64 or len(names) % size:
            raise self.damaged(f"a structure has field names of {size} bytes")
        fields = [bytes(names[at : at + size]).split(b"\0")[0].decode("latin-1") for at in range(0, len(names), size)]
        values, _ = self.cells(data, place, count * len(fields), depth)
        if not fields:
            return []
        return [
            dict(zip(fields, values[at : at + len(fields)], strict=True)) for at in range(0, len(values), len(fields))
        ]

    def damaged(self, what: str) -> DatasetError:
        return DatasetError(f"{self.name!r} is damaged: {what}; get it again")
