"""The tar files of PyTorch before 0.1.10.

They hold `storages`, the `tensors` that stand on them, the `pickle` that names tensors, and `sys_info`.
"""

from __future__ import annotations

import sys

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents, flatten
from numzoo.hub.checkpoint.pytorch.kinds import StorageType, TensorType
from numzoo.hub.checkpoint.pytorch.opcodes import read_pickle
from numzoo.hub.checkpoint.pytorch.stream import PickleStream, little_endian
from numzoo.hub.checkpoint.pytorch.tar import read_members
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Storage, StorageView, Tensor
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["read"]

_MEMBERS = frozenset({"sys_info", "pickle", "tensors", "storages"})


def read(source: Source) -> Contents:
    """Describe the checkpoint. Raises FormatError or UnsafeFileError."""
    members = read_members(source, _MEMBERS)
    if not little_endian(read_pickle(members["sys_info"].view, "sys_info")):
        raise FormatError("The tar file comes from a big-endian machine, which PyTorch's own reader never supported.")
    objects: dict[int, StorageView | Tensor] = {}
    _read_storages(PickleStream(members["storages"], "storages"), objects)
    _read_tensors(PickleStream(members["tensors"], "tensors"), objects)

    def find(value: object) -> StorageView | Tensor:
        if type(value) is tuple:
            raise UnsafeFileError("a persistent id names a module with its source code; only state dicts are read")
        found = objects.get(_key(value))
        if found is None:
            raise FormatError(f"tensor {value} is not in the file")
        return found

    if members["pickle"].size > limits.PICKLE_BYTES:
        raise FormatError(f"The member pickle has {members['pickle'].size} bytes, far more than a state dict's.")
    tensors, values = flatten(read_pickle(members["pickle"].view, "pickle", find))
    return Contents("torch-tar", tensors, values)


def _read_storages(stream: PickleStream, objects: dict[int, StorageView | Tensor]) -> None:
    for _ in range(_count(stream)):
        record = stream.load("storage")
        if type(record) is not tuple or len(record) != 3 or type(record[2]) is not StorageType:
            raise FormatError("storages: a record is not a key, a location and a storage class")
        dtype = record[2].dtype
        (elements,) = stream.integers(1)
        if not 0 <= elements * dtype.bytes <= stream.source.size - stream.position:
            raise FormatError(
                f"storages: {elements} elements at byte {stream.position - 8} are more than the file holds"
            )
        storage = Storage(str(_key(record[0])), elements * dtype.bytes)
        storage.place(stream.source, stream.position, sys.byteorder == "big")
        stream.position += storage.size
        _add(objects, record[0], StorageView(storage, dtype, 0, storage.size))
    views = stream.load("views")
    if type(views) is not list:
        raise FormatError("storages: the views are not a list")
    for view in views:
        if type(view) is not tuple or len(view) != 4 or type(view[2]) is not int or type(view[3]) is not int:
            raise FormatError("storages: a view is not a key, a root, an offset and a size")
        target, key, offset, size = view
        root = objects.get(_key(key))
        if type(root) is not StorageView:
            raise FormatError(f"storages: the root {_key(key)} of a view is not in the file")
        width = root.dtype.bytes
        if offset < 0 or size < 0 or (offset + size) * width > root.size:
            raise FormatError(f"storages: a view of {size} elements at {offset} leaves its storage")
        _add(objects, target, StorageView(root.storage, root.dtype, root.start + offset * width, size * width))
    stream.finish()


def _read_tensors(stream: PickleStream, objects: dict[int, StorageView | Tensor]) -> None:
    for _ in range(_count(stream)):
        record = stream.load("tensor")
        if type(record) is not tuple or len(record) != 3 or type(record[2]) is not TensorType:
            raise FormatError("tensors: a record is not a key, a storage and a tensor class")
        view = objects.get(_key(record[1]))
        if type(view) is not StorageView:
            raise FormatError(f"tensors: the storage {_key(record[1])} is not in the file")
        dimensions, _unused = stream.integers(2, 4)
        if not 0 <= dimensions <= limits.DIMENSIONS:
            raise FormatError(f"tensors: a tensor has {dimensions} dimensions")
        numbers = stream.integers(2 * dimensions + 1)
        shape, strides = numbers[:dimensions], numbers[dimensions : 2 * dimensions]
        _add(objects, record[0], Tensor(view, view.dtype, numbers[-1], shape, strides))
    stream.finish()


def _count(stream: PickleStream) -> int:
    count = stream.load("count")
    if type(count) is not int or not 0 <= count <= limits.MEMBERS:
        raise FormatError(f"{stream.label}: the count is not a small number")
    return count


def _key(value: object) -> int:
    """Keys are integers, or texts of integers."""
    if type(value) is str and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20:
        return int(value)
    if type(value) is not int:
        raise FormatError(f"a key is a {type(value).__name__}, not a number")
    return value


def _add(objects: dict[int, StorageView | Tensor], key: object, value: StorageView | Tensor) -> None:
    number = _key(key)
    if number in objects:
        raise FormatError(f"the key {number} is used twice")
    objects[number] = value
