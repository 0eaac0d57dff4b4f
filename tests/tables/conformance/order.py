"""Sorting, choosing by order and counting beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, shape_of, uniform

INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


def distinct(random: Random, *shape: int) -> Any:
    """Numbers that stay distinct in every dtype, in random order; one of them NaN now and then."""
    count = int(np.prod(shape))
    x = (random.permutation(count) * 0.25 - count // 8).reshape(shape)
    return np.where(x == x.max(), np.nan, x) if count > 1 and random.random() < 0.2 else x


def few(random: Random) -> tuple[int, ...]:
    return shape_of(random, most=3, size=4)


def along(random: Random) -> Drawn:
    shape = few(random)
    return [distinct(random, *shape)], {"dim": axis_of(random, len(shape))}


def sorting(random: Random) -> Drawn:
    arrays, settings = along(random)
    return arrays, settings | {"descending": bool(random.random() < 0.5)}


def stable(random: Random) -> Drawn:
    arrays, settings = sorting(random)
    return [np.round(a) for a in arrays], settings | {"stable": True}


def top(random: Random) -> Drawn:
    arrays, settings = along(random)
    size = arrays[0].shape[settings["dim"]] if arrays[0].ndim else 1
    least = 0 if arrays[0].ndim else 1  # of a number theirs gives one even where none is asked for
    return arrays, settings | {"k": int(random.integers(least, size + 1)), "largest": bool(random.random() < 0.5)}


def kth(random: Random) -> Drawn:
    arrays, settings = along(random)
    size = arrays[0].shape[settings["dim"]] if arrays[0].ndim else 1
    if not arrays[0].size:
        return kth(random)
    return arrays, settings | {"k": int(random.integers(1, size + 1)), "keepdim": bool(random.random() < 0.5)}


def middle(random: Random) -> Drawn:
    arrays, settings = along(random)
    if not arrays[0].size:
        return middle(random)
    return arrays, settings | {"keepdim": bool(random.random() < 0.5)}


def whole(random: Random) -> Drawn:
    return [middle(random)[0][0]], {}


def shares(random: Random) -> Drawn:
    arrays, settings = middle(random)
    if random.random() < 0.3:
        del settings["dim"]
    q: Any = (
        random.uniform(0, 1, int(random.integers(1, 4)))
        if random.random() < 0.5
        else float(random.choice([0, 0.25, 0.5, 0.9, 1]))
    )
    return [*arrays, q], settings | {"interpolation": str(random.choice(INTERPOLATIONS))}


def frequent(random: Random) -> Drawn:
    arrays, settings = middle(random)
    return [np.round(uniform(random, *a.shape)) for a in arrays], settings


def repeated(random: Random) -> Drawn:
    shape = shape_of(random, most=3, size=4)
    x = random.integers(-2, 3, shape).astype(float)
    settings: dict[str, Any] = {
        "return_inverse": bool(random.random() < 0.5),
        "return_counts": bool(random.random() < 0.5),
    }
    if shape and x.size and random.random() < 0.5:
        settings["dim"] = axis_of(random, len(shape))
        x = np.minimum(x, -1)
    return [x], settings


def searching(random: Random) -> Drawn:
    settings: dict[str, Any] = {"right": bool(random.random() < 0.5), "out_int32": bool(random.random() < 0.5)}
    if random.random() < 0.4:
        rows = np.sort(np.round(uniform(random, int(random.integers(0, 6)))))
        return [rows, np.round(uniform(random, *few(random)))], settings
    shape = shape_of(random, least=1, most=3)
    rows = np.sort(np.round(uniform(random, *shape)))
    return [rows, np.round(uniform(random, *shape[:-1], int(random.integers(0, 5))))], settings


def buckets(random: Random) -> Drawn:
    (rows, values), settings = searching(random)
    return [values, np.sort(rows.reshape(-1)[:6])], settings


def counting(random: Random) -> Drawn:
    size = int(random.integers(0, 9))
    weights = (
        uniform(random, size) if size and random.random() < 0.5 else None
    )  # theirs gives integers for no weights at all
    return [random.integers(0, 6, size), weights], {"minlength": int(random.integers(0, 9))}


def among(random: Random) -> Drawn:
    arrays = [np.asarray(random.integers(-4, 5, few(random))).astype(float) for _ in range(2)]
    return arrays, {"invert": bool(random.random() < 0.5)}


def histogram(random: Random) -> Drawn:
    settings: dict[str, Any] = {"bins": int(random.integers(1, 12))}
    if random.random() < 0.5:
        settings |= {"min": -1.0, "max": 1.5}
    return [uniform(random, *shape_of(random, empty=False))], settings


def case(name: str, draw: Any, ours: str | None = None, **more: Any) -> Case:
    called = ours or name
    return Case(name, draw, getattr(engine, called), lambda torch, *x, **s: getattr(torch, called)(*x, **s), **more)


CASES = [
    case("sort", sorting, repeats=60),
    Case("sort stable", stable, engine.sort, lambda torch, x, **s: torch.sort(x, **s), repeats=40),
    case("argsort", sorting),
    case("msort", lambda random: ([distinct(random, *shape_of(random, least=1, most=3))], {})),
    case("topk", top, repeats=60),
    Case("topk unsorted", top, lambda x, **s: engine.topk(x, sorted=False, **s).values.sum(s["dim"]),
         lambda torch, x, **s: torch.topk(x, sorted=False, **s).values.sum(s["dim"]), narrow_tolerance=2),
    case("kthvalue", kth, repeats=60),
    case("median", middle, repeats=60),
    case("nanmedian", middle, repeats=60),
    case("median of all", whole, "median", second=False),
    case("nanmedian of all", whole, "nanmedian"),
    *(
        Case(name, shares, getattr(engine, name), lambda torch, x, q, name=name, **s: getattr(torch, name)(x, getattr(q, "detach", lambda: q)(), **s),
             repeats=100, dtypes=("float32",)) for name in ("quantile", "nanquantile")
    ),
    Case("mode", frequent, lambda x, **s: engine.mode(x, **s).values, lambda torch, x, **s: torch.mode(x, **s).values),
    case("unique", repeated, repeats=60, gradient=False),
    case("unique_consecutive", repeated, repeats=60, gradient=False),
    *(
        Case(name, draw, getattr(engine, name), lambda torch, *x, name=name, **s: getattr(torch, name)(*(v.contiguous() for v in x), **s),
             repeats=60, gradient=False) for name, draw in (("searchsorted", searching), ("bucketize", buckets))
    ),
    case("bincount", counting, gradient=False, dtypes=("float32",)),
    case("histc", histogram, gradient=False, dtypes=()),
    Case("isin", among, engine.isin, lambda torch, x, y, **s: torch.isin(x.contiguous(), y.contiguous(), **s), gradient=False),
]  # fmt: skip
