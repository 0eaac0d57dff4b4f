"""Gradients that came narrow to leaves of float32 on a GPU: they wait for the end of the walk, where one launch widens them all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .device import gpu_kernels
from .dtype import NARROW, float32
from .explaining import lack
from .tensor import Tensor, tensor_of

__all__ = ["Late"]


class Late:
    """Those of one walk, by the identity of their leaves."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[Tensor, Tensor]] = {}

    def takes(self, leaf: Tensor, gradient: Tensor) -> bool:
        """Whether it keeps a gradient until the end: a leaf's first one, which is narrow and otherwise as it should be."""
        array = gradient.array
        if isinstance(array, np.ndarray) or array.dtype not in NARROW or leaf.array.dtype != float32:
            return False
        if array.shape != leaf.array.shape or not array.size or leaf.twin is None or leaf.twin.tables is None:
            return False
        if leaf.grad is not None or id(leaf) in self.waiting:
            return False
        self.waiting[id(leaf)] = leaf, gradient
        return True

    def widened(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every leaf with its gradient in float32."""
        waiting, self.waiting = list(self.waiting.values()), {}
        for dtype in NARROW:
            own = [(leaf, gradient.array) for leaf, gradient in waiting if gradient.array.dtype == dtype]
            if own:
                # What is kept for the next time goes when the first leaf does.
                tables = own[0][0].twin.tables
                try:
                    wide = gpu_kernels("training.narrowing").widen([array for _, array in own], tables)
                except MemoryError as error:
                    raise lack("backward", error, own[0][1]) from None
                for (leaf, _), array in zip(own, wide, strict=True):
                    yield leaf, tensor_of(array)
