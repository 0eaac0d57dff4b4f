"""What an epoch consists of, and where its consumer stands in it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import StateError
from .errors import DataError
from .fetch import Task


@dataclass
class Run:
    """An epoch under way: the batches and samples that its consumer has got. ``digest`` sums up their indices."""

    epoch: int
    batches: int = 0
    samples: int = 0
    digest: int = 0
    sampler: Any = None

    def count(self, task: Task, items: int) -> None:
        """The consumer gets the batch of this task."""
        self.batches += 1
        self.samples += items
        self.digest = _digest(self.digest, task.indices)


def index_tasks(run: Run, order: Iterator[Any], batched: bool) -> Iterator[Task]:
    """The batches that a sampler orders, from where the run stands; those before are passed by, no item of them read."""
    start, wanted, digest = run.batches, run.digest, 0
    position = number = 0
    for indices in order:
        if batched and (not isinstance(indices, Sequence) or isinstance(indices, (str, bytes)) or not len(indices)):
            raise DataError(f"DataLoader: a batch sampler gives lists of at least one index, not {indices!r:.60}")
        if number == start and digest != wanted:
            break
        if number >= start:
            yield Task(number, indices, position)
        else:
            digest = _digest(digest, indices)
        position += len(indices) if batched else 1
        number += 1
    if number < start or (number == start and digest != wanted):
        raise StateError(
            f"DataLoader: epoch {run.epoch} cannot go on after batch {start}: the sampler gives other indices than it did "
            "when the state was made. Give it the same seed, or a state_dict and a load_state_dict"
        )


def stream_tasks(skipped: int) -> Iterator[Task]:
    """Batches without end, which the stream itself must set; the first ones only to be skipped."""
    number = 0
    while True:
        yield Task(number, skip=number < skipped)
        number += 1


def honest(sampler: Any) -> Iterator[Any]:
    """The indices of a sampler; a DataError where they are fewer or more than its ``len``."""
    return _counted(iter(sampler), len(sampler), type(sampler).__name__)


def _counted(indices: Iterator[Any], length: int, name: str) -> Iterator[Any]:
    given = 0
    for index in indices:
        given += 1
        if given > length:
            raise DataError(
                f"DataLoader: the {name} says that its length is {length}, but it gives more indices; correct its __len__"
            )
        yield index
    if given < length:
        raise DataError(
            f"DataLoader: the {name} says that its length is {length}, but it gave {given} indices; correct its __len__"
        )


def _digest(digest: int, indices: Any) -> int:
    return 0 if indices is None else zlib.crc32(repr(indices).encode(), digest)
