"""Numbers that must lie within bounds: on a GPU they are looked at there, since looking at them here would wait for it.

    if not left_to_gpu(index, 0, size - 1, "name: index holds {0}, but there are {1}"):
        ...  # on the CPU: look, and raise

The error then comes when a result is read, or when something of this kind is called next.
"""

from __future__ import annotations

import math

import numpy as np

from .device import gpu_kernels, load_kernels
from .dtype import Array
from .errors import ShapeError

__all__ = ["LARGEST", "SMALLEST", "left_to_gpu", "refuse_outside", "without_zero"]

SMALLEST = math.nextafter(0.0, 1.0)
"""The bound of numbers that must lie above 0."""
LARGEST = math.nextafter(math.inf, 0.0)
"""The bound of numbers that must be finite."""


def left_to_gpu(array: Array, low: float, high: float, sentence: str, error: type[Exception] = ShapeError) -> bool:
    """Whether an array is on a GPU, where it is looked at: a number that does not lie from ``low`` to ``high``, or is NaN, is an error later.

    In the sentence {0} stands for the number; of whole numbers {1} for the first one too large, {2} for the largest one.
    """
    if isinstance(array, (np.ndarray, np.generic)):
        return False
    load_kernels(type(array))
    gpu_kernels("complaints").look(array, low, high, sentence, error)
    return True


def refuse_outside(array: Array, low: float, high: float, sentence: str, error: type[Exception]) -> None:
    """An error if a number does not lie from ``low`` to ``high``: at once on the CPU."""
    if not array.size or left_to_gpu(array, low, high, sentence, error):
        return
    good = np.logical_and(array >= low, array <= high)
    if not good.all():
        raise error(sentence.format(np.asarray(array)[~np.asarray(good)].reshape(-1)[0], high + 1, high))


def without_zero(array: Array, sentence: str, error: type[Exception]) -> bool:
    """The same for whole numbers, none of which may be 0."""
    if isinstance(array, (np.ndarray, np.generic)):
        return False
    load_kernels(type(array))
    gpu_kernels("complaints").look(array, 0, 0, sentence, error, within=True)
    return True
