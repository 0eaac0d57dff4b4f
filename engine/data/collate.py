"""From items to a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..device import is_array
from ..dtype import int64
from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor, as_array, tensor, tensor_of
from .errors import DataError

_TEXT = (str, bytes)
_NUMBERS = (bool, int, float, complex)


def default_collate(items: Sequence[Any], indices: Sequence[Any] | None = None) -> Any:
    """Items stacked to a batch of the same structure, with a new first axis.

    Tensors, arrays and NumPy numbers keep their dtype; Python's floats become float32, ints int64, as everywhere in the
    engine; strings and bytes become lists. Tuples, lists, dicts, named tuples and dataclasses are followed inwards.
    ``indices`` name the items in errors. Raises ShapeError, DtypeError, ArgumentError for items that do not fit together.

    >>> default_collate([(1, "a"), (2, "b")])
    (tensor([1, 2]), ['a', 'b'])
    """
    if not isinstance(items, Sequence) or isinstance(items, _TEXT) or not len(items):
        raise DataError(f"default_collate: wants a list of at least one item, not {items!r:.60}")
    return _Collation(indices).collate(items, "")


def default_convert(item: Any) -> Any:
    """An item as it is, its arrays turned into tensors: what a DataLoader gives with ``batch_size=None``."""
    return walk(item, lambda value: tensor_of(as_array(value)) if isinstance(value, np.ndarray) else value)


def walk(value: Any, function: Callable[[Any], Any]) -> Any:
    """``value`` rebuilt with ``function`` applied to all that is no tuple, list, dict, named tuple or dataclass."""
    if isinstance(value, Mapping):
        return {key: walk(inner, function) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return _like(value, [walk(inner, function) for inner in value])
    if _is_record(value):
        return dataclasses.replace(
            value, **{f.name: walk(getattr(value, f.name), function) for f in dataclasses.fields(value) if f.init}
        )
    return function(value)


class _Collation:
    """One batch being made: knows what to call its items."""

    def __init__(self, indices: Sequence[Any] | None) -> None:
        self.indices = indices

    def collate(self, items: Sequence[Any], path: str) -> Any:
        first = items[0]
        if isinstance(first, _TEXT):
            self.same(items, path, _TEXT, "a string")
            return list(items)
        if isinstance(first, Tensor) or is_array(first) or isinstance(first, np.generic):
            return self.stack(items, path)
        if isinstance(first, _NUMBERS):
            return self.numbers(items, path)
        if isinstance(first, Mapping):
            return self.mapping(items, path)
        if isinstance(first, (tuple, list)):
            return self.sequence(items, path)
        if _is_record(first):
            self.same(items, path, (type(first),), f"a {type(first).__name__}")
            fields = [field.name for field in dataclasses.fields(first) if field.init]
            return type(first)(
                **{name: self.collate([getattr(item, name) for item in items], f"{path}.{name}") for name in fields}
            )
        raise ArgumentError(f"default_collate: {self.name(0, path)} {_complaint(first)}")

    def stack(self, items: Sequence[Any], path: str) -> Tensor:
        for place, item in enumerate(items):
            if not (isinstance(item, (Tensor, np.generic)) or is_array(item)):
                raise ArgumentError(
                    f"default_collate: {self.name(place, path)} is a {type(item).__name__}, but {self.name(0, path)} "
                    f"is a {type(items[0]).__name__}; let all items be of one kind"
                )
        try:
            tensors = [
                v if isinstance(v, Tensor) else tensor_of(as_array(np.asarray(v) if isinstance(v, np.generic) else v))
                for v in items
            ]
        except DtypeError as error:
            raise DtypeError(f"default_collate: {self.name(0, path)} cannot be a tensor: {error}") from None
        first = tensors[0]
        for place, other in enumerate(tensors):
            if other.shape != first.shape:
                raise ShapeError(
                    f"default_collate: {self.name(place, path)} has the shape {other.shape} but {self.name(0, path)} "
                    f"{first.shape}; items stack only in one shape: crop, resize or pad them in the data set, or give "
                    "a collate_fn"
                )
            if other.dtype != first.dtype:
                raise DtypeError(
                    f"default_collate: {self.name(place, path)} is {other.dtype} but {self.name(0, path)} is "
                    f"{first.dtype}; convert them to one dtype in the data set"
                )
        if all(type(t.array) is np.ndarray and not t.requires_grad for t in tensors):
            return tensor_of(np.stack([t.array for t in tensors]))
        return ops.stack(tensors)

    def numbers(self, items: Sequence[Any], path: str) -> Tensor:
        self.same(items, path, (*_NUMBERS, np.generic), "a number")
        if len({isinstance(item, (bool, np.bool_)) for item in items}) > 1:
            raise DtypeError(
                f"default_collate: of the numbers{_at(path)}, some are truth values and some are not; give one kind"
            )
        try:
            return tensor(list(items), dtype=int64 if all(type(item) is int for item in items) else None)
        except (DtypeError, OverflowError) as error:
            raise DtypeError(f"default_collate: the numbers{_at(path)} make no tensor: {error}") from None

    def mapping(self, items: Sequence[Any], path: str) -> dict[Any, Any]:
        self.same(items, path, (Mapping,), "a dict")
        keys = items[0].keys()
        for place, item in enumerate(items):
            if item.keys() != keys:
                odd = sorted(map(repr, item.keys() ^ keys))
                raise ArgumentError(
                    f"default_collate: {self.name(place, path)} and {self.name(0, path)} have different keys: "
                    f"{', '.join(odd)[:200]} only in one of them"
                )
        return {key: self.collate([item[key] for item in items], f"{path}[{key!r}]") for key in keys}

    def sequence(self, items: Sequence[Any], path: str) -> Any:
        first = items[0]
        self.same(items, path, (tuple, list), f"a {type(first).__name__}")
        for place, item in enumerate(items):
            if len(item) != len(first):
                raise ShapeError(
                    f"default_collate: {self.name(place, path)} has {len(item)} elements but {self.name(0, path)} "
                    f"{len(first)}; give all the same number, or a collate_fn that pads"
                )
        return _like(first, [self.collate(column, f"{path}[{i}]") for i, column in enumerate(zip(*items, strict=True))])

    def same(self, items: Sequence[Any], path: str, kinds: tuple[type, ...], wanted: str) -> None:
        for place, item in enumerate(items):
            if not isinstance(item, kinds):
                raise ArgumentError(
                    f"default_collate: {self.name(place, path)} {_complaint(item)}, but {self.name(0, path)} is {wanted}"
                )

    def name(self, place: int, path: str) -> str:
        index = "" if self.indices is None else f" (index {self.indices[place]!r:.40})"
        return f"item {place} of the batch{index}{_at(path)}"


def _at(path: str) -> str:
    return f" at {path}" if path else ""


def _complaint(item: Any) -> str:
    if item is None:
        return "is None; does the data set's method end without a return?"
    kind = f"{type(item).__module__}.{type(item).__qualname__}".removeprefix("builtins.")
    if kind.startswith("PIL."):
        return (
            f"is an image ({kind}), not an array; give the data set a transform that ends in ToArray, or a collate_fn"
        )
    return f"is of the type {kind}, which makes no tensor; convert it in the data set, or give a collate_fn"


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _like(value: Any, elements: list[Any]) -> Any:
    """A list, a tuple, or a named tuple of the same class."""
    if isinstance(value, list):
        return elements
    return type(value)(*elements) if hasattr(value, "_fields") else tuple(elements)
