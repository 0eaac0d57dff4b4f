"""Layer normalisation by oneDNN, with its gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import one_example, pool
from .library import Library
from .memory import FLOAT32, FLOATS, Array, Layout, Result, address
from .plans import PLANS, Plan, plan
from .primitive import (
    DESTINATION,
    DESTINATION_GRADIENT,
    MEAN,
    SCALE,
    SCALE_GRADIENT,
    SHIFT,
    SHIFT_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    VARIANCE,
    Primitive,
    describe,
)
from .reorder import as_dense
from .statistics import FEWEST

FORWARD_INFERENCE = 96
FORWARD_TRAINING = 64
BACKWARD = 128
GIVEN_STATISTICS = 1
USE_SCALE = 2
USE_SHIFT = 4

Vectors = Callable[..., "list[Array]"]


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, epsilon: float = 1e-5, axes: int = 1
) -> Result:
    """layer_norm over the last `axes` axes; with it each example's mean and 1 / sqrt(variance + epsilon) in float32."""
    if one_example.is_one(x, axes, weight, bias):
        return one_example.layer_norm(x, weight, bias, epsilon)
    key = (layer_norm, x.shape, x.strides, x.dtype, form(weight), form(bias), epsilon, axes)
    return (PLANS.get(key) or plan(key, _plan_layer_norm, x, weight, bias, epsilon, axes))(x, weight, bias)


def layer_norm_backward(
    flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, *, axes: int = 1
) -> Result:
    """The gradients of layer_norm for x, weight and bias; the latter two in float32."""
    key = (
        layer_norm_backward, flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype,
        form(weight), form(mean), form(inverse), axes,
    )  # fmt: skip
    found = PLANS.get(key) or plan(key, _plan_layer_norm_backward, flow, x, weight, mean, inverse, axes)
    return found(flow, x, weight, mean, inverse)


def form(vector: Array | None) -> object:
    return None if vector is None else (vector.shape, vector.strides, vector.dtype)


def vectors_of(size: int, *vectors: Array | None) -> Vectors | None:
    """A function that gives such vectors of `size` numbers as oneDNN takes them, dense float32, and leaves out None."""
    given = [vector for vector in vectors if vector is not None]
    if any(vector.size != size or vector.dtype not in FLOATS for vector in given):
        return None
    if all(vector.dtype == FLOAT32 and vector.flags.c_contiguous for vector in given):
        if len(given) == len(vectors):
            return lambda *vectors: list(vectors)
        return lambda *vectors: [vector for vector in vectors if vector is not None]
    return lambda *vectors: [np.ascontiguousarray(vector, FLOAT32) for vector in vectors if vector is not None]


def flags_of(weight: Array | None, bias: Array | None) -> tuple[int, tuple[int, ...]]:
    """oneDNN's flags for the given scale and shift, and the names of these arguments."""
    flags = (USE_SCALE if weight is not None else 0) | (USE_SHIFT if bias is not None else 0)
    return flags, ((SCALE,) if weight is not None else ()) + ((SHIFT,) if bias is not None else ())


def _rows(library: Library, x: Array, axes: int) -> tuple[int, int, Layout, Layout] | None:
    """Rows and their width, and the layouts of the rows and of their statistics."""
    if x.dtype not in FLOATS or not 1 <= axes <= x.ndim or x.size < FEWEST:
        return None
    width = int(np.prod(x.shape[x.ndim - axes :]))
    rows = x.size // width
    return rows, width, Layout(library, (rows, width), x.dtype, (width, 1)), Layout(library, (rows,), FLOAT32, (1,))


def _plan_layer_norm(
    library: Library, x: Array, weight: Array | None, bias: Array | None, epsilon: float, axes: int
) -> Plan | None:
    form = _rows(library, x, axes)
    vectors = None if form is None else vectors_of(form[1], weight, bias)
    if form is None or vectors is None:
        return None
    _, _, layout, statistics = form
    flags, names = flags_of(weight, bias)
    description = describe(
        library, "layer_normalization_forward", FORWARD_TRAINING, layout, layout, statistics, epsilon, flags
    )
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION, MEAN, VARIANCE, *names)).run
    fetch, allocate = as_dense(x), pool.allocator(x.shape, x.dtype)
    kept = x.shape[: x.ndim - axes] + (1,) * axes

    def compute(x: Array, weight: Array | None, bias: Array | None) -> tuple[Array, Array, Array]:
        source, result = fetch(x), allocate()
        mean, variance = np.empty(kept, FLOAT32), np.empty(kept, FLOAT32)
        given = vectors(weight, bias)
        run(address(source), address(result), address(mean), address(variance), *map(address, given))
        variance += epsilon
        np.sqrt(variance, out=variance)
        return result, mean, np.reciprocal(variance, out=variance)

    return compute


def _plan_layer_norm_backward(
    library: Library, flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array, axes: int
) -> Plan | None:
    form = _rows(library, x, axes)
    if form is None or flow.shape != x.shape or flow.dtype != x.dtype:
        return None
    rows, width, layout, statistics = form
    vectors, scales = vectors_of(rows, mean), vectors_of(width, weight)
    if vectors is None or scales is None or inverse.shape != mean.shape or inverse.dtype != FLOAT32:
        return None
    flags = USE_SCALE | USE_SHIFT
    # The variance is given as 1 / inverse^2, which already holds the epsilon of the forward pass.
    hint = describe(library, "layer_normalization_forward", FORWARD_TRAINING, layout, layout, statistics, 0.0, flags)
    if hint is None:
        return None
    description = describe(
        library, "layer_normalization_backward", BACKWARD, layout, layout, layout, statistics, 0.0, flags, hint
    )
    if description is None:
        return None
    names = (
        SOURCE,
        DESTINATION_GRADIENT,
        SOURCE_GRADIENT,
        SCALE_GRADIENT,
        SHIFT_GRADIENT,
        MEAN,
        VARIANCE,
        SCALE,
        SHIFT,
    )
    run = Primitive(description, names).run
    fetch_flow, fetch_x, allocate = as_dense(flow), as_dense(x), pool.allocator(x.shape, x.dtype)
    shape, ones = x.shape[x.ndim - axes :], np.ones(width, FLOAT32)
    zeros = np.zeros(width, FLOAT32)  # the shift does not matter, but oneDNN asks for it

    def compute(flow: Array, x: Array, weight: Array | None, mean: Array, inverse: Array) -> tuple[Array, Array, Array]:
        upstream, source, result = fetch_flow(flow), fetch_x(x), allocate()
        along, total = np.empty(shape, FLOAT32), np.empty(shape, FLOAT32)
        variance = np.ascontiguousarray(inverse**-2)
        (means,), (scale,) = vectors(mean), scales(ones if weight is None else weight)
        results = (address(result), address(along), address(total))
        given = (address(means), address(variance), address(scale), address(zeros))
        run(address(source), address(upstream), *results, *given)
        return result, along, total

    return compute
