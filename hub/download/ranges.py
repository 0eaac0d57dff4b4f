"""One file over several connections, from several mirrors at once.

A few threads take spans of the file from one list, fetch them as ranges, and hand them to the thread that called, which
alone writes to the part: so nothing is locked there, and the part judges every span (chunk digests) and the whole
(sha256). A mirror that lies is out at its first wrong chunk, one that dies after a few attempts; their spans go back on
the list for the others. A span that somebody is slow with is asked for once more, elsewhere, when nothing else is left.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from numzoo.hub.download.sources import answers
from numzoo.hub.download.sources.answers import AgainError
from numzoo.hub.download.sources.redirects import new_session, open_following
from numzoo.hub.errors import HubError, IntegrityError, NetworkError

if TYPE_CHECKING:
    import requests

    from numzoo.hub.download.sources import Order, Patience
    from numzoo.hub.store.parts import Part

__all__ = ["Mirror", "NoRangesError", "fetch_shared"]

_Span = tuple[int, int]


class NoRangesError(NetworkError):
    """A mirror that serves whole files only; one stream of it may still do."""


@dataclass
class Mirror:
    """One place that has the whole file, and how it has done so far."""

    source: str
    address: str
    token: str | None
    problem: HubError | None = None  # why it is asked no more
    active: int = 0
    failures: int = 0
    ready: float = 0.0  # not before this moment, after a failure
    given: int = 0
    version: str = ""

    @property
    def host(self) -> str | None:
        """Whom messages name."""
        return urlsplit(self.address).hostname


def fetch_shared(mirrors: Sequence[Mirror], part: Part, order: Order) -> None:
    """Fetch what the part still misses from all of the mirrors at once, as far as they can give it.

    Raises StorageError from the disk, and nothing for the mirrors: each has its `problem` afterwards, if it has one,
    and the part tells what is there.
    """
    board = _Board(part.missing(order.patience.span), mirrors, order.patience, ordered=part.record.chunks is None)
    results: queue.SimpleQueue[tuple[Mirror, _Span, bytes | Exception]] = queue.SimpleQueue()
    for _ in range(min(order.patience.connections, len(board.waiting))):
        threading.Thread(target=_work, args=(new_session(), board, order, results), daemon=True).start()
    try:
        while not board.over():
            mirror, span, outcome = results.get()
            if isinstance(outcome, bytes):
                try:
                    part.place(span[0], outcome)
                except IntegrityError as problem:
                    outcome = problem
            if isinstance(outcome, bytes):
                board.done(mirror, span)
            elif isinstance(outcome, (AgainError, HubError)):
                board.failed(mirror, span, outcome)
            else:
                raise outcome
    finally:
        board.stop()


def _work(
    session: requests.Session,
    board: _Board,
    order: Order,
    results: queue.SimpleQueue[tuple[Mirror, _Span, bytes | Exception]],
) -> None:
    """Fetch one span after the other until there is none left."""
    with session:
        while (task := board.take()) is not None:
            mirror, span = task
            try:
                with answers.translated(mirror.address, mirror.host, order.patience):
                    data = b"".join(_receive(session, mirror, span, order, board))
                outcome: bytes | Exception = data
            except Exception as problem:
                outcome = problem
            results.put((mirror, span, outcome))


def _receive(session: requests.Session, mirror: Mirror, span: _Span, order: Order, board: _Board) -> Iterator[bytes]:
    start, end = span
    headers = {**answers.request_headers(), "Range": f"bytes={start}-{end - 1}"}
    waits = (order.patience.connect, order.patience.stall)
    with open_following(session, mirror.address, headers, mirror.token, waits) as response:
        answers.refuse_status(response, mirror.host)
        _check(response, mirror, start, order)
        left = end - start
        response.raw.enforce_content_length = False  # A short answer is noticed below.
        for block in answers.blocks_of(response.raw, order.patience):
            if board.stopped:
                return
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return
        raise AgainError(f"The answer of {mirror.host} ended {left} bytes before byte {end}.")


def _check(response: requests.Response, mirror: Mirror, start: int, order: Order) -> None:
    """Raise unless the answer is the range that was asked for, of the file that is wanted."""
    offset, total = answers.content_range(response)
    if response.status_code != 206 or answers.is_encoded(response, None, order.size):
        raise NoRangesError(f"{mirror.host} serves the whole file only, no range of it.")
    if offset != start:
        raise NoRangesError(f"{mirror.host} sent bytes from {offset}, though the file was asked for from {start}.")
    if total is not None and total != order.size:
        raise IntegrityError(f"{mirror.host} offers {total} bytes, but the file has {order.size}.")
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        mirror.version = mirror.version or tag
        if tag != mirror.version and order.record.chunks is None:
            raise IntegrityError(f"The file at {mirror.host} has changed in between.")


@dataclass
class _Flight:
    """A span on its way, perhaps from two mirrors."""

    since: float
    mirrors: list[Mirror]


@dataclass
class _Board:
    """Who fetches what. `ordered` keeps spans from running far ahead of the first that is missing."""

    waiting: list[_Span]
    mirrors: Sequence[Mirror]
    patience: Patience
    ordered: bool
    stopped: bool = False
    flying: dict[_Span, _Flight] = field(default_factory=dict)
    _turn: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> tuple[Mirror, _Span] | None:
        """The next span and the mirror to ask for it; waits for one, gives None when there will be none."""
        with self._turn:
            while not self.stopped:
                now = time.monotonic()
                ready = [mirror for mirror in self.mirrors if mirror.problem is None and self._trusted(mirror, now)]
                if ready and (task := self._choose(ready, now)) is not None:
                    mirror, span = task
                    mirror.active += 1
                    self.flying.setdefault(span, _Flight(now, [])).mirrors.append(mirror)
                    return task
                self._turn.wait(0.05)
            return None

    def done(self, mirror: Mirror, span: _Span) -> None:
        """The span is in its place."""
        with self._turn:
            self._landed(mirror, span)
            self.flying.pop(span, None)
            mirror.failures = 0
            mirror.given += span[1] - span[0]

    def failed(self, mirror: Mirror, span: _Span, problem: AgainError | HubError) -> None:
        """The mirror has not given the span: once more later, or never again."""
        with self._turn:
            flight = self.flying.get(span)
            self._landed(mirror, span)
            if flight is not None and not flight.mirrors:
                del self.flying[span]
                self.waiting.append(span)
                self.waiting.sort()
            if not isinstance(problem, AgainError):
                mirror.problem = mirror.problem or problem
                return
            mirror.failures += 1
            others = any(other.problem is None for other in self.mirrors if other is not mirror)
            hopeless = others and not mirror.given and mirror.failures >= self.patience.first_attempts
            if mirror.failures >= self.patience.attempts or hopeless:
                text = f"{problem} ({mirror.failures} attempts were made at {mirror.host}.)"
                mirror.problem = mirror.problem or NetworkError(text)
            pause = answers.pause_after(self.patience, mirror.failures, problem.wait)
            mirror.ready = time.monotonic() + pause

    def over(self) -> bool:
        """Whether all is in its place, or nobody is left to ask and nobody on the way."""
        with self._turn:
            dead = all(mirror.problem is not None for mirror in self.mirrors)
            return not self.flying and (dead or not self.waiting)

    def stop(self) -> None:
        """Let the threads end."""
        with self._turn:
            self.stopped = True
            self._turn.notify_all()

    def _trusted(self, mirror: Mirror, now: float) -> bool:
        """A mirror of whose spans none has yet been looked at gets no more than two for each connection."""
        return mirror.ready <= now and (mirror.given > 0 or mirror.active < 2 * self.patience.connections)

    def _choose(self, ready: list[Mirror], now: float) -> tuple[Mirror, _Span] | None:
        first = min([*self.flying, *self.waiting[:1]], default=(0, 0))[0]
        reach = first + 2 * self.patience.connections * self.patience.span
        if self.waiting and (not self.ordered or self.waiting[0][0] < reach):
            return min(ready, key=lambda mirror: mirror.active), self.waiting.pop(0)
        for span, flight in sorted(self.flying.items(), key=lambda item: item[1].since):
            if len(flight.mirrors) == 1 and now - flight.since > self.patience.hedge:
                others = [mirror for mirror in ready if mirror not in flight.mirrors] or ready
                return min(others, key=lambda mirror: mirror.active), span
        return None

    def _landed(self, mirror: Mirror, span: _Span) -> None:
        mirror.active -= 1
        if (flight := self.flying.get(span)) is not None and mirror in flight.mirrors:
            flight.mirrors.remove(mirror)
        self._turn.notify_all()
