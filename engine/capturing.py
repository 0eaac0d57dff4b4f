"""Whether this thread is capturing a step, and what the host has to do before each replay of it.

A captured step replays what the GPU did; nothing of Python runs again. What depends on the number of the step, such as an
optimiser's learning rate, is read from memory on the GPU, which is written anew before each replay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

__all__ = [
    "Capturing", "before_each_replay", "capturing", "epoch", "in_capture", "keep_in_capture", "lasting_memory", "replayed",
]  # fmt: skip


class Capturing:
    """One capture under way."""

    def __init__(self, outside: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        """``outside`` gives a block in which memory is not the recorded step's own."""
        self.outside = outside
        self.before: list[Callable[[], None]] = []
        self.kept: dict[str, Any] = {}
        self.epoch = object()
        """Stands for it with others, who would else hold what it keeps."""


class _Now(threading.local):
    capture: Capturing | None = None


_now = _Now()
_replays = 0


def in_capture() -> bool:
    """Whether what this thread gives to the GPU is being captured, and not run."""
    return _now.capture is not None


def epoch() -> object:
    """What stays the same as long as nothing was replayed; in a capture another, which is that capture's own."""
    return _replays if _now.capture is None else _now.capture.epoch


def replayed() -> None:
    """A captured step was replayed: what it writes to may have changed, of which nobody else is told."""
    global _replays
    _replays += 1


def before_each_replay(action: Callable[[], None]) -> bool:
    """In a capture: let ``action`` run before each replay, the first included, and give True; else False.

    So an optimiser counts its step at once, or, in a capture, leaves that to the action.
    """
    if _now.capture is None:
        return False
    _now.capture.before.append(action)
    return True


def keep_in_capture(name: str, make: Callable[[], Any]) -> Any:
    """In a capture: what ``make()`` gave when it was first asked for under this name, kept as long as the captured step; else None."""
    capture = _now.capture
    if capture is None:
        return None
    if name not in capture.kept:
        capture.kept[name] = make()
    return capture.kept[name]


def lasting_memory() -> AbstractContextManager[object]:
    """A block whose new memory nothing else uses while it is held, replays included.

    The memory of a captured step serves one thing after another, the same way at each replay: what is written there before a
    replay is lost when the replay begins. So whatever ``before_each_replay`` writes to must be made in such a block.
    """
    return nullcontext() if _now.capture is None else _now.capture.outside()


@contextmanager
def capturing(capture: Capturing) -> Iterator[Capturing]:
    """This thread captures, for the length of the block."""
    previous, _now.capture = _now.capture, capture
    try:
        yield capture
    finally:
        _now.capture = previous
