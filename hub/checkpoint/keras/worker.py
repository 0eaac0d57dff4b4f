"""Describes an HDF5 file from standard input, in a process of its own: the one place where h5py is used.

The HDF5 library is large, written in C and has been crashed by files before. Here it may crash, and has bounded memory,
time and output; the reader in hdf5.py takes what comes out for untrusted, and maps the tensors' bytes itself.
This file is run by its path and imports nothing of the package. It writes one line of JSON, then the bytes of those
tensors that do not lie in the file as they are (chunked or compressed ones).
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from typing import Any

MISSING, DAMAGED = 3, 4
"""The exit codes where h5py is not installed, and where a tensor cannot be unpacked."""

_ATTRIBUTE_BYTES = 16 << 20
_OBJECTS = 200_000
_DEPTH = 64
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
_MODEL = "model_weights"


class RefusedError(Exception):
    """What the person is told; the second argument says whether it breaks a rule of safe reading."""


class Window(io.RawIOBase):
    """Bytes `start` to `start + size` of a descriptor, as a file that may only be read."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self.descriptor, self.start, self.size, self.position = descriptor, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self.size - self.position))
        if hasattr(os, "pread"):  # leaves the position of the descriptor alone, which the other process may use
            found = os.pread(self.descriptor, count, self.start + self.position)
        else:
            os.lseek(self.descriptor, self.start + self.position, os.SEEK_SET)
            found = os.read(self.descriptor, count)
        buffer[: len(found)] = found
        self.position += len(found)
        return len(found)


def main(start: int, size: int, memory: int, growth: int) -> int:
    """Describe `size` bytes at `start` of standard input, within `memory` bytes and `growth` bytes of unpacked data."""
    os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # no filter is loaded from anywhere because a file asks for it
    try:
        import h5py
    except ImportError:
        return MISSING
    _limit(memory)
    try:
        with h5py.File(Window(0, start, size), "r") as file:
            tensors, datasets = _Walk(h5py, growth).run(file)
            _answer({"tensors": tensors, "values": _facts(file)})
            return _unpack(datasets)
    except RefusedError as refusal:
        _answer({"refused": refusal.args[0], "unsafe": refusal.args[1]})
    except MemoryError:
        _answer({"refused": "the file asks for more memory than it may take", "unsafe": False})
    except Exception as error:  # h5py raises any of OSError, RuntimeError, KeyError, ValueError, TypeError
        why = f"something is damaged ({type(error).__name__}: {str(error)[:200]})"
        _answer({"refused": why, "unsafe": False})
    return 0


def _limit(memory: int) -> None:
    """Allow `memory` bytes beyond what the libraries have taken already, and no core file."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            most = int(file.read().split()[0]) * resource.getpagesize() + memory
    except (ImportError, OSError):  # not Linux: the other process's limit on time remains
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _unpack(datasets: list[Any]) -> int:
    try:
        for dataset in datasets:
            sys.stdout.buffer.write(dataset[()].tobytes())
        sys.stdout.buffer.flush()
    except Exception:
        return DAMAGED
    return 0


class _Walk:
    """Goes through all groups; every object must be reached by one hard link."""

    def __init__(self, h5py: Any, growth: int) -> None:
        self.h5py = h5py
        self.growth = growth
        self.seen: set[int] = set()
        self.found: dict[str, dict[str, Any]] = {}
        self.packed: dict[str, Any] = {}

    def run(self, file: Any) -> tuple[list[dict[str, Any]], list[Any]]:
        """Give the tensors in order, and the datasets whose bytes follow, in the same order."""
        self._once("/", file)
        self._group("", file, 0)
        place = 0
        tensors = [self.found[name] for name in _order(file, self.found)]
        datasets = []
        for tensor in tensors:
            dataset = self.packed.get(tensor["name"])
            if dataset is not None:
                tensor["packed"] = place
                place += tensor["bytes"]
                datasets.append(dataset)
        return tensors, datasets

    def _group(self, prefix: str, group: Any, depth: int) -> None:
        if depth > _DEPTH:
            raise RefusedError(f"the file nests groups more than {_DEPTH} deep", False)
        for name in group:
            path = prefix + name
            link = group.get(name, getlink=True)
            if type(link) is not self.h5py.HardLink:
                raise RefusedError(f"{path[:100]!a} is a {type(link).__name__}, which leads elsewhere", True)
            thing = group[name]
            self._once(path, thing)
            if isinstance(thing, self.h5py.Group):
                self._group(path + "/", thing, depth + 1)
            elif isinstance(thing, self.h5py.Dataset):
                self._dataset(path, thing)

    def _once(self, path: str, thing: Any) -> None:
        address = self.h5py.h5o.get_info(thing.id).addr
        if address in self.seen:
            raise RefusedError(f"{path[:100]!a} is reached by two links", True)
        self.seen.add(address)
        if len(self.seen) > _OBJECTS:
            raise RefusedError(f"the file has more than {_OBJECTS} objects", False)

    def _dataset(self, path: str, dataset: Any) -> None:
        if dataset.is_virtual:
            raise RefusedError(f"{path[:100]!a} is a virtual dataset, made from others", True)
        if dataset.external:
            raise RefusedError(f"{path[:100]!a} has its bytes in another file", True)
        dtype = _dtype(dataset)
        if dtype is None or dataset.shape is None:
            self.found[path] = {"name": path, "other": str(dataset.dtype)[:100]}
            return
        plan = dataset.id.get_create_plist()
        filters = [plan.get_filter(index)[0] for index in range(plan.get_nfilters())]
        unknown = [number for number in filters if number not in _FILTERS]
        if unknown:
            raise RefusedError(
                f"{path[:100]!a} is packed by filter {unknown[0]}; read are {', '.join(_FILTERS.values())}", False
            )
        offset = dataset.id.get_offset()
        told = {
            "name": path,
            "dtype": dtype,
            "order": dataset.dtype.str[0],
            "shape": list(dataset.shape),
            "bytes": dataset.dtype.itemsize * dataset.size,
        }
        plain = self.h5py.h5t.py_create(dataset.dtype) == dataset.id.get_type()
        if plain and offset is not None and dataset.id.get_storage_size() == told["bytes"]:
            told["offset"] = offset
        else:
            self.growth -= told["bytes"]
            if self.growth < 0:
                raise RefusedError(f"{path[:100]!a} would grow to more bytes than the file may", True)
            self.packed[path] = dataset
        self.found[path] = told


def _dtype(dataset: Any) -> str | None:
    """Give the name of the type, None for what is no number."""
    dtype = dataset.dtype
    if dtype.kind in "fiub" and dtype.itemsize in (1, 2, 4, 8):
        return str(dtype.newbyteorder("=").name)
    if dtype.kind == "V" and dtype.itemsize == 2 and dtype.fields is None and dtype.subdtype is None:
        kind = dataset.attrs.get("dtype", "")  # as Keras 3 stores it
        return "bfloat16" if kind in ("bfloat16", b"bfloat16") else None
    return None


def _order(file: Any, found: dict[str, Any]) -> list[str]:
    """Give the names in the order of the model's layers, where the file says it, then those that are left."""
    prefix = f"{_MODEL}/" if _MODEL in file else ""
    group = file[_MODEL] if prefix else file
    named = []
    for layer in _texts(group, "layer_names"):
        inner = group.get(layer)
        for weight in _texts(inner, "weight_names") if inner is not None else ():
            name = f"{prefix}{layer}/{weight}"
            if name not in found or "other" in found[name]:
                raise RefusedError(f"the weight {name[:100]!a} is named and not there", False)
            named.append(name)
    rest = dict.fromkeys(found)
    return list(dict.fromkeys([*named, *rest]))


def _texts(group: Any, name: str) -> list[str]:
    """Give an attribute that is a list of texts; long ones are cut into `name0`, `name1`, ..."""
    found: list[str] = []
    pieces = [name] if name in group.attrs else []
    while pieces[:1] != [name] and f"{name}{len(pieces)}" in group.attrs and len(pieces) < 10_000:
        pieces.append(f"{name}{len(pieces)}")
    for piece in pieces:
        found += [text.decode() if isinstance(text, bytes) else str(text) for text in _attribute(group, piece)]
        if len(found) > _OBJECTS:
            raise RefusedError(f"{name} has more than {_OBJECTS} names", False)
    return found


def _attribute(group: Any, name: str) -> Any:
    held = group.attrs.get_id(name)
    if held.dtype.itemsize * math.prod(held.shape or ()) > _ATTRIBUTE_BYTES:
        raise RefusedError(f"the attribute {name[:100]!a} is larger than {_ATTRIBUTE_BYTES} bytes", False)
    return group.attrs[name]


def _facts(file: Any) -> dict[str, Any]:
    """Give the texts that Keras keeps beside the weights: its version, the backend, the model's configuration."""
    facts: dict[str, Any] = {}
    for name in ("keras_version", "backend", "model_config"):
        value = _attribute(file, name) if name in file.attrs else None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            facts[f"keras.{name}"] = value
    return facts


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
