"""How a long transfer tells somebody how far it is; the command line supplies the bars (bars.py)."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Transfer"]


class Progress(Protocol):
    """Told when a file begins to be fetched. Several may be under way at once, each told of by a thread of its own."""

    def start(self, name: str, total: int | None, done: int) -> Transfer:
        """A transfer begins: of `total` bytes (None: not known), `done` are here from an earlier attempt."""


class Transfer(Protocol):
    """One file on its way: any number of `advance`, then `finish`."""

    def advance(self, n: int, *, fetched: bool = True) -> None:
        """`n` more bytes are here; negative where bytes turned out wrong and were dropped.

        `fetched` is False for those that an earlier attempt had left on this machine.
        """

    def finish(self, *, whole: bool) -> None:
        """The transfer ended; `whole` says whether the file is here now, verified."""
