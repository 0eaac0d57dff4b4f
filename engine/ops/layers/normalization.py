"""Normalisation of each example's last axes.

Statistics are kept in float32 where the tensors are narrower. Where no graph is being recorded, gradients are computed by
fused operations; otherwise from elementary ones, so that they can be differentiated again.
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
    "layer_norm",
    "layer_norm_backward",
]


def check_layer_norm(x: Array, weight: Array | None, bias: Array | None, axes: int) -> None:
    """Refuse scales whose shape is not that of the normalised axes."""
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and vector.shape != x.shape[x.ndim - axes :]:
            raise ShapeError(
                f"layer_norm: {name} {tuple(vector.shape)} must have the shape of the last {axes} axes of x {tuple(x.shape)}"
            )
    if not 1 <= axes <= x.ndim:
        raise ShapeError(f"layer_norm: cannot normalise {axes} axes of x {tuple(x.shape)}")


def _last(axes: int) -> tuple[int, ...]:
    return tuple(range(-axes, 0))


def _layer_norm_joint(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    epsilon: float,
    axes: int,
) -> tuple[Tensor | None, ...]:
    if not modes.recording:
        dx, dweight, dbias = layer_norm_backward.run((grad, x, weight, mean, inverse), {"axes": axes})
        return dx, None if weight is None else dweight, None if bias is None else dbias
    return recorded_layer_norm(grad, x, weight, bias, epsilon, axes)


def recorded_layer_norm(
    grad: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, epsilon: float, axes: int
) -> tuple[Tensor | None, ...]:
    """The gradients of layer_norm for x, weight and bias, by operations that are recorded."""
    # The kept statistics are numbers; here they must depend on x again.
    centred = x - x.mean(_last(axes), True)
    root = rsqrt((centred * centred).mean(_last(axes), True) + epsilon)
    hat = centred * root
    scaled = grad if weight is None else grad * weight
    dx = (scaled - scaled.mean(_last(axes), True) - hat * (scaled * hat).mean(_last(axes), True)) * root
    return dx, None if weight is None else grad * hat, None if bias is None else grad


@op(residuals=("mean", "inverse"), jointly=_layer_norm_joint)
def layer_norm(
    xp: Any, x: Array, weight: Array | None = None, bias: Array | None = None, *, epsilon: float = 1e-5, axes: int = 1
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, over the last ``axes`` axes of each example.

    Keeps the mean and 1 / sqrt(variance + epsilon). Ba, Kiros and Hinton, "Layer normalization" (2016).
    """
    check_layer_norm(x, weight, bias, axes)
    wide = accumulator(x.dtype)
    values = x.astype(wide, copy=False)
    mean = values.mean(_last(axes), keepdims=True)
    centred = values - mean
    inverse = 1 / xp.sqrt(xp.mean(centred * centred, _last(axes), keepdims=True) + wide.type(epsilon))
    out = centred * inverse
    out = out if weight is None else out * weight
    out = out if bias is None else out + bias
    return out.astype(x.dtype, copy=False), mean, inverse


@op_with_results(3)
def layer_norm_backward(
    xp: Any, flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, axes: int = 1
) -> tuple[Array, Array, Array]:
    """The gradients of layer_norm for x, weight and bias, in one pass."""
    wide = accumulator(x.dtype)
    hat = (x.astype(wide, copy=False) - mean) * inverse
    arrived = flow.astype(wide, copy=False)
    scaled = arrived if weight is None else arrived * weight
    last, lead = _last(axes), tuple(range(x.ndim - axes))
    dx = (scaled - scaled.mean(last, keepdims=True) - hat * (scaled * hat).mean(last, keepdims=True)) * inverse
    return dx.astype(x.dtype, copy=False), (arrived * hat).sum(lead), arrived.sum(lead)
