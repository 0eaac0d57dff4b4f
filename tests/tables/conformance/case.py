"""What a case of the conformance table says: how random inputs are drawn, our call and PyTorch's."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Random = np.random.Generator
Drawn = tuple[list[Any], dict[str, Any]]
"""Arrays (or None, or lists), and the settings that go with them."""

FLOATS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Case:
    """One function beside PyTorch's.

    ``draw(random)`` gives (arrays, settings): floating arrays in float64, which the driver narrows for the other dtypes and whose
    gradients it compares. ``ours(*tensors, **settings)`` and ``theirs(torch, *tensors, **settings)`` compute the same.
    """

    name: str
    draw: Callable[[Random], Drawn]
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    gradient: bool = True
    second: bool = True
    dtypes: tuple[str, ...] = (
        FLOATS  # besides float64, those in which values must be close and the result's dtype PyTorch's
    )
    tolerance: float = 1e-9  # of values and gradients in float64, relative and absolute
    narrow_tolerance: float = 1.0  # times what a dtype's rounding suggests
    repeats: int = 25  # random draws in float64


def uniform(random: Random, *shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Numbers between low and high, distinct enough for maxima and orders to be unambiguous."""
    return random.uniform(low, high, shape)


def shape_of(random: Random, least: int = 0, most: int = 4, size: int = 5, empty: bool = True) -> tuple[int, ...]:
    """A random shape of ``least`` to ``most`` axes; one in ten has an axis of size 0."""
    shape = [int(random.integers(1, size + 1)) for _ in range(int(random.integers(least, most + 1)))]
    if empty and shape and random.random() < 0.1:
        shape[int(random.integers(len(shape)))] = 0
    return tuple(shape)


def broadcast_shapes(random: Random, count: int = 2) -> list[tuple[int, ...]]:
    """Shapes that broadcast with one another."""
    full = shape_of(random)
    shapes = []
    for _ in range(count):
        part = full[int(random.integers(0, len(full) + 1)) :] if random.random() < 0.4 else full
        shapes.append(tuple(1 if random.random() < 0.25 else s for s in part))
    return shapes


def axis_of(random: Random, ndim: int) -> int:
    """An axis, negative half of the time."""
    return int(random.integers(-ndim, ndim)) if ndim else int(random.integers(-1, 1))


def elementwise(
    name: str, ours: Any, count: int = 1, low: float = -2.0, high: float = 2.0, theirs: Callable[..., Any] | None = None, **more: Any
) -> Case:  # fmt: skip
    """A case of an elementwise function of ``count`` operands that broadcast; PyTorch's has the same name unless given."""

    def draw(random: Random) -> Drawn:
        shapes = [shape_of(random)] if count == 1 else broadcast_shapes(random, count)
        return [uniform(random, *shape, low=low, high=high) for shape in shapes], {}

    return Case(name, draw, ours, theirs or (lambda torch, *x: getattr(torch, name)(*x)), **more)


def random_of(case: Case, repeat: int) -> Random:
    """The random numbers of one draw of a case: the same wherever it is repeated."""
    return np.random.default_rng([zlib.crc32(case.name.encode()), repeat])


def crooked(array: Any) -> Any:
    """The same numbers as a view with gaps and turned axes."""
    if not isinstance(array, np.ndarray) or not array.ndim:
        return array
    wide = np.zeros(tuple(2 * s for s in array.shape[::-1]), array.dtype)
    view = wide.T[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view
