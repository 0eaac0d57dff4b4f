"""Weights and images made from integers alone, so that any machine and any language can make them again.

The formula: a table of 1,000,003 (a prime) pseudo-random numbers in [-1, 1); entry number t of the state dict reads
the table from place 7919 t on, over and over, and is scaled by what kind of entry its name says it is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

PERIOD = 1_000_003


@lru_cache(maxsize=1)
def numbers() -> Float:
    """The table: 24 bits of a mixed 32-bit counter each, so that every number is exact in float32."""
    x = np.arange(1, PERIOD + 1, dtype=np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x045D9F3B)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x045D9F3B)
    x ^= x >> np.uint32(16)
    return ((x >> np.uint32(8)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def integer_array(place: int, shape: tuple[int, ...]) -> Float:
    """The table from `place` on, repeated to fill `shape`."""
    return np.resize(np.roll(numbers(), -(place % PERIOD)), shape)


def integer_image(batch: int, channels: int, size: int) -> Float:
    """A batch of square images with values in [-2, 2)."""
    return integer_array(31, (batch, channels, size, size)) * np.float32(2)


def integer_weights(shapes: Mapping[str, tuple[int, ...]], gain: float) -> dict[str, Float]:
    """An array for every floating entry of a state dict; counters and index tables are to be left as they are.

    Matrices and filters get variance gain / fan_in: 2 keeps the scale of a plain ReLU network, others need another.
    """
    return {
        name: _entry(7919 * t, name, shape, gain)
        for t, (name, shape) in enumerate(shapes.items())
        if not _is_index(name)
    }


def layout_digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The sha256 of all names and shapes, in order: a line ``name: a,b,c`` each."""
    lines = [f"{name}: {','.join(map(str, shape))}\n" for name, shape in shapes.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_index(name: str) -> bool:
    return name.endswith(("num_batches_tracked", "relative_position_index", "relative_coords_table"))


def _entry(place: int, name: str, shape: tuple[int, ...], gain: float) -> Float:
    values: Any = integer_array(place, shape)
    if name.endswith("running_var"):
        return values * np.float32(0.5) + np.float32(1)  # variances between 0.5 and 1.5
    if name.endswith(("bias", "running_mean")):
        return values * np.float32(0.125)
    if name.endswith("weight") and len(shape) == 1:
        return values * np.float32(0.25) + np.float32(1)  # the scale of a norm
    if name.endswith("weight"):
        return values * np.float32(math.sqrt(3 * gain / math.prod(shape[1:])))
    return values * np.float32(0.25)
