"""The loader: batches of a data set, in order, made here or in worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError, SettingError, StateError
from ..tensor import Tensor, tensor_of
from .collate import default_collate, default_convert, walk
from .dataset import IterableDataset, length_of
from .errors import DataError, whole
from .fetch import Ended, Fetcher, Recipe, Stream, Task
from .plan import Run, honest, index_tasks, stream_tasks
from .pool import Pool, start_method
from .sample import base_seed
from .sampler import BatchSampler, RandomSampler, SequentialSampler


class DataLoader:
    """Batches of ``dataset``: ``for images, labels in DataLoader(dataset, batch_size=32, shuffle=True, num_workers=4)``.

    The arguments are PyTorch's. ``dataset`` has items by index, or is an IterableDataset. The batches are the same for
    any number of workers, random numbers from ``sample_generator()`` included; they follow from ``seed`` (or
    ``generator``; else from the engine's default stream) and the epoch, which counts the loops over the loader.

    ``batch_size=None`` gives single items. ``num_workers`` processes, started by forkserver or spawn
    (``multiprocessing_context``) and never by fork, each make ``prefetch_factor`` batches ahead; a script that uses
    them needs ``if __name__ == "__main__":``. ``persistent_workers`` keeps them from epoch to epoch; ``close()`` ends
    them. ``worker_init_fn(number)`` runs in each when it starts. ``timeout`` is in seconds, 0 for none.
    ``pin_memory`` puts batches into page-locked memory, which GPUs copy from faster; without a GPU it changes nothing.

    ``state_dict()``, at any moment between two batches, and ``load_state_dict`` go on in the middle of an epoch.

    Raises SettingError, ArgumentError, DataError for arguments that make no sense; WorkerError when a worker fails.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        drop_last: bool = False,
        *,
        generator: Any = None,
        seed: int | None = None,
        prefetch_factor: int = 2,
        pin_memory: bool = False,
        persistent_workers: bool = False,
        worker_init_fn: Callable[[int], None] | None = None,
        timeout: float = 0,
        multiprocessing_context: str | None = None,
    ) -> None:
        self.dataset = dataset
        self.streaming = _is_stream(dataset)
        self.batch_size = None if batch_size is None else whole("DataLoader", "batch_size", batch_size, 1)
        self.num_workers = whole("DataLoader", "num_workers", num_workers)
        self.prefetch_factor = whole("DataLoader", "prefetch_factor", prefetch_factor, 1)
        self.drop_last, self.pin_memory, self.persistent_workers = drop_last, pin_memory, persistent_workers
        for name, value in {
            "shuffle": shuffle, "drop_last": drop_last, "pin_memory": pin_memory, "persistent_workers": persistent_workers
        }.items():  # fmt: skip
            if not isinstance(value, (bool, np.bool_)):
                raise SettingError(f"DataLoader: {name} must be True or False, not {value!r:.60}")
        for name, function in {"collate_fn": collate_fn, "worker_init_fn": worker_init_fn}.items():
            if function is not None and not callable(function):
                raise ArgumentError(f"DataLoader: {name} must be a function, not {function!r:.60}")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 <= timeout < float("inf"):
            raise SettingError(f"DataLoader: timeout must be a number of seconds, 0 for none, not {timeout!r:.60}")
        if persistent_workers and not self.num_workers:
            raise SettingError("DataLoader: persistent_workers=True needs workers; give num_workers of at least 1")
        if multiprocessing_context not in (None, "forkserver", "spawn"):
            raise SettingError(
                f"DataLoader: multiprocessing_context is {multiprocessing_context!r:.40} but must be 'forkserver' or "
                "'spawn': a process with threads must not be forked"
            )
        self._conflicts(shuffle, sampler, batch_sampler)
        self.seed = base_seed("DataLoader", seed, generator)
        self.timeout, self.worker_init_fn = float(timeout), worker_init_fn
        self._method = multiprocessing_context or start_method()
        self.sampler, self.batch_sampler = self._samplers(bool(shuffle), sampler, batch_sampler)
        self.collate_fn = collate_fn or (
            default_convert if self.batch_size is None and not batch_sampler else default_collate
        )
        self._recipe = Recipe(
            dataset, self.collate_fn, self.seed, self.batch_size, bool(drop_last),
            bool(getattr(self.sampler if self.batch_sampler is None else self.batch_sampler, "repeats", False)),
        )  # fmt: skip
        self._epoch = 0
        self._run: Run | None = None
        self._resumed: Run | None = None
        self._pool: Pool | None = None
        self._refuse_nothing()

    # ---- looping --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """The number of batches in an epoch; an ArgumentError where nobody knows it."""
        if not self.streaming:
            return length_of(self._order(), "DataLoader: the sampler")
        length = length_of(self.dataset, "DataLoader")
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """The batches of the next epoch, or the rest of one that ``load_state_dict`` stands in."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            self._restore_sampler(resumed)
        run = resumed or Run(self._epoch, sampler=self._sampler_state())
        self._run, self._epoch = run, run.epoch + 1
        indices = None if self.streaming else self._indices()
        return self._batches(run, indices)

    @property
    def epoch(self) -> int:
        """The epoch under way, else the next one; the first is 0."""
        return self._epoch if self._run is None else self._run.epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next loop be this epoch: its order and its random numbers."""
        self._epoch = whole("DataLoader", "epoch", epoch)
        self._run = self._resumed = None
        for sampler in self._seedable():
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(self._epoch)

    def close(self) -> None:
        """End persistent workers; the next loop starts others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    # ---- going on later -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: the epoch and the batches that its consumer has got. Plain numbers, fit for JSON.

        Batches that workers made ahead do not count.
        """
        run = self._resumed or self._run or Run(self._epoch, sampler=self._sampler_state())
        return {"seed": self.seed, "batch_size": self.batch_size, "length": self._length(), **asdict(run)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next loop go on where ``state_dict`` stood, with the batch after the last one that was had.

        Raises StateError for what is no such state, or one of another data set or batch size.
        """
        names = {"seed", "batch_size", "length", *(field.name for field in fields(Run))}
        if not isinstance(state, dict) or set(state) != names:
            raise StateError(f"DataLoader: a state holds {', '.join(sorted(names))}; this is {state!r:.120}")
        try:
            counts = {
                name: whole("DataLoader", name, state[name])
                for name in ("seed", "epoch", "batches", "samples", "digest")
            }
        except SettingError as error:
            raise StateError(f"{error}; the state is damaged") from None
        for name, ours in (("batch_size", self.batch_size), ("length", self._length())):
            if state[name] != ours:
                raise StateError(
                    f"DataLoader: the state has {name} {state[name]!r:.40} but this loader {ours!r:.40}; it cannot go on in "
                    "the middle of an epoch of another"
                )
        self.seed = counts.pop("seed")
        if self._recipe.seed != self.seed:
            self.close()  # its workers know the old seed
            self._recipe = replace(self._recipe, seed=self.seed)
        self._resumed, self._run = Run(**counts, sampler=state["sampler"]), None

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _batches(self, run: Run, indices: Iterator[Any] | None) -> Iterator[Any]:
        skipped = run.batches
        batched = self.batch_size is not None
        tasks = stream_tasks(skipped) if indices is None else index_tasks(run, indices, batched)
        made = self._here(run.epoch, tasks) if not self.num_workers else self._there(run.epoch, tasks)
        pin = _pinner() if self.pin_memory else None
        try:
            for task, batch, items in made:
                if indices is None and skipped > 0:
                    skipped -= 1  # had before; its samples are counted already
                    continue
                run.count(task, items)
                yield batch if pin is None else walk(batch, pin)
        finally:
            made.close()
        if indices is None:
            self._check_stream(run, skipped)
        if self._run is run:
            self._run = None

    def _here(self, epoch: int, tasks: Iterator[Task]) -> Any:
        """Batches made in this process."""
        stream = Stream(self._recipe, epoch, None) if self.streaming else None
        fetcher = Fetcher(self._recipe)
        for task in tasks:
            fetcher.index = None
            try:
                batch, items = fetcher.batch(task, epoch) if stream is None else stream.batch(task)
            except Exception as error:
                index = fetcher.index if stream is None else stream.index
                if index is not None and hasattr(error, "add_note"):
                    error.add_note(f"DataLoader: this came from item {index!r:.80} of the data set")
                raise
            if isinstance(batch, Ended):
                return
            yield task, batch, items

    def _there(self, epoch: int, tasks: Iterator[Task]) -> Any:
        """Batches made by workers, which take turns; so their order is that of the tasks."""
        pool = self._pool if self._pool is not None and self._pool.open and not self._pool.busy else None
        if pool is None:
            pool = Pool(
                self._recipe, self.worker_init_fn, self.num_workers, self.prefetch_factor, self.timeout, self._method
            )
            if self.persistent_workers and (self._pool is None or not self._pool.open):
                self._pool = pool
        pool.busy, keep = True, False
        waiting: deque[tuple[int, Task]] = deque()
        try:
            pool.begin(epoch)
            ahead = (n for _ in range(self.prefetch_factor) for n in range(self.num_workers))
            for worker, task in zip(ahead, tasks, strict=False):
                pool.submit(worker, task)
                waiting.append((worker, task))
            while waiting:
                worker, task = waiting.popleft()
                batch, items = pool.receive(worker)
                if isinstance(batch, Ended):
                    continue
                following = next(tasks, None)
                if following is not None:
                    pool.submit(worker, following)
                    waiting.append((worker, following))
                yield task, batch, items
            keep = True
        except GeneratorExit:
            keep = True
            raise
        finally:
            pool.busy = False
            if not keep or pool is not self._pool:
                pool.close()

    def _conflicts(self, shuffle: bool, sampler: Any, batch_sampler: Any) -> None:
        """Refuse arguments that contradict one another."""
        for name, given in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if given is not None and not hasattr(given, "__iter__"):
                raise ArgumentError(f"DataLoader: {name} must give indices, which a {type(given).__name__} does not")
            if given is not None and hasattr(given, "__next__"):
                raise ArgumentError(
                    f"DataLoader: {name} is a {type(given).__name__}, which gives its indices only once; give a list, or a "
                    "class with __iter__"
                )
        asked = [
            name
            for name, given in (
                ("shuffle", shuffle), ("sampler", sampler is not None), ("batch_sampler", batch_sampler is not None)
            )
            if given
        ]  # fmt: skip
        if self.streaming and asked:
            raise SettingError(
                f"DataLoader: an iterable data set decides its own order, so {asked[0]} has nothing to act on; leave it out"
            )
        if len(asked) > 1:
            raise SettingError(f"DataLoader: {' and '.join(asked)} each decide the order; give one of them")
        if batch_sampler is not None and (self.batch_size != 1 or self.drop_last):
            raise SettingError("DataLoader: batch_sampler makes the batches; leave batch_size and drop_last out")
        if self.batch_size is None and self.drop_last:
            raise SettingError(
                "DataLoader: without batches (batch_size=None) there is no last one; leave drop_last out"
            )

    def _samplers(self, shuffle: bool, sampler: Any, batch_sampler: Any) -> tuple[Any, Any]:
        if self.streaming:
            return None, None
        if batch_sampler is not None:
            return getattr(batch_sampler, "sampler", None), batch_sampler
        if sampler is None:
            length = length_of(self.dataset, "DataLoader")
            if not length:
                raise DataError(f"DataLoader: the {type(self.dataset).__name__} is empty; there is nothing to load")
            sampler = RandomSampler(range(length), seed=self.seed) if shuffle else SequentialSampler(range(length))
        return sampler, None if self.batch_size is None else BatchSampler(
            sampler, self.batch_size, bool(self.drop_last)
        )

    def _refuse_nothing(self) -> None:
        """An empty epoch would pass unnoticed."""
        source = self.dataset if self.streaming else self._order()
        if not hasattr(type(source), "__len__") or (
            isinstance(source, BatchSampler) and not hasattr(type(source.sampler), "__len__")
        ):
            return
        if len(self) == 0:
            size = self._length()
            many = (
                f"{size} items make no batch of {self.batch_size} with drop_last=True" if size else "there are no items"
            )
            raise DataError(f"DataLoader: {many}; there is nothing to load")

    def _check_stream(self, run: Run, skipped: int) -> None:
        name = type(self.dataset).__name__
        if skipped:
            raise StateError(
                f"DataLoader: epoch {run.epoch} cannot go on after batch {run.batches}: the {name} ended {skipped} batches "
                "before it"
            )
        if not run.batches:
            raise DataError(f"DataLoader: the {name} gave nothing to make a batch of in epoch {run.epoch}")
        length = self._length()
        if length is not None and not (
            length == run.samples or (self.drop_last and self.batch_size and length // self.batch_size == run.batches)
        ):
            raise DataError(
                f"DataLoader: the {name} says that its length is {length}, but it gave {run.samples} items in epoch "
                f"{run.epoch}; correct its __len__, or leave it out"
            )

    def _order(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _indices(self) -> Iterator[Any]:
        """The order of an epoch; a sampler is held to its length, a batch sampler of one's own is not."""
        batches = self.batch_sampler
        if batches is not None and type(batches) is not BatchSampler:
            return iter(batches)
        indices = honest(self.sampler) if hasattr(type(self.sampler), "__len__") else iter(self.sampler)
        return indices if batches is None else batches.grouped(indices)

    def _length(self) -> int | None:
        return len(self.dataset) if hasattr(type(self.dataset), "__len__") else None

    def _seedable(self) -> Iterator[Any]:
        return (s for s in (self.batch_sampler, self.sampler) if s is not None)

    def _sampler_state(self) -> Any:
        return next((s.state_dict() for s in self._seedable() if hasattr(s, "state_dict")), None)

    def _restore_sampler(self, run: Run) -> None:
        for sampler in self._seedable():
            if hasattr(sampler, "load_state_dict") and run.sampler is not None:
                sampler.load_state_dict(run.sampler)
                return
        for sampler in self._seedable():
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(run.epoch)


def _is_stream(dataset: Any) -> bool:
    if isinstance(dataset, IterableDataset):
        return True
    if hasattr(type(dataset), "__getitem__"):
        return False
    if hasattr(dataset, "__next__"):
        raise ArgumentError(
            f"DataLoader: a {type(dataset).__name__} can be read only once; give an IterableDataset, whose __iter__ begins anew"
        )
    if hasattr(dataset, "__iter__"):
        return True
    raise ArgumentError(
        f"DataLoader: a {type(dataset).__name__} is no data set: it has neither items by index (__getitem__ and __len__) "
        "nor one after another (__iter__)"
    )


def _pinner() -> Callable[[Any], Any] | None:
    """What copies a tensor into page-locked memory; None where there is no GPU."""
    from .. import cuda
    from .device import pinned_copy

    if not cuda.is_available():
        return None

    def pin(value: Any) -> Any:
        if not isinstance(value, Tensor) or not isinstance(value.array, np.ndarray) or value.requires_grad:
            return value
        return tensor_of(pinned_copy(value.array))

    return pin
