"""The legacy stream of torch.save (0.1.10 to 1.5, and later on request): five pickles, then the storages.

The pickles are a magic number, a version, facts about the machine, the object, and the storages' keys in file order.
Each storage is a 64-bit count of elements and the raw bytes, without padding. Both are little-endian whatever machine
wrote them: PyTorch swaps while writing on a big-endian one, and its reader ignores what the facts say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents, flatten
from numzoo.hub.checkpoint.pytorch.opcodes import Machine
from numzoo.hub.checkpoint.pytorch.zip_file import storage_id
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Storage, StorageView
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["MAGIC", "PICKLES", "PickleStream", "little_endian", "read"]

# The whole first pickle: LONG1 0x1950a86a20f9469cfc6c, STOP.
MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001
# How many pickles come before the data.
PICKLES = 5


class PickleStream:
    """Pickles and raw numbers one after another; `position` is the next byte."""

    def __init__(self, source: Source, label: str) -> None:
        self.source = source
        self.label = label
        self.position = 0

    def load(self, what: str, persistent: Callable[[object], object] | None = None) -> object:
        """Give the next pickle's value."""
        # A window bounds what one pickle may take, in a file that may have gigabytes.
        window = self.source.view[: self.position + limits.PICKLE_BYTES]
        machine = Machine(window, f"{self.label}, {what}", self.position, persistent)
        value = machine.run()
        self.position = machine.position
        return value

    def integers(self, count: int, width: int = 8) -> tuple[int, ...]:
        """Give the next `count` signed little-endian integers of `width` bytes."""
        raw = bytes(self.source.view[self.position : self.position + count * width])
        if len(raw) != count * width:
            raise FormatError(f"{self.label} is cut short at byte {self.position}.")
        self.position += count * width
        return tuple(int.from_bytes(raw[i : i + width], "little", signed=True) for i in range(0, len(raw), width))

    def storage(self, storage: Storage, elements: int, width: int) -> None:
        """Place `storage` at the next bytes: a count that must be `elements`, then the data."""
        (count,) = self.integers(1)
        if count != elements:
            raise FormatError(
                f"{self.label} says at byte {self.position - 8} that storage {storage.label} has {count} elements, but "
                f"{elements} were announced."
            )
        if self.position + count * width > self.source.size:
            raise FormatError(
                f"{self.label} is cut short inside storage {storage.label}, which needs {count * width} bytes."
            )
        storage.place(self.source, self.position, sys.byteorder == "big")
        self.position += count * width

    def finish(self) -> None:
        """Refuse bytes behind the last thing read."""
        if self.position != self.source.size:
            rest = self.source.size - self.position
            raise UnsafeFileError(
                f"{self.label} goes on for {rest} bytes after its end at byte {self.position}; nothing may follow it."
            )


def read(source: Source) -> Contents:
    """Describe the checkpoint. Raises FormatError or UnsafeFileError."""
    stream = PickleStream(source, "The stream")
    if stream.load("magic number") != _MAGIC_NUMBER:
        raise FormatError("The stream does not begin with PyTorch's magic number.")
    version = stream.load("version")
    if type(version) is not int or version != _VERSION:
        raise FormatError(f"The stream does not have the version {_VERSION}, the only one there was.")
    little_endian(stream.load("machine facts"))
    storages = _Storages()
    root = stream.load("object", storages.find)
    tensors, values = flatten(root)
    keys = stream.load("storage keys")
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise FormatError("The stream's storage keys are not a list of texts.")
    if len(set(keys)) != len(keys):
        raise FormatError("The stream lists a storage key twice.")
    if set(keys) != storages.roots.keys():
        odd = sorted(set(keys) ^ storages.roots.keys())[0]
        raise FormatError(f"The storage {odd[:40]!a} is either listed but not used, or used but not listed.")
    for key in keys:
        view = storages.roots[key]
        stream.storage(view.storage, view.size // view.dtype.bytes, view.dtype.bytes)
    stream.finish()
    return Contents("torch-legacy", tensors, values)


def little_endian(facts: object) -> bool:
    """Read the byte order from the dictionary of facts about the machine that wrote the file."""
    order = facts.get("little_endian", True) if isinstance(facts, dict) else None
    if type(order) is not bool:
        raise FormatError("The file does not say as a boolean whether the machine that wrote it was little-endian.")
    return order


class _Storages:
    """The storages that persistent ids name, by the key of the root; views are runs of a root."""

    def __init__(self) -> None:
        self.roots: dict[str, StorageView] = {}

    def find(self, value: object) -> StorageView:
        kind, key, elements = storage_id(value, 6)
        width = kind.dtype.bytes
        root = self.roots.get(key)
        if root is None:
            root = self.roots[key] = StorageView(Storage(key, elements * width), kind.dtype, 0, elements * width)
        elif root.dtype is not kind.dtype or root.size != elements * width:
            raise FormatError(f"storage {key[:40]!a} is described in two ways")
        part = value[5]  # type: ignore[index]  # storage_id saw a tuple of 6
        if part is None:
            return root
        if type(part) is not tuple or len(part) != 3 or any(type(number) is not int for number in part[1:]):
            raise FormatError("a storage's view is not a tuple of a key, an offset and a size")
        _, offset, size = part
        if offset < 0 or size < 0 or offset + size > elements:
            raise FormatError(f"a view of {size} elements at {offset} leaves its storage of {elements}")
        return StorageView(root.storage, kind.dtype, offset * width, size * width)
