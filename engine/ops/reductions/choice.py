"""Choosing elements along an axis: (values, indices), the gradient flowing back to where the values came from."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...dtype import Array
from ...errors import ShapeError
from ...op import op_with_results
from ...tensor import Tensor
from ..elementwise.arithmetic import maximum, minimum
from .reduction import amax, amin, one_axis

__all__ = [
    "max",
    "min",
]


class Chosen(NamedTuple):
    """What a function that chooses elements gives: the ``values``, and their ``indices`` along the axis."""

    values: Tensor
    indices: Tensor


def to_places(
    grads: tuple[Tensor | None, ...], x_shape: tuple[int, ...], place: Tensor, axis: int, keepdim: bool
) -> Tensor | None:
    """The gradient of chosen values, put where they came from: the rule of every op here and in ``order``, ``ranks`` and ``scan``.

    ``place`` holds their indices, the axis kept.
    """
    from ..indexing.index import spread_along
    from ..shapes.shape import reshape

    grad = grads[0]
    if grad is None or not x_shape:
        return grad
    grad = grad if keepdim else reshape(grad, place.shape)
    return spread_along(grad, place, shape=x_shape, axis=axis % len(x_shape))


def to_kept_places(
    grads: tuple[Tensor | None, ...], x_shape: tuple[int, ...], place: Tensor, axis: int
) -> Tensor | None:
    """The same where the axis stays whatever the settings."""
    return to_places(grads, x_shape, place, axis, True)


def picked(
    xp: Any, x: Array, place: Array, axis: int, keepdim: bool = True, values: Array | None = None
) -> tuple[Array, ...]:
    """The results of a choosing op's body: the values, their indices, and those once more as the residual ``place``."""
    if values is None:
        values = xp.take_along_axis(x, place, axis)
    if keepdim:
        return values, place, place
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return values.reshape(shape), place.reshape(shape), place


def itself(xp: Any, x: Array) -> tuple[Array, ...]:
    """What is chosen from a tensor without axes."""
    place = xp.zeros((), "int64")
    return x.copy(), place, place


@op_with_results(2, residuals=("place",), x=to_places)
def max_along(xp: Any, x: Array, axis: int, keepdim: bool = False) -> tuple[Array, ...]:
    """The largest element along ``axis``, the first of equal ones, and its index."""
    if not x.ndim:
        return itself(xp, x)
    axis = _filled("max", x, axis)
    return picked(xp, x, x.argmax(axis, keepdims=True), axis, keepdim, x.max(axis, keepdims=True))


@op_with_results(2, residuals=("place",), x=to_places)
def min_along(xp: Any, x: Array, axis: int, keepdim: bool = False) -> tuple[Array, ...]:
    """The smallest element along ``axis``, the first of equal ones, and its index."""
    if not x.ndim:
        return itself(xp, x)
    axis = _filled("min", x, axis)
    return picked(xp, x, x.argmin(axis, keepdims=True), axis, keepdim, x.min(axis, keepdims=True))


def _filled(name: str, x: Array, axis: int) -> int:
    axis = one_axis(name, axis, x.ndim)
    if not x.shape[axis]:
        raise ShapeError(
            f"{name}: there is nothing to choose from in a tensor of shape {tuple(x.shape)} along axis {axis}"
        )
    return axis


def max(x: Tensor, axis: Any = None, keepdim: bool = False, *, dim: int | None = None) -> Tensor | Chosen:
    """The largest element of all; with an ``axis``, (values, indices), the gradient going to that index alone.

    With a tensor in the place of the axis, the larger of each pair of elements (``maximum``).
    """
    axis = axis if dim is None else dim
    if axis is None:
        return amax(x, None, keepdim)
    return maximum(x, axis) if isinstance(axis, Tensor) else Chosen(*max_along(x, axis, keepdim))


def min(x: Tensor, axis: Any = None, keepdim: bool = False, *, dim: int | None = None) -> Tensor | Chosen:
    """The smallest element of all; with an ``axis``, (values, indices), the gradient going to that index alone.

    With a tensor in the place of the axis, the smaller of each pair of elements (``minimum``).
    """
    axis = axis if dim is None else dim
    if axis is None:
        return amin(x, None, keepdim)
    return minimum(x, axis) if isinstance(axis, Tensor) else Chosen(*min_along(x, axis, keepdim))
