"""``x += y`` and its kin: written in place where no graph can notice, as PyTorch's users expect of them.

So ``p -= rate * p.grad`` inside ``no_grad()`` changes the parameter, and a buffer that counts keeps its count. Where a graph is
recorded, or the tensor was computed by one, the name is given a new tensor instead: values and gradients are those of ``x = x + y``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import GradientError
from ..modes import modes

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


def _is_recorded(sign: str, x: Tensor, other: Any) -> bool:
    """Whether ``x sign= other`` has to make a new tensor; a GradientError for a leaf, which that would lose."""
    if x.node is not None:
        return True
    if not modes.recording:
        return False
    if x.requires_grad:
        raise GradientError(
            f"{sign}=: writing into a leaf that requires a gradient, where graphs are recorded, would make its gradients wrong; "
            f"write inside no_grad(), or give the result another name: y = x {sign} ..."
        )
    return bool(getattr(other, "requires_grad", False))


class AugmentedOperators:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def __iadd__(self: Any, other: Any) -> Any:
        return ops.add(self, other) if _is_recorded("+", self, other) else self.add_(other)

    def __isub__(self: Any, other: Any) -> Any:
        return ops.sub(self, other) if _is_recorded("-", self, other) else self.sub_(other)

    def __imul__(self: Any, other: Any) -> Any:
        return ops.mul(self, other) if _is_recorded("*", self, other) else self.mul_(other)

    def __itruediv__(self: Any, other: Any) -> Any:
        return ops.div(self, other) if _is_recorded("/", self, other) else self.div_(other)

    def __ifloordiv__(self: Any, other: Any) -> Any:
        return ops.floor_divide(self, other) if _is_recorded("//", self, other) else self.floor_divide_(other)

    def __imod__(self: Any, other: Any) -> Any:
        return ops.remainder(self, other) if _is_recorded("%", self, other) else self.remainder_(other)

    def __ipow__(self: Any, other: Any) -> Any:
        return ops.pow(self, other) if _is_recorded("**", self, other) else self.pow_(other)

    def __iand__(self: Any, other: Any) -> Any:
        return self.bitwise_and_(other)

    def __ior__(self: Any, other: Any) -> Any:
        return self.bitwise_or_(other)

    def __ixor__(self: Any, other: Any) -> Any:
        return self.bitwise_xor_(other)

    def __ilshift__(self: Any, other: Any) -> Any:
        return self.bitwise_left_shift_(other)

    def __irshift__(self: Any, other: Any) -> Any:
        return self.bitwise_right_shift_(other)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
