"""Reading items and making batches of them, alike in the main process and in workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import EngineError
from .collate import default_collate
from .dataset import TensorDataset
from .errors import ItemError
from .sample import key_of, reading
from .sharding import WorkerInfo, was_asked


@dataclass(frozen=True)
class Recipe:
    """What a worker needs to know: the data set and how batches are made of it. ``batch_size`` None: single items."""

    dataset: Any
    collate: Callable[[Any], Any]
    seed: int
    batch_size: int | None
    drop_last: bool
    repeats: bool


@dataclass(frozen=True)
class Task:
    """A batch to be made: ``indices`` (of a stream None), of which the first is item ``position`` of the epoch.

    ``skip``: go past it, it was had before.
    """

    number: int
    indices: Any = None
    position: int = 0
    skip: bool = False


class Ended:
    """A stream gave its last item."""


class Fetcher:
    """Batches of a data set with items by index. ``index`` is the item that is being read, None between items."""

    def __init__(self, recipe: Recipe, mark: Callable[[int], None] = lambda place: None) -> None:
        self.recipe, self.mark, self.index = recipe, mark, None
        self.whole_rows = type(recipe.dataset) is TensorDataset and recipe.collate is default_collate
        self.length = len(recipe.dataset) if self.whole_rows else 0

    def batch(self, task: Task, epoch: int) -> tuple[Any, int]:
        """The batch of a task, and how many items are in it."""
        recipe, indices = self.recipe, task.indices
        if recipe.batch_size is None:
            return recipe.collate(self._item(indices, epoch, task.position)), 1
        if self.whole_rows and set(map(type, indices)) == {int} and min(indices) >= 0 and max(indices) < self.length:
            return recipe.dataset.rows(list(indices)), len(indices)
        items = []
        for place, index in enumerate(indices):
            self.mark(place)
            items.append(self._item(index, epoch, task.position + place))
        self.mark(-1)
        return _collated(recipe.collate, items, indices), len(items)

    def _item(self, index: Any, epoch: int, position: int) -> Any:
        recipe = self.recipe
        self.index = index
        with reading(recipe.seed, epoch, lambda: key_of(index) + ((position,) if recipe.repeats else ())):
            try:
                item = recipe.dataset[index]
            except IndexError as error:
                raise self._lies(index, error) from error
        self.index = None
        return item

    def _lies(self, index: Any, error: IndexError) -> Exception:
        name = type(self.recipe.dataset).__name__
        try:
            length = len(self.recipe.dataset)
        except TypeError:
            return error
        if type(index) is int and -length <= index < length:
            return ItemError(
                f"DataLoader: the {name} says that it has {length} items, but for item {index} it raises "
                f"IndexError ({error}); correct its __len__ or its __getitem__"
            )
        if isinstance(error, EngineError):
            return error
        return ItemError(
            f"DataLoader: the sampler asked the {name} for item {index!r:.40}, but it has {length} ({error})"
        )


class Stream:
    """Batches of an iterable data set, from the start of an epoch; of a worker only its share."""

    def __init__(
        self, recipe: Recipe, epoch: int, info: WorkerInfo | None, mark: Callable[[int], None] = lambda place: None
    ) -> None:
        self.recipe, self.epoch, self.info, self.mark = recipe, epoch, info, mark
        self.read = 0  # items that the data set gave to this process
        self.index: int | None = None
        self.items: Any = None
        self.over = False

    def batch(self, task: Task) -> tuple[Any, int]:
        """The next batch, and how many items are in it; ``Ended`` and 0 after the last."""
        recipe = self.recipe
        if self.over:
            return Ended(), 0
        if recipe.batch_size is None:
            item = self._next()
            return (item, 0) if self.over else (None if task.skip else recipe.collate(item), 1)
        items: list[Any] = []
        first = self.read
        while len(items) < recipe.batch_size and not self.over:
            item = self._next()
            if not self.over:
                items.append(item)
        if not items or (recipe.drop_last and len(items) < recipe.batch_size):
            return Ended(), 0
        if task.skip:
            return None, len(items)
        return _collated(recipe.collate, items, range(first, first + len(items)) if self.info is None else None), len(
            items
        )

    def _next(self) -> Any:
        info = self.info
        while True:
            number = self.index = self.read
            self.mark(number)
            with reading(self.recipe.seed, self.epoch, lambda number=number: self._key(number)):  # type: ignore[misc]
                if self.items is None:
                    self.items = iter(self.recipe.dataset)
                try:
                    item = next(self.items)
                except StopIteration:
                    self.over, self.index = True, None
                    return Ended()
            self.read += 1
            self.index = None
            # A data set that knows its worker has divided the items itself; of others each worker keeps its batches.
            if info is None or was_asked() or number // info.block % info.num_workers == info.id:
                return item

    def _key(self, number: int) -> tuple[int, ...]:
        return (number, self.info.id + 1) if self.info is not None and was_asked() else (number,)


def _collated(collate: Callable[..., Any], items: list[Any], indices: Any) -> Any:
    return collate(items, indices) if collate is default_collate else collate(items)
