"""A tensor's methods about its gradient: see ``engine.gradient`` and ``engine.hooks``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..dtype import is_differentiable
from ..errors import GradientError

if TYPE_CHECKING:
    from ..hooks import RemovableHook
    from ..tensor import Tensor


class GradientMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    @property
    def is_leaf(self: Any) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.node is None

    @property
    def grad_fn(self: Any) -> Any:
        """The recorded operation that made this tensor, with the line it was called at; None for a leaf (as ``node``)."""
        return self.node

    @property
    def retains_grad(self: Any) -> bool:
        """Whether backward fills ``grad`` of this computed tensor too."""
        from ..hooks import retains_grad

        return retains_grad(self)

    def backward(self: Any, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add this tensor's gradient to ``.grad`` of the leaves it was computed from. See ``engine.gradient``."""
        _backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def requires_grad_(self: Any, requires_grad: bool = True) -> Any:
        """Ask for a gradient, or stop asking; gives the tensor itself."""
        if requires_grad and not is_differentiable(self.dtype):
            raise GradientError(
                f"requires_grad: only floating-point and complex tensors have gradients, not {self.dtype}"
            )
        if not requires_grad and self.node is not None:
            raise GradientError("requires_grad: a computed tensor always takes part in its graph; use .detach()")
        self.requires_grad = requires_grad
        return self

    def detach_(self: Any) -> Any:
        """Leave the graph in place: the tensor becomes a leaf that wants no gradient; gives the tensor itself."""
        self.node = None
        self.requires_grad = False
        return self

    def retain_grad(self: Any) -> None:
        """Let backward fill ``grad`` of this computed tensor too, after its hooks."""
        from ..hooks import retain_grad

        retain_grad(self)

    def register_hook(self: Any, hook: Callable[[Tensor], Any]) -> RemovableHook:
        """Call ``hook(gradient)`` when the gradient of this tensor is complete; what it gives, if not None, takes its place."""
        from ..hooks import register_hook

        return register_hook(self, hook)

    def register_post_accumulate_grad_hook(self: Any, hook: Callable[[Tensor], Any]) -> RemovableHook:
        """Call ``hook(leaf)`` once backward has added to this leaf's ``grad``, as early as nothing can add more."""
        from ..hooks import register_post_accumulate_grad_hook

        return register_post_accumulate_grad_hook(self, hook)


def _backward(tensor: Tensor, gradient: Any, *, retain_graph: bool | None, create_graph: bool) -> None:
    raise AssertionError("the walk is not there yet")


def bind(backward: Any) -> None:
    """Let the method call the walk."""
    globals()["_backward"] = backward
