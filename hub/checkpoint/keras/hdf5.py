"""Keras' weights: `.h5` and `.weights.h5` files of Keras 1 to 3, and the `.keras` archives around one.

A tensor is called by its path, `conv1/conv1/kernel:0` in the older files (those of a whole model without their
`model_weights/`), `layers/dense/vars/0` in those of Keras 3. What the file holds is found by h5py in a process of its own
(worker.py); the bytes of the tensors are mapped here, as those of any other format.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.archive import Member, inflate
from numzoo.hub.checkpoint.contents import Contents, check_name
from numzoo.hub.checkpoint.dtypes import TORCH
from numzoo.hub.checkpoint.keras.worker import DAMAGED, MISSING
from numzoo.hub.checkpoint.source import Source, map_descriptor
from numzoo.hub.checkpoint.tensors import Storage, StorageView, Tensor, contiguous_strides
from numzoo.hub.errors import FormatError, StorageError, UnsafeFileError, UsageError

__all__ = ["MAGIC", "WEIGHTS", "read", "read_archive"]

MAGIC = b"\x89HDF\r\n\x1a\n"
WEIGHTS = "model.weights.h5"
"""The member of a `.keras` archive that holds the tensors."""

_TEXTS = ("config.json", "metadata.json")
_PREFIX = "model_weights/"


def read_archive(source: Source, members: dict[str, Member]) -> Contents:
    """Describe a `.keras` archive: its weights, and its configuration as a text among the values."""
    contents = read(inflate(source, members[WEIGHTS]))
    values = dict(contents.values)
    for name in _TEXTS:
        member = members.get(name)
        if member is not None:
            if member.size > limits.TEXT:
                raise FormatError(f"The member {name} has {member.size} bytes; the limit is {limits.TEXT}.")
            values[f"keras.{name}"] = bytes(inflate(source, member).view).decode("utf-8", "replace")
    return Contents("keras", contents.tensors, values)


def read(source: Source) -> Contents:
    """Describe an HDF5 file.

    Errors: FormatError; UnsafeFileError for links that lead elsewhere, virtual datasets and bytes in other files;
    UsageError where h5py is not installed.
    """
    _check_superblock(source)
    answer, packed = _ask(source)
    try:
        return _contents(answer, source, packed)
    except (AttributeError, KeyError, TypeError, OverflowError):
        raise FormatError("The process that reads HDF5 files gave an answer that makes no sense.") from None


def _contents(answer: dict[str, Any], source: Source, packed: Source | None) -> Contents:
    tensors: dict[str, Tensor] = {}
    values = dict(answer["values"])
    for told in answer["tensors"]:
        name = check_name(told["name"]).removeprefix(_PREFIX)
        if name in tensors or name in values:
            raise FormatError(f"The HDF5 file holds the tensor {name[:100]!a} twice.")
        if "other" in told:
            values[name] = f"values of the type {told['other']}"
        else:
            tensors[name] = _tensor(name, told, source, packed)
    return Contents("keras", tensors, values)


def _check_superblock(source: Source) -> None:
    """Addresses in the file must count from its first byte, in 64 bits: the worker's offsets are mapped as they are."""
    version = source.view[8] if source.size > 8 else 255
    widths, base = {0: (13, 24), 1: (13, 28), 2: (9, 12), 3: (9, 12)}.get(version, (0, 0))
    if not widths or source.size < base + 8:
        raise FormatError(f"The HDF5 file has the version {version}, or is cut short.")
    if source.view[widths] != 8 or any(source.view[base : base + 8]):
        raise FormatError("The HDF5 file counts its addresses in another way than every writer of Keras files does.")


def _ask(source: Source) -> tuple[dict[str, Any], Source | None]:
    """Run the worker; give what it found, and the bytes that it unpacked."""
    import subprocess
    import tempfile

    growth = limits.INFLATED_FREE + limits.INFLATED_RATIO * source.size
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as copy:
        descriptor, start = source.place()
        if descriptor is None:
            copy.write(source.view)
            copy.flush()
            descriptor, start = copy.fileno(), 0
        numbers = (start, source.size, limits.WORKER_MEMORY + growth, growth)
        seconds = limits.WORKER_SECONDS + source.size // (20 * limits.MEBIBYTE)
        script = os.path.join(os.path.dirname(__file__), "worker.py")
        try:
            done = subprocess.run(
                [sys.executable, script, *map(str, numbers)],
                stdin=descriptor,
                stdout=out,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FormatError(f"The HDF5 file could not be described within {seconds} seconds.") from None
        except OSError as error:
            raise StorageError(f"The process that reads HDF5 files cannot be started: {error.strerror}.") from error
        if done.returncode == MISSING:
            raise UsageError(
                "Keras' HDF5 files are read with h5py, which is not installed: pip install 'numzoo[keras]'."
            )
        if done.returncode == DAMAGED:
            raise FormatError("A compressed tensor of the HDF5 file is damaged, or takes too much memory.")
        if done.returncode:
            raise FormatError(f"The HDF5 library failed on the file, in a process of its own (code {done.returncode}).")
        whole = map_descriptor(out.fileno(), "the answer about the HDF5 file")
        return _parse(whole)


def _parse(whole: Source) -> tuple[dict[str, Any], Source | None]:
    end = 0
    for begin in range(0, whole.size, limits.MEBIBYTE):
        found = bytes(whole.view[begin : begin + limits.MEBIBYTE]).find(b"\n")
        if found >= 0:
            end = begin + found
            break
    try:
        answer = json.loads(bytes(whole.view[:end]))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise FormatError("The process that reads HDF5 files gave an answer that makes no sense.")
    if "refused" in answer:
        text = answer["refused"]
        raise (UnsafeFileError if answer["unsafe"] else FormatError)(f"In the HDF5 file {text}.")
    rest = whole.size - end - 1
    return answer, Source(whole.view[end + 1 :]) if rest else None


def _tensor(name: str, told: dict[str, Any], source: Source, packed: Source | None) -> Tensor:
    dtype = TORCH[told["dtype"]]
    shape, size = tuple(told["shape"]), told["bytes"]
    place, offset = (source, told["offset"]) if "offset" in told else (packed, told.get("packed", 0))
    if offset < 0 or size < 0 or offset + size > (place.size if place else 0):
        raise FormatError(f"The HDF5 file's tensor {name[:100]!a} needs {size} bytes, which are not there: cut short?")
    storage = Storage(repr(name[:100]), size)
    # What is empty has no place; any will do.
    storage.place(place or source, offset if place else 0, told["order"] == (">" if sys.byteorder == "little" else "<"))
    return Tensor(StorageView(storage, dtype, 0, size), dtype, 0, shape, contiguous_strides(shape))
