"""The methods that pick elements, and those that write to places of a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class IndexMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def gather(self: Any, dim: Any = None, index: Any = None, *, axis: Any = None) -> Tensor:
        return ops.gather(self, dim, index, axis=axis)

    def index_select(self: Any, dim: Any, index: Any) -> Tensor:
        return ops.index_select(self, dim, index)

    def take(self: Any, index: Any) -> Tensor:
        return ops.take(self, index)

    def take_along_dim(self: Any, indices: Any, dim: Any = None) -> Tensor:
        return ops.take_along_dim(self, indices, dim)

    def masked_select(self: Any, mask: Any) -> Tensor:
        return ops.masked_select(self, mask)

    def masked_fill(self: Any, mask: Any, value: Any) -> Tensor:
        return ops.masked_fill(self, mask, value)

    def masked_scatter(self: Any, mask: Any, source: Any) -> Tensor:
        return ops.masked_scatter(self, mask, source)

    def nonzero(self: Any, *, as_tuple: Any = False) -> Any:
        return ops.nonzero(self, as_tuple=as_tuple)

    def argwhere(self: Any) -> Tensor:
        return ops.argwhere(self)

    def where(self: Any, condition: Any, other: Any) -> Tensor:
        return ops.where(condition, self, other)

    def scatter(self: Any, dim: Any, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None) -> Tensor:
        return ops.scatter(self, dim, index, src, value=value, reduce=reduce)

    def scatter_add(self: Any, dim: Any, index: Any, src: Any) -> Tensor:
        return ops.scatter_add(self, dim, index, src)

    def scatter_reduce(self: Any, dim: Any, index: Any, src: Any, reduce: Any, *, include_self: Any = True) -> Tensor:
        return ops.scatter_reduce(self, dim, index, src, reduce, include_self=include_self)

    def index_add(self: Any, dim: Any, index: Any, source: Any, *, alpha: Any = 1) -> Tensor:
        return ops.index_add(self, dim, index, source, alpha=alpha)

    def index_copy(self: Any, dim: Any, index: Any, source: Any) -> Tensor:
        return ops.index_copy(self, dim, index, source)

    def index_fill(self: Any, dim: Any, index: Any, value: Any) -> Tensor:
        return ops.index_fill(self, dim, index, value)

    def index_put(self: Any, indices: Any, values: Any, accumulate: Any = False) -> Tensor:
        return ops.index_put(self, indices, values, accumulate)

    def index_reduce(self: Any, dim: Any, index: Any, source: Any, reduce: Any, *, include_self: Any = True) -> Tensor:
        return ops.index_reduce(self, dim, index, source, reduce, include_self=include_self)

    def put(self: Any, index: Any, source: Any, accumulate: Any = False) -> Tensor:
        return ops.put(self, index, source, accumulate)

    def select_scatter(self: Any, src: Any, dim: Any, index: Any) -> Tensor:
        return ops.select_scatter(self, src, dim, index)

    def slice_scatter(self: Any, src: Any, dim: Any = 0, start: Any = None, end: Any = None, step: Any = 1) -> Tensor:
        return ops.slice_scatter(self, src, dim, start, end, step)

    def diagonal_scatter(self: Any, src: Any, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Tensor:
        return ops.diagonal_scatter(self, src, offset, dim1, dim2)

    def as_strided(self: Any, size: Any, stride: Any, storage_offset: Any = 0) -> Tensor:
        return ops.as_strided(self, size, stride, storage_offset)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
