"""Powers and logarithms beside PyTorch's."""

from __future__ import annotations

from typing import Any

from numzoo import engine

from .case import Case, Drawn, Random, elementwise, shape_of, uniform


def draw_logit(random: Random) -> Drawn:
    eps = None if random.random() < 0.5 else float(random.uniform(0.05, 0.3))
    return [uniform(random, *shape_of(random), low=0.02, high=0.98)], {"eps": eps}


def draw_power(random: Random) -> Drawn:
    exponent: Any = [2, 3, 0.5, -1, -2.5, 0, 1][int(random.integers(7))]
    return [uniform(random, *shape_of(random), low=0.3)], {"exponent": exponent}


CASES = [
    elementwise("exp2", engine.exp2),
    elementwise("log2", engine.log2, low=0.1),
    elementwise("log10", engine.log10, low=0.1),
    elementwise("logaddexp", engine.logaddexp, 2, low=-30, high=30, narrow_tolerance=2),
    elementwise("logaddexp2", engine.logaddexp2, 2, low=-30, high=30, narrow_tolerance=2),
    elementwise("xlogy", engine.xlogy, 2, low=0.1),
    elementwise("reciprocal", engine.reciprocal, low=0.3),
    elementwise("square", engine.square),
    elementwise("float_power", engine.float_power, 2, low=0.3),
    elementwise("ldexp", engine.ldexp, 2),
    Case("logit", draw_logit, engine.logit, lambda torch, x, eps: torch.logit(x, eps), narrow_tolerance=2),
    Case("pow by a number", draw_power, lambda x, exponent: engine.pow(x, exponent), lambda torch, x, exponent: torch.pow(x, exponent)),
]  # fmt: skip
