"""Random numbers for single items, the same in whatever process an item is read.

Every item of every epoch has a stream of its own, derived from (seed, epoch, index). A data set asks for it:

>>> from numzoo.engine import data
>>> class Noisy(data.Dataset):
...     def __len__(self): return 4
...     def __getitem__(self, index): return index + data.sample_generator().random()
>>> first = [batch.tolist() for batch in data.DataLoader(Noisy(), seed=0)]
>>> first == [batch.tolist() for batch in data.DataLoader(Noisy(), seed=0)]
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..errors import ArgumentError, SettingError
from ..random import Generator, default_generator, stream
from .errors import whole

_ORDER, _ITEM, _WORKER = 0, 1, 2  # the first word of every key, so that no two purposes share a stream


class _Item:
    """The item being read: its key, and its generator once somebody asks."""

    __slots__ = ("epoch", "generator", "key", "seed")

    def __init__(self, seed: int, epoch: int, key: Callable[[], tuple[int, ...]]) -> None:
        self.seed, self.epoch, self.key = seed, epoch, key
        self.generator: np.random.Generator | None = None


_current: ContextVar[_Item | None] = ContextVar("numzoo_item", default=None)


def sample_generator() -> np.random.Generator:
    """The random numbers of the item that is being read: one stream per (seed, epoch, index), for any number of workers.

    Called again for the same item it goes on in the same stream. Outside a DataLoader it is the engine's default
    stream, which ``engine.manual_seed`` starts anew.
    """
    item = _current.get()
    if item is None:
        return default_generator().numpy
    if item.generator is None:
        item.generator = _philox(item.seed, _ITEM, item.epoch, *item.key())
    return item.generator


class Seeded:
    """A random transform that draws from ``sample_generator()``: it is called with ``generator=`` that stream.

    So the transforms of numzoo.vision give the same images for any number of workers:

    >>> from numzoo.vision import datasets, transforms
    >>> train = transforms.Compose([transforms.RandomResizedCrop(224), transforms.ToArray()])
    >>> images = datasets.ImageFolder("photos", transform=Seeded(train))                 # doctest: +SKIP
    """

    def __init__(self, transform: Callable[..., Any]) -> None:
        if not callable(transform):
            raise ArgumentError(f"Seeded: the transform must be callable, not {transform!r:.60}")
        self.transform = transform

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        return self.transform(*inputs, generator=sample_generator(), **settings)

    def __repr__(self) -> str:
        return f"Seeded({self.transform!r})"


@contextmanager
def sampling(seed: int, epoch: int, index: Any) -> Iterator[None]:
    """Read an item as a DataLoader of this seed reads it in this epoch: ``with sampling(0, 3, 17): data[17]``."""
    seed, epoch = whole("sampling", "seed", seed), whole("sampling", "epoch", epoch)
    with reading(seed, epoch, lambda: key_of(index)):
        yield


@contextmanager
def reading(seed: int, epoch: int, key: Callable[[], tuple[int, ...]]) -> Iterator[None]:
    """As ``sampling``, the key made only when somebody asks for random numbers."""
    token = _current.set(_Item(seed, epoch, key))
    try:
        yield
    finally:
        _current.reset(token)


def renumber(position: int) -> None:
    """The item being read is number ``position`` of the whole stream, whatever its number in this process."""
    item = _current.get()
    if item is not None:
        item.key, item.generator = (lambda: (position,)), None


def key_of(index: Any) -> tuple[int, ...]:
    """Numbers that stand for an index, be it a number, a string or a tuple."""
    try:
        number = int(index.__index__())
    except (AttributeError, TypeError):
        number = -1
    if number >= 0:
        return (number,)
    return 0, int.from_bytes(hashlib.blake2b(repr(index).encode(), digest_size=8).digest(), "big")


def order_generator(seed: int, epoch: int) -> np.random.Generator:
    """The random numbers that decide the order of an epoch."""
    return _philox(seed, _ORDER, epoch)


def worker_seed(seed: int, epoch: int, worker: int) -> int:
    """A seed for what draws from global streams in a worker process."""
    return int(_philox(seed, _WORKER, epoch, worker).integers(2**32))


def base_seed(who: str, seed: Any, generator: Any) -> int:
    """The seed that ``seed=`` or ``generator=`` stands for; from the engine's default stream where neither is given."""
    if seed is not None and generator is not None:
        raise SettingError(f"{who}: seed and generator were both given, but either one decides; leave one out")
    if seed is not None:
        return whole(who, "seed", seed)
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(2**63))
    if generator is None:
        generator = default_generator()
    if not isinstance(generator, Generator):
        raise ArgumentError(
            f"{who}: generator is a {type(generator).__name__} but must be an engine.Generator or a NumPy Generator; "
            "for a number use seed="
        )
    return int(stream(generator.split()).integers(2**63))  # a split leaves the generator's own numbers as they were


def _philox(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
