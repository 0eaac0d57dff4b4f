"""The worker processes, seen from the main process: started, fed, listened to, ended.

Each worker has a pipe of its own: one that is killed damages nothing that others use, and its silence has a name.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ..errors import ArgumentError, SettingError
from .errors import WorkerError, WorkerTimeoutError
from .fetch import Ended, Recipe, Task
from .transport import Inbox
from .worker import serve

PATIENCE = 2.0  # seconds that the workers have, all together, to finish the items they are at
_SERVER_MODULE = "numzoo.engine.data.worker"


@dataclass
class _Worker:
    """A process, the pipe to it, its shared memory, and the tasks it has not answered."""

    process: Any
    connection: Connection
    inbox: Inbox
    ready: bool = False
    open: deque[Task] = field(default_factory=deque)


class Pool:
    """``count`` worker processes that make batches by ``recipe``, each given up to ``ahead`` tasks at a time.

    Raises ArgumentError for what cannot be sent to another process, SettingError inside a worker.
    """

    def __init__(
        self,
        recipe: Recipe,
        start: Callable[[int], None] | None,
        count: int,
        ahead: int,
        timeout: float,
        method: str | None,
    ) -> None:
        if multiprocessing.current_process().daemon:
            raise SettingError(
                "DataLoader: this is a worker process, which cannot have workers of its own; use num_workers=0 here"
            )
        program = getattr(sys.modules["__main__"], "__file__", None) or ""
        if program.startswith("<"):
            raise SettingError(
                f"DataLoader: the program is read from {program}, where workers cannot read it again; save it to a file, or "
                "use num_workers=0"
            )
        payload = _payload(recipe, start)
        context: Any = multiprocessing.get_context(method or start_method())
        if context.get_start_method() == "forkserver":
            _preload(context)
        self.timeout, self.busy = timeout, False
        self.progress = context.RawArray("q", [-1] * (2 * count))
        token = f"nz{os.getpid():x}{secrets.token_hex(4)}"
        self._workers: list[_Worker] = []
        self._finish = weakref.finalize(self, _close, self._workers)
        try:
            for number in range(count):
                ours, theirs = context.Pipe()
                prefix = f"{token}_{number}"
                process = context.Process(
                    target=serve,
                    args=(theirs, self.progress, number, count, prefix, ahead),
                    name=f"numzoo worker {number}",
                    daemon=True,
                )
                try:
                    process.start()
                except BaseException:
                    ours.close()
                    raise
                finally:
                    theirs.close()  # so that the end of the worker is the end of the pipe
                self._workers.append(_Worker(process, ours, Inbox(prefix, ahead)))
            for worker in self._workers:
                self._send(worker, payload)
        except BaseException:
            self.close()
            raise

    @property
    def open(self) -> bool:
        return self._finish.alive

    @property
    def process_ids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    def begin(self, epoch: int) -> None:
        """Start an epoch; what is left of another is thrown away."""
        for number, worker in enumerate(self._workers):
            while worker.open:
                _, message = self._answer(number)
                if message[0] == "batch":
                    worker.inbox.refuse(message[3])
        for worker in self._workers:
            self._send(worker, ("begin", epoch))

    def submit(self, number: int, task: Task) -> None:
        """Give a worker a task."""
        worker = self._workers[number]
        worker.open.append(task)
        self._send(worker, ("task", task))

    def receive(self, number: int) -> tuple[Any, int]:
        """A worker's answer to the task that it was given first: the batch and its length, or ``Ended`` and 0.

        Raises a WorkerError for an exception in the worker, for its death, or for a timeout.
        """
        task, message = self._answer(number)
        if message[0] == "batch":
            return self._workers[number].inbox.unpack(message[3]), message[2]
        if message[0] == "ended":
            return Ended(), 0
        raise self._failed(number, task, message)

    def close(self) -> None:
        """End the workers and free what they held; quietly, and once."""
        self._finish()

    def _answer(self, number: int) -> tuple[Task | None, tuple[Any, ...]]:
        worker = self._workers[number]
        deadline = time.monotonic() + self.timeout if self.timeout else None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = wait([worker.connection, worker.process.sentinel], left)
            if not ready:
                raise self._late(number, worker)
            try:
                # A worker that has just ended may have answered before.
                if worker.connection not in ready and not worker.connection.poll():
                    raise EOFError
                message = worker.connection.recv()
            except (EOFError, OSError):
                raise self._died(number, worker) from None
            if message[0] == "ready":
                worker.ready = True
                continue
            return (worker.open.popleft() if worker.open else None), message

    def _send(self, worker: _Worker, message: Any) -> None:
        """Send; to one that is gone in vain, which shows when its answer is awaited, in its turn."""
        with suppress(BrokenPipeError, ConnectionError):
            if isinstance(message, memoryview):
                worker.connection.send_bytes(message)
            else:
                worker.connection.send(message)

    def _failed(self, number: int, task: Task | None, message: tuple[Any, ...]) -> WorkerError:
        _, _, stage, index, kind, text, trace = message
        if stage == "start":
            where = "before its first item, in rebuilding the data set or in worker_init_fn"
        elif index is not None:
            where = f"on item {index!r}"
        elif task is not None and task.indices is not None:
            where = f"in making a batch of the items {_listing(task.indices)}"
        else:
            where = "in making a batch"
        hint = ""
        if stage == "start" and kind[1] in ("AttributeError", "ModuleNotFoundError", "ImportError"):
            hint = " What workers use must be importable: define it at the top level of a file, not in a console or notebook."
        error = _error_class(kind)(
            f"DataLoader: worker {number} of {len(self._workers)} failed {where}: {kind[1]}: {text}.{hint} Its traceback:\n\n{trace}"
        )
        return _filled(error, number, index, trace)

    def _died(self, number: int, worker: _Worker) -> WorkerError:
        worker.process.join(1.0)
        code = worker.process.exitcode
        index = self._place(number, worker)
        if code is not None and code < 0:
            how = f"was killed by signal {-code} ({_signal_name(-code)})"
        else:
            how = "has gone" if code is None else f"left with exit code {code}"
        where = f" while it read item {index!r}" if index is not None else ""
        if not worker.ready:
            where = " before it was ready"
        hint = _HINTS.get(_signal_name(-code) if code is not None and code < 0 else "", "")
        if not worker.ready and not hint:
            hint = (
                "its own words are above, if it had any. In a script, put what starts the loading under "
                "`if __name__ == '__main__':`, since every worker imports the script"
            )
        error = WorkerError(
            f"DataLoader: worker {number} of {len(self._workers)} {how}{where}"
            f"{'; ' + hint if hint else ''}. With num_workers=0 the same items are read in this process."
        )
        return _filled(error, number, index, "")

    def _late(self, number: int, worker: _Worker) -> WorkerError:
        index = self._place(number, worker)
        where = "it is not ready yet" if not worker.ready else "it is between items"
        if index is not None:
            where = f"it is at item {index!r}"
        error = WorkerTimeoutError(
            f"DataLoader: worker {number} of {len(self._workers)} gave no batch within {self.timeout:g} s; {where}. "
            "Raise the timeout, or see with num_workers=0 what takes so long"
        )
        return _filled(error, number, index, "")

    def _place(self, number: int, worker: _Worker) -> Any:
        """The index that a worker is at, as far as it told."""
        task, place = self.progress[2 * number], self.progress[2 * number + 1]
        for known in worker.open:
            if known.number == task and worker.ready:
                if known.indices is None:
                    return place if place >= 0 else None
                if not isinstance(known.indices, (list, tuple)):
                    return known.indices
                return known.indices[place] if 0 <= place < len(known.indices) else None
        return None


def start_method() -> str:
    """How workers start: never as copies of a process that may have threads."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


_HINTS = {
    "SIGKILL": "often that is the system, out of memory: use fewer workers or smaller batches",
    "SIGBUS": "often that is shared memory, full: enlarge /dev/shm, or use a smaller batch_size or prefetch_factor",
    "SIGSEGV": "a native library that the data set uses has crashed",
}


def _payload(recipe: Recipe, start: Any) -> memoryview:
    """Recipe and start function as bytes, made once for all workers."""
    try:
        return ForkingPickler.dumps((recipe, start))
    except Exception as error:
        for name, part in (("the data set", recipe.dataset), ("collate_fn", recipe.collate), ("worker_init_fn", start)):
            try:
                ForkingPickler.dumps(part)
            except Exception as reason:
                raise ArgumentError(
                    f"DataLoader: {name} ({part!r:.80}) cannot be sent to worker processes: {reason}. Define functions "
                    "and classes at the top level of a file (no lambda, no class within a function), open files only "
                    "when first used; or use num_workers=0"
                ) from error
        raise


def _preload(context: Any) -> None:
    """Let the server process import this package once for all workers, unless the program has plans of its own."""
    from multiprocessing import forkserver

    if getattr(getattr(forkserver, "_forkserver", None), "_preload_modules", None) == ["__main__"]:
        context.set_forkserver_preload([_SERVER_MODULE])


def _close(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()  # a worker ends when its pipe does
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
    for end in ("terminate", "kill"):
        late = [worker for worker in workers if worker.process.exitcode is None]
        for worker in late:
            getattr(worker.process, end)()
        for worker in late:
            worker.process.join(PATIENCE)
    for worker in workers:
        worker.inbox.close()
        if worker.process.exitcode is not None:
            worker.process.close()
    workers.clear()


def _error_class(kind: tuple[str, str]) -> type[WorkerError]:
    """WorkerError, and also the class of that name, so that ``except`` catches it by either."""
    module, name = kind
    found: Any = sys.modules.get("__main__" if module == "__mp_main__" else module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, Exception)) or issubclass(WorkerError, found):
        return WorkerError
    if issubclass(found, (StopIteration, StopAsyncIteration)):
        return WorkerError  # a generator would turn these into something else
    if issubclass(found, WorkerError):
        return found
    try:
        made = type("WorkerError", (WorkerError, found), {"__init__": Exception.__init__, "__module__": __name__})
        made("")
    except Exception:
        return WorkerError  # a class that cannot be made from a message, or joined with another
    return made


def _filled(error: WorkerError, worker: int, index: Any, trace: str) -> WorkerError:
    error.worker, error.index, error.traceback = worker, index, trace
    return error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _listing(indices: Any) -> str:
    if not isinstance(indices, (list, tuple)):
        return repr(indices)
    return ", ".join(map(repr, indices[:8])) + (f" and {len(indices) - 8} more" if len(indices) > 8 else "")
