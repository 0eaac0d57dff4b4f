"""Normalisation over groups of channels, and by the root of the mean square.

As in ``normalization``: statistics stay wide, gradients are fused operations where no graph is being recorded, and elementary ones otherwise.
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array, accumulator
from ...errors import ShapeError
from ...modes import modes
from ...op import op, op_with_results
from ...tensor import Tensor
from ..elementwise.elementary import rsqrt

__all__ = [
    "group_norm",
    "group_norm_backward",
    "rms_norm",
    "rms_norm_backward",
]


def check_group_norm(x: Array, weight: Array | None, bias: Array | None, groups: int) -> None:
    """Refuse channels that do not divide into the groups, and scales that are not one for each channel."""
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise ShapeError(
            f"group_norm: wants (batch, channels, ...) with channels a multiple of the {groups} groups, not {tuple(x.shape)}"
        )
    for vector in (weight, bias):
        if vector is not None and vector.shape != x.shape[1:2]:
            raise ShapeError(
                f"group_norm: x has {x.shape[1]} channels {tuple(x.shape)}, but a weight or bias has shape {tuple(vector.shape)}"
            )


def _column(vector: Any, ndim: int) -> Any:
    return vector.reshape((-1,) + (1,) * (ndim - 2))


def _rows(x: Any, groups: int) -> Any:
    """One row for each example and group."""
    return x.reshape((x.shape[0] * groups, -1) if x.shape[0] else (0, 1))


def _around(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _group_norm_joint(
    grad: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, inverse: Tensor, groups: int, epsilon: float
) -> tuple[Tensor | None, ...]:  # fmt: skip
    if not modes.recording:
        dx, dweight, dbias = group_norm_backward(grad, x, weight, mean, inverse, groups=groups)
        return dx, None if weight is None else dweight, None if bias is None else dbias
    # The kept statistics are numbers; here they must depend on x again.
    rows = _rows(x, groups)
    centred = rows - rows.mean(1, True)
    root = rsqrt((centred * centred).mean(1, True) + epsilon)
    hat = centred * root
    scaled = _rows(grad if weight is None else grad * _column(weight, x.ndim), groups)
    dx = ((scaled - scaled.mean(1, True) - hat * (scaled * hat).mean(1, True)) * root).reshape(x.shape)
    along = None if weight is None else (grad * hat.reshape(x.shape)).sum(_around(x))
    return dx, along, None if bias is None else grad.sum(_around(x))


@op(residuals=("mean", "inverse"), jointly=_group_norm_joint)
def group_norm(
    xp: Any, x: Array, weight: Array | None = None, bias: Array | None = None, *, groups: int, epsilon: float = 1e-5
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(variance + epsilon) of each example's groups of channels, times weight, plus bias, of each channel.

    x (batch, channels, ...). Keeps the mean and 1 / sqrt(variance + epsilon) of each group. Wu and He, "Group normalization" (2018).
    """
    check_group_norm(x, weight, bias, groups)
    wide = accumulator(x.dtype)
    rows = _rows(x, groups).astype(wide, copy=False)
    mean = rows.mean(1, keepdims=True)
    centred = rows - mean
    inverse = 1 / xp.sqrt((centred * centred).mean(1, keepdims=True) + wide.type(epsilon))
    out = (centred * inverse).reshape(x.shape)
    out = out if weight is None else out * _column(weight, x.ndim)
    out = out if bias is None else out + _column(bias, x.ndim)
    return out.astype(x.dtype, copy=False), mean, inverse


@op_with_results(3)
def group_norm_backward(
    xp: Any, flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, groups: int
) -> tuple[Array, Array, Array]:
    """The gradients of group_norm for x, weight and bias, in one pass."""
    wide = accumulator(x.dtype)
    hat = (_rows(x, groups).astype(wide, copy=False) - mean) * inverse
    arrived = flow.astype(wide, copy=False)
    scaled = _rows(arrived if weight is None else arrived * _column(weight, x.ndim), groups)
    dx = (scaled - scaled.mean(1, keepdims=True) - hat * (scaled * hat).mean(1, keepdims=True)) * inverse
    along = (arrived * hat.reshape(x.shape)).sum(_around(x))
    return dx.reshape(x.shape).astype(x.dtype, copy=False), along, arrived.sum(_around(x))


def check_rms_norm(x: Array, weight: Array | None, axes: int) -> None:
    """Refuse axes that x does not have, and a weight of another shape than theirs."""
    if not 1 <= axes <= x.ndim or (weight is not None and weight.shape != x.shape[x.ndim - axes :]):
        raise ShapeError(
            f"rms_norm: weight {None if weight is None else tuple(weight.shape)} must have the shape of the last {axes} axes of x {tuple(x.shape)}"
        )


def _last(axes: int) -> tuple[int, ...]:
    return tuple(range(-axes, 0))


def _rms_norm_joint(
    grad: Tensor, x: Tensor, weight: Tensor | None, inverse: Tensor, epsilon: float, axes: int
) -> tuple[Tensor | None, ...]:
    if not modes.recording:
        dx, dweight = rms_norm_backward(grad, x, weight, inverse, axes=axes)
        return dx, None if weight is None else dweight
    return recorded_rms_norm(grad, x, weight, epsilon, axes)


def recorded_rms_norm(
    grad: Tensor, x: Tensor, weight: Tensor | None, epsilon: float, axes: int
) -> tuple[Tensor, Tensor | None]:
    """The gradients of rms_norm for x and weight, by operations that are recorded."""
    root = rsqrt((x * x).mean(_last(axes), True) + epsilon)
    hat = x * root
    scaled = grad if weight is None else grad * weight
    dx = (scaled - hat * (scaled * hat).mean(_last(axes), True)) * root
    return dx, None if weight is None else grad * hat


@op(residuals=("inverse",), jointly=_rms_norm_joint)
def rms_norm(
    xp: Any, x: Array, weight: Array | None = None, *, epsilon: float = 1e-6, axes: int = 1
) -> tuple[Array, Array]:
    """x / sqrt(mean of x^2 + epsilon) over the last ``axes`` axes of each example, times weight; keeps the factor.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).
    """
    check_rms_norm(x, weight, axes)
    wide = accumulator(x.dtype)
    values = x.astype(wide, copy=False)
    inverse = 1 / xp.sqrt((values * values).mean(_last(axes), keepdims=True) + wide.type(epsilon))
    out = values * inverse
    return (out if weight is None else out * weight).astype(x.dtype, copy=False), inverse


@op_with_results(2)
def rms_norm_backward(
    xp: Any, flow: Array, x: Array, weight: Array | None, inverse: Array, *, axes: int = 1
) -> tuple[Array, Array]:
    """The gradients of rms_norm for x and weight, in one pass."""
    wide = accumulator(x.dtype)
    hat = x.astype(wide, copy=False) * inverse
    arrived = flow.astype(wide, copy=False)
    scaled = arrived if weight is None else arrived * weight
    dx = (scaled - hat * (scaled * hat).mean(_last(axes), keepdims=True)) * inverse
    return dx.astype(x.dtype, copy=False), (arrived * hat).sum(tuple(range(x.ndim - axes)))
