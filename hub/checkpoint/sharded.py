"""Checkpoints in several files: an index `{"weight_map": {tensor: file}}` as transformers writes it, and the files beside.

Every tensor must be in the file that the index names, and every tensor of the files in the index; a name may come once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents
from numzoo.hub.checkpoint.json_text import parse_object
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Decoded, Tensor
from numzoo.hub.errors import FormatError, UsageError

__all__ = ["check_names", "places", "read", "recognise", "weight_map"]

_WHO = "index of a sharded checkpoint"
_SHARDS = ("safetensors", "torch-zip", "torch-legacy")


def recognise(source: Source) -> bool:
    """Whether the bytes begin like a JSON object, and not like a safetensors file whose size begins with that byte."""
    return source.size >= 8 and source.view[0] == 0x7B and source.view[7] != 0


def read(source: Source, read_shard: Callable[[Source], Contents]) -> Contents:
    """Describe the checkpoint; `read_shard` describes one of its files. Raises FormatError or UnsafeFileError."""
    index = _index(source)
    where: dict[str, str] = index["weight_map"]
    if source.folder is None:
        raise UsageError("A sharded checkpoint lies in several files; give the path of its index, not an open file.")
    files: dict[str, dict[str, Tensor | Decoded]] = {}
    values: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for place in dict.fromkeys(where.values()):
        contents = read_shard(source.folder.open(place, f"A part of the {_WHO}"))
        if contents.format not in _SHARDS:
            raise FormatError(f"The file {place!a} has the format {contents.format}; wanted {' or '.join(_SHARDS)}.")
        check_names(where, place, contents.tensors, f"The file {place!a}")
        files[place] = dict(contents.tensors)
        values, notes = {**contents.values, **values}, {**contents.notes, **notes}
    tensors = {name: files[place][name] for name, place in where.items()}  # each is one of its file's
    _check_total(index.get("metadata"), tensors)
    return Contents("sharded", tensors, values, notes)


def places(source: Source) -> list[str]:
    """Give the files that an index names, in order. Raises FormatError."""
    return list(dict.fromkeys(_index(source)["weight_map"].values()))


def _index(source: Source) -> dict[str, Any]:
    if source.size > limits.INDEX_BYTES:
        raise FormatError(f"The {_WHO} has {source.size} bytes; the limit is {limits.INDEX_BYTES}.")
    index = parse_object(bytes(source.view).rstrip(), _WHO, source.size, only_natural=False)
    weight_map(index, "The file")
    return index


def weight_map(index: object, who: str) -> dict[str, str]:
    """Tensor -> the file that holds it, of an index's JSON. Raises FormatError."""
    where = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(where, dict) or not all(isinstance(place, str) for place in where.values()):
        raise FormatError(f"{who} is JSON without a weight_map of names to files, and so no index of a checkpoint.")
    if len(set(where.values())) > limits.SHARDS:
        raise FormatError(f"{who} names more than {limits.SHARDS} files.")
    return where


def check_names(where: Mapping[str, str], place: str, names: Iterable[str], who: str) -> None:
    """Hold the names of a file's tensors against those that the index says it has; `who` is the file. Raises FormatError."""
    named = {name for name, file in where.items() if file == place}
    for name in sorted(named ^ set(names)):
        if name in named:
            raise FormatError(f"{who} lacks the tensor {name[:100]!a}, which the {_WHO} says it holds.")
        other = where.get(name)
        what = f"in {other!a}" if other else "nowhere"
        raise FormatError(f"{who} holds the tensor {name[:100]!a}, which the {_WHO} says is {what}.")


def _check_total(metadata: object, tensors: dict[str, Tensor | Decoded]) -> None:
    """Hold the index's total against the tensors. Tensors of one storage are counted once by some writers, twice by others."""
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if total is None:
        return
    every = sum(tensor.bytes for tensor in tensors.values())
    once = {_identity(tensor): tensor.bytes for tensor in tensors.values()}
    if isinstance(total, bool) or total not in (every, sum(once.values())):
        raise FormatError(f"The {_WHO} says {total!r} bytes in all, but the tensors have {every}.")


def _identity(tensor: Tensor | Decoded) -> tuple[int, int]:
    return (id(tensor.storage), tensor.start) if isinstance(tensor, Tensor) else (id(tensor), 0)
