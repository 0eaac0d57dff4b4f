"""Writing and adding at places, into a copy: scatter, index_add and their kin. The places come as PyTorch's functions take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import namespace
from ...dtype import Array, accumulator, kind
from ...errors import ArgumentError, DtypeError, SettingError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.arithmetic import floor_divide, where
from ..reductions.reduction import one_axis
from ..shapes.create import full, ones
from ..shapes.diagonals import diagonal, with_diagonal
from ..shapes.shape import broadcast_to, reshape, whole
from .accumulation import flat_places, lies_within
from .index import check_places, gather_along, items, spread_along, spread_items
from .indices import look_at, raw_index
from .picking import integers

__all__ = [
    "diagonal_scatter",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_reduce",
    "masked_fill",
    "masked_scatter",
    "put",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "select_scatter",
    "slice_scatter",
]


def _places_of(name: str, x: Tensor, dim: int, index: Any) -> tuple[Tensor, Tensor, int]:
    """x and index with an axis at least, and the axis; checked."""
    place = integers(name, index)
    if not x.ndim:
        x, place = reshape(x, (1,)), reshape(place, (place.numel(),))
    axis = one_axis(name, dim, x.ndim)
    if place.numel():
        check_places(name, x.shape, place.array, axis)
    return x, place, axis


def _source(name: str, x: Tensor, src: Any, place: Tensor) -> Tensor:
    """The part of ``src`` that lies within the shape of the index."""
    source = src if isinstance(src, Tensor) else tensor_like(name, src)
    source = reshape(source, (source.numel(),)) if not source.ndim else source
    if source.dtype != x.dtype:
        raise DtypeError(f"{name}: src is of {source.dtype} but x of {x.dtype}; convert one with .to(dtype)")
    if source.ndim != place.ndim or any(a < b for a, b in zip(source.shape, place.shape, strict=True)):
        raise ShapeError(
            f"{name}: src {tuple(source.shape)} must be at least as large as index {tuple(place.shape)} along every axis"
        )
    return source if source.shape == place.shape else items(source, tuple(slice(size) for size in place.shape))


def _put_along_x(grad: Tensor, src_shape: tuple[int, ...], index: Tensor, axis: int) -> Tensor:
    zeros = tensor_of(np.zeros((), grad.dtype)) if isinstance(grad.array, np.ndarray) else grad.reshape(-1)[:1] * 0.0
    return put_along(grad, broadcast_to(zeros, src_shape), index, axis=axis)


def _put_along_src(grad: Tensor, index: Tensor, axis: int) -> Tensor:
    return gather_along(grad, index, axis=axis)


@op(x=_put_along_x, src=_put_along_src)
def put_along(xp: Any, x: Array, src: Array, index: Array, *, axis: int) -> Array:
    """A copy of x with ``src`` at ``index`` along ``axis``; of several for one place the last stays."""
    out = xp.array(x, order="C")
    if index.size:
        flat = out.reshape(-1)
        flat[flat_places(xp, index, x.shape, axis).reshape(-1)] = xp.broadcast_to(src, index.shape).reshape(-1)
    return out


def scatter(
    x: Tensor, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy of x with out[index[i][j]][j] = src[i][j] for ``dim`` 0, and likewise along others; ``src`` a tensor or a number.

    ``reduce`` "add" or "multiply" combines with what was there. Of several for one place, without ``reduce``, the last stays.
    """
    x = tensor_like("scatter", x)
    given = value if src is None else src
    if given is None:
        raise ArgumentError("scatter: takes x, dim, index, and src or value=")
    if reduce is not None and reduce not in ("add", "multiply"):
        raise SettingError(f"scatter: reduce is 'add' or 'multiply', not {reduce!r:.40}; see scatter_reduce for others")
    wide, place, axis = _places_of("scatter", x, dim, index)
    if not isinstance(given, Tensor):
        source = broadcast_to(full((), np.asarray(given).astype(x.dtype), dtype=x.dtype, device=x.device), place.shape)
    else:
        source = _source("scatter", x, given, place)
    if reduce is not None:
        return reshape(scatter_reduce(wide, axis, place, source, "sum" if reduce == "add" else "prod"), x.shape)
    return reshape(put_along(wide, source, place, axis=axis), x.shape)


def scatter_add(x: Tensor, dim: int, index: Any, src: Any) -> Tensor:
    """x with ``src`` added at ``index`` along ``dim``: out[index[i][j]][j] += src[i][j] for ``dim`` 0."""
    x = tensor_like("scatter_add", x)
    wide, place, axis = _places_of("scatter_add", x, dim, index)
    source = _source("scatter_add", x, src, place)
    return reshape(wide + spread_along(source, place, shape=wide.shape, axis=axis), x.shape)


def _combined(xp: Any, how: str, x: Array, src: Array, index: Array, axis: int) -> Array:
    wide = accumulator(x.dtype)
    out = xp.array(x, dtype=wide, order="C")
    if index.size:
        places = flat_places(xp, index, x.shape, axis).reshape(-1)
        combine, values = getattr(xp, how), src.reshape(-1).astype(wide, copy=False)
        if xp is np:
            combine.at(out.reshape(-1), places, values)
        else:
            _combine_pairs(xp, combine, out.reshape(-1), places, values)
    return out.astype(x.dtype, copy=False)


def _combine_pairs(xp: Any, combine: Any, out: Array, places: Array, values: Array) -> None:
    """out[places] combined with the values: those for one place in pairs, the pairs in pairs, and what is left with ``out``."""
    order = xp.argsort(places, kind="stable")
    places, values = places[order], values[order]
    first = xp.ones(places.shape, bool)
    first[1:] = places[1:] != places[:-1]
    rank = xp.arange(places.size) - xp.flatnonzero(first)[xp.cumsum(first) - 1]
    while places.size and int(rank.max()):
        second = xp.flatnonzero(rank % 2)
        values[second - 1] = combine(values[second - 1], values[second])
        stay = rank % 2 == 0
        places, values, rank = places[stay], values[stay], rank[stay] // 2
    out[places] = combine(out[places], values)


def _extreme_shares(grad: Tensor, out: Tensor, x: Tensor, src: Tensor, index: Tensor, axis: int) -> tuple[Any, ...]:
    """Whatever equals the extreme shares its gradient equally: the element that was there, and those that were put."""
    mine = (x == out).to(dtype=grad.dtype)
    theirs = (src == gather_along(out, index, axis=axis)).to(dtype=grad.dtype)
    share = grad / (mine + spread_along(theirs, index, shape=x.shape, axis=axis))
    return share * mine, gather_along(share, index, axis=axis) * theirs, None


@op(jointly=_extreme_shares)
def largest_along(xp: Any, x: Array, src: Array, index: Array, *, axis: int) -> Array:
    """The largest of x and of what ``src`` puts at each place."""
    return _combined(xp, "maximum", x, src, index, axis)


@op(jointly=_extreme_shares)
def smallest_along(xp: Any, x: Array, src: Array, index: Array, *, axis: int) -> Array:
    """The smallest of x and of what ``src`` puts at each place."""
    return _combined(xp, "minimum", x, src, index, axis)


def _product_parts(grad: Tensor, x: Tensor, src: Tensor, index: Tensor, axis: int) -> tuple[Any, ...]:
    """The product of the others: by division where nothing is 0; where one is, it alone has a gradient."""
    empty, bare = x == 0, src == 0
    full, solid = where(empty, 1.0, x), where(bare, 1.0, src)
    rest = product_along(full, solid, index, axis=axis)
    zeros = empty.to(dtype=grad.dtype) + spread_along(bare.to(dtype=grad.dtype), index, shape=x.shape, axis=axis)
    at_zeros, at_rest = gather_along(zeros, index, axis=axis), gather_along(rest, index, axis=axis)
    mine = where(zeros == 0, rest / full, where((zeros == 1) & empty, rest, 0.0))
    theirs = where(at_zeros == 0, at_rest / solid, where((at_zeros == 1) & bare, at_rest, 0.0))
    return grad * mine, gather_along(grad, index, axis=axis) * theirs, None


@op(jointly=_product_parts)
def product_along(xp: Any, x: Array, src: Array, index: Array, *, axis: int) -> Array:
    """The product of x and of what ``src`` puts at each place. Second gradients are exact where no element is 0."""
    return _combined(xp, "multiply", x, src, index, axis)


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def scatter_reduce(x: Tensor, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Tensor:
    """What ``src`` puts at each place along ``dim``, reduced by "sum", "prod", "mean", "amax" or "amin".

    ``include_self`` counts what was there in x; where nothing is put, x stays.
    """
    x = tensor_like("scatter_reduce", x)
    if reduce not in REDUCTIONS:
        raise SettingError(f"scatter_reduce: reduce is one of {', '.join(REDUCTIONS)}, not {reduce!r:.40}")
    wide, place, axis = _places_of("scatter_reduce", x, dim, index)
    source = _source("scatter_reduce", x, src, place)
    if not place.numel():
        return x
    start = wide
    each = ones(place.shape, dtype="float64", device=x.device)
    count = spread_along(each, place, shape=wide.shape, axis=axis)
    if not include_self:
        start = where(count > 0, _neutral(reduce, wide), wide)
    if reduce == "prod":
        out = product_along(start, source, place, axis=axis)
    elif reduce == "amax":
        out = largest_along(start, source, place, axis=axis)
    elif reduce == "amin":
        out = smallest_along(start, source, place, axis=axis)
    else:
        out = start + spread_along(source, place, shape=wide.shape, axis=axis)
        if reduce == "mean":
            parts = (count + 1.0 if include_self else where(count == 0, 1.0, count)).to(dtype=x.dtype)
            out = out / parts if kind(x.dtype) > 1 else floor_divide(out, parts)
    return reshape(out, x.shape)


def _neutral(reduce: str, x: Tensor) -> Tensor:
    """What changes nothing under a reduction, in the dtype of x."""
    value: Any = {"sum": 0, "mean": 0, "prod": 1}.get(reduce)
    if value is None and kind(x.dtype) == 0:
        value = reduce == "amin"
    elif value is None and kind(x.dtype) == 1:
        ends = np.iinfo(x.dtype)
        value = ends.min if reduce == "amax" else ends.max
    elif value is None:
        value = -np.inf if reduce == "amax" else np.inf
    return full((), np.asarray(value).astype(x.dtype), dtype=x.dtype, device=x.device)


def _row_place(name: str, x: Tensor, dim: int, index: Any) -> tuple[Tensor, Any, int]:
    """x with an axis at least, the index of whole slices, and the axis."""
    place = integers(name, index)
    if place.ndim > 1:
        raise ShapeError(f"{name}: index has one axis at most, not shape {tuple(place.shape)}")
    wide = x if x.ndim else reshape(x, (1,))
    axis = one_axis(name, dim, wide.ndim)
    size, rows = wide.shape[axis], place.array.reshape(-1).astype("int64", copy=False)
    if not lies_within(rows, size, name):
        raise ShapeError(
            f"{name}: index holds {rows.min()} to {rows.max()}, but axis {dim} of shape {tuple(x.shape)} takes {-size} to {size - 1}"
        )
    return wide, (slice(None),) * axis + (rows,), axis


def _slices(name: str, x: Tensor, source: Any, axis: int, count: int) -> Tensor:
    found = tensor_like(name, source)
    found = found if found.ndim else reshape(found, (1,))
    if found.dtype != x.dtype:
        raise DtypeError(f"{name}: source is of {found.dtype} but x of {x.dtype}; convert one with .to(dtype)")
    wanted = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    if found.shape != wanted:
        raise ShapeError(f"{name}: source {tuple(found.shape)} must have shape {wanted}: a slice for each index")
    return found


def index_add(x: Tensor, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
    """x with ``alpha`` times the slices of ``source`` added to those along ``dim`` that ``index`` names."""
    x = tensor_like("index_add", x)
    wide, place, axis = _row_place("index_add", x, dim, index)
    found = _slices("index_add", wide, source, axis, place[-1].size)
    more = spread_items(found if alpha == 1 else found * alpha, wide.shape, place)
    return reshape(wide + more, x.shape)


def index_reduce(x: Tensor, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Tensor:
    """As ``scatter_reduce``, of whole slices along ``dim``."""
    x = tensor_like("index_reduce", x)
    wide, place, axis = _row_place("index_reduce", x, dim, index)
    found = _slices("index_reduce", wide, source, axis, place[-1].size)
    rows = tensor_of(place[-1].reshape([-1 if i == axis else 1 for i in range(wide.ndim)]))
    out = scatter_reduce(wide, axis, broadcast_to(rows, found.shape), found, reduce, include_self=include_self)
    return reshape(out, x.shape)


def _put_items_x(grad: Tensor, value_shape: tuple[int, ...], index: Any) -> Tensor:
    return put_items(grad, tensor_of(grad.array.reshape(-1)[:0].sum()), index)


@op(x=_put_items_x, value=lambda grad, index: items(grad, index))
def put_items(xp: Any, x: Array, value: Array, index: Any) -> Array:
    """A copy of x with ``value`` at ``index``."""
    out = xp.array(x)
    out[index] = value
    return out


def index_copy(x: Tensor, dim: int, index: Any, source: Any) -> Tensor:
    """x with the slices along ``dim`` that ``index`` names replaced by those of ``source``."""
    x = tensor_like("index_copy", x)
    wide, place, axis = _row_place("index_copy", x, dim, index)
    return reshape(put_items(wide, _slices("index_copy", wide, source, axis, place[-1].size), place), x.shape)


def index_fill(x: Tensor, dim: int, index: Any, value: Any) -> Tensor:
    """x with the slices along ``dim`` that ``index`` names filled with one number."""
    x = tensor_like("index_fill", x)
    wide, place, _ = _row_place("index_fill", x, dim, index)
    return reshape(put_items(wide, _number("index_fill", x, value), place), x.shape)


def _number(name: str, x: Tensor, value: Any) -> Tensor:
    """One number in the dtype of x."""
    found = value if isinstance(value, Tensor) else tensor_of(np.asarray(value))
    if found.ndim:
        raise ShapeError(f"{name}: the value is one number, not a tensor of shape {tuple(found.shape)}")
    if kind(found.dtype) == 3 and kind(x.dtype) < 3:
        raise DtypeError(f"{name}: the number {value!r:.40} does not fit {x.dtype}; convert the tensor first")
    if isinstance(found.array, np.ndarray) and found.node is None and not found.requires_grad:
        return full((), found.to(dtype=x.dtype).array, dtype=x.dtype, device=x.device)
    return found.to(dtype=x.dtype).to(device=x.device)


def index_put(x: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """A copy of x with x[indices] = values, or += with ``accumulate``, what is named several times adding up."""
    x = tensor_like("index_put", x)
    place = raw_index(x, tuple(indices))
    if not isinstance(x.array, np.ndarray):
        look_at("index_put", place, x.shape)
    found = tensor_like("index_put", values)
    if found.dtype != x.dtype:
        raise DtypeError(f"index_put: values are of {found.dtype} but x of {x.dtype}; convert one with .to(dtype)")
    picked = x.array[place].shape
    if accumulate:
        return x + spread_items(found if found.shape == picked else broadcast_to(found, picked), x.shape, place)
    return put_items(x, found, place)


def put(x: Tensor, index: Any, source: Any, accumulate: bool = False) -> Tensor:
    """A copy of x with ``source`` at the places of the flat tensor that ``index`` names; added with ``accumulate``."""
    x, place, found = tensor_like("put", x), integers("put", index), tensor_like("put", source)
    if found.numel() != place.numel():
        raise ShapeError(f"put: {place.numel()} places but {found.numel()} elements of source were given")
    flat = reshape(x, (x.numel(),))
    _, rows, _ = _row_place("put", flat, 0, reshape(place, (place.numel(),)))
    return reshape(index_put(flat, rows, reshape(found, (found.numel(),)), accumulate), x.shape)


def masked_fill(x: Tensor, mask: Any, value: Any) -> Tensor:
    """x with one number where the mask holds, in the dtype of x; x and mask broadcast."""
    x = tensor_like("masked_fill", x)
    return where(tensor_like("masked_fill", mask), _number("masked_fill", x, value), x)


def masked_scatter(x: Tensor, mask: Any, source: Any) -> Tensor:
    """x with the elements where the mask holds replaced by the first ones of ``source``, in row order."""
    x, mask, found = (tensor_like("masked_scatter", v) for v in (x, mask, source))
    if mask.dtype != bool or found.dtype != x.dtype:
        raise DtypeError(
            f"masked_scatter: wants a boolean mask and a source of {x.dtype}, not {mask.dtype} and {found.dtype}"
        )
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x, mask = broadcast_to(x, shape), broadcast_to(mask, shape)
    if not isinstance(x.array, np.ndarray):
        return _scattered_there(x, mask, reshape(found, (found.numel(),)))
    count = int(mask.array.sum())
    if found.numel() < count:
        raise ShapeError(f"masked_scatter: the mask holds {count} times, but source has {found.numel()} elements")
    return put_items(x, items(reshape(found, (found.numel(),)), (slice(count),)), (mask.array,))


def _scattered_there(x: Tensor, mask: Tensor, found: Tensor) -> Tensor:
    """The same on a GPU, whose count of what the mask lets through is not waited for."""
    size = found.numel()
    count = mask.array.reshape(-1).cumsum()  # of each element, among those let through
    left_to_gpu(count[-1:], 0, size, f"masked_scatter: the mask holds {{0}} times, but source has {size} elements")
    number = count.reshape(mask.shape)
    if not size or not x.numel():
        return x
    place = namespace(number).clip(number - 1, 0, size - 1)
    return where(mask, items(found, place), x)


def select_scatter(x: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of x whose slice at ``index`` along ``dim`` is ``src``."""
    x = tensor_like("select_scatter", x)
    axis = one_axis("select_scatter", dim, x.ndim)
    place = whole("select_scatter", index)
    if not -x.shape[axis] <= place < x.shape[axis]:
        raise ShapeError(
            f"select_scatter: index {index} is out of range for axis {dim} of size {x.shape[axis]}; give {-x.shape[axis]} to {x.shape[axis] - 1}"
        )
    return _replaced("select_scatter", x, src, (slice(None),) * axis + (place,))


def slice_scatter(
    x: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of x whose elements start:end:step along ``dim`` are ``src``."""
    x = tensor_like("slice_scatter", x)
    axis = one_axis("slice_scatter", dim, x.ndim)
    if whole("slice_scatter", step) < 1:
        raise SettingError(f"slice_scatter: step is a number from 1, not {step}")
    return _replaced("slice_scatter", x, src, (slice(None),) * axis + (slice(start, end, step),))


def _replaced(name: str, x: Tensor, src: Any, index: tuple[Any, ...]) -> Tensor:
    source, wanted = tensor_like(name, src), x.array[index].shape
    if source.shape != wanted:
        raise ShapeError(f"{name}: src {tuple(source.shape)} must have the shape of what it replaces, {tuple(wanted)}")
    return put_items(x, source.to(dtype=x.dtype), index)


def diagonal_scatter(x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of x whose diagonal (see ``diagonal``) is ``src``."""
    x, source = tensor_like("diagonal_scatter", x), tensor_like("diagonal_scatter", src)
    wanted = diagonal(x, offset, dim1, dim2).shape
    if source.shape != wanted:
        raise ShapeError(
            f"diagonal_scatter: src {tuple(source.shape)} must have the shape of the diagonal, {tuple(wanted)}"
        )
    first, second = one_axis("diagonal_scatter", dim1, x.ndim), one_axis("diagonal_scatter", dim2, x.ndim)
    line = with_diagonal(source.to(dtype=x.dtype), x.shape, offset, first, second)
    there = ones(wanted, dtype="bool", device=x.device)
    return where(with_diagonal(there, x.shape, offset, first, second), line, x)
