"""Long short-term memory: one layer in one direction over all steps, and its gradient over all steps.

Hochreiter and Schmidhuber, "Long short-term memory" (1997), with the forget gate of Gers et al. (2000) and the projection of
Sak et al. (2014). The gates lie side by side in PyTorch's order: input, forget, cell, output.
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array, accumulator
from ...errors import ShapeError
from ...modes import modes
from ...op import op_with_results
from ...tensor import Tensor
from ..algebra.matrix import check_one_dtype, linear
from ..elementwise.elementary import sigmoid, tanh
from ..layers.replay import replayed
from ..shapes.cutting import chunk
from ..shapes.shape import cat
from .recurrent import (
    Products,
    Sizes,
    check_layer,
    entering,
    part,
    plain_products,
    plain_projection,
    rows_before,
    steps,
    sum_of,
)

__all__ = [
    "lstm_backward",
    "lstm_layer",
]


def _lstm_joint(
    grads: tuple[Tensor | None, Tensor | None],
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    weight_hr: Tensor | None, sizes: Sizes, gates: Tensor, states: Tensor, cells: Tensor,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    if modes.recording:
        inputs = [x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr]
        return replayed(lambda *given: plain_lstm(*given, sizes=sizes), inputs, grads)
    dx, dh, dc, dw_ih, dw_hh, db, dw_hr = lstm_backward(
        grads[0],
        grads[1],
        x,
        weight_ih,
        weight_hh,
        gates,
        states,
        cells,
        weight_hr,
        sizes=sizes,
        wants_x=x.requires_grad,
    )
    # Both biases are added, so they have one gradient; each gets its own memory when it arrives.
    return (
        dx if x.requires_grad else None, dh, dc, dw_ih, dw_hh, None if bias_ih is None else db, None if bias_hh is None else db,
        None if weight_hr is None else dw_hr,
    )  # fmt: skip


@op_with_results(2, residuals=("gates", "states", "cells"), jointly=_lstm_joint)
def lstm_layer(
    xp: Any, x: Array, h: Array, c: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None,
    bias_hh: Array | None = None, weight_hr: Array | None = None, *, sizes: Sizes,
) -> tuple[Array, ...]:  # fmt: skip
    """The states and the cells after each row of a packed sequence.

    x (rows, features); h (batch, width) and c (batch, width) before the first step; weight_ih (4 width, features), weight_hh
    (4 width, width of h), biases (4 width,); weight_hr (projection, width) narrows the states. Half precisions are computed
    in float32. Keeps the gates, the states and the cells, each with those before the first step in front.
    """
    return lstm_forward(xp, plain_products(xp), x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, sizes=sizes)


def lstm_forward(
    xp: Any, products: Products, x: Array, h: Array, c: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None,
    bias_hh: Array | None = None, weight_hr: Array | None = None, *, sizes: Sizes,
) -> tuple[Array, ...]:  # fmt: skip
    """The computation, by whatever multiplies matrices."""
    check_layer("lstm", 4, x, h, weight_ih, weight_hh, (bias_ih, bias_hh), sizes)
    check_one_dtype("lstm", x, c, weight_hr)
    width = weight_ih.shape[0] // 4
    if c.shape != (h.shape[0], width) or h.shape[1] != (width if weight_hr is None else weight_hr.shape[0]):
        raise ShapeError(
            f"lstm: states {tuple(h.shape)} and cells {tuple(c.shape)} do not fit a width of {width}"
            + ("" if weight_hr is None else f" and a projection {tuple(weight_hr.shape)}")
        )
    given, wide = x.dtype, accumulator(x.dtype)
    x, h, c, weight_ih, weight_hh = (a.astype(wide, copy=False) for a in (x, h, c, weight_ih, weight_hh))
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2: with the rows of three gates halved, one tanh serves all four.
    half, shift = _halves(xp, width, wide)
    bias = sum_of(bias_ih, bias_hh)
    bias = None if bias is None else bias.astype(wide, copy=False) * half
    gates = products.empty((x.shape[0], 4 * width), wide)
    fill = entering(products, xp.ascontiguousarray(x), (weight_ih * half[:, None]).T, bias, gates)
    recur = products.by((weight_hh * half[:, None]).T)
    project = None if weight_hr is None else products.by(weight_hr.astype(wide, copy=False).T)
    batch = h.shape[0]
    states, cells = (
        products.empty((batch + x.shape[0], h.shape[1]), wide),
        products.empty((batch + x.shape[0], width), wide),
    )
    states[:batch], cells[:batch] = h, c
    added, thin = products.empty((batch, 4 * width), wide), products.empty((batch, width), wide)
    for now, before in steps(sizes):
        count = now.stop - now.start
        fill(now.stop - batch)
        gate, bent, cell = gates[now.start - batch : now.stop - batch], thin[:count], cells[now]
        recur(states[before], added[:count])
        gate += added[:count]
        xp.tanh(gate, out=gate)
        gate *= half
        gate += shift
        xp.multiply(gate[:, width : 2 * width], cells[before], out=cell)
        xp.multiply(gate[:, :width], gate[:, 2 * width : 3 * width], out=bent)
        cell += bent
        xp.tanh(cell, out=bent)
        if project is None:
            xp.multiply(gate[:, 3 * width :], bent, out=states[now])
        else:
            bent *= gate[:, 3 * width :]
            project(bent, states[now])
    return states[batch:].astype(given, copy=False), cells[batch:].astype(given, copy=False), gates, states, cells


def _halves(xp: Any, width: int, dtype: Any) -> tuple[Array, Array]:
    """What each gate's tanh is multiplied by, and what is added: for three of them 1/2, for the cell's 1 and 0."""
    half, shift = xp.full(4 * width, 0.5, dtype), xp.full(4 * width, 0.5, dtype)
    half[2 * width : 3 * width], shift[2 * width : 3 * width] = 1, 0
    return half, shift


@op_with_results(7)
def lstm_backward(
    xp: Any, flow: Array | None, flow_cells: Array | None, x: Array, weight_ih: Array, weight_hh: Array, gates: Array,
    states: Array, cells: Array, weight_hr: Array | None = None, *, sizes: Sizes, wants_x: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    """The gradients of lstm_layer for x, h, c, weight_ih, weight_hh, either bias and weight_hr, back through all steps.

    ``flow`` enters the states and ``flow_cells`` the cells; None is nothing. Without ``wants_x`` that of x is empty.
    """
    return lstm_back(
        xp, plain_products(xp), flow, flow_cells, x, weight_ih, weight_hh, gates, states, cells, weight_hr,
        sizes=sizes, wants_x=wants_x,
    )  # fmt: skip


def lstm_back(
    xp: Any, products: Products, flow: Array | None, flow_cells: Array | None, x: Array, weight_ih: Array, weight_hh: Array,
    gates: Array, states: Array, cells: Array, weight_hr: Array | None = None, *, sizes: Sizes, wants_x: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    """The computation, by whatever multiplies matrices."""
    given, wide = x.dtype, gates.dtype
    x, weight_ih, weight_hh = (a.astype(wide, copy=False) for a in (x, weight_ih, weight_hh))
    batch, width, rows = sizes[0], gates.shape[1] // 4, gates.shape[0]
    recur = products.by(weight_hh)
    narrow = None if weight_hr is None else weight_hr.astype(wide, copy=False)
    widen = None if narrow is None else products.by(narrow)
    flows = products.empty(gates.shape, wide)  # what flows into the gates, before their functions
    narrowed = None if narrow is None else products.empty((rows, width), wide)  # the states before the projection
    projected = None if narrow is None else products.empty((rows, narrow.shape[0]), wide)
    dh, dc = xp.zeros((batch, states.shape[1]), wide), xp.zeros((batch, width), wide)
    bent, room, slope = (
        products.empty((batch, width), wide),
        products.empty((batch, width), wide),
        products.empty((batch, 4 * width), wide),
    )
    own, level = _slopes(xp, width, wide)
    for now, before in reversed(list(steps(sizes))):
        count = now.stop - now.start
        place = slice(now.start - batch, now.stop - batch)
        gate, into, curve, down = gates[place], flows[place], bent[:count], dc[:count]
        i, f, g, o = (gate[:, k * width : (k + 1) * width] for k in range(4))
        xp.tanh(cells[now], out=curve)
        arrived = dh[:count]
        if flow is not None:
            arrived += flow[place]
        if widen is not None and narrowed is not None and projected is not None:
            projected[place] = arrived
            xp.multiply(o, curve, out=narrowed[place])
            widened = room[:count]
            widen(arrived, widened)
            arrived = widened
        xp.multiply(arrived, curve, out=into[:, 3 * width :])
        xp.multiply(curve, curve, out=curve)
        xp.subtract(1, curve, out=curve)
        curve *= o
        curve *= arrived
        down += curve
        if flow_cells is not None:
            down += flow_cells[place]
        xp.multiply(down, g, out=into[:, :width])
        xp.multiply(down, cells[before], out=into[:, width : 2 * width])
        xp.multiply(down, i, out=into[:, 2 * width : 3 * width])
        down *= f
        # x (1 - x) of the three sigmoids, 1 - x^2 of the tanh.
        steep = slope[:count]
        xp.subtract(own, gate, out=steep)
        steep *= gate
        steep += level
        into *= steep
        recur(into, dh[:count])
    once = products.once
    dw_ih, dw_hh = once(flows.T, x), once(flows.T, rows_before(xp, states, sizes))
    dx = once(flows, weight_ih) if wants_x else xp.empty((0,), wide)
    dw_hr = xp.empty((0,), wide) if projected is None else once(projected.T, narrowed)
    results = (dx, dh, dc, dw_ih, dw_hh, flows.sum(0), dw_hr)
    return tuple(a.astype(given, copy=False) for a in results)


def _slopes(xp: Any, width: int, dtype: Any) -> tuple[Array, Array]:
    """The slope of each gate's function from its result y, as (own - y) y + level."""
    own, level = xp.ones(4 * width, dtype), xp.zeros(4 * width, dtype)
    own[2 * width : 3 * width], level[2 * width : 3 * width] = 0, 1
    return own, level


def lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step in tensors: the state and the cell, from the sums that enter the gates and the cell before."""
    i, f, g, o = chunk(gates, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def plain_lstm(
    x: Tensor, h: Tensor, c: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    weight_hr: Tensor | None, *, sizes: Sizes,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """lstm_layer in tensors, every operation recorded."""
    wide = accumulator(x.dtype)
    given = x.dtype
    x, h, c, weight_ih, weight_hh = (t.to(dtype=wide) for t in (x, h, c, weight_ih, weight_hh))
    weight_hr = None if weight_hr is None else weight_hr.to(dtype=wide)
    arriving = plain_projection(x, weight_ih, bias_ih, bias_hh)
    states, cells, start = [], [], 0
    for size in sizes:
        first = slice(0, size)
        total = part(arriving, slice(start, start + size)) + linear(part(h, first), weight_hh)
        h, c = lstm_step(total, part(c, first))
        h = h if weight_hr is None else linear(h, weight_hr)
        states.append(h)
        cells.append(c)
        start += size
    return cat(states).to(dtype=given), cat(cells).to(dtype=given)
