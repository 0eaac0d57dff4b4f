"""GGUF files, versions 2 and 3, little- and big-endian: counts, metadata, a table of tensors, then their bytes.

Quantised tensors come as float32; each is decoded when it is asked for, and not before.
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents, check_name
from numzoo.hub.checkpoint.dtypes import TORCH, DataType
from numzoo.hub.checkpoint.gguf.blocks import QUANTISED, BlockType, decode
from numzoo.hub.checkpoint.gguf.metadata import Cursor, read_values
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Decoded, Storage, StorageView, Tensor, contiguous_strides
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["MAGIC", "read"]

MAGIC = b"GGUF"

_PLAIN: dict[int, DataType] = {
    0: TORCH["float32"],
    1: TORCH["float16"],
    24: TORCH["int8"],
    25: TORCH["int16"],
    26: TORCH["int32"],
    27: TORCH["int64"],
    28: TORCH["float64"],
    30: TORCH["bfloat16"],
}
# Types that exist and are not read, so that the message can name them.
_UNREAD = {9: "Q8_1", 40: "NVFP4"}
_DIMENSIONS = 4


@dataclass(slots=True)
class _Entry:
    """One row of the table of tensors; `bytes` at `offset`, counted from where the data begin."""

    name: str
    shape: tuple[int, ...]
    kind: DataType | BlockType
    offset: int
    bytes: int


def read(source: Source, dequantise: bool) -> Contents:
    """Describe a GGUF file; its metadata are the values.

    Without `dequantise` a quantised tensor is the bytes of its blocks, one row of bytes for a row of elements.
    Raises FormatError or UnsafeFileError.
    """
    order, version = _byte_order(source)
    cursor = Cursor(source.view, order, 8)
    tensors, values = cursor.number("Q"), cursor.number("Q")
    if tensors > limits.LEAVES or values > limits.LEAVES:
        raise FormatError(f"The GGUF file claims {tensors} tensors and {values} values, more than {limits.LEAVES}.")
    metadata = read_values(cursor, values)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 1 <= alignment <= 1 << 20 or alignment & alignment - 1:
        raise FormatError(f"The GGUF file's general.alignment is {alignment!r}; wanted a power of two.")
    entries = [_entry(cursor, alignment) for _ in range(tensors)]
    begin = -(-cursor.position // alignment) * alignment
    _check_cover(entries, alignment, max(source.size - begin, 0))
    swapped = (order == "<") != (sys.byteorder == "little")
    found: dict[str, Tensor | Decoded] = {}
    for entry in entries:
        if entry.name in found:
            raise FormatError(f"The GGUF file holds the tensor {entry.name[:100]!a} twice.")
        found[entry.name] = _tensor(entry, source, begin + entry.offset, swapped, order, dequantise)
    return Contents("gguf", found, {"gguf.version": version, **metadata})


def _byte_order(source: Source) -> tuple[str, int]:
    raw = bytes(source.view[4:8])
    for order, name in (("<", "little"), (">", "big")):
        version = int.from_bytes(raw, name)  # type: ignore[arg-type]  # mypy sees a plain text
        if version in (2, 3):
            return order, version
    raise FormatError(f"The GGUF file has the version {int.from_bytes(raw, 'little')}; versions 2 and 3 are read.")


def _entry(cursor: Cursor, alignment: int) -> _Entry:
    name = cursor.text("a tensor's name", limits.NAME)
    check_name(name)
    dimensions = cursor.number("I")
    if dimensions > _DIMENSIONS:
        raise FormatError(f"The GGUF tensor {name!a} has {dimensions} dimensions, more than {_DIMENSIONS}.")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))[::-1]
    number, offset = cursor.number("I"), cursor.number("Q")
    kind = QUANTISED.get(number) or _PLAIN.get(number)
    if kind is None or (isinstance(kind, BlockType) and cursor.order == ">" and not kind.any_order):
        given = f"{kind.name} in big-endian order" if isinstance(kind, BlockType) else _UNREAD.get(number, number)
        raise FormatError(
            f"The GGUF tensor {name!a} has the type {given}, which is not read; convert the "
            "model to another, such as Q8_0."
        )
    per_block = kind.elements if isinstance(kind, BlockType) else 1
    if (shape and shape[-1] % per_block) or (not shape and per_block > 1):
        raise FormatError(f"The GGUF tensor {name!a} has rows of {shape[-1:]} elements in blocks of {per_block}.")
    if offset % alignment:
        raise FormatError(f"The GGUF tensor {name!a} begins at byte {offset}, which is no multiple of {alignment}.")
    elements = 1
    for size in shape:
        elements *= size
    if elements > limits.TENSOR_BYTES:
        raise FormatError(f"The GGUF tensor {name!a} of shape {shape} is larger than any file.")
    return _Entry(name, shape, kind, offset, elements // per_block * kind.bytes)


def _check_cover(entries: list[_Entry], alignment: int, size: int) -> None:
    """Every byte of the data belongs to one tensor, or pads one; so nothing is decoded twice, and nothing hides."""
    expected = 0
    for entry in sorted(entries, key=lambda entry: (entry.offset, entry.bytes)):
        if entry.offset != expected:
            what = "overlaps the one before it" if entry.offset < expected else "leaves a gap"
            raise UnsafeFileError(
                f"The GGUF tensor {entry.name!a} begins at byte {entry.offset}, not {expected}: it {what}."
            )
        end = entry.offset + entry.bytes
        if end > size:
            raise FormatError(
                f"The GGUF tensor {entry.name!a} needs {end} bytes of data, but {size} follow: cut short?"
            )
        expected = -(-end // alignment) * alignment
    if size > expected:
        raise UnsafeFileError(f"The GGUF file goes on for {size - expected} bytes behind its last tensor.")


def _tensor(
    entry: _Entry, source: Source, offset: int, swapped: bool, order: str, dequantise: bool
) -> Tensor | Decoded:
    storage = Storage(repr(entry.name), entry.bytes)
    kind = entry.kind
    if isinstance(kind, DataType):
        storage.place(source, offset, swapped)
        view = StorageView(storage, kind, 0, entry.bytes)
        return Tensor(view, kind, 0, entry.shape, contiguous_strides(entry.shape))
    if not dequantise:
        storage.place(source, offset)
        byte = TORCH["uint8"]
        shape = (*entry.shape[:-1], entry.shape[-1] // kind.elements * kind.bytes)
        return Tensor(StorageView(storage, byte, 0, entry.bytes), byte, 0, shape, contiguous_strides(shape))

    def build() -> Any:
        return decode(kind, source.array(offset, entry.bytes), order, entry.shape)

    return Decoded(TORCH["float32"], entry.shape, kind.name, build)
