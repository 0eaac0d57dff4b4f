"""Embeddings: vectors looked up by number, one by one or added up in bags."""

from __future__ import annotations

import numpy as np

from ... import ops
from ...bounds import left_to_gpu
from ...device import CPU, move, namespace
from ...dtype import Array, accumulator, kind
from ...errors import ArgumentError, DtypeError, GradientError, SettingError, ShapeError
from ...ops.indexing.rows import check_rows
from ...tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "embedding",
    "embedding_bag",
]

MODES = ("sum", "mean", "max")


def embedding(
    x: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of ``weight`` (numbers, width) that the integers x (...) name: (..., width).

    The row ``padding_idx`` gets no gradient. ``max_norm`` first shortens, in place, the rows that are taken and longer than that.
    ``scale_grad_by_freq`` divides a row's gradient by how often it was taken. Gradients are dense whatever ``sparse`` says.
    """
    x, weight = tensor_like("embedding", x), tensor_like("embedding", weight)
    padding = row("embedding", padding_idx, weight)
    if max_norm is not None:
        shorten("embedding", weight, x, max_norm, norm_type)
    return ops.take_rows(weight, x, padding=padding, by_frequency=bool(scale_grad_by_freq))


def embedding_bag(
    x: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """The sum, mean or maximum of the rows of ``weight`` that each bag names: (bags, width); an empty bag gives 0.

    x is (bags, length), or one long vector whose bags begin at ``offsets`` (with ``include_last_offset`` the last one ends the last bag).
    Rows may be multiplied by ``per_sample_weights`` (shape of x) before they are summed; the row ``padding_idx`` counts for nothing.
    """
    x, weight = tensor_like("embedding_bag", x), tensor_like("embedding_bag", weight)
    if mode not in MODES:
        raise SettingError(f"embedding_bag: mode must be one of {', '.join(MODES)}, not {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise SettingError("embedding_bag: a maximum has no share of a gradient; leave scale_grad_by_freq out")
    if per_sample_weights is not None and (mode != "sum" or tuple(per_sample_weights.shape) != tuple(x.shape)):
        raise SettingError(
            f"embedding_bag: per_sample_weights {tuple(per_sample_weights.shape)} want mode 'sum' (given {mode!r}) and the shape of x {tuple(x.shape)}"
        )
    padding = row("embedding_bag", padding_idx, weight)
    if max_norm is not None:
        shorten("embedding_bag", weight, x, max_norm, norm_type)
    xp = namespace(x.array)
    there = xp is not np and mode != "max"
    numbers = x.array.reshape(-1)
    bag, bags = _bags_there(x, offsets, include_last_offset) if there else _bags(x, offsets, include_last_offset)
    bag = xp.asarray(bag)
    scales = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    counted = None
    if there and padding is not None:
        counted = tensor_of(numbers != padding).to(dtype=weight.dtype)
        scales = counted if scales is None else scales * counted
    elif padding is not None and (numbers == padding).any():
        kept = tensor_of(xp.flatnonzero(numbers != padding))
        numbers, bag = numbers[kept.array], bag[kept.array]
        scales = None if scales is None else scales[kept]
    rows = ops.take_rows(weight, tensor_of(numbers), by_frequency=bool(scale_grad_by_freq))
    if mode == "max":
        return _largest(rows, bag, bags)
    if scales is not None:
        rows = rows * scales.unsqueeze(-1)
    total = ops.sum_rows(rows, tensor_of(bag), rows=bags)
    if mode == "sum":
        return total
    if there:
        counted = ops.ones(numbers.shape, dtype=weight.dtype, device=x.device) if counted is None else counted
        held = ops.sum_rows(counted.to(dtype=accumulator(weight.dtype)).unsqueeze(-1), tensor_of(bag), rows=bags)
        return total * (1.0 / ops.maximum(held, 1.0)).to(dtype=weight.dtype)
    counts = xp.maximum(xp.bincount(bag, minlength=bags), 1)[:, None].astype(accumulator(weight.dtype))
    return total * tensor_of((1 / counts).astype(weight.dtype))


def _bags(x: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[np.ndarray, int]:
    """Which bag each number of x belongs to, and how many bags there are."""
    if x.ndim == 2:
        if offsets is not None:
            raise ArgumentError("embedding_bag: the rows of a 2-dimensional x are its bags; leave offsets out")
        return np.repeat(np.arange(x.shape[0]), x.shape[1]), x.shape[0]
    if x.ndim != 1 or offsets is None:
        raise ShapeError(
            f"embedding_bag: x must be (bags, length), or one vector with offsets; it is {tuple(x.shape)}"
            + (" without offsets" if offsets is None else "")
        )
    starts = move(tensor_like("embedding_bag", offsets).array, CPU)
    if kind(starts.dtype) != 1 or starts.ndim != 1:
        raise DtypeError(f"embedding_bag: offsets are a vector of integers, not {starts.dtype} {tuple(starts.shape)}")
    ends = starts[1:] if include_last else np.append(starts[1:], x.shape[0])
    starts = starts[:-1] if include_last else starts
    sizes = ends - starts
    if (include_last and not offsets.numel()) or (sizes < 0).any() or (sizes.size and starts[0] != 0):
        raise ShapeError("embedding_bag: offsets begin with 0 and never fall")
    if sizes.size and ends[-1] != x.shape[0]:
        raise ShapeError(f"embedding_bag: the last bag ends at {ends[-1]}, but x holds {x.shape[0]} numbers")
    return np.repeat(np.arange(sizes.size), sizes), int(sizes.size)


def _bags_there(x: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[Array, int]:
    """The same on a GPU, which is not waited for."""
    if x.ndim != 1 or offsets is None or kind(offsets.dtype) != 1 or offsets.ndim != 1 or not offsets.numel():
        bag, bags = _bags(x, offsets, include_last)
        if x.ndim != 2:
            return bag, bags
        every = ops.arange(bags, device=x.device).unsqueeze(1).expand(bags, x.shape[1])
        return every.reshape(-1).array, bags
    count, starts = x.shape[0], move(offsets.array, x.device).astype("int64")
    xp = namespace(x.array)
    begin = "embedding_bag: offsets begin with 0 and never fall"
    left_to_gpu(starts[:1], 0, 0, begin)
    left_to_gpu(starts[1:] - starts[:-1], 0, count, begin)
    end = f"embedding_bag: the last bag ends at {{0}}, but x holds {count} numbers"
    left_to_gpu(starts[-1:], count if include_last else 0, count, end)
    marks = xp.zeros(count + 1, "int64")
    begins = xp.clip(starts[:-1] if include_last else starts, 0, count)
    xp.add.at(marks, begins, xp.ones_like(begins))
    bags = offsets.numel() - int(include_last)
    return xp.clip(xp.cumsum(marks)[:count] - 1, 0, max(bags - 1, 0)), bags


def _largest(rows: Tensor, bag: Array, bags: int) -> Tensor:
    """The largest number of each column in each bag; the first of equal ones gets the gradient."""
    # Which element it is, is looked for on the CPU.
    values, where = move(rows.array, CPU), rows.device
    picked, bag = bag, move(bag, CPU)
    best = np.zeros((bags, values.shape[1]), np.int64)
    filled = np.unique(bag)
    if filled.size:
        starts = np.searchsorted(bag, filled)
        peaks = np.maximum.reduceat(values, starts, axis=0)
        here = values == np.repeat(peaks, np.diff(np.append(starts, bag.size)), axis=0)
        places = np.where(here, np.arange(bag.size)[:, None], bag.size - 1)
        best[filled] = np.minimum.reduceat(places, starts, axis=0)
        if filled.size == bags:
            return ops.gather(rows, tensor_of(move(best, where)), axis=0)
        full = np.zeros((bags, 1), values.dtype)
        full[filled] = 1
        return ops.gather(rows, tensor_of(move(best, where)), axis=0) * tensor_of(move(full, where))
    return ops.sum_rows(rows, tensor_of(picked), rows=bags)


def row(who: str, padding_idx: int | None, weight: Tensor) -> int | None:
    """The number of the padding row, counted from the end where it is negative; checked."""
    if weight.ndim != 2:
        raise ShapeError(f"{who}: weight must be (numbers, width), not {tuple(weight.shape)}")
    return padding_row(who, padding_idx, weight.shape[0])


def padding_row(who: str, padding_idx: int | None, rows: int) -> int | None:
    """The same, for a table of so many rows."""
    if padding_idx is None:
        return None
    if isinstance(padding_idx, bool) or not isinstance(padding_idx, (int, np.integer)):
        raise SettingError(f"{who}: padding_idx must be a whole number or None, not {padding_idx!r:.60}")
    if not -rows <= padding_idx < rows:
        raise SettingError(f"{who}: padding_idx {padding_idx} is none of the {rows} rows")
    return int(padding_idx) % rows


def shorten(who: str, weight: Tensor, x: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows of ``weight`` that x names down to ``max_norm`` where they are longer, in place."""
    if not max_norm > 0 or not norm_type > 0:
        raise SettingError(f"{who}: max_norm ({max_norm}) and norm_type ({norm_type}) must be above 0")
    if weight.node is not None:
        raise GradientError(f"{who}: max_norm writes into weight, which is computed here; give a parameter")
    check_rows(who, x.array, weight.shape[0])
    xp = namespace(weight.array)
    # On a GPU rows that are named twice are shortened twice, alike: to find the different ones would wait for it.
    used = xp.unique(x.array) if xp is np else x.array.reshape(-1)
    rows = weight.array[used].astype(accumulator(weight.dtype), copy=False)
    lengths = (
        xp.abs(rows).max(1) if norm_type == float("inf") else (xp.abs(rows) ** norm_type).sum(1) ** (1 / norm_type)
    )
    long = lengths > max_norm
    if xp is not np:
        share = xp.where(long, max_norm / (lengths + 1e-7), 1.0)[:, None].astype(rows.dtype)
        weight.array[used] = (rows * share).astype(weight.dtype)
        ops.touch(weight)
        return
    if not long.any():
        return
    if isinstance(weight.array, np.ndarray) and not weight.array.flags.writeable:
        weight.array = weight.array.copy()
    weight.array[used[long]] = rows[long] * (max_norm / (lengths[long] + 1e-7))[:, None].astype(rows.dtype)
    ops.touch(weight)
