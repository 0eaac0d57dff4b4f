"""The methods that make new tensors of a tensor's dtype and device, and those that tell what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dtype import is_floating
from .arguments import unpack

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class CreationMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def new_zeros(self: Any, *size: Any, **settings: Any) -> Tensor:
        return ops.zeros(unpack(size), **(_of(self) | settings))

    def new_ones(self: Any, *size: Any, **settings: Any) -> Tensor:
        return ops.ones(unpack(size), **(_of(self) | settings))

    def new_empty(self: Any, *size: Any, **settings: Any) -> Tensor:
        return ops.empty(unpack(size), **(_of(self) | settings))

    def new_full(self: Any, size: Any, fill_value: Any, **settings: Any) -> Tensor:
        return ops.full(size, fill_value, **(_of(self) | settings))

    def new_tensor(self: Any, data: Any, *, requires_grad: bool = False, **settings: Any) -> Tensor:
        made: Tensor = ops.as_tensor(data, **(_of(self) | settings)).detach().clone()
        return made.requires_grad_() if requires_grad else made

    def nelement(self: Any) -> int:
        count: int = self.numel()
        return count

    def ndimension(self: Any) -> int:
        axes: int = self.ndim
        return axes

    def stride(self: Any, dim: int | None = None) -> Any:
        """Elements from one to the next along each axis, or along one."""
        strides = tuple(step // self.dtype.itemsize for step in self.array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self: Any) -> bool:
        """Whether the elements lie in row order, without gaps."""
        return bool(self.array.flags.c_contiguous)

    def is_floating_point(self: Any) -> bool:
        return is_floating(self.dtype)

    def byte(self: Any) -> Tensor:
        made: Tensor = self.to(dtype="uint8")
        return made

    def char(self: Any) -> Tensor:
        made: Tensor = self.to(dtype="int8")
        return made

    def short(self: Any) -> Tensor:
        made: Tensor = self.to(dtype="int16")
        return made


def _of(x: Tensor) -> dict[str, Any]:
    """The dtype and device of ``x``, which ``dtype=`` and ``device=`` replace."""
    return {"dtype": x.dtype, "device": x.device}


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
