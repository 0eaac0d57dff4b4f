"""How a long transfer tells somebody how far it is; the command line supplies the bars."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress"]


class Progress(Protocol):
    """Told about one file at a time: `start`, then any number of `advance`, then `finish`."""

    def start(self, name: str, total: int | None, done: int) -> None:
        """A transfer begins: of `total` bytes (None: not known), `done` are there already."""

    def advance(self, n: int) -> None:
        """`n` more bytes are there; negative where bytes turned out wrong and were dropped."""

    def finish(self) -> None:
        """The transfer ended, well or not."""
