"""The methods that rearrange a tensor: axes, copies of it, diagonals, windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import unpack

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class ArrangementMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def tile(self: Any, *dims: Any) -> Tensor:
        return ops.tile(self, *dims)

    def repeat(self: Any, *sizes: Any) -> Tensor:
        return ops.shapes.tiling.repeated("repeat", self, unpack(sizes))

    def repeat_interleave(self: Any, repeats: Any = None, dim: Any = None, *, output_size: Any = None) -> Tensor:
        return ops.repeat_interleave(self, repeats, dim, output_size=output_size)

    def unfold(self: Any, dimension: Any, size: Any, step: Any) -> Tensor:
        return ops.sliding(self, dimension, size, step)

    def diagonal(self: Any, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Tensor:
        return ops.diagonal(self, offset, dim1, dim2)

    def diag(self: Any, diagonal: Any = 0) -> Tensor:
        return ops.diag(self, diagonal)

    def diag_embed(self: Any, offset: Any = 0, dim1: Any = -2, dim2: Any = -1) -> Tensor:
        return ops.diag_embed(self, offset, dim1, dim2)

    def diagflat(self: Any, offset: Any = 0) -> Tensor:
        return ops.diagflat(self, offset)

    def tril(self: Any, diagonal: Any = 0) -> Tensor:
        return ops.tril(self, diagonal)

    def triu(self: Any, diagonal: Any = 0) -> Tensor:
        return ops.triu(self, diagonal)

    def movedim(self: Any, source: Any, destination: Any) -> Tensor:
        return ops.movedim(self, source, destination)

    def moveaxis(self: Any, source: Any, destination: Any) -> Tensor:
        return ops.moveaxis(self, source, destination)

    def swapaxes(self: Any, axis0: Any, axis1: Any) -> Tensor:
        return ops.swapaxes(self, axis0, axis1)

    def swapdims(self: Any, dim0: Any, dim1: Any) -> Tensor:
        return ops.swapdims(self, dim0, dim1)

    def t(self: Any) -> Tensor:
        return ops.t(self)

    def rot90(self: Any, k: Any = 1, dims: Any = (0, 1)) -> Tensor:
        return ops.rot90(self, k, dims)

    def fliplr(self: Any) -> Tensor:
        return ops.fliplr(self)

    def flipud(self: Any) -> Tensor:
        return ops.flipud(self)

    def ravel(self: Any) -> Tensor:
        return ops.ravel(self)

    def tensor_split(self: Any, indices_or_sections: Any, dim: Any = 0) -> tuple[Tensor, ...]:
        return ops.tensor_split(self, indices_or_sections, dim)

    def hsplit(self: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
        return ops.hsplit(self, indices_or_sections)

    def vsplit(self: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
        return ops.vsplit(self, indices_or_sections)

    def dsplit(self: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
        return ops.dsplit(self, indices_or_sections)

    def unflatten(self: Any, dim: Any, sizes: Any) -> Tensor:
        return ops.unflatten(self, dim, sizes)

    def broadcast_to(self: Any, *shape: Any) -> Tensor:
        return ops.expand(self, unpack(shape))

    def narrow(self: Any, dim: Any, start: Any, length: Any) -> Tensor:
        return ops.narrow(self, dim, start, length)

    def select(self: Any, dim: Any, index: Any) -> Tensor:
        return ops.select(self, dim, index)

    def view_as(self: Any, other: Any) -> Tensor:
        return ops.reshape(self, other.shape)

    def reshape_as(self: Any, other: Any) -> Tensor:
        return ops.reshape(self, other.shape)

    def expand_as(self: Any, other: Any) -> Tensor:
        return ops.expand(self, other.shape)

    def sum_to_size(self: Any, *size: Any) -> Tensor:
        return ops.shapes.axes.sum_to_size(self, unpack(size))

    def split_with_sizes(self: Any, split_sizes: Any, dim: Any = 0) -> tuple[Tensor, ...]:
        return ops.split(self, split_sizes, dim)

    def narrow_copy(self: Any, dim: Any, start: Any, length: Any) -> Tensor:
        return ops.clone(ops.narrow(self, dim, start, length))


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
