"""Memory that is used again: large results without page faults.

A fresh large array costs about 0.2 us for every 4 KiB page the kernel has to hand over and clear; a block that was just
in use is mapped already, and often still in cache. `empty` leases a block to an array; when the array and all its views
have died, the block returns to the top of the stack of its size. Where that stack is empty, idle blocks of other sizes
that lie side by side are put together and cut anew (ground.py), before the process takes more memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .ground import Ground
from .memory import Array

SMALLEST = 64 * 1024


def empty(shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...] | None = None) -> Array:
    """An uninitialised array, 64-byte aligned; `strides` (in bytes, dense) for one that is not C-contiguous."""
    return allocator(shape, np.dtype(dtype), strides)()


def empty_like(array: Array, dtype: Any = None) -> Array:
    """An uninitialised array of the same shape, and of the same layout where that is dense."""
    kind = np.dtype(dtype or array.dtype)
    if array.size * kind.itemsize < SMALLEST:
        return np.empty_like(array, kind)
    order = sorted(range(array.ndim), key=lambda axis: (-abs(array.strides[axis]), axis))
    strides = [0] * array.ndim
    step = kind.itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= array.shape[axis]
    return empty(array.shape, kind, tuple(strides))


def allocator(
    shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...] | None = None
) -> Callable[[], Array]:
    """A function of no arguments that gives such an array each time: what depends on the shape is worked out once."""
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size < SMALLEST:
        if strides is None:
            return lambda: np.empty(shape, dtype)
        return lambda: np.ndarray(shape, dtype, np.empty(size, np.uint8), 0, strides)
    blocks = _blocks(size)
    pop, lease, more = blocks.idle.pop, blocks.lease.from_address, blocks.more
    array: Callable[..., Array] = np.ndarray

    def allocate() -> Array:
        try:
            start = pop()
        except IndexError:
            start = more()
        return array(shape, dtype, lease(start), 0, strides)

    return allocate


def idle_bytes() -> int:
    """The bytes that the pool keeps for later and nobody uses now."""
    return _ground.free_bytes() + sum(len(blocks.idle) * blocks.bytes for blocks in list(_classes.values()))


def held_bytes() -> int:
    """All bytes of the pool, in use or idle."""
    return _ground.held


def trim(keep: int = 0) -> None:
    """Give idle memory back to the system until at most `keep` bytes stay idle."""
    with _lock:
        _collect()
        _ground.release(_ground.free_bytes() - keep)


def set_limit(limit: int) -> None:
    """Bound the idle bytes (within a quarter of the bound, which is how often it is looked at)."""
    global _limit
    _limit = limit
    trim(limit)


class _Blocks:
    """The blocks of one size: the addresses of those idle, and the type of the leases of the others."""

    __slots__ = ("bytes", "idle", "lease")

    def __init__(self, size: int) -> None:
        self.bytes = size
        self.idle: list[int] = []
        idle = self.idle

        def give_back(lease: Any, where: Callable[[Any], int] = ctypes.addressof) -> None:
            # May run at any moment, on any thread, even within `more`: it waits for no lock. List operations are atomic.
            idle.append(where(lease))
            _note_return(size)

        # The lease is the base of every array that lives in the block; it dies with the last of them.
        self.lease: Any = type("Lease", (ctypes.c_char * size,), {"__slots__": (), "__del__": give_back})

    def more(self) -> int:
        """A block where none of this size is idle."""
        with _lock:
            found = _ground.take(self.bytes)
            if found is None and _collect():
                found = _ground.take(self.bytes)
            return _ground.extend(self.bytes) if found is None else found


_classes: dict[int, _Blocks] = {}
_ground = Ground()
_lock = threading.Lock()
_returned = 0


def _collect() -> bool:
    """Make all idle blocks free ground again; whether there were any."""
    stretches = []
    for blocks in list(_classes.values()):
        while blocks.idle:
            try:
                stretches.append((blocks.idle.pop(), blocks.bytes))
            except IndexError:  # another thread was faster
                break
    _ground.give(stretches)
    return bool(stretches)


def physical_bytes() -> int:
    """The memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 << 30


_limit = min(2 << 30, physical_bytes() // 8)


def _blocks(size: int) -> _Blocks:
    """The class that serves `size` bytes: 32 classes to each power of two, so at most a 32nd is wasted, and whole pages."""
    step = max(1 << max(size.bit_length() - 6, 0), mmap.PAGESIZE)
    rounded = -(-size // step) * step
    found = _classes.get(rounded)
    return found if found is not None else _classes.setdefault(rounded, _Blocks(rounded))


def _note_return(size: int) -> None:
    global _returned
    _returned += size
    if _returned > _limit // 4:
        _returned = 0
        if idle_bytes() > _limit and _lock.acquire(blocking=False):
            try:
                _collect()
                _ground.release(_ground.free_bytes() - _limit)
            finally:
                _lock.release()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()  # whoever held it lives in the other process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
