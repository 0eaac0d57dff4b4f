"""Clamping, filling, blending beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, broadcast_shapes, elementwise, shape_of, uniform


def draw_limits(random: Random) -> Drawn:
    low, high = sorted(random.uniform(-2, 2, 2).tolist())
    sides = {"min": low, "max": high}
    if random.random() < 0.4:
        del sides[("min", "max")[int(random.integers(2))]]
    return [uniform(random, *shape_of(random))], sides


def draw_tensor_limits(random: Random) -> Drawn:
    shapes = broadcast_shapes(random, 3)
    full = np.broadcast_shapes(*shapes)  # theirs does not stretch x to a single limit
    arrays: list[Any] = [uniform(random, *shape) for shape in (full, *shapes[1:])]
    if random.random() < 0.4:
        arrays[int(random.integers(1, 3))] = None
    return arrays, {}


def draw_mask(random: Random) -> Drawn:
    x, mask = broadcast_shapes(random)
    value: Any = 3 if random.random() < 0.5 else uniform(random)
    return [uniform(random, *x), random.random(mask) < 0.5, value], {}


def draw_where(random: Random) -> Drawn:
    shapes = broadcast_shapes(random, 3)
    return [random.random(shapes[0]) < 0.5, uniform(random, *shapes[1]), uniform(random, *shapes[2])], {}


def draw_scaled(random: Random) -> Drawn:
    value = 1 if random.random() < 0.3 else float(random.uniform(-2, 2))
    return [uniform(random, *shape, low=0.4) for shape in broadcast_shapes(random, 3)], {"value": value}


def draw_blend(random: Random) -> Drawn:
    x, end, weight = broadcast_shapes(random, 3)
    share: Any = (
        float(random.uniform(-0.5, 1.5)) if random.random() < 0.5 else uniform(random, *weight, low=-0.5, high=1.5)
    )
    return [uniform(random, *x), uniform(random, *end), share], {}


def draw_with_nan(random: Random) -> Drawn:
    arrays = [uniform(random, *shape) for shape in broadcast_shapes(random)]
    return [np.where(random.random(a.shape) < 0.2, np.nan, a) for a in arrays], {}


CASES = [
    Case("clamp", draw_limits, engine.clamp, lambda torch, x, **s: torch.clamp(x, **s)),
    Case("clamp by tensors", draw_tensor_limits, engine.clamp, lambda torch, x, low, high: torch.clamp(x, low, high)),
    elementwise("clamp_min", engine.clamp_min, 2),
    elementwise("clamp_max", engine.clamp_max, 2),
    elementwise("maximum", engine.maximum, 2),
    elementwise("minimum", engine.minimum, 2),
    Case("fmax", draw_with_nan, engine.fmax, lambda torch, x, y: torch.fmax(x, y), second=False),
    Case("fmin", draw_with_nan, engine.fmin, lambda torch, x, y: torch.fmin(x, y), second=False),
    Case("masked_fill", draw_mask, engine.masked_fill, lambda torch, x, mask, value: torch.masked_fill(x, mask, value)),
    Case("where", draw_where, engine.where, lambda torch, condition, x, y: torch.where(condition, x, y)),
    Case("addcmul", draw_scaled, engine.addcmul, lambda torch, *x, value: torch.addcmul(*x, value=value)),
    Case("addcdiv", draw_scaled, engine.addcdiv, lambda torch, *x, value: torch.addcdiv(*x, value=value), narrow_tolerance=2),
    Case("lerp", draw_blend, engine.lerp, lambda torch, *x: torch.lerp(*x), narrow_tolerance=2),
]  # fmt: skip
