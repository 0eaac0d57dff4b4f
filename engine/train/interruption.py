"""Ctrl-C, taken between two steps: nothing is torn in the middle of an update."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interruption:
    """Whether somebody pressed Ctrl-C."""

    asked = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if so; to be called where everything is whole."""
        if self.asked:
            raise KeyboardInterrupt

    def watched(self, data: Iterable[Any]) -> Iterator[Any]:
        """The items of ``data``, with a look after each."""
        for item in data:
            yield item
            self.check()


@contextmanager
def deferred(wanted: bool = True) -> Iterator[Interruption]:
    """Note the first Ctrl-C instead of raising at once; a second one raises wherever the program is.

    Only in the main thread, and only where nobody else handles the signal.
    """
    interruption = Interruption()
    free = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not wanted or not free:
        yield interruption
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruption.asked:
            raise KeyboardInterrupt
        interruption.asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
