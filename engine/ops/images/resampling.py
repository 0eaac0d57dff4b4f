"""Resampling along axes: every output is a weighted sum of a few inputs, the same ones in every line of the axis.

What is taken, and how much of it, is a table (``Taps``) for each axis. The gradient of a resampling is the resampling by the
turned table, so gradients of any order are here too, and no rule scatters.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, accumulator, is_floating
from ...errors import DtypeError, ShapeError
from ...op import op
from ...tensor import Tensor
from ..indexing.places import picked

__all__ = [
    "resample",
]

BLOCK = 1 << 18  # elements that go through all axes together, so that what lies between stays in the cache


class Taps:
    """One axis of a resampling from ``size`` elements: output i is the sum over k of ``weight[i, k]`` times input ``index[i, k]``.

    Without weights each output is one input. ``by_ratio`` marks linear tables that follow from the sizes alone.
    """

    def __init__(self, size: int, index: Any, weight: Any = None, *, by_ratio: bool = False) -> None:
        self.size = size
        self.by_ratio = by_ratio
        self.index: np.ndarray[Any, Any] = np.ascontiguousarray(index, np.intp)
        self.weight: np.ndarray[Any, Any] | None = weight
        self._cast: dict[Any, Any] = {}

    def weights(self, dtype: Any) -> Any:
        """The weights in another type, kept."""
        found = self._cast.get(dtype)
        if found is None and self.weight is not None:
            found = self._cast[dtype] = self.weight.astype(dtype)
        return found

    @cached_property
    def turned(self) -> Taps:
        """The table of the way back: which outputs each input went into, and with what weight."""
        outs, width = self.index.shape
        weight = np.ones(self.index.shape) if self.weight is None else self.weight
        used = weight.ravel() != 0
        came = self.index.ravel()[used]
        order = np.argsort(came, kind="stable")
        came, went, much = came[order], np.repeat(np.arange(outs), width)[used][order], weight.ravel()[used][order]
        counts = np.bincount(came, minlength=self.size)
        place = np.arange(came.size) - np.repeat(np.cumsum(counts) - counts, counts)
        index = np.zeros((self.size, max(int(counts.max(initial=1)), 1)), np.intp)
        back = np.zeros(index.shape)
        index[came, place], back[came, place] = went, much
        made = Taps(outs, index, back)
        made.__dict__["turned"] = self
        return made


Tables = tuple["Taps | None", ...]


def _turn(grad: Tensor, tables: Tables) -> Tensor:
    return resample(grad, tables=tuple(None if table is None else table.turned for table in tables))


@op(x=_turn)
def resample(xp: Any, x: Array, *, tables: Tables) -> Array:
    """The last axes resampled by ``tables``, one for each; None leaves an axis as it is. Memory order is kept."""
    lead = x.ndim - len(tables)
    plans = [(lead + i, table) for i, table in enumerate(tables) if table is not None]
    if lead < 0 or any(x.shape[axis] != table.size for axis, table in plans):
        raise ShapeError(
            f"resample: the tables are for last axes of {tuple(table and table.size for table in tables)}, not for x {tuple(x.shape)}"
        )
    if not plans:
        return x.copy()
    # What shrinks an axis goes first, what stretches one last: less lies between.
    plans.sort(key=lambda plan: len(plan[1].index) / max(plan[1].size, 1))
    # Memory order, so that a block is one stretch of it: an image's channels go along whether they lie outside or inside.
    order = sorted(range(x.ndim), key=lambda axis: (-abs(x.strides[axis]), axis)) if x.size else list(range(x.ndim))
    source = x.transpose(order)
    places = {axis: place for place, axis in enumerate(order)}
    shape = list(source.shape)
    for axis, table in plans:
        shape[places[axis]] = len(table.index)
    out = xp.empty(shape, x.dtype)
    outer = min(places[axis] for axis, _ in plans)
    wide = accumulator(x.dtype)
    flat, result = source.reshape(-1, *source.shape[outer:]), out.reshape(-1, *shape[outer:])
    largest = max(math.prod(source.shape[outer:]), math.prod(shape[outer:]), 1)
    step = max(BLOCK // largest, 1) if xp is np else max(len(flat), 1)
    for start in range(0, len(flat), step):
        block = flat[start : start + step].astype(wide, copy=False)
        for axis, table in plans:
            block = _along(xp, block, places[axis] - outer + 1, table)
        result[start : start + step] = block
    return out.transpose([places[axis] for axis in range(x.ndim)])


def _along(xp: Any, x: Array, axis: int, table: Taps) -> Array:
    """One axis resampled."""
    if table.weight is None:
        return picked(xp, x, xp.asarray(table.index[:, 0]), axis)
    across = (-1, *(1 for _ in range(x.ndim - axis - 1)))
    total = None
    for place in range(table.index.shape[1]):
        part = picked(xp, x, xp.asarray(table.index[:, place]), axis)
        part *= xp.asarray(table.weights(x.dtype)[:, place].reshape(across))
        total = part if total is None else xp.add(total, part, total)
    return total


# ---- tables -----------------------------------------------------------------------------------------------------------


def _scale(size: int, out: int, scale: float | None, align: bool) -> float:
    """How many inputs an output stands for."""
    if align:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / scale if scale else size / out


@lru_cache(maxsize=512)
def nearest_taps(size: int, out: int, scale: float | None = None, exact: bool = False) -> Taps:
    """The input at floor(i s), or with ``exact`` at floor((i + 1/2) s): the one whose middle lies nearest."""
    # In float32, as PyTorch does, so that the same input is the nearest.
    places = (np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0.0)) * np.float32(
        _scale(size, out, scale, False)
    )
    return Taps(size, np.minimum(np.floor(places).astype(np.intp), size - 1)[:, None])


@lru_cache(maxsize=512)
def linear_taps(size: int, out: int, scale: float | None = None, align: bool = False) -> Taps:
    """The two inputs around each output's place, weighted by their nearness."""
    step = _scale(size, out, scale, align)
    places = np.arange(out) * step if align else np.maximum((np.arange(out) + 0.5) * step - 0.5, 0.0)
    first = np.minimum(np.floor(places).astype(np.intp), size - 1)
    part = np.clip(places - first, 0.0, 1.0)
    index, weight = np.stack([first, np.minimum(first + 1, size - 1)], 1), np.stack([1 - part, part], 1)
    return Taps(size, index, weight, by_ratio=not align and step == size / out)


def cubic_weights(part: Any) -> list[Any]:
    """The weights of the four inputs around a place that lies ``part`` behind the second (Keys, 1981, with a = -3/4)."""
    a = -0.75

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(part + 1), near(part), near(1 - part), far(2 - part)]


@lru_cache(maxsize=512)
def cubic_taps(size: int, out: int, scale: float | None = None, align: bool = False) -> Taps:
    """The four inputs around each output's place; beyond the border, the border's."""
    step = _scale(size, out, scale, align)
    places = np.arange(out) * step if align else (np.arange(out) + 0.5) * step - 0.5
    first = np.floor(places)
    index = np.clip(first.astype(np.intp)[:, None] + np.arange(-1, 3), 0, size - 1)
    return Taps(size, index, np.stack(cubic_weights(places - first), 1))


@lru_cache(maxsize=512)
def smooth_taps(size: int, out: int, scale: float | None = None, align: bool = False, cubic: bool = False) -> Taps:
    """All inputs under a filter as wide as an output, so that shrinking averages (Pillow's way of resizing)."""
    step = _scale(size, out, scale, align)
    reach = (2.0 if cubic else 1.0) * max(step, 1.0)
    centre = step * (np.arange(out) + 0.5)
    start = np.maximum((centre - reach + 0.5).astype(np.intp), 0)
    stop = np.minimum((centre + reach + 0.5).astype(np.intp), size)
    index = start[:, None] + np.arange(max(int((stop - start).max(initial=1)), 1))
    away = np.abs((index - centre[:, None] + 0.5) / max(step, 1.0))
    if cubic:  # Keys with a = -1/2
        weight = np.where(away < 1, (1.5 * away - 2.5) * away * away + 1, ((-0.5 * away + 2.5) * away - 4) * away + 2)
        weight[away >= 2] = 0.0
    else:
        weight = np.maximum(1 - away, 0.0)
    weight = np.where(index < stop[:, None], weight, 0.0)
    return Taps(size, np.minimum(index, size - 1), weight / weight.sum(1, keepdims=True))


@lru_cache(maxsize=512)
def mean_taps(size: int, parts: int) -> Taps:
    """The means of ``parts`` windows that cover the axis evenly: window i spans floor(i size / parts) to ceil((i + 1) size / parts)."""
    start, stop = cover(size, parts)
    index = start[:, None] + np.arange((stop - start).max(initial=1))
    inside = index < stop[:, None]
    return Taps(size, np.where(inside, index, start[:, None]), inside / (stop - start)[:, None])


def cover(size: int, parts: int) -> tuple[Any, Any]:
    """Where each of the windows that cover an axis evenly starts and stops."""
    return np.arange(parts) * size // parts, -(-(np.arange(1, parts + 1) * size) // parts)


def check_floating(name: str, dtype: Any) -> None:
    """Refuse what has no fractions."""
    if not is_floating(dtype):
        raise DtypeError(f"{name}: wants a floating-point tensor, not {dtype}; convert it with .float()")
