"""A few threads that share one piece of work, for loops of array operations that hold no lock while they compute."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_executor: ThreadPoolExecutor | None = None
_members = 0


def together(work: Callable[[int], None], members: int) -> None:
    """Call ``work(0)``, ..., ``work(members - 1)`` at the same time, the first in this thread; back when all are done."""
    global _executor, _members
    if members < 2:
        work(0)
        return
    if _executor is None or _members < members:
        _executor, _members = ThreadPoolExecutor(members - 1, "numzoo-team"), members
    others = [_executor.submit(work, member) for member in range(1, members)]
    try:
        work(0)
    finally:
        errors = [other.exception() for other in others]
    for error in errors:
        if error is not None:
            raise error


def _in_forked_child() -> None:
    # Threads are not forked with the process that waits for them.
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
