"""Attention's blocks by oneDNN: products of heads as they lie in memory, and the softmax in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...modes import modes
from ...ops.layers import attention_operands, blockwise
from ...ops.layers.heads import in_heads, in_rows, thirds, whole_of_thirds
from . import pool
from .dropping import drop_into
from .epilogue import Epilogue
from .library import Library
from .memory import BFLOAT16, FLOAT32, FLOATS, Array, Layout, Result, address, dense_strides, disjoint
from .plans import PLANS, Plan, plan
from .primitive import (
    DESTINATION,
    DESTINATION_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    WEIGHTS,
    Primitive,
    describe,
)

SOFTMAX = 0x30000
FORWARD_TRAINING = 64

FEWEST = 1 << 14
"""Scores from which on oneDNN's blocks beat NumPy's."""
FEW = 8
"""Queries (of all heads that share keys) for which reading the keys is most of the work."""


def attend(
    query: Array, key: Array | None = None, value: Array | None = None, bias: Array | None = None, *, heads: int = 0, **settings: Any
) -> Result:  # fmt: skip
    """softmax(scale query key^T + bias) value."""
    if heads or key is None or value is None:
        parts = attention_operands.parts_in_heads(query, key, value, heads)
        found = NotImplemented if parts is None else attend(*parts, bias, **settings)
        return found if found is NotImplemented else in_rows(found)
    if not _is_served(query, key, value):
        return _few(query, key, value, bias, *_ordered(settings))
    return blockwise.forward(np, _TOOLS, query, key, value, bias, *_ordered(settings))


def attend_narrowed(
    query: Array, key: Array | None = None, value: Array | None = None, bias: Array | None = None, *, dtype: Any, **settings: Any
) -> Result:  # fmt: skip
    """The same in float32 for few queries: narrowing all keys and values would take longer than computing."""
    return attend(query, key, value, bias, **settings) if query.ndim > 1 and query.shape[-2] <= FEW else NotImplemented


def _few(
    query: Array, key: Array, value: Array, bias: Array | None, scale: Any, causal: Any, dropout: Any, _: Any
) -> Result:
    """The formula as it stands for few queries, the step of a decoder, where preparing takes longer than computing."""
    dtype = query.dtype
    if (
        bias is not None
        or causal
        or dropout
        or dtype not in (FLOAT32, BFLOAT16)
        or not dtype == key.dtype == value.dtype
    ):
        return NotImplemented
    if (
        query.ndim < 2
        or not 0 < query.shape[-2] <= FEW
        or key.ndim < 2
        or not value.size
        or query.shape[-1] != key.shape[-1]
    ):
        return NotImplemented
    if key.shape[-2] != value.shape[-2] or not _is_within(query, key, value):
        return NotImplemented
    if dtype != FLOAT32:
        query, key, value = (array.astype(FLOAT32) for array in (query, key, value))
    scores = np.matmul(query * np.float32(scale), key.swapaxes(-1, -2))
    scores -= np.maximum.reduce(scores, -1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= np.add.reduce(scores, -1, keepdims=True)
    result = np.matmul(scores, value)
    return result if dtype == FLOAT32 or modes.wide else result.astype(dtype)


def _is_within(query: Array, key: Array, value: Array) -> bool:
    """Whether the batch axes of keys and values stretch to those of the queries."""
    batch = query.shape[:-2]
    if key.shape[:-2] == value.shape[:-2] == batch:
        return True
    return all(
        each.ndim == query.ndim and all(n in (1, m) for n, m in zip(each.shape[:-2], batch, strict=True))
        for each in (key, value)
    )


def attend_backward(
    flow: Array,
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None = None,
    *,
    heads: int = 0,
    **settings: Any,
) -> Result:
    """The gradients of attend for query, key and value."""
    if heads:
        parts = attention_operands.parts_in_heads(query, key, value, heads)
        if parts is None or flow.ndim != 3 or flow.shape[2] % heads:
            return NotImplemented
        found = attend_backward(in_heads(flow, heads), *parts, bias, **settings)
        return found if found is NotImplemented else tuple(map(in_rows, found))
    if not _is_served(query, key, value) or flow.dtype != query.dtype:
        return NotImplemented
    return blockwise.backward(np, _TOOLS, flow, query, key, value, bias, *_ordered(settings))


def attend_packed_backward(
    flow: Array, packed: Array, bias: Array | None = None, *, heads: int, **settings: Any
) -> Result:
    """The gradient of attend for what holds queries, keys and values side by side."""
    if packed.ndim != 3 or packed.shape[2] % 3:
        return NotImplemented
    found = attend_backward(flow, *thirds(packed), bias, heads=heads, **settings)
    if found is NotImplemented:
        return found
    whole = whole_of_thirds(*found)
    return np.concatenate(found, -1) if whole is None else whole


def _ordered(settings: dict[str, object]) -> tuple[object, ...]:
    return tuple(settings.get(name, default) for name, default in blockwise.SETTINGS.items())


def _is_served(query: Array, key: Array, value: Array) -> bool:
    if query.dtype not in (FLOAT32, BFLOAT16) or query.ndim < 2 or key.ndim < 2 or not query.size or not value.size:
        return False
    return bool(query.size // query.shape[-1] * key.shape[-2] >= FEWEST)


class _Tools:
    """The tools of ``blockwise``."""

    empty = staticmethod(pool.empty)

    @staticmethod
    def result(operand: Array) -> Any:
        """The operand's dtype, or float32 where that is wanted of narrow ones."""
        return FLOAT32 if modes.wide else operand.dtype

    @staticmethod
    def product(
        x: Array, y: Array, out: Array | None = None, *, scale: float = 1.0, bias: Array | None = None
    ) -> Array:
        """scale x y + bias, x (entries, heads, M, K) and y (entries, heads, K, N), in new float32 memory or in `out`."""
        if x.dtype != y.dtype:
            x, y = (a if a.dtype == BFLOAT16 else _narrow(a) for a in (x, y))
        key = (
            product, x.shape, x.strides, x.dtype, y.shape, y.strides, y.dtype,
            None if out is None else (out.strides, out.dtype), scale,
            None if bias is None else (bias.strides, bias.dtype),
        )  # fmt: skip
        compute = PLANS.get(key) or plan(key, _plan_product, x, y, out, scale, bias)
        result: Array = compute(x, y, out, bias)
        return _PLAIN.product(x, y, out, scale=scale, bias=bias) if result is NotImplemented else result

    @staticmethod
    def drop(weights: Array, mask: Array, out: Array) -> Array:
        """weights mask, in `out`."""
        return np.multiply(weights, mask, out=out) if drop_into(weights, mask, out) is NotImplemented else out

    @staticmethod
    def softmax(scores: Array) -> Array:
        """The softmax along the last axis, in place."""
        key = (softmax, scores.shape, scores.strides)
        if (PLANS.get(key) or plan(key, _plan_softmax, scores))(scores) is NotImplemented:
            _PLAIN.softmax(scores)
        return scores

    @staticmethod
    def softmax_backward(weights: Array, flow: Array) -> Array:
        """weights (flow - sum of weights flow), in place of `flow`."""
        key = (softmax_backward, weights.shape, weights.strides, flow.strides)
        if (PLANS.get(key) or plan(key, _plan_softmax_backward, weights, flow))(weights, flow) is NotImplemented:
            _PLAIN.softmax_backward(weights, flow)
        return flow


product, softmax, softmax_backward = _Tools.product, _Tools.softmax, _Tools.softmax_backward
_TOOLS = _Tools()
_PLAIN = blockwise.Plain(np)


def _narrow(array: Array) -> Array:
    from .copy import cast

    result = cast(array, dtype=BFLOAT16)
    return array.astype(BFLOAT16) if result is NotImplemented else result


def _layout(library: Library, array: Array) -> Layout | None:
    """An operand (entries, heads, rows, columns) in its own strides; repeated entries and heads are one."""
    size = array.itemsize
    shape = [1 if step == 0 else n for n, step in zip(array.shape[:-2], array.strides, strict=False)]
    shape += array.shape[-2:]
    if any(n > 1 and (step <= 0 or step % size) for n, step in zip(shape, array.strides, strict=True)):
        return None
    strides = [step // size for step in array.strides]
    if shape[-1] == 1:
        strides[-1] = 1 if strides[-2] != 1 else shape[-2]
    if shape[-2] == 1:
        strides[-2] = shape[-1] if strides[-1] == 1 else 1
    if 1 not in strides[-2:]:
        return None
    extent = max(n * step for n, step in zip(shape, strides, strict=True) if n > 1 or step == 1)
    strides = [
        extent if n == 1 and axis < 2 else step for axis, (n, step) in enumerate(zip(shape, strides, strict=True))
    ]
    return Layout(library, tuple(shape), array.dtype, tuple(strides)) if disjoint(shape, strides) else None


def _plan_product(
    library: Library, x: Array, y: Array, out: Array | None, scale: float, bias: Array | None
) -> Plan | None:
    shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
    layouts = [_layout(library, array) for array in (x, y, np.empty(shape, FLOAT32) if out is None else out)]
    if None in layouts:
        return None

    def find(added: Layout | None) -> Primitive | None:
        epilogue, names = Epilogue(library), [SOURCE, WEIGHTS, DESTINATION]
        if scale != 1.0:
            epilogue.scale(scale)
        if added is not None:
            names.append(epilogue.add(added))
        description = describe(library, "matmul", layouts[0], layouts[1], None, layouts[2], epilogue=epilogue)
        return None if description is None else Primitive(description, names)

    allocate, added = pool.allocator(shape, FLOAT32), None if bias is None else _addend(library, bias)
    whole = None if added is None else find(added)
    found = find(None) if whole is None else whole
    if found is None:
        return None
    run = found.run

    def compute(x: Array, y: Array, out: Array | None, bias: Array | None) -> Array:
        result = allocate() if out is None else out
        run(address(x), address(y), address(result))
        if bias is not None:
            result += bias
        return result

    def compute_whole(x: Array, y: Array, out: Array | None, bias: Array) -> Array:
        result = allocate() if out is None else out
        run(address(x), address(y), address(result), address(bias))
        return result

    return compute if whole is None else compute_whole


def _addend(library: Library, array: Array) -> Layout | None:
    """An operand that a product's results are added to, its repeated axes of length one; None unless it is dense."""
    shape = tuple(1 if step == 0 else n for n, step in zip(array.shape, array.strides, strict=True))
    strides = dense_strides(shape)
    if any(
        n > 1 and n_step != step * array.itemsize for n, n_step, step in zip(shape, array.strides, strides, strict=True)
    ):
        return None
    return Layout(library, shape, array.dtype, strides) if array.dtype in FLOATS else None


def _rows(library: Library, array: Array) -> Layout | None:
    if array.dtype != FLOAT32 or not array.flags.c_contiguous or not array.size:
        return None
    width = array.shape[-1]
    return Layout(library, (array.size // width, width), FLOAT32, (width, 1))


def _plan_softmax(library: Library, scores: Array) -> Plan | None:
    layout = _rows(library, scores)
    if layout is None:
        return None
    description = describe(library, "softmax_forward", FORWARD_TRAINING, SOFTMAX, layout, layout, 1)
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    return lambda scores: run(address(scores), address(scores))


def _plan_softmax_backward(library: Library, weights: Array, flow: Array) -> Plan | None:
    layout, flowing = _rows(library, weights), _rows(library, flow)
    if layout is None or flowing is None:
        return None
    hint = describe(library, "softmax_forward", FORWARD_TRAINING, SOFTMAX, layout, layout, 1)
    if hint is None:
        return None
    description = describe(library, "softmax_backward", SOFTMAX, layout, layout, layout, 1, hint)
    if description is None:
        return None
    run = Primitive(description, (DESTINATION, DESTINATION_GRADIENT, SOURCE_GRADIENT)).run
    return lambda weights, flow: run(address(weights), address(flow), address(flow))
