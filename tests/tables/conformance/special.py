"""Special functions beside PyTorch's, which differ from the exact values by 1e-13 and more."""

from __future__ import annotations

from typing import Any

from numzoo import engine

from .case import Case, Drawn, Random, elementwise, shape_of, uniform


def draw_order(random: Random) -> Drawn:
    return [uniform(random, *shape_of(random), low=0.3, high=9.0)], {"n": int(random.integers(0, 4))}


def below_zero(random: Random) -> Drawn:
    x = uniform(random, *shape_of(random), low=-0.8, high=-0.2)
    return [x - random.integers(0, 6, x.shape)], {}


def case_below(name: str, ours: Any) -> Case:
    return Case(
        f"{name} below 0",
        below_zero,
        ours,
        lambda torch, x: getattr(torch, name)(x),
        tolerance=1e-8,
        dtypes=("float32",),
        narrow_tolerance=20,
    )


CASES = [
    elementwise("erfc", engine.erfc),
    elementwise("erfinv", engine.erfinv, low=-0.95, high=0.95, tolerance=1e-8, narrow_tolerance=2),
    elementwise("lgamma", engine.lgamma, low=0.2, high=12.0),
    elementwise("digamma", engine.digamma, low=0.3, high=9.0, narrow_tolerance=2),
    Case("polygamma", draw_order, lambda x, n: engine.polygamma(n, x), lambda torch, x, n: torch.polygamma(n, x), tolerance=1e-8, narrow_tolerance=3),
    case_below("lgamma", engine.lgamma),
    case_below("digamma", engine.digamma),
    *(
        elementwise(name, getattr(engine.special, name), count, low=low, high=high, tolerance=1e-8, narrow_tolerance=4, dtypes=("float32",),
                    theirs=lambda torch, *x, name=name: getattr(torch.special, name)(*x))
        for name, count, low, high in (("ndtr", 1, -3, 3), ("ndtri", 1, 0.05, 0.95), ("entr", 1, 0.1, 3), ("xlog1py", 2, -0.6, 3))
    ),
    Case("mvlgamma", lambda random: ([uniform(random, *shape_of(random), low=2.2, high=9.0)], {"p": int(random.integers(1, 5))}),
         engine.mvlgamma, lambda torch, x, p: torch.mvlgamma(x, p), tolerance=1e-8, narrow_tolerance=3, dtypes=("float32",)),
]  # fmt: skip
