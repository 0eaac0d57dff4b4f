"""Recurrent layers: each step is one product, added to what entered from the inputs, and one kernel for all that stands between the products.

For few examples the product is small and a launch of its own would cost more than it does: then one kernel does the whole step.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

from ....dtype import Array, Dtype, accumulator
from ....ops.sequences.recurrent import Sizes, rows_before, steps, sum_of
from ..algebra import matrix
from ..forms import dense
from ..layout import blocks_for
from ..machine import Machine, machine
from ..program import SCALARS, Kernel
from ..shapes.transposing import copy_into, copy_like

__all__ = ["gru_backward", "gru_layer", "lstm_backward", "lstm_layer", "rnn_backward", "rnn_layer"]

Result = Any
OWN = {"lstm_step": "PPPPqq", "lstm_step_backward": "PPPPPPPPqq", "gru_step": "PPPPPPqq", "gru_step_backward": "PPPPPPPqq"}  # fmt: skip
OWN |= {"rnn_step": "PPqqi", "rnn_step_backward": "PPPPqqi"}
WHOLE = {
    "lstm_whole_step": "PPPPPPiq", "lstm_whole_step_backward": "PPPPPPPPPiiq", "gru_whole_step": "PPPPPPiq", "gru_whole_step_backward": "PPPPPPPPPiiq",
}  # fmt: skip
EXAMPLES = (1, 2, 4, 8)
"""Examples for which whole steps are compiled; more are multiplied by cublasLt."""


@lru_cache(64)
def _kernel(name: str, wide: Dtype, flow: Dtype) -> Kernel:
    own = SCALARS[wide][0]
    return Kernel("gates.cu", name, OWN[name], SCALAR=own, WIDE=own, FLOW=SCALARS[flow][0])


class _Step:
    """One kernel over the rows of a step, and the product that leads to it. Arrays are dense, so rows are found by their number."""

    def __init__(self, here: Machine, name: str, wide: Dtype, flow: Dtype, width: int) -> None:
        self.here, self.width, self.size = here, width, wide.itemsize
        self.kernel = _kernel(name, wide, flow)

    def __call__(self, count: int, *given: int) -> None:
        self.kernel(blocks_for(self.here, count * self.width), 256, *given)

    def at(self, array: Array | None, row: int) -> int:
        """The address of a row; 0 of nothing."""
        return 0 if array is None else self.here.address(array) + row * array.strides[0]


class _WholeStep:
    """One kernel for a step and its product, of few examples."""

    def __init__(self, here: Machine, name: str, wide: Dtype, flow: Dtype, examples: int, width: int) -> None:
        self.kernel = _whole_kernel(name, wide, flow, next(most for most in EXAMPLES if most >= examples))
        self.grid = min(-(-width // 4), 16 * here.processors)
        self.width = width

    def __call__(self, *given: int) -> None:
        self.kernel(self.grid, 128, *given, self.width)


@lru_cache(64)
def _whole_kernel(name: str, wide: Dtype, flow: Dtype, examples: int) -> Kernel:
    return Kernel("steps.cu", name, WHOLE[name], WIDE=SCALARS[wide][0], FLOW=SCALARS[flow][0], EXAMPLES=examples)


def _whole(here: Machine, name: str, flow: Dtype, examples: int, weight: Array, vectors: Array) -> _WholeStep | None:
    """The kernel for whole steps, where examples are few and rows can be read 16 bytes at a time."""
    width = weight.shape[1]
    if examples > EXAMPLES[-1] or width * weight.itemsize % 16 or (here.address(weight) | here.address(vectors)) % 16:
        return None
    return _WholeStep(here, name, weight.dtype, flow, examples, width)


def _served(gates: int, x: Array, h: Array, weight_ih: Array, weight_hh: Array, *vectors: Array | None) -> bool:
    """Whether these are the inputs of a layer; of others the body says what is wrong."""
    arrays = [x, h, weight_ih, weight_hh, *(vector for vector in vectors if vector is not None)]
    if any(array.dtype != x.dtype for array in arrays) or x.dtype not in SCALARS or not x.size or not h.size:
        return False
    width = h.shape[1] if h.ndim == 2 else 0
    return (
        all(array.ndim == 2 for array in arrays[:4])
        and weight_ih.shape == (gates * width, x.shape[1])
        and weight_hh.shape == (gates * width, width)
    )


def _fits(x: Array, h: Array, sizes: Sizes, *biases: Array | None) -> bool:
    falls = all(size >= after for size, after in pairwise(sizes))
    if not sizes or sum(sizes) != x.shape[0] or sizes[0] != h.shape[0] or sizes[-1] < 1 or not falls:
        return False
    return len({bias.shape for bias in biases if bias is not None}) < 2


def _wide(here: Machine, *arrays: Array | None) -> list[Any]:
    """Arrays in the dtype in which sums are kept, dense."""
    return [None if a is None else dense(here, a.astype(accumulator(a.dtype), copy=False)) for a in arrays]


def _with_first(here: Machine, first: Array, rows: int) -> Array:
    """Room for the states of all rows behind the first states."""
    out = here.empty((first.shape[0] + rows, first.shape[1]), first.dtype)
    copy_into(out[: first.shape[0]], first)
    return out


def _times(here: Machine, x: Array, matrix_: Array, out: Array, *, accumulates: bool) -> None:
    """x matrix, into ``out`` or added to it."""
    if not matrix.multiply(here, x, matrix_, out, accumulates=accumulates):
        found = here.xp.matmul(x, matrix_)
        out[...] = out + found if accumulates else found


def _products(x: Array, weight: Array) -> Array:
    return matrix.product(x, weight)


def _slopes(flows: Array, x: Array) -> Array:
    """flows^T x."""
    found = matrix.linear_weight(flows, x)
    return matrix.product(flows.T, x) if found is NotImplemented else found


def _entering(x: Array, weight: Array, bias: Array | None) -> Array:
    """x weight^T + bias."""
    found = matrix.linear(x, weight, bias)
    if found is NotImplemented:
        found = matrix.product(x, weight.T)
        found = found if bias is None else found + bias
    return found


def lstm_layer(
    x: Array, h: Array, c: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None, bias_hh: Array | None = None,
    weight_hr: Array | None = None, *, sizes: Sizes,
) -> Result:  # fmt: skip
    """The states and the cells after each row."""
    if weight_hr is not None or not _served(4, x, h, weight_ih, weight_hh, c, bias_ih, bias_hh) or c.shape != h.shape:
        return NotImplemented
    if not _fits(x, h, sizes, bias_ih, bias_hh):
        return NotImplemented
    here, given = machine(), x.dtype
    x, h, c, weight_ih, weight_hh, bias = _wide(here, x, h, c, weight_ih, weight_hh, sum_of(bias_ih, bias_hh))
    gates = _entering(x, weight_ih, bias)
    states, cells = _with_first(here, h, x.shape[0]), _with_first(here, c, x.shape[0])
    batch, width = h.shape
    step = _Step(here, "lstm_step", h.dtype, h.dtype, width)
    at, recur = step.at, weight_hh.T
    whole, factors = _whole(here, "lstm_whole_step", h.dtype, batch, weight_hh, states), here.address(weight_hh)
    for now, before in steps(sizes):
        count, row = now.stop - now.start, now.start - batch
        if whole is not None:
            whole(
                at(states, before.start), factors, at(gates, row), at(cells, before.start), at(cells, now.start), at(states, now.start), count
            )  # fmt: skip
            continue
        _times(here, states[before], recur, gates[row : row + count], accumulates=True)
        step(
            count, at(gates, row), at(cells, before.start), at(cells, now.start), at(states, now.start), count, width
        )  # fmt: skip
    return states[batch:].astype(given, copy=False), cells[batch:].astype(given, copy=False), gates, states, cells


def lstm_backward(
    flow: Array | None, flow_cells: Array | None, x: Array, weight_ih: Array, weight_hh: Array, gates: Array, states: Array,
    cells: Array, weight_hr: Array | None = None, *, sizes: Sizes, wants_x: bool = True,
) -> Result:  # fmt: skip
    """The gradients of lstm_layer."""
    wide = gates.dtype
    if weight_hr is not None or wide not in SCALARS or not gates.size:
        return NotImplemented
    here, given = machine(), x.dtype
    x, weight_ih, weight_hh = _wide(here, x, weight_ih, weight_hh)
    flow, flow_cells = (None if f is None else dense(here, f) for f in (flow, flow_cells))
    gates, states, cells = (dense(here, a) for a in (gates, states, cells))
    arriving = next(f for f in (flow, flow_cells) if f is not None)
    batch, width = sizes[0], states.shape[1]
    flows, dh, dc = here.empty(gates.shape, wide), here.zeros((batch, width), wide), here.zeros((batch, width), wide)
    step = _Step(here, "lstm_step_backward", wide, arriving.dtype, width)
    at = step.at
    whole = _whole(here, "lstm_whole_step_backward", arriving.dtype, batch, weight_hh, flows)
    turned, later, behind = None if whole is None else copy_like(weight_hh.T), 0, 0
    for now, before in reversed(list(steps(sizes))):
        count, row = now.stop - now.start, now.start - batch
        if whole is not None:
            whole(
                later, at(turned, 0), at(gates, row), at(cells, before.start), at(cells, now.start), at(flow, row), at(flow_cells, row),
                at(dc, 0), at(flows, row), behind, count,
            )  # fmt: skip
            later, behind = at(flows, row), count
            continue
        step(
            count, at(gates, row), at(cells, before.start), at(cells, now.start), at(dh, 0), at(flow, row), at(flow_cells, row), at(dc, 0),
            at(flows, row), count, width,
        )  # fmt: skip
        _times(here, flows[row : row + count], weight_hh, dh[:count], accumulates=False)
    if whole is not None:
        _times(here, flows[:batch], weight_hh, dh, accumulates=False)
    dw_ih, dw_hh = _slopes(flows, x), _slopes(flows, rows_before(here.xp, states, sizes))
    dx = _products(flows, weight_ih) if wants_x else here.empty((0,), wide)
    results = (dx, dh, dc, dw_ih, dw_hh, flows.sum(0), here.empty((0,), wide))
    return tuple(a.astype(given, copy=False) for a in results)


def gru_layer(
    x: Array, h: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None, bias_hh: Array | None = None, *, sizes: Sizes
) -> Result:  # fmt: skip
    """The states after each row."""
    if not _served(3, x, h, weight_ih, weight_hh, bias_ih, bias_hh) or not _fits(x, h, sizes, bias_ih, bias_hh):
        return NotImplemented
    here, given = machine(), x.dtype
    x, h, weight_ih, weight_hh, bias_ih, bias_hh = _wide(here, x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    gates = _entering(x, weight_ih, bias_ih)
    states = _with_first(here, h, x.shape[0])
    batch, width = h.shape
    inner, sums = here.empty((x.shape[0], width), h.dtype), here.empty((batch, 3 * width), h.dtype)
    step = _Step(here, "gru_step", h.dtype, h.dtype, width)
    at, recur = step.at, weight_hh.T
    whole, factors = _whole(here, "gru_whole_step", h.dtype, batch, weight_hh, states), here.address(weight_hh)
    for now, before in steps(sizes):
        count, row = now.stop - now.start, now.start - batch
        if whole is not None:
            whole(
                at(states, before.start), factors, at(gates, row), at(bias_hh, 0), at(inner, row), at(states, now.start), count,
            )  # fmt: skip
            continue
        _times(here, states[before], recur, sums[:count], accumulates=False)
        step(
            count, at(gates, row), at(sums, 0), at(bias_hh, 0), at(inner, row), at(states, before.start), at(states, now.start), count, width,
        )  # fmt: skip
    return states[batch:].astype(given, copy=False), gates, inner, states


def gru_backward(
    flow: Array, x: Array, weight_ih: Array, weight_hh: Array, gates: Array, inner: Array, states: Array, *, sizes: Sizes,
    wants_x: bool = True,
) -> Result:  # fmt: skip
    """The gradients of gru_layer."""
    wide = gates.dtype
    if wide not in SCALARS or not gates.size or flow.dtype not in SCALARS:
        return NotImplemented
    here, given = machine(), x.dtype
    x, weight_ih, weight_hh = _wide(here, x, weight_ih, weight_hh)
    flow, gates, inner, states = (dense(here, a) for a in (flow, gates, inner, states))
    batch, width = sizes[0], states.shape[1]
    flows, turned = here.empty(gates.shape, wide), here.empty(gates.shape, wide)
    dh = here.zeros((batch, width), wide)
    step = _Step(here, "gru_step_backward", wide, flow.dtype, width)
    at = step.at
    whole = _whole(here, "gru_whole_step_backward", flow.dtype, batch, weight_hh, turned)
    factors, later, behind = None if whole is None else copy_like(weight_hh.T), 0, 0
    for now, before in reversed(list(steps(sizes))):
        count, row = now.stop - now.start, now.start - batch
        if whole is not None:
            whole(
                later, at(factors, 0), at(gates, row), at(inner, row), at(states, before.start), at(dh, 0), at(flow, row), at(flows, row),
                at(turned, row), behind, count,
            )  # fmt: skip
            later, behind = at(turned, row), count
            continue
        step(
            count, at(gates, row), at(inner, row), at(states, before.start), at(dh, 0), at(flow, row), at(flows, row), at(turned, row), count,
            width,
        )  # fmt: skip
        _times(here, turned[row : row + count], weight_hh, dh[:count], accumulates=True)
    if whole is not None:
        _times(here, turned[:batch], weight_hh, dh, accumulates=True)
    dw_ih, dw_hh = _slopes(flows, x), _slopes(turned, rows_before(here.xp, states, sizes))
    dx = _products(flows, weight_ih) if wants_x else here.empty((0,), wide)
    return tuple(a.astype(given, copy=False) for a in (dx, dh, dw_ih, dw_hh, flows.sum(0), turned.sum(0)))


def rnn_layer(
    x: Array, h: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None, bias_hh: Array | None = None, *, sizes: Sizes,
    nonlinearity: str = "tanh",
) -> Result:  # fmt: skip
    """The states after each row."""
    if not _served(1, x, h, weight_ih, weight_hh, bias_ih, bias_hh) or not _fits(x, h, sizes, bias_ih, bias_hh):
        return NotImplemented
    if nonlinearity not in ("tanh", "relu"):
        return NotImplemented
    here, given = machine(), x.dtype
    x, h, weight_ih, weight_hh, bias = _wide(here, x, h, weight_ih, weight_hh, sum_of(bias_ih, bias_hh))
    sums = _entering(x, weight_ih, bias)
    states = _with_first(here, h, x.shape[0])
    batch, width = h.shape
    step = _Step(here, "rnn_step", h.dtype, h.dtype, width)
    at, recur, bends = step.at, weight_hh.T, int(nonlinearity == "tanh")
    for now, before in steps(sizes):
        count, row = now.stop - now.start, now.start - batch
        _times(here, states[before], recur, sums[row : row + count], accumulates=True)
        step(count, at(sums, row), at(states, now.start), count, width, bends)
    return states[batch:].astype(given, copy=False), states


def rnn_backward(
    flow: Array, x: Array, weight_ih: Array, weight_hh: Array, states: Array, *, sizes: Sizes, nonlinearity: str = "tanh",
    wants_x: bool = True,
) -> Result:  # fmt: skip
    """The gradients of rnn_layer."""
    wide = states.dtype
    if wide not in SCALARS or not states.size or flow.dtype not in SCALARS:
        return NotImplemented
    here, given = machine(), x.dtype
    x, weight_ih, weight_hh = _wide(here, x, weight_ih, weight_hh)
    flow, states = dense(here, flow), dense(here, states)
    batch, width = sizes[0], states.shape[1]
    flows, dh = here.empty((x.shape[0], width), wide), here.zeros((batch, width), wide)
    step = _Step(here, "rnn_step_backward", wide, flow.dtype, width)
    at, bends = step.at, int(nonlinearity == "tanh")
    for now, _ in reversed(list(steps(sizes))):
        count, row = now.stop - now.start, now.start - batch
        step(count, at(states, now.start), at(dh, 0), at(flow, row), at(flows, row), count, width, bends)
        _times(here, flows[row : row + count], weight_hh, dh[:count], accumulates=False)
    dw_ih, dw_hh = _slopes(flows, x), _slopes(flows, rows_before(here.xp, states, sizes))
    dx = _products(flows, weight_ih) if wants_x else here.empty((0,), wide)
    return tuple(a.astype(given, copy=False) for a in (dx, dh, dw_ih, dw_hh, flows.sum(0)))
