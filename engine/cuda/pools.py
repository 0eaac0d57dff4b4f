"""The memory of captured steps: each has a pool of its own, whose addresses stay what they were as long as the step lives."""

from __future__ import annotations

import weakref
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import Any

from .. import device as devices
from ..dtype import Array

__all__ = ["PrivatePool", "private_pools"]


class PrivatePool:
    """The memory of one captured step.

    What is freed while the step is recorded serves what is asked for later in it, for the replays come to both in the same
    order. Its pieces come from the pool of everything else, the first of them from what the runs before the capture left there,
    and go back when this does.
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
        self.malloc: Callable[[int], Any] = cuda.MemoryPool(have).malloc
        private_pools.add(self)

    def owns(self, array: Array) -> bool:
        """Whether an array on the GPU lies here."""
        address = array.data.ptr
        place = bisect_right(self._pieces, address, key=lambda each: each[0]) - 1
        return place >= 0 and address < self._pieces[place][1]

    @property
    def size(self) -> int:
        """Bytes of all of it. All of it is held: recorded launches write where no array is."""
        return sum(end - start for start, end, _ in self._pieces)


private_pools: weakref.WeakSet[PrivatePool] = weakref.WeakSet()
"""The pools of captured steps, which live as long as these do."""
