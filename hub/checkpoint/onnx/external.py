"""Tensors whose bytes lie in a file beside the model. The model names it; only a plain name in its own folder is taken."""

from __future__ import annotations

import sys

from numzoo.hub.checkpoint.onnx.wire import LENGTH, Wire
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Storage
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["External"]

_KEYS = {"location", "offset", "length", "checksum", "basepath"}


class External:
    """The files beside one model. Two tensors may name the same bytes, but no two runs of bytes may overlap."""

    def __init__(self, source: Source) -> None:
        self.folder = source.folder
        self.files: dict[str, Source] = {}
        self.regions: dict[tuple[str, int, int], Storage] = {}

    def find(self, name: str, wire: Wire, entries: list[tuple[int, int]], size: int) -> Storage:
        """Give the `size` bytes that the entries of tensor `name` point to."""
        told = _entries(name, wire, entries)
        location = told.get("location", "")
        if self.folder is None:
            raise FormatError(
                f"The ONNX tensor {name!a} lies in the file {location[:100]!a} beside the model; give the model's path "
                "and not an open file."
            )
        file = self.files.get(location)
        if file is None:
            file = self.files[location] = self.folder.open(location, f"The ONNX tensor {name!a}")
        offset = _natural(name, told.get("offset", "0"))
        length = _natural(name, told.get("length", str(size)))
        if length != size or offset + size > file.size:
            raise FormatError(
                f"The ONNX tensor {name!a} needs {size} bytes, but names {length} at byte {offset} of {location[:100]!a}, "
                f"which has {file.size}."
            )
        key = location, offset, size
        if key not in self.regions:
            storage = self.regions[key] = Storage(repr(name), size)
            storage.place(file, offset, sys.byteorder == "big")
        return self.regions[key]

    def check_overlaps(self) -> None:
        """Refuse runs of bytes that overlap, so that a small file cannot ask for many copies of the same bytes."""
        previous, reach = "", 0
        for location, offset, size in sorted(self.regions):
            if location == previous and size and offset < reach:
                raise UnsafeFileError(f"Two ONNX tensors overlap at byte {offset} of {location[:100]!a}.")
            reach = offset + size if location != previous else max(reach, offset + size)
            previous = location


def _entries(name: str, wire: Wire, entries: list[tuple[int, int]]) -> dict[str, str]:
    told: dict[str, str] = {}
    for begin, end in entries:
        pair = {1: "", 2: ""}
        for number, kind, first, last in wire.fields(begin, end):
            if kind == LENGTH and number in pair:
                pair[number] = wire.text(first, last, "a text")
        if pair[1] in told or pair[1] not in _KEYS:
            raise FormatError(f"The ONNX tensor {name!a} is described by {pair[1][:100]!a}, unknown or given twice.")
        told[pair[1]] = pair[2]
    return told


def _natural(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FormatError(f"The ONNX tensor {name!a} has the offset or length {text[:40]!a}; wanted a natural number.")
    return int(text)
