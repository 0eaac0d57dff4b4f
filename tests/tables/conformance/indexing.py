"""Indexing, gathering and scattering beside PyTorch's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, shape_of, uniform
from .shape import few


def index_of(random: Random, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Whole numbers, slices, None, an Ellipsis, masks and integer arrays that broadcast, in any mixture that both libraries take."""
    spread = [(3,), (1,), (2, 1), (1, 3), ()][few(random, 0, 5)]
    parts: list[Any] = []
    axis, masked = 0, False
    dots = few(random, 0, len(shape) + 1) if random.random() < 0.3 else -1
    while axis < len(shape):
        if random.random() < 0.15:
            parts.append(None)
        if axis == dots:
            parts.append(Ellipsis)
            break
        size = shape[axis]
        choice = few(random, 0, 5)
        if choice == 0 and size:
            parts.append(few(random, -size, size))
        elif choice == 1 and size:
            parts.append(random.integers(-size, size, np.broadcast_shapes(spread, (1,))))
        elif choice == 2 and not masked and not any(isinstance(p, np.ndarray) for p in parts):
            wide = 2 if axis + 1 < len(shape) and dots < 0 and random.random() < 0.5 else 1
            mask = np.zeros(shape[axis : axis + wide], bool)
            # One or three, so that it broadcasts with the others.
            mask.reshape(-1)[: 1 if mask.size < 3 else 3] = True
            parts.append(random.permutation(mask.reshape(-1)).reshape(mask.shape))
            masked, axis = True, axis + wide - 1
            spread = (3,) if mask.size >= 3 else (1,)
        else:
            start, stop = sorted((few(random, -size - 1, size + 2), few(random, -size - 1, size + 2)))
            parts.append(slice(start, stop, few(random, 1, 3)) if random.random() < 0.6 else slice(None))
        axis += 1
        if random.random() < 0.15:
            break
    return tuple(parts)


def indexed(random: Random) -> Drawn:
    shape = shape_of(random, 0, 4)
    return [uniform(random, *shape)], {"index": index_of(random, shape)}


def their_index(torch: Any, index: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(torch.tensor(part) if isinstance(part, np.ndarray) else part for part in index)


def our_index(index: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(engine.tensor(part) if isinstance(part, np.ndarray) else part for part in index)


def written(random: Random) -> Drawn:
    shape = shape_of(random, 0, 4)
    index = index_of(random, shape)
    return [uniform(random, *shape)], {"index": index, "value": float(few(random)), "whole": bool(few(random, 0, 2))}


def our_writing(x: Any, index: Any, value: float, whole: bool) -> Any:
    x = x.detach().clone()
    with engine.no_grad():
        picked = x[our_index(index)]
        x[our_index(index)] = engine.zeros(picked.shape, dtype=x.dtype) + value if whole else value
    return x


def their_writing(torch: Any, x: Any, index: Any, value: float, whole: bool) -> Any:
    x = x.detach().clone()
    picked = x[their_index(torch, index)]
    x[their_index(torch, index)] = torch.zeros(picked.shape, dtype=x.dtype) + value if whole else value
    return x


def gathered(random: Random) -> Drawn:
    shape = shape_of(random, 1, 4, empty=False)
    dim = axis_of(random, len(shape))
    axis = dim % len(shape)
    size = tuple(few(random, 0, 6) if i == axis else few(random, 1, n + 1) for i, n in enumerate(shape))
    return [uniform(random, *shape), random.integers(0, shape[axis], size)], {"dim": dim}


def scattered(random: Random, once: bool = False, larger: bool = False) -> Drawn:
    """x, an index into it, and a source, perhaps ``larger`` than the index (which PyTorch takes forward only); each place named ``once``."""
    shape = shape_of(random, 1, 3, empty=False)
    dim = axis_of(random, len(shape))
    axis = dim % len(shape)
    most = shape[axis] if once else 5
    size = tuple(few(random, 1, (most if i == axis else n) + 1) for i, n in enumerate(shape))
    if once:
        places = np.argsort(random.random(tuple(shape[axis] if i == axis else n for i, n in enumerate(size))), axis)
        index = places[tuple(slice(n) for n in size)]
    else:
        index = random.integers(0, shape[axis], size)
    source = tuple(n + few(random, 0, 2) * larger for n in size)
    return [uniform(random, *shape), index, uniform(random, *source)], {"dim": dim}


def reduced(random: Random) -> Drawn:
    arrays, settings = scattered(random)
    how = ("sum", "prod", "mean", "amax", "amin")[few(random, 0, 5)]
    return arrays, {**settings, "reduce": how, "include_self": bool(few(random, 0, 2))}


def slices(random: Random, once: bool) -> Drawn:
    shape = shape_of(random, 1, 4, empty=False)
    dim = axis_of(random, len(shape))
    axis = dim % len(shape)
    count = few(random, 0, shape[axis] + 1) if once else few(random, 0, 7)
    index = random.permutation(shape[axis])[:count] if once else random.integers(0, shape[axis], count)
    return [uniform(random, *shape), index, uniform(random, *shape[:axis], count, *shape[axis + 1 :])], {"dim": dim}


def scattering(name: str, once: bool = False, **more: Any) -> Case:
    def call(module: Any) -> Any:
        return lambda x, index, src, dim, **s: getattr(module, name)(x, dim, index, src, **s)

    return Case(
        name, more.pop("draw", lambda r: scattered(r, once)), call(engine), quietly(lambda torch, *x, **s: call(torch)(*x, **s)), **more
    )  # fmt: skip


def quietly(call: Any) -> Any:
    """Without PyTorch's warnings that a function is new or old."""

    def quiet(torch: Any, *arguments: Any, **settings: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(torch, *arguments, **settings)

    return quiet


def row_wise(name: str, once: bool = False, settings: Any = dict, **more: Any) -> Case:
    def draw(random: Random) -> Drawn:
        arrays, given = slices(random, once)
        return arrays, {**given, **settings(random)} if settings is not dict else given

    return scattering(name, draw=draw, **more)


def filled(random: Random) -> Drawn:
    arrays, settings = slices(random, False)
    return arrays[:2], {**settings, "value": float(few(random))}


def taken(random: Random) -> Drawn:
    shape = shape_of(random, 0, 3, empty=False)
    total = int(np.prod(shape))
    return [uniform(random, *shape), random.integers(-total, total, shape_of(random, 0, 2))], {}


def along(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    if random.random() < 0.3:
        return [uniform(random, *shape), random.integers(0, np.prod(shape), shape_of(random, 0, 2))], {"dim": None}
    dim = axis_of(random, len(shape))
    axis = dim % len(shape)
    size = tuple(few(random, 1, 5) if i == axis else (n, 1)[few(random, 0, 2)] for i, n in enumerate(shape))
    return [uniform(random, *shape), random.integers(0, shape[axis], size)], {"dim": dim}


def masks(random: Random, extra: int = 0) -> Drawn:
    shape = shape_of(random, 0, 3)
    mask = np.asarray(random.random(tuple(1 if random.random() < 0.3 else n for n in shape)) < 0.5)
    more = [uniform(random, int(np.prod(shape)) + extra)] if extra else []
    return [uniform(random, *shape), mask, *more], {}


def holes(random: Random) -> Drawn:
    return [random.integers(0, 2, shape_of(random, 0, 3))], {}


def placed(random: Random) -> Drawn:
    """An index of arrays alone, and values for it."""
    shape = shape_of(random, 1, 3, empty=False)
    count, size = few(random, 1, len(shape) + 1), few(random, 1, 5)
    index = tuple(random.integers(-n, n, size) for n in shape[:count])
    return [uniform(random, *shape), uniform(random, size, *shape[count:])], {"index": index}


def put(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    total = int(np.prod(shape))
    places = random.permutation(total)[: few(random, 1, total + 1)]
    return [uniform(random, *shape), places, uniform(random, len(places))], {"accumulate": bool(few(random, 0, 2))}


def labels(random: Random) -> Drawn:
    shape = shape_of(random, 0, 3, empty=False)
    return [random.integers(0, 5, shape)], {"num_classes": (-1, 5, 8)[few(random, 0, 3)]}


def placed_slice(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    dim = axis_of(random, len(shape))
    axis = dim % len(shape)
    index = few(random, -shape[axis], shape[axis])
    return [uniform(random, *shape), uniform(random, *shape[:axis], *shape[axis + 1 :])], {"dim": dim, "index": index}


def placed_slices(random: Random) -> Drawn:
    shape = shape_of(random, 1, 3, empty=False)
    dim = axis_of(random, len(shape))
    axis = dim % len(shape)
    settings = {"start": few(random, 0, 3), "end": few(random, 1, 6), "step": few(random, 1, 3)}
    count = len(range(shape[axis])[settings["start"] : settings["end"] : settings["step"]])
    source = uniform(random, *shape[:axis], count, *shape[axis + 1 :])
    return [uniform(random, *shape), source], {"dim": dim, **settings}


def placed_diagonal(random: Random) -> Drawn:
    x = uniform(random, *shape_of(random, 2, 3, empty=False))
    first, second = (int(v) for v in random.permutation(x.ndim)[:2])
    offset = few(random, 1 - x.shape[first], x.shape[second])
    source = uniform(random, *np.diagonal(x, offset, first, second).shape)
    return [x, source], {"offset": offset, "dim1": first, "dim2": second}


CASES = [
    Case(
        "getitem",
        indexed,
        lambda x, index: x[our_index(index)],
        lambda torch, x, index: x[their_index(torch, index)],
        repeats=400,
    ),
    Case("setitem", written, our_writing, their_writing, repeats=200, gradient=False),
    Case(
        "gather",
        gathered,
        lambda x, i, dim: engine.gather(x, dim, i),
        lambda torch, x, i, dim: torch.gather(x, dim, i),
        repeats=60,
    ),
    Case(
        "index_select",
        lambda r: (lambda a: (a[0][:2], a[1]))(slices(r, False)),
        lambda x, i, dim: engine.index_select(x, dim, i),
        lambda torch, x, i, dim: torch.index_select(x, dim, i),
    ),
    Case("take", taken, engine.take, lambda torch, x, i: torch.take(x, i)),
    Case("take_along_dim", along, engine.take_along_dim, lambda torch, x, i, dim: torch.take_along_dim(x, i, dim)),
    scattering("scatter", once=True, repeats=60),
    Case(
        "scatter of a number",
        lambda r: (lambda a: (a[0][:2], {**a[1], "value": float(few(r))}))(scattered(r)),
        lambda x, i, dim, value: engine.scatter(x, dim, i, value=value),
        lambda torch, x, i, dim, value: torch.scatter(x, dim, i, value),
    ),
    Case(
        "scatter with reduce",
        lambda r: (lambda a: (a[0], {**a[1], "reduce": ("add", "multiply")[few(r, 0, 2)]}))(scattered(r)),
        lambda x, i, src, dim, reduce: engine.scatter(x, dim, i, src, reduce=reduce),
        quietly(lambda torch, x, i, src, dim, reduce: torch.scatter(x, dim, i, src, reduce=reduce)),
        gradient=False,
        narrow_tolerance=8,
    ),
    Case(
        "scatter of a larger source",
        lambda r: scattered(r, True, True),
        lambda x, i, src, dim: engine.scatter(x, dim, i, src),
        lambda torch, x, i, src, dim: torch.scatter(x, dim, i, src),
        gradient=False,
    ),
    scattering("scatter_add", repeats=60, narrow_tolerance=8),
    scattering("scatter_reduce", draw=reduced, repeats=120, narrow_tolerance=16),
    row_wise("index_add", settings=lambda r: {"alpha": float(few(r))}, narrow_tolerance=8),
    row_wise("index_copy", once=True),
    row_wise(
        "index_reduce",
        settings=lambda r: {
            "reduce": ("prod", "mean", "amax", "amin")[few(r, 0, 4)],
            "include_self": bool(few(r, 0, 2)),
        },
        repeats=60,
        narrow_tolerance=16,
        second=False,
    ),
    Case(
        "index_fill",
        filled,
        lambda x, i, dim, value: engine.index_fill(x, dim, i, value),
        lambda torch, x, i, dim, value: torch.index_fill(x, dim, i, value),
    ),
    Case(
        "index_put",
        placed,
        lambda x, v, index: engine.index_put(x, our_index(index), v, True),
        lambda torch, x, v, index: torch.index_put(x, their_index(torch, index), v, True),
        narrow_tolerance=8,
    ),
    Case(
        "put",
        put,
        lambda x, i, v, accumulate: engine.put(x, i, v, accumulate),
        lambda torch, x, i, v, accumulate: x.put(i, v, accumulate),
        narrow_tolerance=4,
    ),
    Case("masked_select", masks, engine.masked_select, lambda torch, x, m: torch.masked_select(x, m)),
    Case("masked_fill", masks, lambda x, m: x.masked_fill(m, 1.5), lambda torch, x, m: x.masked_fill(m, 1.5)),
    Case(
        "masked_scatter",
        lambda r: masks(r, 3),
        engine.masked_scatter,
        lambda torch, x, m, s: torch.masked_scatter(x, m, s),
    ),
    Case("nonzero", holes, engine.nonzero, lambda torch, x: torch.nonzero(x), dtypes=()),
    Case(
        "nonzero as a tuple",
        holes,
        lambda x: engine.nonzero(x, as_tuple=True),
        lambda torch, x: torch.nonzero(x, as_tuple=True),
        dtypes=(),
    ),
    Case("argwhere", holes, engine.argwhere, lambda torch, x: torch.argwhere(x), dtypes=()),
    Case("where of one", holes, engine.where, lambda torch, x: torch.where(x), dtypes=()),
    Case(
        "one_hot",
        labels,
        engine.nn.functional.one_hot,
        lambda torch, x, num_classes: torch.nn.functional.one_hot(x, num_classes),
        dtypes=(),
    ),
    Case(
        "select_scatter",
        placed_slice,
        lambda x, src, dim, index: engine.select_scatter(x, src, dim, index),
        lambda torch, x, src, dim, index: torch.select_scatter(x, src, dim, index),
    ),
    Case(
        "slice_scatter",
        placed_slices,
        lambda x, src, **s: engine.slice_scatter(x, src, **s),
        lambda torch, x, src, **s: torch.slice_scatter(x, src, **s),
    ),
    Case(
        "diagonal_scatter",
        placed_diagonal,
        lambda x, src, **s: engine.diagonal_scatter(x, src, **s),
        lambda torch, x, src, **s: torch.diagonal_scatter(x, src, **s),
    ),
    Case(
        "as_strided",
        lambda r: ([uniform(r, 24)], {"size": (3, 2), "stride": (few(r, 0, 4), few(r, 0, 4)), "offset": few(r, 0, 5)}),
        lambda x, size, stride, offset: engine.as_strided(x, size, stride, offset),
        lambda torch, x, size, stride, offset: torch.as_strided(x.reshape(-1) * 1, size, stride, offset),
        narrow_tolerance=4,
    ),
    Case(
        "combinations",
        lambda r: ([uniform(r, few(r, 0, 5))], {"r": few(r, 1, 4), "with_replacement": bool(few(r, 0, 2))}),
        engine.combinations,
        lambda torch, x, **s: torch.combinations(x, **s),
    ),
    Case(
        "unravel_index",
        lambda r: ([r.integers(0, 24, shape_of(r, 0, 2))], {"shape": (2, 3, 4)}),
        engine.unravel_index,
        lambda torch, x, shape: torch.unravel_index(x, shape),
        dtypes=(),
    ),
]
