"""Gradients of second order for operations whose own gradient is one fast pass over raw arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...tensor import Tensor


def replayed(
    function: Callable[..., Any], tensors: Sequence[Tensor | None], flows: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """The gradients of ``function(*tensors)`` for what flows back into its results, computed by operations that are recorded.

    A rule calls it where recording is on, with the same computation written in plain operations. None among ``tensors`` is
    passed on, and its gradient is None; a result into which nothing flows is None among ``flows``.
    """
    from ...gradient import grad

    # Ends of their own, so that the walk goes through this computation and no further.
    ends = [None if t is None else _end(t) for t in tensors]
    results = function(*ends)
    pairs = [
        (result, flow)
        for result, flow in zip(results if isinstance(results, tuple) else (results,), flows, strict=True)
        if flow is not None
    ]
    wanted = [end for end in ends if end is not None]
    found = iter(grad([p[0] for p in pairs], wanted, [p[1] for p in pairs], create_graph=True, allow_unused=True))
    return tuple(None if end is None else next(found) for end in ends)


def _end(tensor: Tensor) -> Tensor:
    from ..shapes.shape import reshape

    return reshape(tensor, tensor.shape) if tensor.requires_grad else tensor.detach().requires_grad_()
