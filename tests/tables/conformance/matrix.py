"""Linear and bilinear forms beside PyTorch's."""

from __future__ import annotations

from numzoo.engine.nn import functional as F

from .case import Case, Drawn, Random, shape_of, uniform


def linear(random: Random) -> Drawn:
    rows, (inputs, outputs) = shape_of(random, most=3), random.integers(1, 6, 2)
    bias = uniform(random, outputs) if random.random() < 0.5 else None
    return [uniform(random, *rows, inputs), uniform(random, outputs, inputs), bias], {}


def bilinear(random: Random) -> Drawn:
    rows, (first, second, outputs) = shape_of(random, least=1, most=3, empty=False), random.integers(1, 6, 3)
    bias = uniform(random, outputs) if random.random() < 0.5 else None
    return [
        uniform(random, *rows, first),
        uniform(random, *rows, second),
        uniform(random, outputs, first, second),
        bias,
    ], {}


CASES = [
    Case("linear", linear, F.linear, lambda torch, *x: torch.nn.functional.linear(*x), narrow_tolerance=4),
    Case("bilinear", bilinear, F.bilinear, lambda torch, *x: torch.nn.functional.bilinear(*x), narrow_tolerance=8),
]
