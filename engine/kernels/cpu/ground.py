"""The address space that the pool's blocks are cut from: long stretches, used from their beginning as far as needed."""

from __future__ import annotations

import contextlib
import mmap
import sys
from typing import Any

import numpy as np

from .memory import Array, address

SMALLEST_REGION = 64 << 20
LARGEST_REGION = 4 << 30

# Linux counts such memory against no limit before it is used, so address space costs nothing there.
NO_RESERVE = 0x4000 if sys.platform == "linux" else 0

Stretch = tuple[int, int]
"""Its first address and its bytes."""


class Ground:
    """Free stretches, put together where they touch and cut where they are too long. Not for two threads at once.

    What is free and was in use keeps its physical memory until it is released; `held` counts the bytes that have some.
    """

    def __init__(self) -> None:
        self.held = 0
        self.free: list[Stretch] = []  # in the order of addresses
        self.bare: list[Stretch] = []  # likewise, without physical memory
        self.regions: list[tuple[Any, Array]] = []  # the memory, and a view that knows its address
        self.top = self.end = 0  # where the part of the last region that was never used begins and ends

    def free_bytes(self) -> int:
        """The bytes that are free and have physical memory."""
        return sum(size for _, size in self.free)

    def take(self, size: int) -> int | None:
        """The lowest free stretch of so many bytes, or None."""
        return _cut(self.free, size)

    def give(self, stretches: list[Stretch]) -> None:
        """Make these free."""
        self.free = _joined(self.free + stretches)

    def extend(self, size: int) -> int:
        """A stretch where none is free, at the price of physical memory."""
        start = _cut(self.bare, size)
        if start is not None:
            self.held += size
            return start
        start = self.top
        if self.free and sum(self.free[-1]) == self.top and self.end - self.free[-1][0] >= size:
            start = self.free.pop()[0]
        elif self.end - self.top < size:
            self._reserve(size)
            start = self.top
        self.held += start + size - self.top
        self.top = start + size
        return start

    def release(self, surplus: int) -> None:
        """Give the physical memory of so many free bytes, or a little more, back to the system: the highest first."""
        while surplus > 0 and self.free:
            start, size = self.free.pop()
            for memory, view in self.regions:
                offset = start - address(view)
                if 0 <= offset < view.nbytes and hasattr(memory, "madvise"):
                    memory.madvise(mmap.MADV_DONTNEED, offset, size)
            self.held -= size
            surplus -= size
            self.bare = _joined([*self.bare, (start, size)])
        if self.bare and sum(self.bare[-1]) == self.top:
            self.top = self.bare.pop()[0]

    def _reserve(self, size: int) -> None:
        """Begin a new region."""
        if self.top < self.end:
            self.bare = _joined([*self.bare, (self.top, self.end - self.top)])
        # A page at the end stays unused, so that stretches of two regions never touch.
        smallest = max(size + mmap.PAGESIZE, SMALLEST_REGION)
        length = max(smallest, LARGEST_REGION) if NO_RESERVE else smallest
        while True:
            try:
                memory = _mapped(length)
                break
            except (OSError, ValueError, OverflowError):
                if length == smallest:
                    raise MemoryError(f"numzoo could not have {size} bytes of memory from the system") from None
                length = max(length // 2 // mmap.PAGESIZE * mmap.PAGESIZE, smallest)
        view = np.frombuffer(memory, np.uint8)
        self.regions.append((memory, view))
        self.top = address(view)
        self.end = self.top + length - mmap.PAGESIZE


def _mapped(length: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, length)
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a system without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _cut(stretches: list[Stretch], size: int) -> int | None:
    for place, (start, length) in enumerate(stretches):
        if length >= size:
            if length == size:
                del stretches[place]
            else:
                stretches[place] = (start + size, length - size)
            return start
    return None


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    result: list[Stretch] = []
    for start, size in sorted(stretches):
        if result and sum(result[-1]) == start:
            result[-1] = (result[-1][0], result[-1][1] + size)
        else:
            result.append((start, size))
    return result
