"""Storages and the tensors that view them: checked when they are described, built only on request.

A `Tensor` record is a promise whose size, strides and offset have been held against its storage, so that building it
cannot leave the storage. Tensors of one storage share memory when they are built, strided views included; only a tensor
whose elements overlap (an expanded one) gets memory of its own, because writing to it would otherwise write elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.dtypes import DataType
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.errors import FormatError

__all__ = ["Builder", "Decoded", "Storage", "StorageView", "Tensor", "contiguous_strides"]


class Storage:
    """`size` bytes that tensors view. A reader that knows only later where they lie calls `place`."""

    __slots__ = ("label", "offset", "size", "source", "swapped")

    def __init__(self, label: str, size: int) -> None:
        self.label = label
        self.size = size
        self.source: Source | None = None
        self.offset = 0
        self.swapped = False

    def place(self, source: Source, offset: int, swapped: bool = False) -> None:
        """Say where the bytes lie; `swapped` if they are in the other byte order than this machine's."""
        self.source = source
        self.offset = offset
        self.swapped = swapped


class StorageView:
    """A run of a storage, typed: what a persistent id names. `start` and `size` are in bytes."""

    __slots__ = ("dtype", "size", "start", "storage")

    def __init__(self, storage: Storage, dtype: DataType, start: int, size: int) -> None:
        self.storage = storage
        self.dtype = dtype
        self.start = start
        self.size = size


class Tensor:
    """A tensor that can be built: shape and strides in elements, `start` in bytes, all inside the storage.

    Raises FormatError where they are not.
    """

    __slots__ = ("dtype", "shape", "start", "storage", "strides")

    def __init__(
        self, view: StorageView, dtype: DataType, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        if len(shape) != len(strides):
            raise FormatError(f"a tensor has {len(shape)} sizes but {len(strides)} strides")
        if len(shape) > limits.DIMENSIONS:
            raise FormatError(f"a tensor has {len(shape)} dimensions, more than {limits.DIMENSIONS}")
        if offset < 0:
            raise FormatError(f"a tensor begins at element {offset} of its storage")
        last, span = offset, dtype.bytes
        for size, stride in zip(shape, strides, strict=True):
            if size < 0 or stride < 0:
                raise FormatError(f"a tensor has the size {shape} and the strides {strides}, but none may be negative")
            last += (size - 1) * stride
            span *= max(size, 1)
        if span > limits.TENSOR_BYTES:
            raise FormatError(f"a tensor of size {shape} is larger than {limits.TENSOR_BYTES} bytes")
        if 0 not in shape and (last + 1) * dtype.bytes > view.size:
            raise FormatError(
                f"a tensor of size {shape}, strides {strides} and offset {offset} needs element {last} of storage "
                f"{view.storage.label}, which has {view.size // dtype.bytes}"
            )
        self.storage = view.storage
        self.dtype = dtype
        self.start = view.start + offset * dtype.bytes
        self.shape = shape
        self.strides = strides

    @property
    def bytes(self) -> int:
        """The bytes of the elements."""
        return self.dtype.bytes * math.prod(self.shape)


class Decoded:
    """A tensor that the file holds in another form, `stored`: quantised, packed. It is decoded each time it is asked for.

    `decode` gives a fresh array of `dtype` and `shape`; what it may take was checked against the file before.
    """

    __slots__ = ("decode", "dtype", "shape", "stored")

    def __init__(
        self, dtype: DataType, shape: tuple[int, ...], stored: str, decode: Callable[[], NDArray[Any]]
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.stored = stored
        self.decode = decode

    @property
    def bytes(self) -> int:
        """The bytes of the elements, once decoded."""
        return self.dtype.bytes * math.prod(self.shape)


class Builder:
    """Builds the arrays of one file; what two tensors share is loaded once.

    Unless they are to be `aligned`, numbers of two bytes stay on the mapping where they begin at odd addresses.
    """

    def __init__(self, file_bytes: int, *, aligned: bool = True) -> None:
        self._anywhere = 1 if aligned else 2  # bytes of the widest numbers that may begin at any address
        self._bases: dict[tuple[int, str, int], NDArray[Any]] = {}
        self._arrays: dict[int, NDArray[Any]] = {}
        self._overlapping = file_bytes + limits.OVERLAPPING_BYTES

    def build(self, tensor: Tensor | Decoded) -> NDArray[Any]:
        """Give the tensor as a writable array, aligned and in the machine's byte order."""
        known = self._arrays.get(id(tensor))
        if known is None:
            known = tensor.decode() if isinstance(tensor, Decoded) else self._view(tensor)
            self._arrays[id(tensor)] = known
        return known

    def _view(self, tensor: Tensor) -> NDArray[Any]:
        dtype, shape = tensor.dtype.numpy(), tensor.shape
        if 0 in shape:
            return np.empty(shape, dtype)
        width = tensor.dtype.bytes
        # PyTorch may write any stride for a dimension of size 1; NumPy multiplies it out and could overflow.
        strides = tuple(
            width * stride if size > 1 else width for size, stride in zip(shape, tensor.strides, strict=True)
        )
        base = self._base(tensor.storage, tensor.dtype, tensor.start % width)
        view: NDArray[Any] = np.ndarray(shape, dtype, base, tensor.start - tensor.start % width, strides)
        if not _overlaps(shape, tensor.strides):
            return view
        self._overlapping -= tensor.bytes
        if self._overlapping < 0:
            raise FormatError(
                f"Expanded tensors ask for more memory than the file's size and {limits.OVERLAPPING_BYTES} bytes."
            )
        return np.array(view, order="C")

    def _base(self, storage: Storage, dtype: DataType, shift: int) -> NDArray[Any]:
        """Give the storage from byte `shift` on as a flat array of `dtype`."""
        key = (id(storage), dtype.name, shift)
        known = self._bases.get(key)
        if known is not None:
            return known
        base = self._aligned(storage, dtype, shift)
        if dtype.name == "bool" and base.size and int(base.max()) > 1:
            raise FormatError(f"Storage {storage.label} holds booleans that are neither 0 nor 1.")
        if storage.swapped and dtype.unit > 1:
            base = base.view(f"u{dtype.unit}").byteswap().view(np.uint8)
        flat = base.view(dtype.numpy())
        self._bases[key] = flat
        return flat

    def _aligned(self, storage: Storage, dtype: DataType, shift: int) -> NDArray[np.uint8]:
        if storage.source is None:
            raise FormatError(f"Storage {storage.label} is named by a tensor, but the file does not hold it.")
        size = (storage.size - shift) // dtype.bytes * dtype.bytes
        shared = self._bases.get((id(storage), "", shift))
        if shared is not None:  # a copy that was made for another dtype of the same storage
            return shared[:size]
        mapped = storage.source.array(storage.offset + shift, size)
        if dtype.unit <= self._anywhere or mapped.__array_interface__["data"][0] % dtype.bytes == 0:
            return mapped
        fresh = storage.source.copy(storage.offset + shift, storage.size - shift)
        self._bases[(id(storage), "", shift)] = fresh
        return fresh[:size]


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the strides, in elements, of a C-ordered tensor."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _overlaps(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether two indices may name one element: sure for every layout that dense tensors and their slices have."""
    reach = 0
    for stride, size in sorted((stride, size) for size, stride in zip(shape, strides, strict=True) if size > 1):
        if stride <= reach:
            return True
        reach += (size - 1) * stride
    return False
