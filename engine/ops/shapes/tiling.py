"""Repeating a tensor, and joining tensors along named axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import DtypeError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like, tensor_of
from ..reductions.reduction import one_axis
from .axes import atleast_1d, atleast_2d, atleast_3d, several
from .padding import pad
from .shape import broadcast_to, cat, expand, reshape, stack, unsqueeze, whole

__all__ = [
    "block_diag",
    "cartesian_prod",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "meshgrid",
    "repeat_interleave",
    "row_stack",
    "tile",
    "vstack",
]


def repeated(name: str, x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The whole tensor, ``sizes`` times along each axis; new axes come first."""
    if len(sizes) < x.ndim or any(size < 0 for size in sizes):
        raise ShapeError(
            f"{name}: wants a number from 0 for each of the {x.ndim} axes of shape {tuple(x.shape)}, and perhaps more in front, not {sizes}"
        )
    shape = (1,) * (len(sizes) - x.ndim) + x.shape
    if all(size == 1 for size in sizes):
        return reshape(x, shape)
    # Each axis with one of its copies in front of it.
    apart = tuple(v for size in shape for v in (1, size))
    over = tuple(v for times, size in zip(sizes, shape, strict=True) for v in (times, size))
    return reshape(
        broadcast_to(reshape(x, apart), over), tuple(times * size for times, size in zip(sizes, shape, strict=True))
    )


def tile(x: Tensor, *dims: Any) -> Tensor:
    """The whole tensor again, ``dims`` times along the last axes; more numbers than axes make new axes."""
    x = tensor_like("tile", x)
    sizes = whole("tile", dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims)
    return repeated("tile", x, (1,) * (x.ndim - len(sizes)) + sizes)


def repeat_interleave(x: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element ``repeats`` times along ``dim`` (in the flat tensor if None): one number, or one for each element.

    Of a tensor of counts alone: each place as often as its count says.
    """
    from ..indexing.picking import index_select

    x = tensor_like("repeat_interleave", x)
    if repeats is None:
        return tensor_of(np.repeat(np.arange(x.numel()), _counts(x)))
    if dim is None:
        x, dim = reshape(x, (x.numel(),)), 0
    axis = one_axis("repeat_interleave", dim, x.ndim)
    counts = _counts(tensor_like("repeat_interleave", repeats))
    if counts.ndim == 0 or counts.size == 1:
        times = int(counts.reshape(()))
        wide = broadcast_to(unsqueeze(x, axis + 1), (*x.shape[: axis + 1], times, *x.shape[axis + 1 :]))
        out = reshape(wide, (*x.shape[:axis], x.shape[axis] * times, *x.shape[axis + 1 :]))
    elif counts.shape != (x.shape[axis],):
        raise ShapeError(
            f"repeat_interleave: wants one count for each of the {x.shape[axis]} elements along axis {dim}, not {tuple(counts.shape)}"
        )
    else:
        out = index_select(x, axis, tensor_of(np.repeat(np.arange(counts.size), counts)))
    if output_size is not None and out.shape[axis] != output_size:
        raise ShapeError(f"repeat_interleave: output_size is {output_size}, but there are {out.shape[axis]} elements")
    return out


def _counts(repeats: Tensor) -> np.ndarray[Any, Any]:
    counts = repeats.numpy()
    if counts.dtype.kind not in "iu" or counts.ndim > 1:
        raise DtypeError(
            f"repeat_interleave: counts are whole numbers along at most one axis, not {counts.dtype} {tuple(counts.shape)}"
        )
    if counts.size and counts.min() < 0:
        raise SettingError(f"repeat_interleave: counts are numbers from 0, not {counts.min()}")
    return counts


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: of sizes (m) and (n), two tensors (m, n); (n, m) with ``indexing="xy"``. Views."""
    found = several("meshgrid", tensors)
    if indexing not in ("ij", "xy"):
        raise SettingError(f"meshgrid: indexing is 'ij' or 'xy', not {indexing!r:.40}")
    if not found or any(x.ndim > 1 for x in found):
        raise ShapeError(
            f"meshgrid: wants tensors of one axis, not {', '.join(str(tuple(x.shape)) for x in found) or 'none'}"
        )
    places = list(range(len(found)))
    if indexing == "xy" and len(found) > 1:
        places[:2] = 1, 0
    shape = [1] * len(found)
    for place, x in zip(places, found, strict=True):
        shape[place] = x.numel()
    return tuple(
        expand(reshape(x, tuple(-1 if i == place else 1 for i in range(len(found)))), tuple(shape))
        if x.numel()
        else reshape(x, tuple(shape))
        for place, x in zip(places, found, strict=True)
    )


def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of the elements of tensors of one axis: (combinations, tensors)."""
    found = several("cartesian_prod", tensors)
    if len(found) == 1:
        return found[0]
    return stack([reshape(x, (x.numel(),)) for x in meshgrid(*found)], 1)


def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of one; numbers and vectors count as rows."""
    from ...dtype import result_type

    found = [atleast_2d(x) for x in several("block_diag", tensors)]
    if not found or any(x.ndim != 2 for x in found):
        raise ShapeError(f"block_diag: wants matrices, not {', '.join(str(tuple(x.shape)) for x in found) or 'none'}")
    dtype = result_type(*(x.array for x in found))
    width, left, rows = sum(x.shape[1] for x in found), 0, []
    for x in found:
        rows.append(pad(x.to(dtype=dtype), (left, width - left - x.shape[1])))
        left += x.shape[1]
    return cat(rows, 0)


def concat(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Tensor:
    """Another name of ``cat``."""
    return cat(tensors, dim if axis is None else axis)


concatenate = concat


def hstack(tensors: Any) -> Tensor:
    """Tensors side by side: along the second axis, or the only one."""
    found = several("hstack", (atleast_1d(tensors),))
    return cat(found, 0 if found and found[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Tensors below one another, vectors as rows."""
    return cat(several("vstack", (atleast_2d(tensors),)), 0)


row_stack = vstack


def dstack(tensors: Any) -> Tensor:
    """Tensors behind one another along the third axis."""
    return cat(several("dstack", (atleast_3d(tensors),)), 2)


def column_stack(tensors: Any) -> Tensor:
    """Vectors as columns, and matrices, side by side."""
    found = several("column_stack", (tensors,))
    return cat([reshape(x, (x.numel(), 1)) if x.ndim < 2 else x for x in found], 1)
