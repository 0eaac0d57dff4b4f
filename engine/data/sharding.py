"""Which worker process this is, and its share of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from .sample import renumber

Item = TypeVar("Item")


@dataclass(frozen=True)
class WorkerInfo:
    """Worker ``id`` of ``num_workers``: its copy of the data set, the epoch, and the seed of its global random streams.

    ``block`` is the batch size: batches are dealt to the workers in turn.
    """

    id: int
    num_workers: int
    dataset: Any
    epoch: int
    seed: int
    block: int


_info: WorkerInfo | None = None
_asked = False


def get_worker_info() -> WorkerInfo | None:
    """This worker process, or None outside of one.

    An iterable data set that asks divides its items itself; of one that never asks, the loader keeps each worker's
    share.
    """
    global _asked
    _asked = True
    return _info


def shard(items: Iterable[Item]) -> Iterator[Item]:
    """This worker's share of ``items``, dealt so that the batches are the same for any number of workers.

    >>> from numzoo.engine import data
    >>> class Lines(data.IterableDataset):
    ...     def __init__(self, lines): self.lines = lines
    ...     def __iter__(self): return (float(line) for line in data.shard(self.lines))
    >>> [batch.tolist() for batch in data.DataLoader(Lines(["1", "2", "3"]), batch_size=2)]
    [[1.0, 2.0], [3.0]]
    """
    info = get_worker_info()
    for position, item in enumerate(items):
        if info is None or position // info.block % info.num_workers == info.id:
            renumber(position)  # the random numbers follow the item, whichever worker reads it
            yield item


def become(info: WorkerInfo | None) -> None:
    """Let this process be that worker; nobody has asked yet."""
    global _info, _asked
    _info, _asked = info, False


def was_asked() -> bool:
    """Whether the data set asked for its worker since ``become``."""
    return _asked
