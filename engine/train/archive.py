"""One file for everything that a run is: arrays as safetensors, the rest as JSON in the header's notes. No pickle.

A state is made of dictionaries, lists, numbers, strings, None, arrays and tensors. In the JSON an array is ``{"$array": name}``; the names are the paths that
lead to it ("model.features.0.weight"), so that whatever reads safetensors can read the weights too.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..device import CPU, is_array, move
from ..dtype import Array, as_dtype
from ..errors import ArgumentError
from ..tensor import Tensor
from .errors import CheckpointError, MissingCheckpointError

__all__ = ["read", "write"]

NOTE = "numzoo.train"
"""Where the JSON stands among the header's notes."""

_CODES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32", "int32": "I32", "uint64": "U64", "int64": "I64",
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "complex64": "C64",
}  # fmt: skip
_NAMES = {code: name for name, code in _CODES.items()}


def write(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a state to ``path``, wholly or not at all: a file beside it, to the disk, then renamed.

    Whenever the process or the machine dies, ``path`` holds the old state or the new one. Raises CheckpointError when the file cannot be written
    (what was there before stays), ArgumentError for a state of other things.
    """
    target = Path(path)
    arrays: dict[str, Array] = {}
    tree = _flatten(state, "", arrays)
    header: dict[str, Any] = {"__metadata__": {"format": "pt", NOTE: json.dumps(tree, separators=(",", ":"))}}
    # The widest numbers first, so that each lies at a multiple of its size.
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    position = 0
    for name, array in ordered:
        end = position + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype.name], "shape": array.shape, "data_offsets": [position, end]}
        position = end
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    # One name for the unfinished file: what a killed run leaves behind, the next one overwrites.
    unfinished = target.with_name(target.name + ".part")
    try:
        with open(unfinished, "wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for _, array in ordered:
                file.write(_bytes(array))
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
        _sync(target.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError):
            kept = (
                f"the checkpoint that was there before is whole: {target}"
                if target.exists()
                else "nothing was there before"
            )
            raise CheckpointError(
                f"checkpoint: {target} cannot be written: {error.strerror or error}; {kept}. Free "
                f"space ({position + len(head):,} bytes are wanted beside it) or choose another folder, then resume",
                error.errno,
            ) from error
        raise


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state in a file that ``write`` made: arrays as NumPy arrays of their own. Raises CheckpointError for what is no such file, or a damaged one."""
    import safetensors

    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise MissingCheckpointError(f"checkpoint: there is no file {path}") from None
    except OSError as error:
        raise CheckpointError(f"checkpoint: {path} cannot be read: {error.strerror or error}", error.errno) from error
    try:
        parts = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        notes = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
        arrays = {}
        for name, part in parts:
            dtype = as_dtype(_NAMES[part["dtype"]])
            arrays[name] = np.frombuffer(bytearray(part["data"]), dtype).reshape(part["shape"])
        tree = json.loads(notes[NOTE]) if NOTE in notes else None
        state = _unflatten(tree, arrays)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint: {path} is damaged ({error}); put another one in its place, or remove it to begin anew"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(
            f"checkpoint: {path} holds tensors but no run: it was not written by engine.train; read weights with hub.load"
        )
    return state


def _flatten(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    if isinstance(value, Tensor):
        value = value.array
    if is_array(value):
        array = move(value, CPU)
        if array.dtype.name not in _CODES:
            raise ArgumentError(
                f"checkpoint: {path} is an array of {array.dtype}, which the format does not know; leave it out of the state"
            )
        name = path
        while name in arrays:  # two paths of the same spelling: {"a.b": ...} and {"a": {"b": ...}}
            name += "~"
        arrays[name] = array
        return {"$array": name}
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, (str, int))), None)
        if wrong is not None:
            raise ArgumentError(
                f"checkpoint: {path or 'the state'} has the key {wrong!r:.40}; names and numbers can be kept"
            )
        return {str(key): _flatten(part, f"{path}.{key}" if path else str(key), arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flatten(part, f"{path}.{place}", arrays) for place, part in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ArgumentError(
        f"checkpoint: {path or 'the state'} is a {type(value).__name__}; a state holds numbers, texts, arrays, lists and dictionaries of them"
    )


def _unflatten(tree: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(tree, dict):
        if set(tree) == {"$array"}:
            return arrays[tree["$array"]]
        return {key: _unflatten(part, arrays) for key, part in tree.items()}
    return [_unflatten(part, arrays) for part in tree] if isinstance(tree, list) else tree


def _bytes(array: Array) -> memoryview:
    plain = np.ascontiguousarray(array).reshape(-1)
    if sys.byteorder == "big":
        plain = plain.byteswap()
    return plain.view(np.uint8).data


def _sync(folder: Path) -> None:
    """Let the rename itself reach the disk, where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot; the rename has happened
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
