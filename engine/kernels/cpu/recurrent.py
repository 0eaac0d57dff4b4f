"""Recurrent layers with oneDNN's products: the matrix that every step multiplies by is packed once for all steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.sequences.elman import rnn_back, rnn_forward
from ...ops.sequences.gru import gru_back, gru_forward
from ...ops.sequences.lstm import lstm_back, lstm_forward
from ...ops.sequences.recurrent import Products
from . import matrix, pool
from .library import Library
from .library import library as find_library
from .memory import FLOAT32, FLOATS, Array, Layout, Result, address, dense_strides
from .plans import PLANS, plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, Description, Primitive, describe, signature
from .reorder import as_dense, packer

# Below this many multiplications a step NumPy's product is done before oneDNN's has begun.
FEWEST_PRODUCTS = 1 << 13


def once(left: Array, right: Array) -> Array:
    """A product of its own."""
    result = matrix.matmul(left, right)
    return np.matmul(left, right) if result is NotImplemented else result  # type: ignore[no-any-return]


def by(right: Array) -> Callable[[Array, Array], Any]:
    """Products by one matrix, for any number of rows."""
    products: dict[int, Callable[[Array, Array], Any]] = {}
    packed: dict[object, Array] = {}

    def multiply(left: Array, out: Array) -> None:
        rows = left.shape[0]
        run = products.get(rows)
        if run is None:
            run = products[rows] = _rows_by(rows, right, packed)
        run(left, out)

    return multiply


def _rows_by(rows: int, right: Array, packed: dict[object, Array]) -> Callable[[Array, Array], Any]:
    inner, columns = right.shape
    if right.dtype == FLOAT32 and rows * inner * columns >= FEWEST_PRODUCTS:
        key = (by, rows, right.shape, right.strides)
        found = (PLANS.get(key) or plan(key, _plan_rows_by, rows, right))(right, packed)
        if found is not NotImplemented:
            return found  # type: ignore[no-any-return]
    return lambda left, out: np.matmul(left, right, out=out)


def _plan_rows_by(library: Library, rows: int, right: Array) -> Callable[..., Any] | None:
    """A function that gives the product by such a matrix; other numbers of rows may share what it packs."""
    dense = as_dense(right) if not (right.flags.c_contiguous or right.T.flags.c_contiguous) else None
    sample = right if dense is None else dense(right)
    inner, columns = right.shape
    source = Layout(library, (rows, inner), FLOAT32, dense_strides((rows, inner)))
    result = Layout(library, (rows, columns), FLOAT32, dense_strides((rows, columns)))
    description: Description | None = describe(
        library, "matmul", source, Layout(library, (inner, columns), FLOAT32), None, result
    )
    if description is None:
        return None
    given = Layout(library, (inner, columns), FLOAT32, tuple(stride // 4 for stride in sample.strides))
    pack = packer(library, sample, given, description.layout(WEIGHTS), keep=False)
    if pack is None:
        return None
    layout = signature(library, description.layout(WEIGHTS))
    run = Primitive(description, (SOURCE, WEIGHTS, DESTINATION)).run

    def prepare(right: Array, packed: dict[object, Array]) -> Callable[[Array, Array], Any]:
        weights = packed.get(layout)
        if weights is None:
            weights = packed[layout] = pack(right if dense is None else dense(right))
        start = address(weights)
        return lambda left, out: run(address(left), start, address(out))

    return prepare


PRODUCTS = Products(once, by, pool.empty)


def lstm_layer(*arrays: Array, **settings: Any) -> Result:
    """The states and the cells after each row."""
    return lstm_forward(np, PRODUCTS, *arrays, **settings) if _serves(arrays[0]) else NotImplemented


def lstm_backward(*arrays: Array, **settings: Any) -> Result:
    """The gradients of lstm_layer."""
    return lstm_back(np, PRODUCTS, *arrays, **settings) if _serves(arrays[2]) else NotImplemented


def gru_layer(*arrays: Array, **settings: Any) -> Result:
    """The states after each row."""
    return gru_forward(np, PRODUCTS, *arrays, **settings) if _serves(arrays[0]) else NotImplemented


def gru_backward(*arrays: Array, **settings: Any) -> Result:
    """The gradients of gru_layer."""
    return gru_back(np, PRODUCTS, *arrays, **settings) if _serves(arrays[1]) else NotImplemented


def rnn_layer(*arrays: Array, **settings: Any) -> Result:
    """The states after each row."""
    return rnn_forward(np, PRODUCTS, *arrays, **settings) if _serves(arrays[0]) else NotImplemented


def rnn_backward(*arrays: Array, **settings: Any) -> Result:
    """The gradients of rnn_layer."""
    return rnn_back(np, PRODUCTS, *arrays, **settings) if _serves(arrays[1]) else NotImplemented


def _serves(x: Array) -> bool:
    # Half precisions are computed in float32, so they are served alike.
    return x.dtype in FLOATS and find_library() is not None
