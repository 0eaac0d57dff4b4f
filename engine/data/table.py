"""Tables: rows of numbers, and a column that is to be predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..tensor import Tensor, tensor_of
from .dataset import Dataset, position
from .errors import DataError

Names = Sequence[str | int]


class TableDataset(Dataset[Any]):
    """Rows of a table: item i is (features, target), or the features alone where there is no target.

    ``features`` is float32 (n, columns). ``targets`` is (n,): int64 where all are whole numbers, float32 where all are
    numbers, else int64 places in ``classes``, the sorted names (or those given). ``transform`` is applied to the
    features of an item, a NumPy array (columns,). Made by CSVDataset and FrameDataset.
    """

    def __init__(
        self,
        features: Any,
        targets: Any,
        columns: Sequence[str],
        classes: tuple[str, ...] | None,
        transform: Callable[[Any], Any] | None,
    ) -> None:
        if transform is not None and not callable(transform):
            raise ArgumentError(f"{type(self).__name__}: transform must be a function, not {transform!r:.60}")
        self.features, self.targets = features, targets
        self.columns, self.classes, self.transform = tuple(columns), classes, transform

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> Any:
        place = position(index, len(self), type(self).__name__)
        row = self.features[place]
        item = tensor_of(row) if self.transform is None else self.transform(row)
        return item if self.targets is None else (item, self.targets[place])

    def tensors(self) -> tuple[Tensor, ...]:
        """All features, and all targets if there are any, as tensors; they share the table's memory."""
        return tuple(tensor_of(a) for a in (self.features, self.targets) if a is not None)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} rows, columns={list(self.columns)!r:.80}, classes={self.classes!r:.80})"
        )


class FrameDataset(TableDataset):
    """The rows of a data frame of pandas (or Polars), copied: columns of numbers or truth values, and a target.

    ``columns`` names those to use, by default all but the target. Raises DataError for missing or infinite values and
    for text in a column that is no target, naming column and row.
    """

    def __init__(
        self,
        frame: Any,
        target: str | None = None,
        columns: Sequence[str] | None = None,
        *,
        classes: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if not hasattr(frame, "columns") or not hasattr(type(frame), "__getitem__"):
            raise ArgumentError(f"FrameDataset: wants a data frame, not a {type(frame).__name__}")
        names = list(frame.columns)
        repeated = sorted({str(name) for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(f"FrameDataset: the frame has several columns called {', '.join(repeated)}; rename them")
        used, aim = chosen("FrameDataset", names, columns, target)
        if not len(frame):
            raise DataError("FrameDataset: the frame has no rows")
        labels = list(getattr(frame, "index", range(len(frame))))
        where = [f"row {label!r}" for label in labels]
        features = np.empty((len(frame), len(used)), np.float32)
        for place, column in enumerate(used):
            name = names[column]
            features[:, place] = numbers("FrameDataset", str(name), frame[name].to_numpy().tolist(), where)
        targets, found = None, None
        if aim is not None:
            name = names[aim]
            targets, found = aims("FrameDataset", str(name), frame[name].to_numpy().tolist(), where, classes)
        super().__init__(features, targets, [str(names[column]) for column in used], found, transform)


def chosen(who: str, names: Names, columns: Any, target: Any) -> tuple[list[int], int | None]:
    """The places of the columns to use and of the target; by default all columns but the target are used."""
    aim = None if target is None else _place(who, names, target)
    if isinstance(columns, str) or (columns is not None and not isinstance(columns, Sequence)):
        raise ArgumentError(f"{who}: columns must be a list of columns, not {columns!r:.60}")
    used = [i for i in range(len(names)) if i != aim] if columns is None else [_place(who, names, c) for c in columns]
    if len(set(used)) < len(used) or aim in used:
        raise DataError(f"{who}: a column is used twice, or the target is among the columns: {columns!r:.120}")
    if not used:
        raise DataError(f"{who}: no column is left for the features; the table has {_listed(names)}")
    return used, aim


def numbers(who: str, column: str, values: Sequence[Any], where: Sequence[str]) -> Any:
    """The values of a column as float32; a DataError names the first that is none. ``where`` says where each stands."""
    converted = [number(value) for value in values]
    for value, read, place in zip(values, converted, where, strict=True):
        if read is None:
            raise DataError(f"{who}: {place}, column {column!r}: {_complaint(value)}")
    array = np.array(converted, np.float64)
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
    if not np.isfinite(narrow).all():
        row = int(np.argmin(np.isfinite(narrow)))
        raise DataError(f"{who}: {where[row]}, column {column!r}: {values[row]!r:.60} is too large for float32")
    return narrow


def aims(
    who: str, column: str, values: Sequence[Any], where: Sequence[str], classes: Sequence[str] | None
) -> tuple[Any, tuple[str, ...] | None]:
    """The targets in a column, and the names of their classes where they are names."""
    if classes is None:
        converted = [number(value) for value in values]
        if all(c is not None for c in converted):
            if all(isinstance(c, int) and abs(c) < 2**63 for c in converted):
                return np.array(converted, np.int64), None
            return numbers(who, column, values, where), None
        for value, read, place in zip(values, converted, where, strict=True):
            if read is None and not _is_name(value):
                raise DataError(f"{who}: {place}, column {column!r}: {_complaint(value)}")
        names = tuple(sorted({str(value) for value in values}))
    else:
        names = tuple(map(str, classes))
        if isinstance(classes, str) or len(set(names)) < len(names) or not names:
            raise ArgumentError(f"{who}: classes must be a list of different names, not {classes!r:.80}")
    index = {name: place for place, name in enumerate(names)}
    for value, place in zip(values, where, strict=True):
        if str(value) not in index:
            raise DataError(f"{who}: {place}, column {column!r}: {value!r:.60} is none of the classes {_listed(names)}")
    return np.array([index[str(value)] for value in values], np.int64), names


def number(value: Any) -> int | float | None:
    """The finite number that a value is, or that its text says; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        if "_" in text:
            return None  # Python would read 1_000
        try:
            return int(text)
        except ValueError:
            pass
        try:
            value = float(text)
        except ValueError:
            return None
    if isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            return None
        return int(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.strip().lower() not in ("nan", "na", "null", "none")


def _complaint(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, str) and not value.strip()):
        return "the value is missing; fill it, or drop the row"
    if isinstance(value, float) or (
        isinstance(value, str) and value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity")
    ):
        return f"{value!r} is no finite number; fill it, or drop the row"
    return (
        f"{value!r:.60} is no number; leave the column out by columns=[...], make numbers of it, or give it as target="
    )


def _place(who: str, names: Names, column: Any) -> int:
    if column in names and not isinstance(column, bool):
        return list(names).index(column)
    if isinstance(column, int) and not isinstance(column, bool) and -len(names) <= column < len(names):
        return column % len(names)
    raise DataError(f"{who}: there is no column {column!r:.60}; the table has {_listed(names)}")


def _listed(names: Names) -> str:
    return ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
