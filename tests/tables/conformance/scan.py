"""Scans beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, shape_of, uniform


def along(random: Random) -> Drawn:
    shape = shape_of(random)
    return [uniform(random, *shape)], {"dim": axis_of(random, len(shape))}


def with_zeros(random: Random) -> Drawn:
    arrays, settings = along(random)
    return [a * (random.random(a.shape) < 0.75) for a in arrays], settings


def wide(random: Random) -> Drawn:
    arrays, settings = along(random)
    return [a * 40 for a in arrays], settings


def tied(random: Random) -> Drawn:
    arrays, settings = along(random)
    return [np.where(random.random(a.shape) < 0.1, np.nan, np.round(a)) for a in arrays], settings


def differences(random: Random) -> Drawn:
    shape = shape_of(random, least=1)
    axis = axis_of(random, len(shape))
    ends = [
        tuple(int(random.integers(0, 3)) if i == axis % len(shape) else s for i, s in enumerate(shape))
        for _ in range(2)
    ]
    parts = [uniform(random, *end) if random.random() < 0.5 else None for end in ends]
    return [uniform(random, *shape), *parts], {"n": int(random.integers(0, 4)), "dim": axis}


def case(name: str, draw: Callable[[Random], Drawn], ours: str | None = None, **more: Any) -> Case:
    called = ours or name
    return Case(name, draw, getattr(engine, called), lambda torch, *x, **s: getattr(torch, called)(*x, **s), **more)


CASES = [
    case("cumsum", along, repeats=60, narrow_tolerance=2),
    case("cumprod", along, repeats=60, narrow_tolerance=3),
    case("cumprod with zeros", with_zeros, "cumprod", repeats=60, narrow_tolerance=3),
    case("logcumsumexp", wide, repeats=60, narrow_tolerance=2),
    case("cummax", along, repeats=40),
    case("cummin", along, repeats=40),
    case("cummax of equals", tied, "cummax", repeats=40, second=False),
    case("cummin of equals", tied, "cummin", repeats=40, second=False),
    Case("diff", differences, lambda x, before, after, n, dim: engine.diff(x, n, dim=dim, prepend=before, append=after),
         lambda torch, x, before, after, n, dim: torch.diff(x, n, dim, before, after), repeats=60, narrow_tolerance=8),
]  # fmt: skip
