"""What is inside a file, and what in it would be refused and why, without running or building anything.

`read_metadata` raises at the first thing that it refuses; a scan goes on, lists everything, and never raises for what
stands in the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from numzoo.hub.checkpoint import archive, limits, numpy_files, sharded
from numzoo.hub.checkpoint.contents import CheckpointMetadata, TensorInfo
from numzoo.hub.checkpoint.detect import guess
from numzoo.hub.checkpoint.pytorch import stream, tar
from numzoo.hub.checkpoint.pytorch.disassembly import GlobalUse, OpcodeUse, PickleScan, disassemble
from numzoo.hub.checkpoint.pytorch.opcode_table import PROTO
from numzoo.hub.checkpoint.source import Source, open_source
from numzoo.hub.errors import FormatError, HubError, UnsafeFileError

__all__ = ["GlobalUse", "OpcodeUse", "PickleScan", "Scan", "scan"]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds.

    `format` is one of FORMATS, or `unknown`. `refusal` is the sentence with which `read_checkpoint` refuses the file,
    empty where it reads it; `unsafe` tells a file that breaks a rule of safe reading from one that is only damaged.
    `pickles` has one entry for each pickle in the file, read through to its end.
    """

    file: str
    bytes: int
    format: str
    tensors: tuple[TensorInfo, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    unsafe: bool = False
    pickles: tuple[PickleScan, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether `read_checkpoint` takes the file; the checksums of zip members are not part of this."""
        return not self.refusal


def scan(file: str | os.PathLike[str]) -> Scan:
    """Look through a checkpoint. Errors: NotFoundError, StorageError (it cannot be opened), UsageError (not a file)."""
    from numzoo.hub.checkpoint import read_metadata

    try:
        source, opened, name = open_source(file)
    except FormatError as error:  # an empty file
        return Scan(os.fspath(file), 0, "unknown", refusal=str(error))
    try:
        described: CheckpointMetadata | None = None
        refusal, unsafe = "", False
        try:
            described = read_metadata(file)
        except (FormatError, UnsafeFileError) as error:
            refusal, unsafe = str(error), isinstance(error, UnsafeFileError)
        kind, pickles = _pickles(source)
        if described is None:
            return Scan(name, source.size, kind, refusal=refusal, unsafe=unsafe, pickles=pickles)
        return Scan(
            name, source.size, described.format, described.tensors, described.values, described.notes, pickles=pickles
        )
    finally:
        if source.folder is not None:
            source.folder.close()
        if opened is not None:
            opened.close()


def _pickles(source: Source) -> tuple[str, tuple[PickleScan, ...]]:
    """Give the format by its first bytes and the pickles that the file holds."""
    if bytes(source.view[:4]) == b"PK\x03\x04":
        return _zip(source)
    kind = guess(source)
    if kind == "torch-legacy":
        return kind, tuple(_stream(source.view, "pickle", stream.PICKLES))
    if kind == "torch-tar":
        return kind, _tar(source)
    if kind == "npy":
        return kind, tuple(_of_objects(source, "the array"))
    if kind == "sharded":
        return kind, tuple(_sharded(source))
    if kind != "unknown":
        return kind, ()
    if source.view[0] == PROTO:
        return kind, tuple(_stream(source.view, "pickle", limits.PICKLES_LISTED))
    found, _ = disassemble(source.view, "pickle 1")  # of protocol 0 or 1, which begin with any opcode
    return kind, (found,) if found.names and not found.damage else ()


def _sharded(source: Source) -> Iterator[PickleScan]:
    """List the pickles of all files that an index names, each under its file's name."""
    try:
        for place in sharded.places(source):
            if source.folder is not None:
                shard = source.folder.open(place, "A part")
                kind = guess(shard)
                for found in _pickles(shard)[1] if kind != "sharded" else ():
                    yield replace(found, label=f"{place}, {found.label}")
    except HubError:
        return  # the refusal of the whole file says it


def _stream(view: memoryview, label: str, most: int) -> Iterator[PickleScan]:
    """List up to `most` pickles that follow one another; data may come behind them."""
    position = 0
    for number in range(1, most + 1):
        if position >= len(view) or view[position] != PROTO:
            return
        found, position = disassemble(view, f"{label} {number}", position)
        yield found
        if found.damage:
            return


def _zip(source: Source) -> tuple[str, tuple[PickleScan, ...]]:
    found: list[PickleScan] = []
    kind = "unknown"
    try:
        grown = 0
        for name, member in archive.read_directory(source).items():
            grown += member.size if member.method != archive.STORED else 0
            if len(found) >= limits.PICKLES_LISTED or grown > limits.INFLATED_FREE:
                break
            if name.endswith(".pkl"):
                content = archive.inflate(source, member)
                kind = "torch-zip" if name.endswith("/data.pkl") else kind
                found.append(_whole(content, name))
            elif name.endswith(".npy"):
                kind = "npz"
                found.extend(_of_objects(archive.inflate(source, member), name))
    except HubError:
        pass  # the refusal of the whole file says it
    return kind, tuple(found)


def _tar(source: Source) -> tuple[PickleScan, ...]:
    try:
        members = tar.read_members(source, frozenset({"sys_info", "pickle", "tensors", "storages"}))
    except HubError:
        return ()
    # Between the pickles of tensors and storages stands data whose length only they tell; their first is the count.
    return tuple(disassemble(part.view, name)[0] for name, part in members.items())


def _whole(content: Source, label: str) -> PickleScan:
    """List the one pickle that should fill `content`."""
    found, end = disassemble(content.view, label)
    if not found.damage and end != content.size:
        rest = f"{content.size - end} bytes follow its STOP, where nothing may stand"
        return replace(found, damage=rest)
    return found


def _of_objects(source: Source, label: str) -> Iterator[PickleScan]:
    """List the pickle of a .npy file of Python objects."""
    begin = numpy_files.objects_begin(source)
    if begin is not None:
        yield _whole(source.window(begin, source.size - begin), label)
