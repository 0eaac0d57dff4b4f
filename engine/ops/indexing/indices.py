"""What an index means: tensors and lists made raw arrays, whole numbers and slices told apart from masks and integer arrays."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import is_array, namespace
from ...dtype import kind
from ...errors import DtypeError, ShapeError
from ...tensor import Tensor

__all__: list[str] = []

Parts = tuple[Any, ...]


def raw_index(x: Tensor, index: Any) -> Any:
    """The index with raw arrays in the place of tensors and lists."""
    xp = namespace(x.array)
    if isinstance(index, tuple):
        return tuple([_raw(xp, part) for part in index])
    return _raw(xp, index)


def _raw(xp: Any, part: Any) -> Any:
    if isinstance(part, int):
        return part
    if isinstance(part, slice):
        if part.step is None and type(part.start) in _ENDS and type(part.stop) in _ENDS:
            return part
        try:
            return slice(*(v if v is None else operator.index(v) for v in (part.start, part.stop, part.step)))
        except TypeError:
            raise ShapeError(f"index: a slice is made of whole numbers, not {part}") from None
    if isinstance(part, Tensor):
        if kind(part.dtype) > 1:
            raise DtypeError(f"index: a tensor used as an index must hold integers or booleans, not {part.dtype}")
        part = part.array
    elif isinstance(part, list):
        try:
            part = xp.asarray(part, dtype=None if part else "int64")
        except ValueError:
            raise ShapeError(f"index: the nested lists of {part!r:.60} are ragged") from None
    if isinstance(part, np.ndarray) and part.ndim and xp is not np:
        return xp.asarray(part)  # an index may lie on the CPU
    if isinstance(part, np.integer) or (is_array(part) and part.ndim == 0 and part.dtype.kind in "iu"):
        return int(part)
    return part


_ENDS = (int, type(None))


def is_basic(index: Any) -> bool:
    """Whether an index picks a view: made of whole numbers, slices, None and Ellipsis alone."""
    for part in index if type(index) is tuple else (index,):
        if part.__class__ is slice or part is None or part is Ellipsis:
            continue
        if not isinstance(part, (int, slice)) or isinstance(part, bool):
            return False
    return True


def in_two(index: Any, ndim: int) -> tuple[Parts | None, Any]:
    """An index as a view to take first, and the arrays to pick from that.

    So it is in PyTorch: whole numbers and slices go first, hence x[0, :, [1, 2]] is x[0][:, [1, 2]]. NumPy would count the 0 among the arrays,
    and put the axis that they make in front. None for the view where it is the whole tensor.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, bool) or (is_array(part) and part.ndim == 0) for part in parts):
        return None, index
    if not all(part is None or part is Ellipsis or isinstance(part, (int, slice)) or is_array(part) for part in parts):
        return None, index  # no index at all: the array library says so
    used = sum(_axes(part) for part in parts)
    if used > ndim or sum(part is Ellipsis for part in parts) > 1:
        return None, index
    view: list[Any] = []
    rest: list[Any] = []
    for part in parts:
        if part is Ellipsis:
            view += [slice(None)] * (ndim - used)
            rest += [slice(None)] * (ndim - used)
        elif is_array(part):
            view += [slice(None)] * _axes(part)
            rest.append(part)
        else:
            view.append(part)
            if not isinstance(part, int):
                rest.append(slice(None))
    while rest and isinstance(rest[-1], slice):
        rest.pop()
    whole = all(isinstance(part, slice) and part == slice(None) for part in view)
    return None if whole else tuple(view), tuple(rest)


def _axes(part: Any) -> int:
    """How many axes of a tensor a part of an index speaks of."""
    if part is None or part is Ellipsis:
        return 0
    return int(part.ndim) if is_array(part) and part.dtype.kind == "b" else 1


def look_at(name: str, index: Any, shape: tuple[int, ...]) -> None:
    """Let a GPU, where the array library looks at no number, see whether those of an index lie within their axes."""
    parts = index if isinstance(index, tuple) else (index,)
    spoken = sum(_axes(part) for part in parts)
    axis = 0
    for part in parts:
        if part is Ellipsis:
            axis += len(shape) - spoken
        elif is_array(part) and part.ndim and part.dtype.kind in "iu" and axis < len(shape):
            size = shape[axis]
            sentence = f"{name}: {{0}} is out of range for axis {axis} of size {{1}}; give {-size} to {{2}}"
            left_to_gpu(part, -size, size - 1, sentence)
        axis += _axes(part)


def out_of_range(index: Any, shape: tuple[int, ...]) -> str | None:
    """What is wrong with an index into ``shape``, in words: the first number outside of its axis, or a mask of another size."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(_axes(part) for part in parts if part is not Ellipsis)
    if used > len(shape):
        return f"{used} axes are indexed, but there are {len(shape)}"
    axis = 0
    for part in parts:
        if part is Ellipsis:
            axis += len(shape) - used
            continue
        if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            found: Any = [int(part)]
        elif is_array(part) and part.dtype.kind in "iu" and part.size:
            found = [int(part.min()), int(part.max())]
        else:
            found = []
            if is_array(part) and part.dtype.kind == "b" and part.shape != shape[axis : axis + part.ndim]:
                return f"the mask {tuple(part.shape)} does not fit the axes {shape[axis : axis + part.ndim]}"
        for value in found:
            if not -shape[axis] <= value < shape[axis]:
                return f"{value} is out of range for axis {axis} of size {shape[axis]}; give {-shape[axis]} to {shape[axis] - 1}"
        axis += _axes(part)
    return None
