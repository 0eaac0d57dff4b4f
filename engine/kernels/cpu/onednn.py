"""What the engine asks of the CPU kernels besides computing: whether oneDNN serves, threads, forgetting old weights."""

from __future__ import annotations

import os

from . import library, packs, plans, pool, threads
from .library import status as status
from .packs import forget as forget
from .pool import empty as empty
from .pool import empty_like as empty_like
from .threads import current as get_threads


def set_threads(count: int) -> None:
    """Let the kernels use `count` threads from now on, in every thread that calls them."""
    threads.set_current(count)
    plans.clear()  # the team size is compiled into the primitives


def release() -> None:
    """Give back what is only kept for speed: plans, packed weights and idle memory."""
    plans.clear()
    packs.clear()
    pool.trim()


def _in_forked_child() -> None:
    # The OpenMP runtime's other threads were not forked with this one; a team of several would wait for them for ever.
    if library.is_loaded():
        set_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)

__all__ = ["empty", "empty_like", "forget", "get_threads", "release", "set_threads", "status"]
