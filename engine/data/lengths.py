"""Batches of items of like length, which need little padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import SettingError, ShapeError
from ..tensor import as_array
from .errors import DataError, whole
from .sample import order_generator
from .sampler import SeededSampler, _flag

__all__ = ["LengthBatchSampler"]


class LengthBatchSampler(SeededSampler):
    """A ``batch_sampler`` of lists of ``batch_size`` indices whose items have about the same length; ``lengths[i]`` is that of item i.

    Shuffled, every epoch cuts the items anew into random pools of ``pool`` batches, sorts each pool by length, and gives the
    batches of all pools in random order: a larger pool pads less, a smaller one mixes more. Without ``shuffle`` the longest come
    first, so that what does not fit into memory shows at once. ``drop_last`` leaves out the batch that is not full.

    >>> sampler = LengthBatchSampler([3, 9, 4, 8], 2, shuffle=False)
    >>> list(sampler)
    [[1, 3], [2, 0]]
    """

    def __init__(
        self,
        lengths: Any,
        batch_size: int = 32,
        shuffle: bool = True,
        drop_last: bool = False,
        *,
        pool: int = 50,
        generator: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed, generator)
        found = np.asarray(as_array(lengths))
        if found.ndim != 1:
            raise ShapeError(f"LengthBatchSampler: lengths must have the shape (n,), not {found.shape}")
        if not found.size:
            raise DataError("LengthBatchSampler: there are no lengths, so there is nothing to make batches of")
        if found.dtype.kind not in "iu" or found.min() < 0:
            raise SettingError(
                f"LengthBatchSampler: lengths are whole numbers from 0, but they are {found.dtype} from {found.min()}"
            )
        self.lengths = found
        self.batch_size = whole("LengthBatchSampler", "batch_size", batch_size, 1)
        self.pool = whole("LengthBatchSampler", "pool", pool, 1)
        self.shuffle = _flag("LengthBatchSampler", "shuffle", shuffle)
        self.drop_last = _flag("LengthBatchSampler", "drop_last", drop_last)
        if self.drop_last and found.size < self.batch_size:
            raise DataError(
                f"LengthBatchSampler: {found.size} items fill no batch of {self.batch_size}, and drop_last leaves out what is not full"
            )

    def __len__(self) -> int:
        count = len(self.lengths)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        self.epoch += 1
        return iter(self.draw(order_generator(self.seed, epoch)))

    def draw(self, generator: np.random.Generator) -> list[list[int]]:
        """The batches of an epoch."""
        size = self.batch_size
        if not self.shuffle:
            return self._cut(np.argsort(-self.lengths.astype(np.int64), kind="stable"))
        order = generator.permutation(len(self.lengths))
        pools = [order[start : start + size * self.pool] for start in range(0, len(order), size * self.pool)]
        batches = self._cut(np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in pools]))
        return [batches[place] for place in generator.permutation(len(batches))]

    def _cut(self, order: np.ndarray[Any, np.dtype[np.intp]]) -> list[list[int]]:
        size = self.batch_size
        return [order[start : start + size].tolist() for start in range(0, len(self) * size, size)]
