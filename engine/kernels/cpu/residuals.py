"""Sums with what a layer was given, normalised: oneDNN leaves elements out, scales the others and adds the residual in one pass over x."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.layers import grouping as bodies_by_root
from ...ops.layers import normalization as bodies
from ...ops.layers.dropping import drop as plain_drop
from ...ops.layers.residuals import check_residual
from . import grouping, normalization, pool
from .arithmetic import MULTIPLY, add
from .dropping import drop
from .elementwise import flat_layout
from .epilogue import Epilogue
from .library import Library
from .memory import BYTE, FLOAT32, Array, Layout, Result, address
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, SOURCE_1, Primitive, describe


def add_layer_norm(
    x: Array, residual: Array, weight: Array | None = None, bias: Array | None = None, *, keep: bool = False, epsilon: float = 1e-5, axes: int = 1,
    p: float = 0.0, stream: Any = None, both: bool = True,
) -> Result:  # fmt: skip
    """layer_norm of x + residual and that sum, with what backward goes by."""
    check_residual("add_layer_norm", x, residual)
    total, mask = _total(x, residual, p, stream)
    found = normalization.layer_norm(total, weight, bias, epsilon=epsilon, axes=axes)
    if found is NotImplemented:
        found = bodies.layer_norm.body(np, total, weight, bias, epsilon=epsilon, axes=axes)
    out, mean, inverse = found
    return out, total if both or keep else None, mean, inverse, mask


def add_layer_norm_backward(
    flow: Array, second: Array | None, third: Array | None, fourth: Array | None, beside: Array | None, total: Array, weight: Array | None, mean: Array,
    inverse: Array, mask: Array | None, *, axes: int, dtype: Any, p: float,
) -> Result:  # fmt: skip
    """The gradients of add_layer_norm for x, the residual, weight and bias."""
    flow = _gathered(flow, second, third, fourth)
    found = normalization.layer_norm_backward(flow, total, weight, mean, inverse, axes=axes)
    if found is NotImplemented:
        found = bodies.layer_norm_backward.body(np, flow, total, weight, mean, inverse, axes=axes)
    slope, along, across = found
    return *_slopes(slope, beside, mask, dtype, p), along, across


def add_rms_norm(
    x: Array, residual: Array, weight: Array | None = None, *, keep: bool = False, epsilon: float = 1e-6, axes: int = 1, p: float = 0.0,
    stream: Any = None, both: bool = True,
) -> Result:  # fmt: skip
    """rms_norm of x + residual and that sum, likewise."""
    check_residual("add_rms_norm", x, residual)
    total, mask = _total(x, residual, p, stream)
    found = grouping.rms_norm(total, weight, epsilon=epsilon, axes=axes)
    if found is NotImplemented:
        found = bodies_by_root.rms_norm.body(np, total, weight, epsilon=epsilon, axes=axes)
    out, inverse = found
    return out, total if both or keep else None, inverse, mask


def add_rms_norm_backward(
    flow: Array, second: Array | None, third: Array | None, fourth: Array | None, beside: Array | None, total: Array, weight: Array | None,
    inverse: Array, mask: Array | None, *, axes: int, dtype: Any, p: float,
) -> Result:  # fmt: skip
    """The gradients of add_rms_norm for x, the residual and weight."""
    flow = _gathered(flow, second, third, fourth)
    found = grouping.rms_norm_backward(flow, total, weight, inverse, axes=axes)
    if found is NotImplemented:
        found = bodies_by_root.rms_norm_backward.body(np, flow, total, weight, inverse, axes=axes)
    slope, along = found
    return *_slopes(slope, beside, mask, dtype, p), along


def _gathered(flow: Array, *others: Array | None) -> Array:
    """What flows to one result, added up."""
    for other in others:
        flow = flow if other is None else add(flow, other)
    return flow


def _total(x: Array, residual: Array, p: float, stream: Any) -> tuple[Array, Array | None]:
    """The sum, and which elements of x are in it if not all are."""
    if not p:
        return add(x, residual), None
    mask, scale = stream.kept(x.shape, p, like=x), 1 / (1 - p)
    if x.nbytes >= pool.SMALLEST:
        key = (_total, x.shape, x.strides, x.dtype, residual.strides, residual.dtype, mask.strides, scale)
        total = (PLANS.get(key) or plan(key, _plan_total, x, residual, mask, scale))(x, residual, mask)
        if total is not NotImplemented:
            return total, mask
    return add(_dropped(x, mask, scale), residual), mask


def _plan_total(library: Library, x: Array, residual: Array, mask: Array, scale: float) -> Plan | None:
    layout = flat_layout(library, x)
    alike = x.strides == residual.strides == tuple(step * x.itemsize for step in mask.strides)
    if layout is None or x.dtype != FLOAT32 or residual.dtype != FLOAT32 or not alike:
        return None
    epilogue = Epilogue(library)
    epilogue.scale(scale)
    added = epilogue.add(layout)
    bytes_ = Layout(library, (x.size,), BYTE, (1,))
    description = describe(library, "binary", MULTIPLY, layout, bytes_, layout, epilogue=epilogue)
    if description is None:
        return None
    run = Primitive(description, (SOURCE, SOURCE_1, DESTINATION, added)).run
    allocate = pool.allocator(x.shape, x.dtype, x.strides)

    def compute(x: Array, residual: Array, mask: Array) -> Array:
        total = allocate()
        run(address(x), address(mask), address(total), address(residual))
        return total

    return compute


def _dropped(x: Array, mask: Array, scale: float) -> Array:
    found: Array = drop(x, mask, scale=scale)
    return plain_drop.body(np, x, mask, scale=scale) if found is NotImplemented else found


def _slopes(slope: Array, beside: Array | None, mask: Array | None, dtype: Any, p: float) -> tuple[Array, Array]:
    """The gradients for x and for the residual."""
    whole = slope if beside is None else add(slope, beside)
    part = whole.astype(dtype, copy=False)
    return part if mask is None else _dropped(part, mask, 1 / (1 - p)), whole
