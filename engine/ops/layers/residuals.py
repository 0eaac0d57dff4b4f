"""Between the layers of a transformer, as one operation: a result, part of it left out at random, and what it was made from; their sum; the sum normalised.

With ``p`` an element of x is left out with that probability, as ``stream``'s next booleans say, and the others are scaled by 1 / (1 - p).
Of two results, the second is the sum: None where nothing is recorded and ``both`` is False, so that it need not be written.
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array, Dtype
from ...errors import ShapeError
from ...modes import modes
from ...node import Node
from ...op import op_with_results
from ...tensor import Tensor
from .dropping import drop
from .grouping import recorded_rms_norm, rms_norm, rms_norm_backward
from .normalization import layer_norm, layer_norm_backward, recorded_layer_norm

__all__ = [
    "add_layer_norm",
    "add_layer_norm_backward",
    "add_rms_norm",
    "add_rms_norm_backward",
]

Gradients = tuple[Tensor | None, ...]


def check_residual(name: str, x: Array, residual: Array) -> None:
    """Refuse summands of two shapes."""
    if x.shape != residual.shape:
        raise ShapeError(
            f"{name}: x {tuple(x.shape)} and the residual {tuple(residual.shape)} must have one shape; add them first where one repeats"
        )


def _total(xp: Any, x: Array, residual: Array, p: float, stream: Any) -> tuple[Array, Array | None]:
    """The sum, and which elements of x are in it if not all are."""
    mask = None
    if p:
        mask = stream.kept(x.shape, p, like=x)
        x = drop.body(xp, x, mask, scale=1 / (1 - p))
    return x + residual, mask


def _apart(total: Tensor | None, mask: Tensor | None, dtype: Dtype, p: float) -> Gradients:
    """What flows to x and to the residual, of what flows to their sum; recorded if anything is."""
    if total is None:
        return None, None
    part = total.to(dtype=dtype)
    return part if mask is None else drop(part, mask, scale=1 / (1 - p)), total


WIDEST = 4096
"""Numbers of a row that kernels hold, so that they read several flows but once."""


def _few(flow: Any, total: Array) -> tuple[Array | None, ...]:
    """What flows to one result, as four that are added up where it is used."""
    if flow.__class__ is list and total.shape[-1] <= WIDEST:
        return *[each.array for each in flow], *(None,) * (4 - len(flow))
    return _one(flow).array, None, None, None  # type: ignore[union-attr]


def _one(flow: Any) -> Tensor | None:
    """What flows to one result, added up."""
    if flow.__class__ is not list:
        return flow  # type: ignore[no-any-return]
    total: Tensor | None = None
    for each in flow:
        total = _joined(total, each)
    return total


def _joined(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return first if second is None else second if first is None else first + second


def _add_layer_norm_joint(
    grads: Gradients,
    x_dtype: Dtype,
    weight: Tensor | None,
    bias: Tensor | None,
    outs: tuple[Any, ...],
    mean: Tensor,
    inverse: Tensor,
    mask: Tensor | None,
    epsilon: float,
    axes: int,
    p: float,
) -> Gradients:
    flow, beside = (_one(given) for given in grads)
    if flow is None:
        return *_apart(beside, mask, x_dtype, p), None, None
    if modes.recording:
        slope, dweight, dbias = recorded_layer_norm(flow, outs[1], weight, bias, epsilon, axes)
        return *_apart(_joined(slope, beside), mask, x_dtype, p), dweight, dbias
    settings = {"axes": axes, "dtype": x_dtype, "p": p}
    tensors = (flow, None, None, None, beside, outs[1], weight, mean, inverse, mask)
    dx, dresidual, dweight, dbias = add_layer_norm_backward.run(tensors, settings)
    return dx, dresidual, None if weight is None else dweight, None if bias is None else dbias


@op_with_results(2, residuals=("mean", "inverse", "mask"), jointly=_add_layer_norm_joint, kept=(1,))
def add_layer_norm(
    xp: Any, x: Array, residual: Array, weight: Array | None = None, bias: Array | None = None, *, keep: bool = False, epsilon: float = 1e-5,
    axes: int = 1, p: float = 0.0, stream: Any = None, both: bool = True,
) -> tuple[Any, ...]:  # fmt: skip
    """layer_norm of x + residual over the last ``axes`` axes, and the sum, which is also what backward goes by."""
    check_residual("add_layer_norm", x, residual)
    total, mask = _total(xp, x, residual, p, stream)
    out, mean, inverse = layer_norm.body(xp, total, weight, bias, epsilon=epsilon, axes=axes)
    return out, total if both or keep else None, mean, inverse, mask


@op_with_results(4)
def add_layer_norm_backward(
    xp: Any, flow: Array, second: Array | None, third: Array | None, fourth: Array | None, beside: Array | None, total: Array, weight: Array | None,
    mean: Array, inverse: Array, mask: Array | None, *, axes: int, dtype: Dtype, p: float,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """The gradients of add_layer_norm for x (of this dtype), the residual, weight and bias, in one pass.

    Up to four flow to what was normalised, from all that read it, and are added up; ``beside`` flows to the sum itself.
    """
    flow = _gathered(flow, second, third, fourth)
    slope, along, across = layer_norm_backward.body(xp, flow, total, weight, mean, inverse, axes=axes)
    return *_slopes(xp, slope, beside, mask, dtype, p), along, across


def _gathered(flow: Array, *others: Array | None) -> Array:
    for other in others:
        flow = flow if other is None else flow + other
    return flow


def _slopes(
    xp: Any, slope: Array, beside: Array | None, mask: Array | None, dtype: Dtype, p: float
) -> tuple[Array, Array]:
    """The gradients for x and for the residual."""
    whole = slope if beside is None else slope + beside
    part = whole.astype(dtype, copy=False)
    return part if mask is None else drop.body(xp, part, mask, scale=1 / (1 - p)), whole


def _add_rms_norm_joint(
    grads: Gradients,
    x_dtype: Dtype,
    weight: Tensor | None,
    outs: tuple[Any, ...],
    inverse: Tensor,
    mask: Tensor | None,
    epsilon: float,
    axes: int,
    p: float,
) -> Gradients:
    flow, beside = (_one(given) for given in grads)
    if flow is None:
        return *_apart(beside, mask, x_dtype, p), None
    if modes.recording:
        slope, dweight = recorded_rms_norm(flow, outs[1], weight, epsilon, axes)
        return *_apart(_joined(slope, beside), mask, x_dtype, p), dweight
    settings = {"axes": axes, "dtype": x_dtype, "p": p}
    tensors = (flow, None, None, None, beside, outs[1], weight, inverse, mask)
    dx, dresidual, dweight = add_rms_norm_backward.run(tensors, settings)
    return dx, dresidual, None if weight is None else dweight


@op_with_results(2, residuals=("inverse", "mask"), jointly=_add_rms_norm_joint, kept=(1,))
def add_rms_norm(
    xp: Any, x: Array, residual: Array, weight: Array | None = None, *, keep: bool = False, epsilon: float = 1e-6, axes: int = 1, p: float = 0.0,
    stream: Any = None, both: bool = True,
) -> tuple[Any, ...]:  # fmt: skip
    """rms_norm of x + residual over the last ``axes`` axes, and the sum, likewise."""
    check_residual("add_rms_norm", x, residual)
    total, mask = _total(xp, x, residual, p, stream)
    out, inverse = rms_norm.body(xp, total, weight, epsilon=epsilon, axes=axes)
    return out, total if both or keep else None, inverse, mask


@op_with_results(3)
def add_rms_norm_backward(
    xp: Any, flow: Array, second: Array | None, third: Array | None, fourth: Array | None, beside: Array | None, total: Array, weight: Array | None,
    inverse: Array, mask: Array | None, *, axes: int, dtype: Dtype, p: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The gradients of add_rms_norm for x (of this dtype), the residual and weight, in one pass, likewise."""
    flow = _gathered(flow, second, third, fourth)
    slope, along = rms_norm_backward.body(xp, flow, total, weight, inverse, axes=axes)
    return *_slopes(xp, slope, beside, mask, dtype, p), along


def _directly(node: Node, arrived: Any) -> list[Any] | None:
    """The gradients at once on arrays, of all that flows to the normalised sum."""
    flow, beside = arrived[0], _one(arrived[1])
    if flow is None:
        return None
    # Of x the dtype alone is kept, behind the others.
    *vectors, dtype = node.saved  # type: ignore[misc]
    *statistics, mask = node.residuals  # type: ignore[misc]
    total, settings = node.outs[1], node.settings  # type: ignore[index]
    weight = vectors[0].array if vectors and vectors[0] is not None else None
    tensors = (*_few(flow, total), None if beside is None else beside.array, total, weight, *statistics, mask)
    back = add_layer_norm_backward if len(statistics) == 2 else add_rms_norm_backward
    return list(back.compute(*tensors, axes=settings["axes"], dtype=dtype, p=settings["p"]))[: len(node.edges)]


for _operation in (add_layer_norm, add_rms_norm):
    _operation.gathers = True
    _operation.directly(_directly)
