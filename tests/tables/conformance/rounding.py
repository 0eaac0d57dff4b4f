"""Rounding, remainders and signs beside PyTorch's."""

from __future__ import annotations

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, broadcast_shapes, elementwise, shape_of, uniform

HOLES = (np.nan, np.inf, -np.inf, 0.0, -0.0)


def with_holes(random: Random, *shape: int) -> np.ndarray:
    """Numbers, with NaN, infinities and zeros among them."""
    x = uniform(random, *shape)
    return np.where(random.random(shape) < 0.4, random.choice(HOLES, shape), x) if shape else x


def draw_holes(random: Random) -> Drawn:
    return [with_holes(random, *shape_of(random))], {}


def draw_two_holes(random: Random) -> Drawn:
    return [with_holes(random, *shape) for shape in broadcast_shapes(random)], {}


def draw_replacements(random: Random) -> Drawn:
    given = {name: float(random.uniform(-5, 5)) for name in ("nan", "posinf", "neginf") if random.random() < 0.5}
    return [with_holes(random, *shape_of(random))], given


def draw_quotient(random: Random) -> Drawn:
    signs = [random.choice((-1.0, 1.0), shape) for shape in broadcast_shapes(random)]
    mode = [None, "trunc", "floor"][int(random.integers(3))]
    return [sign * uniform(random, *sign.shape, low=0.5, high=5) for sign in signs], {"rounding_mode": mode}


def draw_signed(random: Random) -> Drawn:
    arrays, _ = draw_quotient(random)
    return arrays, {}


def draw_decimals(random: Random) -> Drawn:
    return [uniform(random, *shape_of(random), low=-300, high=300)], {"decimals": int(random.integers(-2, 4))}


CASES = [
    elementwise("trunc", engine.trunc),
    elementwise("frac", engine.frac),
    elementwise("floor", engine.floor),
    elementwise("ceil", engine.ceil),
    elementwise("sign", engine.sign),
    elementwise("abs", engine.abs),
    elementwise("neg", engine.neg),
    elementwise("positive", engine.positive),
    Case("round", draw_decimals, engine.round, lambda torch, x, decimals: torch.round(x, decimals=decimals), dtypes=()),
    Case("div rounded", draw_quotient, engine.div, lambda torch, x, y, **s: torch.div(x, y, **s), dtypes=()),
    Case("fmod", draw_signed, engine.fmod, lambda torch, x, y: torch.fmod(x, y), dtypes=()),
    Case("remainder", draw_signed, engine.remainder, lambda torch, x, y: torch.remainder(x, y), dtypes=()),
    Case("floor_divide", draw_signed, engine.floor_divide, lambda torch, x, y: torch.floor_divide(x.detach(), y.detach()), dtypes=()),
    Case("copysign", draw_signed, engine.copysign, lambda torch, x, y: torch.copysign(x, y)),
    Case("heaviside", draw_two_holes, engine.heaviside, lambda torch, x, y: torch.heaviside(x.detach(), y.detach())),
    Case("nan_to_num", draw_replacements, engine.nan_to_num, lambda torch, x, **s: torch.nan_to_num(x, **s), second=False, narrow_tolerance=1e9),
    Case("signbit", draw_holes, engine.signbit, lambda torch, x: torch.signbit(x)),
]  # fmt: skip
