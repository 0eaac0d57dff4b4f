"""The zip files of torch.save (PyTorch 1.6 and later): a pickle, and a stored member per storage.

All members share one top folder P: `P/data.pkl`, `P/data/N` (raw bytes), `P/version`, `P/byteorder` and small notes.
"""

from __future__ import annotations

import sys

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.archive import STORED, Member, verify_checksum
from numzoo.hub.checkpoint.contents import Contents, flatten
from numzoo.hub.checkpoint.pytorch.kinds import StorageType
from numzoo.hub.checkpoint.pytorch.opcodes import read_pickle
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Storage, StorageView
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["read", "storage_id"]

_VERSIONS = range(1, 11)


def read(source: Source, members: dict[str, Member], *, checksums: bool = True) -> Contents:
    """Describe the checkpoint; with `checksums` the CRC-32 of every member that is used is held against its bytes.

    `members` is the archive's directory.

    Raises FormatError or UnsafeFileError; TorchScript archives, which are programs, raise UnsafeFileError.
    """
    return _Reader(source, members, checksums).read()


def storage_id(value: object, length: int) -> tuple[StorageType, str, int]:
    """Give the (type, key, elements) of a persistent id that names a storage; anything else raises."""
    if type(value) is not tuple or not value or type(value[0]) is not str:
        raise UnsafeFileError("a persistent id is not a tuple that names a storage")
    if value[0] != "storage":
        what = "a module with its source code" if value[0] == "module" else ascii(value[0][:40])
        raise UnsafeFileError(f"a persistent id names {what}, not a storage; only state dicts are read")
    if len(value) != length:
        raise FormatError(f"a storage's persistent id has {len(value)} parts, not {length}")
    _, kind, key, location, elements = value[:5]
    if type(kind) is not StorageType:
        raise FormatError("a storage's persistent id has no storage class")
    if type(key) is not str or type(location) is not str or type(elements) is not int:
        raise FormatError("a storage's persistent id needs a key, a location and a number of elements")
    if not 0 <= elements * kind.dtype.bytes <= limits.TENSOR_BYTES:
        raise FormatError(f"a storage claims {elements} elements")
    return kind, key, elements


class _Reader:
    def __init__(self, source: Source, members: dict[str, Member], checksums: bool) -> None:
        self.source = source
        self.members = members
        self.checksums = checksums
        self.views: dict[str, StorageView] = {}
        self.swapped = False
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise UnsafeFileError(f"The zip file holds {len(pickles)} data.pkl; a checkpoint has exactly one.")
        self.prefix = pickles[0].removesuffix("data.pkl")

    def read(self) -> Contents:
        strangers = [name for name in self.members if not name.startswith(self.prefix)]
        if strangers or self.prefix.count("/") != 1:
            raise UnsafeFileError(
                f"The zip members do not share one top folder: {(strangers or [self.prefix])[0]!r} is elsewhere."
            )
        if any(
            name == self.prefix + "constants.pkl" or name.startswith(self.prefix + "code/") for name in self.members
        ):
            raise UnsafeFileError(
                "This is a TorchScript archive, a program and not a state dict. Load it with PyTorch where you trust "
                "it, and save model.state_dict()."
            )
        packed = [member.name for member in self.members.values() if member.method != STORED]
        if packed:
            raise UnsafeFileError(
                f"The zip member {packed[0]!r} is compressed; torch.save stores its members as they are."
            )
        self.swapped = self._note("byteorder", "little", ("little", "big")) != sys.byteorder
        self._note(".format_version", "1", ("1",))
        self._note("version", "3", tuple(map(str, _VERSIONS)))
        member = self.members[self.prefix + "data.pkl"]
        if member.size > limits.PICKLE_BYTES:
            raise FormatError(f"{member.name} has {member.size} bytes; a state dict's pickle stays below a few.")
        root = read_pickle(self._bytes(member), member.name, self._storage)
        tensors, values = flatten(root)
        return Contents("torch-zip", tensors, values)

    def _bytes(self, member: Member) -> memoryview:
        if self.checksums:
            verify_checksum(self.source, member)
        return self.source.view[member.offset : member.offset + member.size]

    def _note(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        member = self.members.get(self.prefix + name)
        if member is None:
            return default
        text = bytes(self._bytes(member)[:20]).decode("latin-1").strip()
        if text not in allowed or member.size > 20:
            raise FormatError(f"{member.name} says {text!a}; wanted {' or '.join(allowed)}.")
        return text

    def _storage(self, value: object) -> StorageView:
        kind, key, elements = storage_id(value, 5)
        size = elements * kind.dtype.bytes
        known = self.views.get(key)
        if known is not None:
            if known.dtype is not kind.dtype or known.size != size:
                raise FormatError(f"storage {key!a} is described in two ways")
            return known
        member = self.members.get(f"{self.prefix}data/{key}")
        if member is None:
            raise FormatError(f"storage {key[:40]!a} is not in the file")
        if member.size != size:
            raise FormatError(f"storage {key} should have {size} bytes ({elements} {kind.name}) but has {member.size}")
        if self.checksums:
            verify_checksum(self.source, member)
        storage = Storage(key, size)
        storage.place(self.source, member.offset, self.swapped)
        view = self.views[key] = StorageView(storage, kind.dtype, 0, size)
        return view
