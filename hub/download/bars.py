"""Progress bars for downloads, on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Bar", "default_bar"]


class Bar:
    """One bar at a time, as `numzoo.hub.download.progress.Progress` wants it."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def start(self, name: str, total: int | None, done: int) -> None:
        """Draw the bar of a file of `total` bytes, of which `done` are there."""
        from tqdm import tqdm

        self.finish()
        self._bar = tqdm(
            desc=name,
            total=total,
            initial=done,
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            dynamic_ncols=True,
            leave=False,
        )

    def advance(self, n: int) -> None:
        """Move the bar by `n` bytes, backwards too."""
        if self._bar is not None:
            self._bar.update(n)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def default_bar() -> Bar | None:
    """A bar where a person looks on (stderr is a terminal), else None."""
    return Bar() if sys.stderr is not None and sys.stderr.isatty() else None
