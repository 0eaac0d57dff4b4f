"""Rows times a weight by oneDNN: in whichever layout is fastest, and in a narrower type where that is asked for.

A packed weight takes its memory a second time, so it is made where it pays, and every number of rows takes the same one. Weights are packed when
many rows come a second time, unchanged in between: a training step, which changes them after each use, and a process that predicts once would
only lose by it. Few rows have to come often. A single row, the step of a decoder, reads the weight as it lies, where that is as fast; where it is
not, a pack saves a fifth of a long text's time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import one_row, packs, pool, stored
from .copy import cast_always
from .library import Library
from .matrix import FEWEST_PRODUCTS, as_matrix, given_type, matmul
from .memory import BFLOAT16, FLOAT32, FLOATS, Array, Layout, Result, address
from .plans import PLANS, Plan, plan
from .primitive import BIAS, DESTINATION, SOURCE, WEIGHTS, Description, Primitive, describe
from .reorder import as_dense, pack_token, packer

FEW = 8
"""Rows that are few."""
OFTEN = 8
"""Times that are often."""
UNTIL_NEXT = 1000
"""Uses after which a weight for which there was no room is looked at again."""


def linear(x: Array, weight: Array, bias: Array | None = None) -> Result:
    """x weight^T + bias: x (..., K), weight (N, K), bias (N) -> (..., N)."""
    if _is_small(x, weight):
        return NotImplemented
    key = (
        linear, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), given_type(x),
    )  # fmt: skip
    return (PLANS.get(key) or plan(key, _plan_linear, x, weight, bias, x.dtype))(x, weight, bias)


def linear_narrowed(x: Array, weight: Array, bias: Array | None = None, *, dtype: Any) -> Result:
    """The same of float32, with x and weight rounded to the narrower `dtype`, and sums and result in float32.

    The rounded weight is kept, packed or as it lies, and once.
    """
    if _is_small(x, weight) or x.dtype != FLOAT32:
        return NotImplemented
    key = (
        linear_narrowed, x.shape, x.strides, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), dtype,
    )  # fmt: skip
    return (PLANS.get(key) or plan(key, _plan_linear, x, weight, bias, dtype))(x, weight, bias)


def linear_weight(flow: Array, x: Array) -> Result:
    """flow^T x over all leading axes: flow (..., N), x (..., K) -> (N, K)."""
    if flow.size * x.shape[-1] < FEWEST_PRODUCTS or not x.size:
        return NotImplemented
    return matmul(flow.reshape(-1, flow.shape[-1]).T, x.reshape(-1, x.shape[-1]))


def _is_small(x: Array, weight: Array) -> bool:
    products = x.size * (len(weight) if weight.ndim else 0)
    return products < FEWEST_PRODUCTS and (products < one_row.FEWEST_PRODUCTS or x.shape[-1:] != (x.size,))


class _Held:
    """What is held of a weight: as it lies, in the type that is computed in if that is another, and packed; and how it is used."""

    __slots__ = ("pack", "plain", "single", "uses")

    def __init__(self) -> None:
        self.plain: Array | None = None
        self.pack: Array | None = None
        self.single = False  # whether single rows come that read the weight as it lies
        self.uses = 0  # how often rows came since that would gain by a pack

    @property
    def nbytes(self) -> int:
        return 0 if self.plain is None else self.plain.nbytes  # the pack is kept, and counted, on its own


class _Form:
    """The layouts of a product of rows with a weight, of which oneDNN is asked with the weight in one layout or another."""

    def __init__(
        self, library: Library, x: Array, outs: int, bias: Array | None, dtype: np.dtype[Any], result: np.dtype[Any]
    ) -> None:
        self.library, self.dtype, self.outs, self.inner = library, dtype, outs, x.shape[-1]
        self.rows = x.size // self.inner
        self.source = Layout(library, (self.rows, self.inner), dtype, (self.inner, 1))
        self.bias = None if bias is None else Layout(library, (1, outs), bias.dtype, (outs, 1))
        self.result = Layout(library, (self.rows, outs), result, (outs, 1))
        self.names = (SOURCE, WEIGHTS, DESTINATION) if bias is None else (SOURCE, WEIGHTS, DESTINATION, BIAS)

    def describe(self, strides: tuple[int, ...] | None = None) -> Description | None:
        """The product with the weight (inner, outs) in these strides, or as oneDNN likes it best."""
        weight = Layout(self.library, (self.inner, self.outs), self.dtype, strides)
        return describe(self.library, "matmul", self.source, weight, self.bias, self.result)


def _plan_linear(library: Library, x: Array, weight: Array, bias: Array | None, dtype: np.dtype[Any]) -> Plan | None:
    """The plan of a product that is computed in `dtype`; where that is another than x's, which is float32 then, the result is float32."""
    if weight.dtype != x.dtype:
        return _plan_stored(library, x, weight, bias, dtype)
    rounds = dtype != x.dtype
    given = as_matrix(weight.T, ()) if _fits(x, weight, bias) else None
    if given is None or (rounds and not (weight.flags.c_contiguous or weight.flags.f_contiguous)):
        return None
    across, down = given[1]
    result = FLOAT32 if rounds else given_type(x)
    form = _Form(library, x, len(weight), bias, dtype, result)
    best, plain = form.describe(), form.describe((across, down))
    if best is None or plain is None:
        return None
    outs, inner, rows = form.outs, form.inner, form.rows
    pack = packer(library, weight, Layout(library, (inner, outs), x.dtype, (across, down)), best.layout(WEIGHTS), keep=True)  # fmt: skip
    if pack is None:
        return None
    run_packed, run_plain = Primitive(best, form.names).run, Primitive(plain, form.names).run
    fetch, allocate = as_dense(x), pool.allocator((*x.shape[:-1], outs), result)
    row = one_row.plan_row(library, x.shape[:-1], (outs, inner), (down, across), dtype, result) if rows == 1 else None
    size = best.layout_bytes(WEIGHTS)
    # oneDNN's vectors of bfloat16 read a weight stored by rows as fast as a packed one; others they read at three quarters of that.
    stays = row is not None and dtype == BFLOAT16 and across == 1
    token, obtain, few = ("held", *pack_token(library, weight, best.layout(WEIGHTS))), packs.obtain, rows <= FEW

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        held: _Held = obtain(weight, token, _hold)
        source = cast_always(fetch(x), dtype) if rounds else fetch(x)
        packed = held.pack  # in a name of its own, or another thread's forget might free it
        if stays and packed is None:
            held.single, held.uses = True, 0
            return row(source, lying(held, weight), bias)  # type: ignore[misc]
        if packed is None:
            held.uses += 1
            if held.uses > (OFTEN if few or held.single else 1) and has_room(held):
                held.pack = packed = pack(weight)
                stored.release(weight)
                held.plain, held.single = None, False
            elif row is not None:
                return row(source, lying(held, weight), bias)
        operand, run = (lying(held, weight), run_plain) if packed is None else (packed, run_packed)
        out = allocate()
        run(address(source), address(operand), address(out), *(() if bias is None else (address(bias),)))
        return out

    def has_room(held: _Held) -> bool:
        if packs.has_room(size):
            return True
        held.uses = -UNTIL_NEXT
        return False

    def lying(held: _Held, weight: Array) -> Array:
        if not rounds:
            return weight
        rounded = held.plain
        if rounded is None:
            rounded = held.plain = cast_always(weight, dtype)
        return rounded

    return compute


def _plan_stored(library: Library, x: Array, weight: Array, bias: Array | None, dtype: np.dtype[Any]) -> Plan | None:
    """The same with a weight as a file stores it, in 16 bits."""
    like = np.empty(weight.shape, FLOAT32)  # what the weight is once it is widened
    if not stored.is_narrow(x, weight) or not _fits(x, like, bias):
        return None
    form = _Form(library, x, len(weight), bias, dtype, FLOAT32)
    packed = form.describe()
    pack = None if packed is None else stored.packer(library, weight, packed, form.rows, dtype)
    if packed is None or pack is None:
        return None
    run = Primitive(packed, form.names).run
    fetch, allocate = as_dense(x), pool.allocator((*x.shape[:-1], form.outs), FLOAT32)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        source, packed, result = fetch(x), pack(weight), allocate()
        if dtype != FLOAT32:
            source = cast_always(source, dtype)
        run(address(source), address(packed), address(result), *(() if bias is None else (address(bias),)))
        return result

    return compute


def _hold(_: Array) -> _Held:
    return _Held()


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
