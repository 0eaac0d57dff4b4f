"""The methods that change a tensor's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import Axis, unpack

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class ShapeMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def reshape(self: Any, *shape: Any) -> Tensor:
        return ops.reshape.one(self, {"shape": unpack(shape)})

    view = reshape

    def permute(self: Any, *axes: Any, dims: Any = None) -> Tensor:
        return ops.permute.one(self, {"axes": unpack(axes if dims is None else (dims,))})

    def transpose(self: Any, dim0: Any, dim1: Any) -> Tensor:
        return ops.transpose(self, dim0, dim1)

    def expand(self: Any, *shape: Any) -> Tensor:
        return ops.expand(self, unpack(shape))

    def flatten(self: Any, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
        return ops.flatten(self, start_dim, end_dim)

    def squeeze(self: Any, axis: Axis = None, *, dim: Any = None) -> Tensor:
        return ops.squeeze(self, axis if dim is None else dim)

    def unsqueeze(self: Any, axis: Any = 0, *, dim: Any = None) -> Tensor:
        return ops.unsqueeze(self, axis if dim is None else dim)

    def split(self: Any, sizes: Any, axis: Any = 0, *, dim: Any = None) -> tuple[Tensor, ...]:
        return ops.split(self, sizes, axis if dim is None else dim)

    def chunk(self: Any, chunks: Any, axis: Any = 0, *, dim: Any = None) -> tuple[Tensor, ...]:
        return ops.chunk(self, chunks, axis if dim is None else dim)

    def unbind(self: Any, axis: Any = 0, *, dim: Any = None) -> tuple[Tensor, ...]:
        return ops.unbind(self, axis if dim is None else dim)

    def flip(self: Any, *axes: Any, dims: Any = None) -> Tensor:
        return ops.flip(self, unpack(axes if dims is None else (dims,)))

    def roll(self: Any, shifts: Any, axis: Axis = None, *, dims: Axis = None) -> Tensor:
        return ops.roll(self, shifts, axis if dims is None else dims)

    def contiguous(self: Any) -> Tensor:
        return ops.contiguous(self)

    @property
    def T(self: Any) -> Any:  # noqa: N802 - PyTorch's and NumPy's name
        return ops.permute.one(self, {"axes": tuple(range(self.ndim - 1, -1, -1))})

    @property
    def mT(self: Any) -> Any:  # noqa: N802
        return self.transpose(-1, -2)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
