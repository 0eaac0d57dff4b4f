"""What runs in a worker process: tasks in, batches out, until the main process hangs up."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from ..random import manual_seed
from .fetch import Ended, Fetcher, Recipe, Stream, Task
from .sample import worker_seed
from .sharding import WorkerInfo, become
from .transport import Outbox

GRACE = 5.0  # seconds that an item may take to end once the main process is gone


class HungUp(Exception):  # noqa: N818
    """The main process wants no more."""


def serve(connection: Connection, progress: Any, worker: int, count: int, prefix: str, slots: int) -> None:
    """Worker ``worker`` of ``count``: its life. ``progress`` tells the main process which task and item it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process sees to its end
    os.environ.setdefault("NUMZOO_THREADS", "1")  # the workers share the cores
    try:
        recipe, start = _received(connection)
        if start is not None:
            become(
                WorkerInfo(
                    worker, count, recipe.dataset, 0, worker_seed(recipe.seed, 0, worker), recipe.batch_size or 1
                )
            )
            _seed_globals(worker_seed(recipe.seed, 0, worker))
            start(worker)
    except (EOFError, OSError):
        return
    except BaseException as error:
        _send(connection, _failure(None, "start", None, error))
        return
    _send(connection, ("ready",))
    tasks = _Inlet(connection)
    outbox = Outbox(prefix, slots)

    def mark(place: int) -> None:
        progress[2 * worker + 1] = place
        if tasks.closed:
            raise HungUp

    fetcher = Fetcher(recipe, mark)
    stream: Any = None
    epoch = 0
    while True:
        message = tasks.get()
        if message is None:
            return
        if message[0] == "begin":
            epoch = message[1]
            seed = worker_seed(recipe.seed, epoch, worker)
            become(WorkerInfo(worker, count, recipe.dataset, epoch, seed, recipe.batch_size or 1))
            _seed_globals(seed)
            stream = Stream(recipe, epoch, WorkerInfo(worker, count, None, epoch, seed, recipe.batch_size or 1), mark)
            continue
        task: Task = message[1]
        progress[2 * worker + 1], progress[2 * worker] = -1, task.number
        source = fetcher if task.indices is not None else stream
        answer: tuple[Any, ...]
        try:
            batch, items = fetcher.batch(task, epoch) if source is fetcher else stream.batch(task)
            if isinstance(batch, Ended):
                answer = ("ended", task.number)
            else:
                source.index = None
                answer = ("batch", task.number, items, _packed(outbox, batch))
        except HungUp:
            return
        except BaseException as error:  # SystemExit too: whoever asked for the batch must hear of it
            answer = _failure(task.number, "item", source.index, error)
        progress[2 * worker + 1] = -1
        if not _send(connection, answer):
            return


class _Inlet:
    """Tasks, read ahead by a thread: the main process never waits to send one, and its end is noticed at once."""

    def __init__(self, connection: Connection) -> None:
        self.closed = False
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.get: Callable[[], Any] = self._tasks.get
        threading.Thread(target=self._read, args=(connection,), name="numzoo tasks", daemon=True).start()

    def _read(self, connection: Connection) -> None:
        try:
            while True:
                self._tasks.put(connection.recv())
        except (EOFError, OSError):
            pass
        self.closed = True
        self._tasks.put(None)
        time.sleep(GRACE)
        os._exit(1)  # an item that never ends; nobody waits for it any more


def _received(connection: Connection) -> tuple[Recipe, Any]:
    data = connection.recv_bytes()
    try:
        recipe, start = ForkingPickler.loads(data)
    except (EOFError, OSError) as error:  # of the data set's own making, not of the connection
        raise RuntimeError(f"the data set could not be rebuilt: {error}") from error
    return recipe, start


def _packed(outbox: Outbox, batch: Any) -> Any:
    try:
        return outbox.pack(batch)
    except Exception as error:
        raise TypeError(
            f"the batch (a {type(batch).__name__}) cannot be sent to the main process ({error}); let collate_fn give "
            "tensors, arrays, numbers and strings, or use num_workers=0"
        ) from error


def _failure(number: int | None, stage: str, index: Any, error: BaseException) -> tuple[Any, ...]:
    kind = type(error)
    return (
        "failed", number, stage, index if isinstance(index, (int, str)) or index is None else repr(index),
        (kind.__module__, kind.__qualname__), str(error), "".join(traceback.format_exception(kind, error, error.__traceback__)),
    )  # fmt: skip


def _send(connection: Connection, answer: tuple[Any, ...]) -> bool:
    try:
        connection.send(answer)
    except (BrokenPipeError, ConnectionError, OSError):
        return False
    return True


def _seed_globals(seed: int) -> None:
    """For data sets that draw from global streams: at least no two workers draw the same."""
    random.seed(seed)
    np.random.seed(seed)
    manual_seed(seed)
