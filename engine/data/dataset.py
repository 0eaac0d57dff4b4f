"""Data sets: items by index, or one after another; and data sets made of others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import ArgumentError, SettingError, ShapeError
from ..tensor import Tensor, as_array, tensor_of
from .errors import DataError, ItemError
from .sample import base_seed, order_generator

Item = TypeVar("Item", covariant=True)


class Dataset(ABC, Generic[Item]):
    """Items by index: ``dataset[index]`` for 0 <= index < ``len(dataset)``.

    Anything with these two methods serves as one, a list too; this class adds ``+``. Random numbers for an item come
    from ``sample_generator()``.
    """

    @abstractmethod
    def __getitem__(self, index: int) -> Item: ...

    def __len__(self) -> int:
        raise ArgumentError(
            f"{type(self).__name__} has no length: give the class a __len__, or the DataLoader a sampler with one"
        )

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(ABC, Generic[Item]):
    """Items one after another, as from a stream or a log: ``__iter__`` begins anew for every epoch.

    With several workers each keeps its share of what ``__iter__`` gives, so nothing comes twice, and the batches are
    those of a single process. To spare a worker the reading of others' items, loop over ``shard(...)`` of something
    cheap (file names, lines), or ask ``get_worker_info()`` and divide by hand. A ``__len__`` is optional; if there is
    one, it must tell the truth.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[Item]: ...


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors or arrays of equal length: item i is ``(a[i], b[i], ...)``. The memory is shared, not copied."""

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ArgumentError("TensorDataset: give at least one tensor or array")
        self.tensors = tuple(t if isinstance(t, Tensor) else tensor_of(as_array(t)) for t in tensors)
        shapes = [t.shape for t in self.tensors]
        if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                f"TensorDataset: all tensors need the same length along their first axis, but the shapes are "
                f"{', '.join(map(str, shapes))}"
            )

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return self.rows(position(index, len(self), "TensorDataset"))

    def rows(self, index: Any) -> tuple[Tensor, ...]:
        """Row ``index`` of every tensor, or the rows of a list of indices."""
        return tuple(t[index] if t.requires_grad else tensor_of(t.array[index]) for t in self.tensors)


class Subset(Dataset[Any]):
    """The items of ``dataset`` at ``indices``, in that order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        length = length_of(dataset, "Subset")
        self.dataset = dataset
        self.indices = [position(index, length, "Subset") for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[position(index, len(self), "Subset")]]


class ConcatDataset(Dataset[Any]):
    """Several data sets, one behind the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DataError("ConcatDataset: give at least one data set")
        for number, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise ArgumentError(
                    f"ConcatDataset: data set {number} is a {type(dataset).__name__}, which has no items by index; "
                    "chain iterable ones in the __iter__ of your own"
                )
        lengths = [length_of(dataset, f"ConcatDataset: data set {i}") for i, dataset in enumerate(self.datasets)]
        self.cumulative_sizes = [int(end) for end in np.cumsum(lengths)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        place = position(index, len(self), "ConcatDataset")
        number = bisect_right(self.cumulative_sizes, place)
        return self.datasets[number][place - (self.cumulative_sizes[number - 1] if number else 0)]


def random_split(
    dataset: Any, lengths: Sequence[float], *, generator: Any = None, seed: int | None = None
) -> list[Subset]:
    """Subsets without overlap, the items dealt at random: ``lengths`` are counts, or fractions that add up to 1.

    Of fractions, what rounding down leaves over is given out one by one from the first subset on.
    """
    length = length_of(dataset, "random_split")
    if not lengths or any(isinstance(n, bool) or not isinstance(n, (int, float, np.number)) for n in lengths):
        raise SettingError(f"random_split: lengths must be a list of counts or of fractions, not {lengths!r:.60}")
    if any(not 0 <= n < math.inf for n in lengths):
        raise SettingError(f"random_split: no length may be negative, NaN or infinite: {list(lengths)!r:.80}")
    if all(isinstance(n, (int, np.integer)) for n in lengths) and sum(lengths) == length:
        counts = [int(n) for n in lengths]
    elif math.isclose(sum(lengths), 1.0, abs_tol=1e-6):
        counts = [math.floor(length * n + 1e-9) for n in lengths]
        for extra in range(length - sum(counts)):
            counts[extra % len(counts)] += 1
    else:
        raise SettingError(
            f"random_split: the lengths {list(lengths)!r:.80} add up to {sum(lengths):g}, but must give {length} "
            "(the data set's length) as counts, or 1 as fractions"
        )
    order = order_generator(base_seed("random_split", seed, generator), 0).permutation(length).tolist()
    ends = [int(end) for end in np.cumsum(counts)]
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def position(index: Any, length: int, who: str) -> int:
    """``index`` as a number from 0 within ``length``; one below zero counts from the end."""
    try:
        place = int(index.__index__())
    except (AttributeError, TypeError):
        raise ArgumentError(f"{who}: an index is a whole number, not {index!r:.60}") from None
    if not -length <= place < length:
        raise ItemError(f"{who}: there is no item {place} among {length}")
    return place + length if place < 0 else place


def length_of(dataset: Any, who: str) -> int:
    """``len(dataset)``; an ArgumentError that says so where there is none."""
    if not hasattr(type(dataset), "__len__"):
        raise ArgumentError(f"{who}: a {type(dataset).__name__} has no length; give the class a __len__")
    try:
        return len(dataset)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ArgumentError):
            raise
        # Python refuses lengths below zero, fractions, and those beyond what fits.
        raise DataError(f"{who}: the length of the {type(dataset).__name__} is no length ({error})") from error
