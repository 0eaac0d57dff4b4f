"""The memory of captured steps: each has a pool of its own, whose addresses stay what they were as long as the step lives."""

from __future__ import annotations

import sys
import weakref
from bisect import bisect_right, insort
from typing import Any

from .. import device as devices
from ..dtype import Array

__all__ = ["PrivatePool", "private_pools"]


class PrivatePool:
    """The memory of one captured step.

    What is freed while the step is recorded serves what is asked for later in it, for the replays come to both in the same
    order. Its pieces come from the pool of everything else, the first of them from what the runs before the capture left there,
    and go back when this does, but for those with arrays that outlive it: they go back with these.
    """

    def __init__(self) -> None:
        cuda = devices.cupy().cuda
        # CuPy's pool keeps what is free by stream: on the stream of the capture there would be nothing.
        usual, stream = cuda.get_allocator(), cuda.get_current_stream()
        pieces: list[tuple[int, int, Any]] = []

        def have(size: int) -> Any:
            with stream:
                piece = usual(size)
            insort(pieces, (piece.ptr, piece.ptr + size, piece), key=lambda each: each[:2])
            return piece

        # Held here, too: when memory lacks, CuPy's pool lets go of what is free in it, which recorded launches may use.
        self._pieces = pieces
        self._lender = _Lender(cuda.MemoryPool(have), cuda.Device())
        private_pools.add(self)

    def malloc(self, size: int) -> Any:
        """Memory for so many bytes, as CuPy's allocators give it."""
        found = self._lender.pool.malloc(size)
        if size:
            found.mem.lender = self._lender
        return found

    def owns(self, array: Array) -> bool:
        """Whether an array on the GPU lies here."""
        address = array.data.ptr
        place = bisect_right(self._pieces, address, key=lambda each: each[0]) - 1
        return place >= 0 and address < self._pieces[place][1]

    @property
    def size(self) -> int:
        """Bytes of all of it. All of it is held: recorded launches write where no array is."""
        return sum(end - start for start, end, _ in self._pieces)

    def __del__(self) -> None:
        if hasattr(self, "_lender") and not sys.is_finalizing():
            self._pieces.clear()
            self._lender.give_back()


class _Lender:
    """A pool of CuPy's, which lives as long as anything of it: what one that is gone had free, or gets back, is lost to everybody."""

    def __init__(self, pool: Any, device: Any) -> None:
        self.pool, self._device = pool, device

    def give_back(self) -> None:
        """Let go of the pieces in which there is no array."""
        with self._device:
            self.pool.free_all_blocks()

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.give_back()


private_pools: weakref.WeakSet[PrivatePool] = weakref.WeakSet()
"""The pools of captured steps, which live as long as these do."""
