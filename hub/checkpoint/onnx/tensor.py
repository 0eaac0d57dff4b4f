"""One TensorProto: dimensions, a type, and the elements as raw bytes, as typed numbers or in a file beside the model."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.dtypes import TORCH, DataType
from numzoo.hub.checkpoint.onnx.external import External
from numzoo.hub.checkpoint.onnx.wire import DOUBLE, FLOAT, LENGTH, VARINT, Wire, count_varints, decode_varints
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Decoded, Storage, StorageView, Tensor, contiguous_strides
from numzoo.hub.errors import FormatError

__all__ = ["TEXTS", "read_tensor"]

_TYPES: dict[int, DataType] = {
    number: TORCH[name]
    for number, name in {
        1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
        11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
        17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 24: "float8_e8m0fnu",
    }.items()
}  # fmt: skip
_TEXT = 8
_NIBBLES = {21: ("uint4", TORCH["uint8"]), 22: ("int4", TORCH["int8"])}
_UNREAD = {23: "float4e2m1", 25: "uint2", 26: "int2"}

# The fields that hold typed numbers -> the types that they may hold.
_FLOATS, _INT32, _INT64, _DOUBLES, _UINT64, _RAW = 4, 5, 7, 10, 11, 9
_HOLDS = {
    _FLOATS: {1, 14},
    _INT32: {2, 3, 4, 5, 6, 9, 10, 16, 17, 18, 19, 20, 21, 22, 24},
    _INT64: {7},
    _DOUBLES: {11, 15},
    _UINT64: {12, 13},
}
_WIRE = {_FLOATS: FLOAT, _DOUBLES: DOUBLE}

_SWAP = sys.byteorder == "big"

TEXTS = "texts"
"""What `read_tensor` gives for a tensor of texts, which is no array of numbers."""

Span = tuple[int, int]


def read_tensor(
    wire: Wire, source: Source, external: External, begin: int, end: int
) -> tuple[str, Tensor | Decoded | str]:
    """Give the name and the tensor of the message between two bytes. Raises FormatError or UnsafeFileError."""
    single: dict[int, Span] = {}  # the fields that may come once: type, segment, name, raw bytes, place
    shape: list[int] = []
    typed: dict[int, list[Span]] = {}
    entries: list[Span] = []
    texts = False
    for number, kind, first, last in wire.fields(begin, end):
        if number == 1:
            shape += [first] if kind == VARINT else _dimensions(wire, first, last)
        elif number in _HOLDS:
            if kind not in (LENGTH, _WIRE.get(number, VARINT)):
                raise FormatError(f"The ONNX file has typed numbers of the wire type {kind}.")
            typed.setdefault(number, []).append((first, last))
            if kind == VARINT:
                raise FormatError("The ONNX file has typed numbers that are not packed, which no writer of ONNX makes.")
        elif number == 13 and kind == LENGTH:
            entries.append((first, last))
        elif number == 6:
            texts = True
        elif number in (2, 3, 8, 9, 14):
            if number in single:
                raise FormatError(f"The ONNX file has a tensor at byte {begin} that gives field {number} twice.")
            if kind != (LENGTH if number in (3, 8, 9) else VARINT):
                raise FormatError(f"The ONNX file has a tensor at byte {begin} whose field {number} is damaged.")
            single[number] = first, last
        if len(shape) > limits.DIMENSIONS:
            raise FormatError(f"The ONNX file has a tensor of more than {limits.DIMENSIONS} dimensions.")
    name = wire.text(*single.get(8, (0, 0)), "a tensor's name")
    number = single.get(2, (0, 0))[0]
    if number == _TEXT or texts:
        return name, TEXTS
    if 3 in single:
        raise FormatError(f"The ONNX tensor {name[:100]!a} is one segment of a larger one, which is not read.")
    reader = _Reader(name[:100], number, tuple(shape), source)
    place = single.get(14, (0, 0))[0]
    if place > 1 or (place == 1) != bool(entries) or bool(entries) + (_RAW in single) + len(typed) > 1:
        raise FormatError(f"The ONNX tensor {reader.name!a} has its elements in two places, or in an unknown one.")
    if entries:
        region = external.find(reader.name, wire, entries, reader.packed_bytes)
        return name, reader.on(region)
    if typed:
        ((field, spans),) = typed.items()
        return name, reader.typed(field, spans)
    first, last = single.get(_RAW, (end, end))
    storage = Storage(repr(reader.name), last - first)
    storage.place(source, first, _SWAP)
    return name, reader.on(storage)


def _dimensions(wire: Wire, begin: int, end: int) -> list[int]:
    found: list[int] = []
    while begin < end and len(found) <= limits.DIMENSIONS:
        size, begin = wire.varint(begin, end)
        found.append(size)
    return found


class _Reader:
    """What is known of a tensor before its elements are looked at."""

    def __init__(self, name: str, number: int, shape: tuple[int, ...], source: Source) -> None:
        self.name, self.number, self.shape, self.source = name, number, shape, source
        if number not in _TYPES and number not in _NIBBLES:
            raise FormatError(
                f"The ONNX tensor {name!a} has the type {_UNREAD.get(number, number)}, which is not read."
            )
        self.dtype = _NIBBLES[number][1] if number in _NIBBLES else _TYPES[number]
        if any(size >= 1 << 63 for size in shape) or math.prod(shape) > limits.TENSOR_BYTES:
            raise FormatError(f"The ONNX tensor {name!a} of shape {shape} is larger than any file.")
        self.elements = math.prod(shape)
        self.packed_bytes = -(-self.elements // 2) if number in _NIBBLES else self.elements * self.dtype.bytes

    def on(self, storage: Storage) -> Tensor | Decoded:
        """The tensor on little-endian bytes; two 4-bit integers share a byte, the low half first."""
        if storage.size != self.packed_bytes:
            raise FormatError(
                f"The ONNX tensor {self.name!a} of shape {self.shape} needs {self.packed_bytes} bytes, but has "
                f"{storage.size}."
            )
        if self.number in _NIBBLES:
            return self._nibbles(lambda: _bytes(storage))
        view = StorageView(storage, self.dtype, 0, storage.size)
        return Tensor(view, self.dtype, 0, self.shape, contiguous_strides(self.shape))

    def typed(self, field: int, spans: list[Span]) -> Tensor | Decoded:
        """The tensor on typed numbers: floats as they are, integers as varints."""
        if self.number not in _HOLDS[field]:
            raise FormatError(f"The ONNX tensor {self.name!a} has numbers of another type than it says.")
        if field in _WIRE:
            if len(spans) == 1:
                storage = Storage(repr(self.name), spans[0][1] - spans[0][0])
                storage.place(self.source, spans[0][0], _SWAP)
                return self.on(storage)
            raise FormatError(f"The ONNX tensor {self.name!a} has its numbers in {len(spans)} pieces.")
        packed = [self.source.array(first, last - first) for first, last in spans]
        count = sum(map(count_varints, packed))
        wanted = self.packed_bytes if self.number in _NIBBLES else self.elements
        if count != wanted:
            raise FormatError(f"The ONNX tensor {self.name!a} of shape {self.shape} has {count} numbers.")

        def numbers() -> NDArray[Any]:
            return self._narrow(np.concatenate([decode_varints(part, count_varints(part)) for part in packed]), field)

        if self.number in _NIBBLES:
            return self._nibbles(numbers)
        return Decoded(self.dtype, self.shape, self.dtype.name, lambda: numbers().reshape(self.shape))

    def _narrow(self, numbers: NDArray[np.uint64], field: int) -> NDArray[Any]:
        """Turn varints into elements; a number beyond the type raises FormatError."""
        signed = numbers if field == _UINT64 else numbers.view(np.int64)
        bits = self.number not in (2, 3, 4, 5, 6, 7, 9, 12, 13)  # floating point of 8 or 16 bits, or two of 4 bits
        plain = np.dtype(f"u{self.dtype.bytes}") if bits else self.dtype.numpy()
        narrow = signed.astype(plain)
        if not np.array_equal(narrow.astype(signed.dtype), signed):
            raise FormatError(f"The ONNX tensor {self.name!a} holds numbers beyond its type {self.dtype.name}.")
        return narrow.view(self.dtype.numpy()) if bits and self.number not in _NIBBLES else narrow

    def _nibbles(self, packed: Callable[[], NDArray[Any]]) -> Decoded:
        name, dtype = _NIBBLES[self.number]

        def build() -> NDArray[Any]:
            low_first = packed()
            halves = np.empty((len(low_first), 2), np.uint8)
            halves[:, 0] = low_first & 15
            halves[:, 1] = low_first >> 4
            flat: NDArray[Any] = halves.reshape(-1)[: self.elements]
            if name == "int4":
                flat = (flat ^ 8).view(np.int8) - np.int8(8)
            return np.array(flat.reshape(self.shape), dtype.numpy())

        return Decoded(dtype, self.shape, name, build)


def _bytes(storage: Storage) -> NDArray[np.uint8]:
    assert storage.source is not None  # it was placed when it was made
    return storage.source.array(storage.offset, storage.size)
