"""How the pool of a GPU's memory grows: what lies idle in pieces that are too short goes back to the driver, where it is much.

CuPy's pool never puts together what it had from the driver in pieces. A model's first pass has short ones, and then long ones beside
them; a pool that only grows would hold both for good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..capturing import in_capture

__all__ = ["gives_back", "install", "keeps_what_it_has"]

LEAST = 32 << 20
"""Bytes that are asked for, from where on it is worth waiting for the GPU."""
SHARE = 4
"""The idle part of all memory is at least one of so many parts: then a step that is repeated soon asks the driver for nothing."""


def gives_back(size: int, idle: int, total: int) -> bool:
    """Whether idle pieces go back before ``size`` bytes are had from the driver, for which none of them is long enough."""
    return size >= LEAST and idle >= size and SHARE * idle >= total


def install(cupy: Any) -> None:
    """Let CuPy's pool grow so, unless that would cost what arrays hold already."""
    pool, cuda = cupy.get_default_memory_pool(), cupy.cuda
    # An allocator is given to a pool when it is made. From 14 on CuPy makes a pool for each GPU when memory is first asked for, with the
    # allocator that it has then; where that was before, nothing changes.
    if keeps_what_it_has(cuda.MemoryPool()):
        pool.__init__(_grown(pool, lambda size: cuda.MemoryPointer(cuda.Memory(size), 0)))


def keeps_what_it_has(pool: Any) -> bool:
    """Whether a pool that nobody uses still has its memory when it is given an allocator: older ones, and perhaps newer, begin anew."""
    held = pool.malloc(1)
    had = pool.total_bytes()
    pool.__init__()
    kept: bool = pool.total_bytes() == had
    del held
    pool.free_all_blocks()
    return kept


def _grown(pool: Any, driver: Callable[[int], Any]) -> Callable[[int], Any]:
    """What gives the pool a piece."""

    def have(size: int) -> Any:
        # The pool has counted this piece already.
        if not in_capture() and gives_back(size, pool.free_bytes() - size, pool.total_bytes() - size):
            pool.free_all_blocks()
        return driver(size)

    return have
