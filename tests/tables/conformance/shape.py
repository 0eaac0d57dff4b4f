"""Shapes, axes, copies, diagonals and windows beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numzoo import engine

from .case import Case, Drawn, Random, axis_of, broadcast_shapes, shape_of, uniform

EVERY = ("float32", "float16", "bfloat16", "int64", "bool")


def one(draw: Callable[[Random, tuple[int, ...]], dict[str, Any] | None], least: int = 0, most: int = 4) -> Any:
    """Draws a tensor, and settings that suit its shape; again where there are none."""

    def drawn(random: Random) -> Drawn:
        while True:
            shape = shape_of(random, least, most)
            settings = draw(random, shape)
            if settings is not None:
                return [uniform(random, *shape)], settings

    return drawn


def case(name: str, draw: Any, ours: Any = None, theirs: Any = None, **more: Any) -> Case:
    """A case of a function that both have under one name, or one method."""
    mine = ours or getattr(engine, name)
    return Case(name, draw, mine, theirs or (lambda torch, *x, **s: getattr(torch, name)(*x, **s)), **more)


def method(name: str, draw: Any) -> Case:
    def call(x: Any, *arguments: Any, **settings: Any) -> Any:
        return getattr(x, name)(*arguments, *settings.pop("given", ()), **settings)

    return Case(f"Tensor.{name}", draw, call, lambda torch, *x, **s: call(*x, **s))


def times(random: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(random.integers(0, 4)) for _ in range(max(len(shape) + int(random.integers(0, 3)), 1)))


def few(random: Random, low: int = -3, high: int = 4) -> int:
    return int(random.integers(low, high))


def two_axes(random: Random, ndim: int) -> tuple[int, int]:
    first, second = (int(v) for v in random.permutation(ndim)[:2])
    return first - ndim * few(random, 0, 2), second - ndim * few(random, 0, 2)


def moved(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    n = len(shape)
    count = int(random.integers(1, n + 1))
    source, destination = random.permutation(n)[:count].tolist(), random.permutation(n)[:count].tolist()
    if count == 1 and random.random() < 0.5:
        return {"source": source[0] - n, "destination": destination[0]}
    return {"source": tuple(source), "destination": tuple(destination)}


def interleaved(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    dim = axis_of(random, len(shape))
    return {"repeats": few(random, 0, 4), "dim": dim if random.random() < 0.7 else None}


def interleaved_each(random: Random) -> Drawn:
    shape = shape_of(random, 1)
    dim = axis_of(random, len(shape))
    return [uniform(random, *shape), random.integers(0, 4, shape[dim])], {"dim": dim}


def window(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    axis = axis_of(random, len(shape))
    return {"given": (axis, few(random, 0, shape[axis] + 1), few(random, 1, 4))}


def unflat(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    axis = axis_of(random, len(shape))
    size = shape[axis]
    sizes = [(1, size), (size, 1), (size,)] + [(d, size // d) for d in range(1, size + 1) if size % d == 0]
    sizes += [(-1, d) for d in range(1, size + 1) if size % d == 0]
    return {"dim": axis, "sizes": sizes[int(random.integers(len(sizes)))]}


def parts(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    axis = axis_of(random, len(shape))
    if random.random() < 0.5:
        return {"indices_or_sections": few(random, 1, 6), "dim": axis}
    return {"indices_or_sections": tuple(sorted(few(random, 0, 7) for _ in range(few(random, 0, 4)))), "dim": axis}


def equal_parts(axis: int) -> Any:
    def draw(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
        size = shape[axis if len(shape) > 1 else 0]
        fits = [d for d in range(1, max(size, 1) + 1) if size % d == 0]
        return {"given": (fits[int(random.integers(len(fits)))] if random.random() < 0.5 else [1, 2],)}

    return draw


def narrowed(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    axis = axis_of(random, len(shape))
    start = few(random, 0, shape[axis] + 1)
    length = few(random, 0, shape[axis] - start + 1)
    return {"dim": axis, "start": start - shape[axis] if 0 < start < shape[axis] and random.random() < 0.3 else start, "length": length}  # fmt: skip


def selected(random: Random, shape: tuple[int, ...]) -> dict[str, Any] | None:
    axis = axis_of(random, len(shape))
    return {"dim": axis, "index": few(random, -shape[axis], shape[axis])} if shape[axis] else None


def alike(count: int, least: int = 0, same: bool = True) -> Any:
    """Tensors of one shape."""

    def draw(random: Random) -> Drawn:
        shape = shape_of(random, least, 3)
        return [uniform(random, *shape) for _ in range(count)], {}

    return draw


def vectors(random: Random) -> Drawn:
    return [uniform(random, *shape_of(random, 0, 1)) for _ in range(few(random, 1, 4))], {
        "indexing": ("ij", "xy")[few(random, 0, 2)]
    }


def blocks(random: Random) -> Drawn:
    return [uniform(random, *shape_of(random, 0, 2, empty=False)) for _ in range(few(random, 1, 4))], {}


def together(random: Random) -> Drawn:
    return [uniform(random, *shape) for shape in broadcast_shapes(random, few(random, 1, 4))], {}


def rows_of(random: Random) -> Drawn:
    height = few(random, 1, 4)
    return [uniform(random, *(height, few(random, 1, 4))[: few(random, 1, 3)]) for _ in range(3)], {}


def list_of(name: str, draw: Any) -> Case:
    return case(
        name, draw, lambda *x, **s: getattr(engine, name)(x, **s), lambda torch, *x, **s: getattr(torch, name)(x, **s)
    )


MODES = ("constant", "reflect", "replicate", "circular")


def padding(random: Random) -> Drawn:
    """Modes with as many axes as PyTorch takes: any for "constant", the last one to three beside one or two others else."""
    mode = MODES[few(random, 0, 4)]
    spatial = few(random, 1, 4)
    shape = tuple(few(random, 2, 6) for _ in range(spatial + few(random, 1, 3)))
    pads: list[int] = []
    for size in shape[: -spatial - 1 : -1]:
        limit = {"reflect": size - 1, "circular": size}.get(mode, 4)
        # Widths of both signs; something is left of each axis.
        before = few(random, -1 if size > 2 else 0, limit + 1)
        after = few(random, -1 if size > 3 else 0, limit + 1)
        if mode == "circular" and min(before, after) < 0:
            before, after = min(before, size - 1), min(after, size - 1)
        pads += [before, after]
    if mode == "constant":
        return [uniform(random, *shape)], {"pad": tuple(pads), "mode": mode, "value": float(few(random))}
    return [uniform(random, *shape)], {"pad": tuple(pads), "mode": mode}


def our_pad(x: Any, pad: Any, mode: str, value: Any = None) -> Any:
    return engine.pad(x, pad, mode, value)


def two(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    first, second = two_axes(random, len(shape))
    return {"offset": few(random), "dim1": first, "dim2": second}


def pieces(torch: Any, x: Any) -> Any:
    """Of each way to cut, some pieces are used and others are not."""
    rows, columns = x.unbind(0), x.split(2, -1)
    out = columns[-1].sum() * 2.0
    return out + sum((row.exp().sum() for row in rows[1:]), start=x.sum()) + x.tensor_split(3, 1)[1].sum()


def embedding(random: Random, shape: tuple[int, ...]) -> dict[str, Any]:
    first, second = two_axes(random, len(shape) + 1)
    return {"offset": few(random), "dim1": first, "dim2": second}


CASES = [
    case(
        "tile",
        one(lambda r, s: {"dims": tuple(few(r, 0, 4) for _ in range(few(r, 0, 6)))}),
        lambda x, dims: engine.tile(x, dims),
    ),
    method("repeat", one(lambda r, s: {"given": times(r, s)})),
    case("repeat_interleave", one(interleaved)),
    Case(
        "repeat_interleave by counts",
        interleaved_each,
        engine.repeat_interleave,
        lambda torch, x, n, dim: torch.repeat_interleave(x, n, dim),
        dtypes=(),
    ),
    method("unfold", one(window, 1)),
    case("diagonal", one(two, 2)),
    case("diag", one(lambda r, s: {"diagonal": few(r)}, 1, 2)),
    case("diag_embed", one(embedding, 1, 3)),
    case("diagflat", one(lambda r, s: {"offset": few(r)}, 0, 2)),
    case("tril", one(lambda r, s: {"diagonal": few(r)}, 2)),
    case("triu", one(lambda r, s: {"diagonal": few(r)}, 2)),
    Case(
        "tril_indices",
        lambda r: ([], {"row": few(r, 0, 6), "col": few(r, 0, 6), "offset": few(r)}),
        engine.tril_indices,
        lambda torch, **s: torch.tril_indices(**s),
    ),
    Case(
        "triu_indices",
        lambda r: ([], {"row": few(r, 0, 6), "col": few(r, 0, 6), "offset": few(r)}),
        engine.triu_indices,
        lambda torch, **s: torch.triu_indices(**s),
    ),
    case("meshgrid", vectors),
    case("movedim", one(moved, 1)),
    case("moveaxis", one(moved, 1)),
    case("swapaxes", one(lambda r, s: {"axis0": axis_of(r, len(s)), "axis1": axis_of(r, len(s))}, 1)),
    case("swapdims", one(lambda r, s: {"dim0": axis_of(r, len(s)), "dim1": axis_of(r, len(s))}, 1)),
    case("transpose", one(lambda r, s: {"dim0": axis_of(r, len(s)), "dim1": axis_of(r, len(s))}, 1)),
    case("rot90", one(lambda r, s: {"k": few(r, -5, 6), "dims": two_axes(r, len(s))}, 2)),
    case("t", one(lambda r, s: {}, 0, 2)),
    case("fliplr", one(lambda r, s: {}, 2)),
    case("flipud", one(lambda r, s: {}, 1)),
    case("ravel", one(lambda r, s: {})),
    case("narrow", one(narrowed, 1)),
    case("select", one(selected, 1)),
    case("unflatten", one(unflat, 1)),
    case(
        "tensor_split",
        one(parts, 1),
        None,
        lambda torch, x, indices_or_sections, dim: torch.tensor_split(x, indices_or_sections, dim),
    ),
    case("squeeze", one(lambda r, s: {"dim": axis_of(r, len(s))}, 1)),
    case("unsqueeze", one(lambda r, s: {"dim": axis_of(r, len(s) + 1)})),
    case(
        "split",
        one(lambda r, s: {"dim": axis_of(r, len(s))}, 1),
        lambda x, dim: engine.split(x, 2, dim=dim),
        lambda torch, x, dim: torch.split(x, 2, dim),
    ),
    case("chunk", one(lambda r, s: {"chunks": few(r, 1, 5), "dim": axis_of(r, len(s))}, 1)),
    case("roll", one(lambda r, s: {"shifts": few(r, -7, 8), "dims": axis_of(r, len(s))}, 1)),
    *(
        case(
            name,
            one(equal_parts(axis), least),
            lambda x, given, n=name: getattr(engine, n)(x, *given),
            lambda torch, x, given, n=name: getattr(torch, n)(x, *given),
        )
        for name, axis, least in (("hsplit", 1, 1), ("vsplit", 0, 2), ("dsplit", 2, 3))
    ),
    case("unbind", one(lambda r, s: {"dim": axis_of(r, len(s))}, 1)),
    Case(
        "some pieces of several",
        one(lambda r, s: {}, 2),
        lambda x: pieces(engine, x),
        lambda torch, x: pieces(torch, x),
    ),
    Case(
        "stack along axes",
        lambda r: ([uniform(r, 2, 3), uniform(r, 2, 3)], {"dim": few(r, -3, 3)}),
        lambda x, y, dim: engine.stack([x, y], dim=dim),
        lambda torch, x, y, dim: torch.stack([x, y], dim=dim),
    ),
    case("broadcast_tensors", together),
    *(case(f"atleast_{n}d", one(lambda r, s: {})) for n in (1, 2, 3)),
    *(list_of(name, alike(3)) for name in ("hstack", "vstack", "dstack", "stack")),
    list_of("column_stack", rows_of),
    list_of("cat", alike(2, 1)),
    list_of("concat", alike(2, 1)),
    case("block_diag", blocks),
    case("cartesian_prod", lambda r: ([uniform(r, few(r, 0, 4)) for _ in range(few(r, 1, 4))], {})),
    case("pad", padding, our_pad, lambda torch, x, **s: torch.nn.functional.pad(x, **s), repeats=300),
    Case(
        "view_as, expand_as, reshape_as",
        lambda r: ([uniform(r, 2, 6), uniform(r, 3, 4), uniform(r, 5, 3, 4)], {}),
        lambda x, y, z: x.view_as(y).expand_as(z) + x.reshape_as(y),
        lambda torch, x, y, z: x.contiguous().view_as(y).expand_as(z) + x.reshape_as(y),
    ),
    Case(
        "sum_to_size",
        lambda r: ([uniform(r, 4, 2, 3)], {"size": ((2, 1), (1, 2, 3), (3,), ())[few(r, 0, 4)]}),
        lambda x, size: x.sum_to_size(size),
        lambda torch, x, size: x.sum_to_size(size),
        narrow_tolerance=4,
    ),
    Case("mT and T", one(lambda r, s: {}, 2, 4), lambda x: x.mT, lambda torch, x: x.mT),
]
