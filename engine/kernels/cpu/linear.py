"""Rows times a weight by oneDNN: in whichever layout is fastest, and in a narrower type where that is asked for.

Every number of rows takes the same packed layout, so a weight is packed once or not at all. A single row is computed from the weight as it
lies, unless it is packed already.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import one_row, packs, pool, stored
from .copy import cast_always
from .library import Library
from .matrix import FEWEST_PRODUCTS, as_matrix, given_type, matmul
from .memory import FLOAT32, FLOATS, Array, Layout, Result, address
from .plans import PLANS, Plan, plan
from .primitive import BIAS, DESTINATION, SOURCE, WEIGHTS, Description, Primitive, describe
from .reorder import Fetch, as_dense, pack_token, packer

FEW = 8
"""So few rows, as a text or a sound may begin with, are worth a packed weight only once they have come `OFTEN` times, as in a search of beams."""
OFTEN = 8


def linear(x: Array, weight: Array, bias: Array | None = None) -> Result:
    """x weight^T + bias: x (..., K), weight (N, K), bias (N) -> (..., N)."""
    if _is_small(x, weight):
        return NotImplemented
    key = (
        linear, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), given_type(x),
    )  # fmt: skip
    return (PLANS.get(key) or plan(key, _plan_linear, x, weight, bias))(x, weight, bias)


def linear_narrowed(x: Array, weight: Array, bias: Array | None = None, *, dtype: Any) -> Result:
    """The same in float32, with x and weight rounded to the narrower `dtype` and sums in float32.

    The weight is packed as it is rounded, and the pack is kept: no other copy is made of it.
    """
    if _is_small(x, weight):
        return NotImplemented
    key = (
        linear_narrowed, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), dtype,
    )  # fmt: skip
    return (PLANS.get(key) or plan(key, _plan_narrowed, x, weight, bias, dtype))(x, weight, bias)


def linear_weight(flow: Array, x: Array) -> Result:
    """flow^T x over all leading axes: flow (..., N), x (..., K) -> (N, K)."""
    if flow.size * x.shape[-1] < FEWEST_PRODUCTS or not x.size:
        return NotImplemented
    return matmul(flow.reshape(-1, flow.shape[-1]).T, x.reshape(-1, x.shape[-1]))


def _is_small(x: Array, weight: Array) -> bool:
    products = x.size * len(weight)
    return products < FEWEST_PRODUCTS and (products < one_row.FEWEST_PRODUCTS or x.shape[-1:] != (x.size,))


class _Form:
    """The layouts of a product of rows with a weight, of which oneDNN is asked with the weight in one layout or another."""

    def __init__(
        self, library: Library, x: Array, weight: Array, bias: Array | None, dtype: np.dtype[Any], result: np.dtype[Any]
    ) -> None:
        (self.outs, self.inner), self.library, self.dtype = weight.shape, library, dtype
        rows = x.size // self.inner
        self.source = Layout(library, (rows, self.inner), dtype, (self.inner, 1))
        self.bias = None if bias is None else Layout(library, (1, self.outs), bias.dtype, (self.outs, 1))
        self.result = Layout(library, (rows, self.outs), result, (self.outs, 1))
        self.names = (SOURCE, WEIGHTS, DESTINATION) if bias is None else (SOURCE, WEIGHTS, DESTINATION, BIAS)

    def packed(self) -> Description | None:
        """The product with the weight as oneDNN likes it best."""
        return self._describe(Layout(self.library, (self.inner, self.outs), self.dtype))

    def plain(self, weight: Layout) -> Description | None:
        """The product with the weight as it is given."""
        return self._describe(weight)

    def _describe(self, weight: Layout) -> Description | None:
        return describe(self.library, "matmul", self.source, weight, self.bias, self.result)


def _fits(x: Array, weight: Array, bias: Array | None) -> bool:
    """Whether these are what the operation takes, of types and strides that oneDNN has a word for, and not empty."""
    dtype = x.dtype
    if dtype not in FLOATS or weight.dtype != dtype or weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        return False
    outs = len(weight)
    return bool(x.size and outs) and (
        bias is None
        or (bias.dtype == dtype and bias.shape == (outs,) and (outs == 1 or bias.strides == (bias.itemsize,)))
    )


def _plan_linear(library: Library, x: Array, weight: Array, bias: Array | None) -> Plan | None:
    if weight.dtype != x.dtype:
        return _plan_stored(library, x, weight, bias, FLOAT32)
    given = as_matrix(weight.T, ()) if _fits(x, weight, bias) else None
    if given is None:
        return None
    dtype, result = x.dtype, given_type(x)
    row = one_row.plan_row(library, x, weight, bias, result) if x.size == x.shape[-1] else None
    form = _Form(library, x, weight, bias, dtype, result)
    plain_layout = Layout(library, (form.inner, form.outs), dtype, tuple(given[1]))
    packed, plain = form.packed(), form.plain(plain_layout)
    if packed is None or plain is None:
        return row
    pack = packer(library, weight, plain_layout, packed.layout(WEIGHTS), keep=True)
    if pack is None:
        return row
    run_packed, run_plain = Primitive(packed, form.names).run, Primitive(plain, form.names).run
    fetch, allocate = as_dense(x), pool.allocator((*x.shape[:-1], form.outs), result)
    token = pack_token(library, weight, packed.layout(WEIGHTS))
    often = OFTEN if x.size // form.inner <= FEW else 1
    seen = (weight.shape, weight.strides, dtype, often)

    # Weights are packed when they are used a second time unchanged: a training step, which changes them after each use,
    # and a process that predicts once would only lose by it.
    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        source, result = fetch(x), allocate()
        vectors = () if bias is None else (address(bias),)
        if packs.seen(weight, seen, often) or (often > 1 and packs.find(weight, token) is not None):
            packed = pack(weight)  # held here, or another thread's forget might free it
            run_packed(address(source), address(packed), address(result), *vectors)
        else:
            run_plain(address(source), address(weight), address(result), *vectors)
        return result

    def compute_row(x: Array, weight: Array, bias: Array | None) -> Array:
        packed = packs.find(weight, token)
        if packed is None:
            return row(x, weight, bias)  # type: ignore[misc, no-any-return]
        source, result = fetch(x), allocate()
        vectors = () if bias is None else (address(bias),)
        run_packed(address(source), address(packed), address(result), *vectors)
        return result

    return compute if row is None else compute_row


def _plan_narrowed(library: Library, x: Array, weight: Array, bias: Array | None, dtype: np.dtype[Any]) -> Plan | None:
    if weight.dtype != x.dtype:
        return _plan_stored(library, x, weight, bias, dtype)
    given = as_matrix(weight.T, ()) if x.dtype == FLOAT32 and _fits(x, weight, bias) else None
    if given is None:
        return None
    form = _Form(library, x, weight, bias, dtype, FLOAT32)
    packed = form.packed()
    if packed is None:
        return None
    plain = Layout(library, (form.inner, form.outs), FLOAT32, tuple(given[1]))
    return _rounded(x, form, packed, packer(library, weight, plain, packed.layout(WEIGHTS), keep=True), dtype)


def _plan_stored(library: Library, x: Array, weight: Array, bias: Array | None, dtype: np.dtype[Any]) -> Plan | None:
    like = np.empty(weight.shape, FLOAT32)  # what the weight is once it is widened
    if not stored.is_narrow(x, weight) or not _fits(x, like, bias):
        return None
    form = _Form(library, x, like, bias, dtype, FLOAT32)
    packed = form.packed()
    if packed is None:
        return None
    return _rounded(x, form, packed, stored.packer(library, weight, packed, x.size // form.inner, dtype), dtype)


def _rounded(x: Array, form: _Form, packed: Description, pack: Fetch | None, dtype: np.dtype[Any]) -> Plan | None:
    """The product of rows in `dtype` with a weight as `pack` gives it, in float32."""
    if pack is None:
        return None
    run = Primitive(packed, form.names).run
    fetch, allocate = as_dense(x), pool.allocator((*x.shape[:-1], form.outs), FLOAT32)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        source, packed, result = fetch(x), pack(weight), allocate()
        if dtype != FLOAT32:
            source = cast_always(source, dtype)
        vectors = () if bias is None else (address(bias),)
        run(address(source), address(packed), address(result), *vectors)
        return result

    return compute
