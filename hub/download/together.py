"""Several files at once: most of a small file's time is waiting, and one server's limit is not another's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from numzoo.hub.download.sources.packages import kept_packages

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress, Transfer
    from numzoo.hub.registry.record import FileRecord

__all__ = ["fetch_together"]

_AT_ONCE = 3
_FAREWELL_SECONDS = 2.0  # for transfers to put their parts down, after one has failed


class _StoppedError(Exception):
    """Another file has failed, or the person has interrupted: this one need not go on."""


def fetch_together(
    files: Sequence[FileRecord], fetch: Callable[[FileRecord, Progress], Path], progress: Progress | None
) -> list[Path]:
    """`fetch` each file, a few at once, and give the paths in the files' order; no file is fetched twice.

    Records of the same bytes follow each other: the second then finds them in the store, or what the first has left.
    The first error ends all of it, and so does an interruption; what has come of the others is kept for the next time.
    """
    waiting: queue.SimpleQueue[list[FileRecord]] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[FileRecord, Path | BaseException]] = queue.SimpleQueue()
    told = _Stoppable(progress)
    distinct = list(dict.fromkeys(files))
    alike: dict[str, list[FileRecord]] = {}
    for file in distinct:
        alike.setdefault(file.key, []).append(file)
    for group in alike.values():
        waiting.put(group)

    def work() -> None:
        while not told.stopped:
            try:
                group = waiting.get_nowait()
            except queue.Empty:
                return
            for file in group:
                try:
                    ended.put((file, fetch(file, told)))
                except BaseException as problem:
                    ended.put((file, problem))
                    return

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_AT_ONCE, len(alike)))]
    found: dict[FileRecord, Path] = {}
    with kept_packages():
        for thread in threads:
            thread.start()
        try:
            while len(found) < len(distinct):
                file, outcome = ended.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                found[file] = outcome
        finally:
            told.stopped = True
            for thread in threads:
                thread.join(_FAREWELL_SECONDS)
    return [found[file] for file in files]


class _Stoppable:
    """Hands on what a transfer tells, and ends the transfer there once all shall stop."""

    def __init__(self, progress: Progress | None) -> None:
        self.stopped = False
        self._progress = progress

    def start(self, name: str, total: int | None, done: int) -> _StoppableTransfer:
        transfer = self._progress.start(name, total, done) if self._progress else None
        return _StoppableTransfer(self, transfer)


class _StoppableTransfer:
    def __init__(self, group: _Stoppable, transfer: Transfer | None) -> None:
        self._group, self._transfer = group, transfer

    def advance(self, n: int, *, fetched: bool = True) -> None:
        if self._transfer:
            self._transfer.advance(n, fetched=fetched)
        if self._group.stopped and n > 0:
            raise _StoppedError

    def finish(self, *, whole: bool) -> None:
        if self._transfer:
            self._transfer.finish(whole=whole)
