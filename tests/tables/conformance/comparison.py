"""Comparisons and logic beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, broadcast_shapes, shape_of
from .rounding import with_holes

TWO = ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor")
ONE = ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "logical_not")


def draw_one(random: Random) -> Drawn:
    return [with_holes(random, *shape_of(random))], {}


def draw_two(random: Random) -> Drawn:
    return [np.round(with_holes(random, *shape)) for shape in broadcast_shapes(random)], {}


def draw_close(random: Random) -> Drawn:
    x = with_holes(random, *shape_of(random))
    y = np.where(
        random.random(x.shape) < 0.3, with_holes(random, *x.shape), x + random.choice([0, 1e-9, 1e-6, 1e-3], x.shape)
    )
    near = {"rtol": float(random.choice([1e-5, 1e-3])), "atol": float(random.choice([1e-8, 1e-4]))}
    return [x, y], near | {"equal_nan": bool(random.random() < 0.5)}


def draw_bits(random: Random) -> Drawn:
    return [random.integers(-99, 99, shape) for shape in broadcast_shapes(random)], {}


def draw_shift(random: Random) -> Drawn:
    x, y = broadcast_shapes(random)
    return [random.integers(-99, 99, x), random.integers(0, 8, y)], {}


def case(name: str, draw: Any, **more: Any) -> Case:
    return Case(
        name, draw, getattr(engine, name), lambda torch, *x, **s: getattr(torch, name)(*x, **s), gradient=False, **more
    )


def said(answer: Any) -> Any:
    """A Python truth as a tensor."""
    return engine.tensor(answer)


CASES = [
    *(case(name, draw_two) for name in TWO),
    *(case(name, draw_one) for name in ONE),
    *(case(f"bitwise_{name}", draw_bits, dtypes=()) for name in ("and", "or", "xor")),
    *(case(f"bitwise_{name}_shift", draw_shift, dtypes=()) for name in ("left", "right")),
    case("gcd", draw_bits, dtypes=()),
    case("lcm", draw_bits, dtypes=()),
    case("isclose", draw_close, dtypes=()),
    Case("allclose", draw_close, lambda *x, **s: said(engine.allclose(*x, **s)), lambda torch, *x, **s: torch.tensor(torch.allclose(*x, **s)),
         gradient=False, dtypes=()),
    Case("equal", draw_close, lambda x, y, **_: said([engine.equal(x, y), engine.equal(x, x)]),
         lambda torch, x, y, **_: torch.tensor([torch.equal(x, y), torch.equal(x, x)]), gradient=False, dtypes=()),
]  # fmt: skip
