"""Reductions beside PyTorch's: any axes, kept or not, empty ones among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, shape_of, uniform


def draw_axes(random: Random, empty: bool = True, several: bool = True, low: float = -2.0) -> Drawn:
    """An array, and none, one or several of its axes."""
    shape = shape_of(random, empty=empty)
    kind = random.random()
    axis: Any = None
    if kind > 0.3 and shape:
        axis = axis_of(random, len(shape))
        if several and kind > 0.65:
            count = int(random.integers(1, len(shape) + 1))
            axis = tuple(int(a) - len(shape) * int(random.integers(2)) for a in random.permutation(len(shape))[:count])
    settings: dict[str, Any] = {} if axis is None else {"dim": axis, "keepdim": bool(random.random() < 0.5)}
    return [uniform(random, *shape, low=low)], settings


def filled(random: Random) -> Drawn:
    return draw_axes(random, empty=False)


def single(random: Random) -> Drawn:
    return draw_axes(random, empty=False, several=False)


def needed(random: Random) -> Drawn:
    """With an axis always."""
    arrays, settings = single(random)
    return arrays, {"dim": axis_of(random, arrays[0].ndim), "keepdim": bool(random.random() < 0.5)} | settings


def with_zeros(random: Random) -> Drawn:
    arrays, settings = draw_axes(random, several=False)
    return [a * (random.random(a.shape) < 0.8) for a in arrays], settings


def with_nan(random: Random) -> Drawn:
    arrays, settings = draw_axes(random)
    return [np.where(random.random(a.shape) < 0.2, np.nan, a) for a in arrays], settings


def not_all_nan(random: Random) -> Drawn:
    """Where nothing is left, PyTorch's slopes are NaN, and ours 0."""
    arrays, settings = with_nan(random)
    gone = np.isnan(arrays[0]).all(settings.get("dim"))
    return not_all_nan(random) if gone.any() else (arrays, settings)


def tied(random: Random) -> Drawn:
    arrays, settings = filled(random)
    return [np.round(a) for a in arrays], settings


def rounded(random: Random) -> Drawn:
    arrays, settings = draw_axes(random)
    return [np.round(a) for a in arrays], settings


def corrected(random: Random) -> Drawn:
    arrays, settings = filled(random)
    if random.random() < 0.5:
        settings["correction"] = int(random.integers(0, 2))
    elif random.random() < 0.5 and "dim" in settings:
        settings["unbiased"] = bool(random.random() < 0.5)
    arrays = [np.concatenate([a, -a - 1.0], -1) if a.ndim else a for a in arrays]
    # A variance of single elements is not a number, and PyTorch's slopes there differ among themselves.
    axes = settings.get("dim", tuple(range(arrays[0].ndim)))
    if np.prod([arrays[0].shape[a] for a in (axes if isinstance(axes, tuple) else (axes,))]) < 2:
        return corrected(random)
    return arrays, settings


def normed(random: Random) -> Drawn:
    arrays, settings = filled(random)
    settings["p"] = [0, 1, 2, 3, 0.5, 1.5, -1, np.inf, -np.inf, "fro", 2.5][int(random.integers(11))]
    return arrays, settings


def normed_with_zeros(random: Random) -> Drawn:
    arrays, settings = filled(random)
    settings["p"] = [0, 1, 2, 3, 1.5, "fro", 2.5][int(random.integers(7))]
    return [a * (random.random((*a.shape[:-1], 1)) < 0.5) if a.ndim else a * 0 for a in arrays], settings


def two(random: Random) -> Drawn:
    shape = shape_of(random, empty=False)
    return [uniform(random, *shape), uniform(random, *shape)], {"p": [1, 2, 3, np.inf][int(random.integers(4))]}


def case(name: str, draw: Callable[[Random], Drawn], **more: Any) -> Case:
    return Case(name, draw, getattr(engine, name), lambda torch, *x, **s: getattr(torch, name)(*x, **s), **more)


def summed_axes(torch: Any, x: Any, **settings: Any) -> Any:
    return torch.logsumexp(x, **({"dim": tuple(range(x.ndim))} | settings))


def weighted(random: Random) -> Drawn:
    count = int(random.integers(2, 7))
    shape = (int(random.integers(1, 5)), count) if random.random() < 0.8 else (count,)
    often = random.integers(1, 4, count) if random.random() < 0.5 else None
    much = uniform(random, count, low=0.2) if random.random() < 0.5 else None
    return [uniform(random, *shape), often, much], {"correction": int(random.integers(0, 2))}


def many(random: Random) -> Drawn:
    return [uniform(random, int(random.integers(1, 5)), int(random.integers(4, 9)))], {}


def curves(random: Random) -> Drawn:
    shape = shape_of(random, least=1, empty=False)
    axis = axis_of(random, len(shape))
    kind = random.random()
    x = None if kind < 0.5 else np.sort(uniform(random, shape[axis])) if kind < 0.75 else uniform(random, *shape)
    return [uniform(random, *shape), x], {"dim": axis} | ({"dx": 0.5} if kind < 0.25 else {})


def _fixed(weights: Any) -> Any:
    return None if weights is None else weights.detach()


def area(function: Any, y: Any, x: Any, **settings: Any) -> Any:
    return function(y, **settings) if x is None else function(y, x, **settings)


def length(torch: Any, x: Any, p: Any, **settings: Any) -> Any:
    """Theirs takes "fro" for one or two axes only, and slopes of the order 0 for none."""
    return torch.norm(x, p=2 if p == "fro" else p, **settings)


CASES = [
    case("sum", draw_axes, repeats=60, narrow_tolerance=2),
    case("mean", draw_axes, repeats=60),
    case("prod", lambda random: draw_axes(random, several=False), repeats=60, narrow_tolerance=3),
    Case("prod with zeros", with_zeros, engine.prod, lambda torch, x, **s: torch.prod(x, **s), repeats=60, narrow_tolerance=3),
    case("amax", tied, repeats=60, second=False),
    case("amin", tied, repeats=60, second=False),
    Case("max", needed, engine.max, lambda torch, x, **s: torch.max(x, **s)),
    Case("min", needed, engine.min, lambda torch, x, **s: torch.min(x, **s)),
    Case("max of all", lambda random: (filled(random)[0], {}), engine.max, lambda torch, x: torch.max(x)),
    Case("min of all", lambda random: (filled(random)[0], {}), engine.min, lambda torch, x: torch.min(x)),
    case("argmax", needed),
    case("argmin", needed),
    case("aminmax", single, repeats=40),
    case("all", rounded),
    case("any", rounded),
    Case("count_nonzero", rounded, lambda x, dim=None, **_: engine.count_nonzero(x, dim=dim),
         lambda torch, x, dim=None, **_: torch.count_nonzero(x, dim), gradient=False),
    case("nansum", with_nan, second=False, repeats=40, narrow_tolerance=2),
    case("nanmean", not_all_nan, second=False, repeats=40),
    case("var", corrected, repeats=60, narrow_tolerance=2),
    case("std", corrected, repeats=60, narrow_tolerance=2),
    case("var_mean", corrected, repeats=40, narrow_tolerance=2),
    case("std_mean", corrected, repeats=40, narrow_tolerance=2),
    Case("logsumexp", draw_axes, engine.logsumexp, summed_axes, repeats=60, narrow_tolerance=2),
    Case("norm", normed, engine.norm, length, repeats=100, narrow_tolerance=40, tolerance=1e-8),
    Case("norm with zeros", normed_with_zeros, engine.norm, length, repeats=60, second=False, narrow_tolerance=3),
    Case("vector_norm", normed_with_zeros, lambda x, p, **s: engine.vector_norm(x, 2 if p == "fro" else p, **s),
         lambda torch, x, p, **s: torch.linalg.vector_norm(x, 2 if p == "fro" else p, **s), second=False, narrow_tolerance=3),
    Case("dist", two, engine.dist, lambda torch, x, y, p: torch.dist(x, y, p), narrow_tolerance=2),
    Case("cov", weighted, lambda x, often, much, correction: engine.cov(x, correction=correction, fweights=often, aweights=_fixed(much)),
         lambda torch, x, often, much, correction: torch.cov(x, correction=correction, fweights=often, aweights=_fixed(much)),
         narrow_tolerance=4, dtypes=("float32",)),
    Case("corrcoef", many, engine.corrcoef, lambda torch, x: torch.corrcoef(x), narrow_tolerance=4, dtypes=("float32",), second=False),
    *(
        Case(name, curves, lambda y, x, name=name, **s: area(getattr(engine, name), y, x, **s),
             lambda torch, y, x, name=name, **s: area(getattr(torch, name), y, x, **s), narrow_tolerance=4)
        for name in ("trapezoid", "cumulative_trapezoid")
    ),
]  # fmt: skip
