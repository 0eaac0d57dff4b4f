"""Counting steps on a GPU: whether a step with scaled gradients is taken or left out is known there alone, and nobody waits to hear it.

A step's numbers, such as the corrections of running means, hang on how many were taken; so they are worked out there too. The
host counts on as if every step were taken, until somebody asks for the true count, which waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..capturing import lasting_memory
from ..device import CPU, gpu_kernels, move
from ..dtype import Array

__all__ = ["Live", "StepCount"]


class Live:
    """Numbers in the GPU's memory, for captured steps: written by a launch, so in their turn."""

    def __init__(self) -> None:
        with lasting_memory():
            self.array: Array = gpu_kernels("training.optimizers").empty_numbers()

    def write(self, numbers: Sequence[float]) -> None:
        """What the next replay reads."""
        gpu_kernels("training.optimizers").write_numbers(self.array, numbers)


class StepCount:
    """The count of the steps that one launch's parameters have taken, and the numbers of the step under way."""

    def __init__(self) -> None:
        self._taken, self._numbers, self._given = Live(), Live(), Live()
        self._is_known = False
        self.is_owed = False
        """Whether steps were counted here that the host does not know of."""

    def begin(self, taken: int) -> None:
        """Count on from so many, unless the GPU's own count is the newer one."""
        if not self._is_known:
            self._taken.write((float(taken),))
        self._is_known = self.is_owed = True

    def write(self, numbers: Sequence[float]) -> None:
        """The numbers, before what depends on the count, of the next replay."""
        self._given.write(numbers)

    def count(self, rule: str, numbers: Sequence[float] | None, pair: tuple[float, float], left_out: Array) -> Array:
        """Count a step unless the flag is raised; gives its numbers, of ``numbers`` or (None) of those that were written."""
        kernels, live = gpu_kernels("training.optimizers"), self._given.array if numbers is None else None
        kernels.count_step(rule, numbers or (), live, pair, left_out, self._taken.array, self._numbers.array)
        return self._numbers.array

    def taken(self) -> int:
        """How many steps were taken; this waits for the GPU."""
        self.is_owed = False
        return int(move(self._taken.array, CPU)[0])

    def forget(self) -> None:
        """The host counts now."""
        self._is_known = False
