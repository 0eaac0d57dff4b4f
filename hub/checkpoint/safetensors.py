"""safetensors: a JSON header, then the tensors' bytes back to back. Reading maps; writing replaces the file at once.

The layout: 8 bytes little-endian header size, the header `{name: {"dtype", "shape", "data_offsets"}}` with an optional
`__metadata__` of texts, then the data. Offsets count from the header's end and leave no gap.
https://github.com/huggingface/safetensors (Format)
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents, check_name
from numzoo.hub.checkpoint.dtypes import SAFETENSORS, DataType
from numzoo.hub.checkpoint.json_text import parse_object
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Storage, StorageView, Tensor, contiguous_strides
from numzoo.hub.errors import FormatError, StorageError, UsageError

__all__ = ["begins", "read", "recognise", "write_safetensors", "write_tensors"]

NOTES = "__metadata__"

_SPELLING = {dtype.name: name for name, dtype in SAFETENSORS.items()}
_SWAP = sys.byteorder == "big"


def begins(source: Source) -> bool:
    """Whether the bytes begin like a safetensors file: a size, then an opening brace."""
    return source.size >= 9 and source.view[8] == 0x7B


def recognise(source: Source) -> bool:
    """Whether they do, and the size fits into the file."""
    return begins(source) and int.from_bytes(source.view[:8], "little") <= source.size - 8


def read(source: Source) -> Contents:
    """Describe a safetensors file. Raises FormatError for any header that does not cover the data exactly."""
    size = int.from_bytes(source.view[:8], "little")
    if size > limits.SAFETENSORS_HEADER:
        raise FormatError(f"The safetensors header claims {size} bytes; the limit is {limits.SAFETENSORS_HEADER}.")
    if 8 + size > source.size:
        raise FormatError(
            f"The safetensors header claims {size} bytes, but the file has only {source.size}: cut short?"
        )
    header = parse_object(bytes(source.view[8 : 8 + size]), "safetensors header", source.size, only_natural=True)
    notes = _notes(header.pop(NOTES, None))
    data = source.window(8 + size, source.size - 8 - size)
    spans: list[tuple[int, int, str]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(check_name(name), entry)
        wanted = dtype.bytes
        for length in shape:
            wanted *= length
        if end - begin != wanted:
            raise FormatError(
                f"The safetensors tensor {name!r} has {end - begin} bytes, but {dtype.name} {shape} takes {wanted}."
            )
        spans.append((begin, end, name))
        storage = Storage(repr(name), wanted)
        storage.place(data, begin, _SWAP)
        view = StorageView(storage, dtype, 0, wanted)
        tensors[name] = Tensor(view, dtype, 0, shape, contiguous_strides(shape))
    _check_cover(spans, data.size)
    return Contents("safetensors", tensors, notes=notes)


def write_safetensors(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> None:
    """Write `arrays` to `path`, wholly or not at all.

    The bytes go to a temporary file in the same folder, to the disk, and then take the name at once. Arrays keep their
    dtype (bfloat16 and float8 of ml_dtypes too); any order in memory is written C-ordered and little-endian. A symbolic
    link is followed. Errors: UsageError (a path that is no file's; a name, dtype or metadata that the format cannot
    hold), StorageError (disk full, no permission).
    """
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise UsageError(f"write_safetensors: {name!r} is a {type(array).__name__}; wanted a NumPy array.")
    write_tensors(
        path, {name: (array.dtype, array.shape) for name, array in arrays.items()}, arrays.__getitem__, metadata
    )


def write_tensors(
    path: str | os.PathLike[str],
    shapes: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]],
    give: Callable[[str], NDArray[Any]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """The same of tensors that need not lie in memory together: `give` is asked for one at a time, in the file's order.

    `shapes` says the dtype and shape of each beforehand; an array of another one is a UsageError, and nothing is written.
    """
    target = _target(path)
    header, ordered = _layout(shapes, metadata)
    temporary = f"{target}.{os.getpid()}-{os.urandom(6).hex()}.part"
    try:
        file = open(temporary, "xb")  # noqa: SIM115 (closed below, before the rename)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}.") from error
    try:
        with file:
            file.write(len(header).to_bytes(8, "little") + header)
            for name in ordered:
                array = give(name)
                if (array.dtype, array.shape) != (shapes[name][0], tuple(shapes[name][1])):
                    raise UsageError(f"write_tensors: {name!r} is {array.dtype} {array.shape}; wanted {shapes[name]}.")
                file.write(_bytes_of(array))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise StorageError(f"{target} cannot be written: {error.strerror}.") from error
        raise
    _sync_folder(os.path.dirname(target))


def _target(path: object) -> str:
    """Where the file goes. Only a regular file is ever replaced: the rename would put one in place of a device, too."""
    if not isinstance(path, (str, os.PathLike)) or not path or not isinstance(os.fspath(path), str):
        raise UsageError(f"A safetensors file is written to a path, but {path!r} was given.")
    try:
        target = os.path.realpath(path)
        status = os.stat(target)
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise UsageError(f"{path} is {kind}; a safetensors file is written to a file, new or old.")
    return target


def _notes(notes: object) -> dict[str, str]:
    if notes is None:
        return {}
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise FormatError("The safetensors __metadata__ is not a table of texts.")
    try:
        "".join([*notes, *notes.values()]).encode()
    except UnicodeEncodeError:
        raise FormatError("The safetensors __metadata__ is not valid Unicode.") from None
    return notes


def _entry(name: str, entry: object) -> tuple[DataType, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"The safetensors tensor {name!r} needs exactly dtype, shape and data_offsets.")
    dtype = SAFETENSORS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise FormatError(f"The safetensors tensor {name!r} has the dtype {ascii(entry['dtype'])[:40]}, unknown here.")
    shape, offsets = entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(type(number) is not int for number in numbers):
            raise FormatError(f"The safetensors tensor {name!r} has a shape or offsets that are not lists of integers.")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise FormatError(f"The safetensors tensor {name!r} needs data_offsets of a begin and an end.")
    if len(shape) > limits.DIMENSIONS:
        raise FormatError(
            f"The safetensors tensor {name!r} has {len(shape)} dimensions, more than {limits.DIMENSIONS}."
        )
    return dtype, tuple(shape), offsets[0], offsets[1]


def _check_cover(spans: list[tuple[int, int, str]], size: int) -> None:
    expected = 0
    for begin, end, name in sorted(spans):
        if begin != expected:
            what = "overlaps the one before it" if begin < expected else "leaves a gap"
            raise FormatError(f"The safetensors tensor {name!r} begins at byte {begin}, not {expected}: it {what}.")
        expected = end
    if expected != size:
        raise FormatError(f"The safetensors tensors take {expected} bytes, but the file holds {size}.")


def _layout(
    shapes: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]], metadata: Mapping[str, str] | None
) -> tuple[bytes, list[str]]:
    header: dict[str, Any] = {}
    if metadata:
        if not all(isinstance(key, str) and isinstance(value, str) for key, value in metadata.items()):
            raise UsageError("write_safetensors: metadata must map texts to texts.")
        header[NOTES] = dict(metadata)
    for name, (dtype, _) in shapes.items():
        _check_writable(name, dtype)
    # The widest types first, so that every tensor lies at a multiple of its item size.
    ordered = sorted(shapes, key=lambda name: (-shapes[name][0].itemsize, name))
    position = 0
    for name in ordered:
        dtype, shape = shapes[name]
        end = position + dtype.itemsize * math.prod(shape)
        header[name] = {"dtype": _SPELLING[dtype.name], "shape": list(shape), "data_offsets": [position, end]}
        position = end
    try:
        raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"write_safetensors: a name or a metadata text is not valid Unicode: {error}.") from None
    raw += b" " * (-len(raw) % 8)
    if len(raw) > limits.SAFETENSORS_HEADER:
        raise UsageError(f"write_safetensors: the header would take {len(raw)} bytes, more than the format allows.")
    return raw, ordered


def _check_writable(name: object, dtype: np.dtype[Any]) -> None:
    if not isinstance(name, str) or name == NOTES:
        raise UsageError(f"write_safetensors: a tensor cannot be called {name!r}; wanted a text other than {NOTES}.")
    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"write_safetensors: {error}") from None
    if dtype.name not in _SPELLING:
        raise UsageError(f"write_safetensors: {name!r} has the dtype {dtype}, which safetensors does not know.")


def _bytes_of(array: NDArray[Any]) -> memoryview:
    array = np.ascontiguousarray(array).reshape(-1)
    if array.dtype.isbuiltin == 2:  # of ml_dtypes: swapped as the integers of its width
        array = array.view(f"u{array.dtype.itemsize}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems cannot; the rename itself has happened
    finally:
        os.close(descriptor)
