"""Samplers: which items come, in which order.

A sampler is anything that gives indices. The random ones here draw from (seed, epoch); every ``iter()`` begins the
next epoch, and ``state_dict`` holds the two, so an order can be had again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, SettingError, ShapeError, StateError
from ..tensor import as_array
from .dataset import length_of
from .errors import DataError, whole
from .sample import base_seed, order_generator


class Sampler(ABC):
    """Indices of a data set, in the order of an epoch.

    Set ``repeats`` where an index may come more than once in an epoch: then each time it gets random numbers of its own.
    """

    repeats: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[Any]: ...


class SequentialSampler(Sampler):
    """0, 1, 2, ... up to the length of the data set."""

    def __init__(self, data_source: Any) -> None:
        self.length = length_of(data_source, "SequentialSampler")

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.length))


class SeededSampler(Sampler):
    """A sampler whose order follows from ``seed`` and ``epoch``; ``draw`` says how."""

    def __init__(self, seed: int | None = None, generator: Any = None) -> None:
        self.seed = base_seed(type(self).__name__, seed, generator)
        self.epoch = 0

    @abstractmethod
    def draw(self, generator: np.random.Generator) -> Any:
        """The indices of an epoch, as an array."""

    def __iter__(self) -> Iterator[int]:
        epoch = self.epoch
        self.epoch += 1
        return _numbers(self.draw(order_generator(self.seed, epoch)))

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``iter()`` give the order of this epoch."""
        self.epoch = whole(type(self).__name__, "epoch", epoch)

    def state_dict(self) -> dict[str, int]:
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on with the order that ``state_dict`` stood before."""
        try:
            seed, epoch = whole("", "seed", state["seed"]), whole("", "epoch", state["epoch"])
        except (KeyError, TypeError, SettingError):
            raise StateError(
                f"{type(self).__name__}: a state holds the whole numbers seed and epoch, not {state!r:.80}"
            ) from None
        self.seed, self.epoch = seed, epoch


class RandomSampler(SeededSampler):
    """Every item once in random order; with ``replacement`` each drawn from all of them.

    ``num_samples`` indices are given, by default as many as there are items; without replacement more than that goes
    through all items again.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed, generator)
        self.length = length_of(data_source, "RandomSampler")
        if not self.length:
            raise DataError("RandomSampler: the data set is empty, there is nothing to draw from")
        self.replacement = _flag("RandomSampler", "replacement", replacement)
        self.num_samples = self.length if num_samples is None else whole("RandomSampler", "num_samples", num_samples, 1)
        self.repeats = self.replacement or self.num_samples > self.length

    def __len__(self) -> int:
        return self.num_samples

    def draw(self, generator: np.random.Generator) -> Any:
        if self.replacement:
            return generator.integers(self.length, size=self.num_samples)
        rounds = -(-self.num_samples // self.length)
        return np.concatenate([generator.permutation(self.length) for _ in range(rounds)])[: self.num_samples]


class WeightedRandomSampler(SeededSampler):
    """``num_samples`` indices, each drawn with a probability proportional to its weight."""

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed, generator)
        array = np.asarray(as_array(weights), np.float64)
        if array.ndim != 1 or not array.size:
            raise ShapeError(f"WeightedRandomSampler: the weights must have the shape (n,), not {array.shape}")
        if not np.isfinite(array).all() or (array < 0).any() or not 0 < array.sum() < np.inf:
            raise SettingError(
                "WeightedRandomSampler: the weights must be finite, none below 0 and not all of them 0; they run from "
                f"{array.min():g} to {array.max():g}"
            )
        self.probabilities = array / array.sum()
        self.num_samples = whole("WeightedRandomSampler", "num_samples", num_samples, 1)
        self.replacement = self.repeats = _flag("WeightedRandomSampler", "replacement", replacement)
        possible = int(np.count_nonzero(self.probabilities))
        if not replacement and self.num_samples > possible:
            raise SettingError(
                f"WeightedRandomSampler: {self.num_samples} draws without replacement from {possible} items with a "
                "weight above 0; draw fewer, or use replacement=True"
            )

    def __len__(self) -> int:
        return self.num_samples

    def draw(self, generator: np.random.Generator) -> Any:
        return generator.choice(len(self.probabilities), self.num_samples, self.replacement, self.probabilities)


class DistributedSampler(SeededSampler):
    """The share of one process out of ``num_replicas``: all shuffle alike, process ``rank`` takes every n-th index.

    All shares are equally long: the first indices come again to fill them up, or with ``drop_last`` the rest is left
    out. Every process must give the same ``seed``.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int,
        rank: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        super().__init__(seed)
        self.length = length_of(dataset, "DistributedSampler")
        self.num_replicas = whole("DistributedSampler", "num_replicas", num_replicas, 1)
        self.rank = whole("DistributedSampler", "rank", rank)
        if self.rank >= self.num_replicas:
            raise SettingError(
                f"DistributedSampler: rank is {self.rank} but must lie below num_replicas ({self.num_replicas})"
            )
        self.shuffle = _flag("DistributedSampler", "shuffle", shuffle)
        self.drop_last = _flag("DistributedSampler", "drop_last", drop_last)
        self.num_samples = self.length // self.num_replicas if self.drop_last else -(-self.length // self.num_replicas)
        if not self.num_samples:
            raise DataError(
                f"DistributedSampler: {self.length} items cannot be shared among {self.num_replicas} processes"
                + (" with drop_last=True" if self.drop_last else "")
            )

    def __len__(self) -> int:
        return self.num_samples

    def draw(self, generator: np.random.Generator) -> Any:
        order = generator.permutation(self.length) if self.shuffle else np.arange(self.length)
        # resize repeats from the beginning, or cuts the end off.
        return np.resize(order, self.num_samples * self.num_replicas)[self.rank :: self.num_replicas]


class BatchSampler(Sampler):
    """Lists of ``batch_size`` indices of another sampler; ``drop_last`` leaves out a shorter last one."""

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool = False) -> None:
        if not hasattr(sampler, "__iter__"):
            raise ArgumentError(
                f"BatchSampler: the sampler must give indices, which a {type(sampler).__name__} does not"
            )
        self.sampler = sampler
        self.batch_size = whole("BatchSampler", "batch_size", batch_size, 1)
        self.drop_last = _flag("BatchSampler", "drop_last", drop_last)
        self.repeats = bool(getattr(sampler, "repeats", False))

    def __len__(self) -> int:
        length = length_of(self.sampler, "BatchSampler")
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def __iter__(self) -> Iterator[list[Any]]:
        return self.grouped(iter(self.sampler))

    def grouped(self, indices: Iterator[Any]) -> Iterator[list[Any]]:
        """Any indices, in batches."""
        batch: list[Any] = []
        for index in indices:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch


def _numbers(indices: Any) -> Iterator[int]:
    """Python numbers out of an array, some at a time."""
    for start in range(0, len(indices), 4096):
        yield from indices[start : start + 4096].tolist()


def _flag(who: str, name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise SettingError(f"{who}: {name} must be True or False, not {value!r:.60}")
    return bool(value)
