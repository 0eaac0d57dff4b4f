"""Gated recurrent units: one layer in one direction over all steps, and its gradient over all steps.

Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014), in PyTorch's form: the reset gate scales the
product of the state, its bias included. The gates lie side by side: reset, update, new.
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array, accumulator
from ...errors import ShapeError
from ...modes import modes
from ...op import op, op_with_results
from ...tensor import Tensor
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
)

__all__ = [
    "gru_backward",
    "gru_layer",
]


def _gru_joint(
    grad: Tensor, x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    sizes: Sizes, gates: Tensor, inner: Tensor, states: Tensor,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    if modes.recording:
        inputs = [x, h, weight_ih, weight_hh, bias_ih, bias_hh]
        return replayed(lambda *given: plain_gru(*given, sizes=sizes), inputs, [grad])
    dx, dh, dw_ih, dw_hh, db_ih, db_hh = gru_backward(
        grad, x, weight_ih, weight_hh, gates, inner, states, sizes=sizes, wants_x=x.requires_grad
    )
    return (
        dx if x.requires_grad else None, dh, dw_ih, dw_hh, None if bias_ih is None else db_ih, None if bias_hh is None else db_hh,
    )  # fmt: skip


@op(residuals=("gates", "inner", "states"), jointly=_gru_joint)
def gru_layer(
    xp: Any, x: Array, h: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None, bias_hh: Array | None = None, *,
    sizes: Sizes,
) -> tuple[Array, ...]:  # fmt: skip
    """The states after each row of a packed sequence.

    x (rows, features); h (batch, width) before the first step; weight_ih (3 width, features), weight_hh (3 width, width),
    biases (3 width,). Half precisions are computed in float32. Keeps the gates, what the reset gate scales, and the states
    with those before the first step in front.
    """
    return gru_forward(xp, plain_products(xp), x, h, weight_ih, weight_hh, bias_ih, bias_hh, sizes=sizes)


def gru_forward(
    xp: Any, products: Products, x: Array, h: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None,
    bias_hh: Array | None = None, *, sizes: Sizes,
) -> tuple[Array, ...]:  # fmt: skip
    """The computation, by whatever multiplies matrices."""
    check_layer("gru", 3, x, h, weight_ih, weight_hh, (bias_ih, bias_hh), sizes)
    batch, width = h.shape
    if weight_ih.shape[0] != 3 * width:
        raise ShapeError(
            f"gru: states {tuple(h.shape)} do not fit weights {tuple(weight_ih.shape)} for a third of their rows"
        )
    given, wide = x.dtype, accumulator(x.dtype)
    x, h, weight_ih, weight_hh = (a.astype(wide, copy=False) for a in (x, h, weight_ih, weight_hh))
    # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2: the rows of two gates are halved.
    half = xp.full(3 * width, 0.5, wide)
    half[2 * width :] = 1
    bias = None if bias_ih is None else bias_ih.astype(wide, copy=False) * half
    gates = products.empty((x.shape[0], 3 * width), wide)
    fill = entering(products, xp.ascontiguousarray(x), (weight_ih * half[:, None]).T, bias, gates)
    resting = None if bias_hh is None else bias_hh.astype(wide, copy=False) * half
    recur = products.by((weight_hh * half[:, None]).T)
    states, inner = products.empty((batch + x.shape[0], width), wide), products.empty((x.shape[0], width), wide)
    states[:batch] = h
    added = products.empty((batch, 3 * width), wide)
    for now, before in steps(sizes):
        count = now.stop - now.start
        place = slice(now.start - batch, now.stop - batch)
        fill(place.stop)
        gate, sums, scaled, state = gates[place], added[:count], inner[place], states[now]
        recur(states[before], sums)
        if resting is not None:
            sums += resting
        both, new = gate[:, : 2 * width], gate[:, 2 * width :]
        both += sums[:, : 2 * width]
        xp.tanh(both, out=both)
        both *= 0.5
        both += 0.5
        scaled[...] = sums[:, 2 * width :]
        xp.multiply(gate[:, :width], scaled, out=state)
        new += state
        xp.tanh(new, out=new)
        xp.subtract(states[before], new, out=state)
        state *= gate[:, width : 2 * width]
        state += new
    return states[batch:].astype(given, copy=False), gates, inner, states


@op_with_results(6)
def gru_backward(
    xp: Any, flow: Array, x: Array, weight_ih: Array, weight_hh: Array, gates: Array, inner: Array, states: Array, *, sizes: Sizes,
    wants_x: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    """The gradients of gru_layer for x, h, weight_ih, weight_hh, bias_ih and bias_hh, back through all steps.

    Without ``wants_x`` that of x is empty.
    """
    return gru_back(
        xp, plain_products(xp), flow, x, weight_ih, weight_hh, gates, inner, states, sizes=sizes, wants_x=wants_x
    )


def gru_back(
    xp: Any, products: Products, flow: Array, x: Array, weight_ih: Array, weight_hh: Array, gates: Array, inner: Array, states: Array, *,
    sizes: Sizes, wants_x: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    """The computation, by whatever multiplies matrices."""
    given, wide = x.dtype, gates.dtype
    x, weight_ih, weight_hh = (a.astype(wide, copy=False) for a in (x, weight_ih, weight_hh))
    batch, width = sizes[0], gates.shape[1] // 3
    recur = products.by(weight_hh)
    # What flows into the gates from the inputs' side, and from the states' side: the new gate's is scaled by the reset gate.
    flows, turned = products.empty(gates.shape, wide), products.empty(gates.shape, wide)
    dh, room = xp.zeros((batch, width), wide), products.empty((batch, width), wide)
    slope = products.empty((batch, 2 * width), wide)
    for now, before in reversed(list(steps(sizes))):
        count = now.stop - now.start
        place = slice(now.start - batch, now.stop - batch)
        gate, into, back = gates[place], flows[place], turned[place]
        r, z, new = (gate[:, k * width : (k + 1) * width] for k in range(3))
        arrived, work, steep = dh[:count], room[:count], slope[:count]
        arrived += flow[place]
        # new: (1 - z) (1 - new^2) of what arrived
        fresh = into[:, 2 * width :]
        xp.multiply(arrived, z, out=work)
        xp.subtract(arrived, work, out=fresh)
        xp.multiply(new, new, out=steep[:, :width])
        steep[:, :width] *= fresh
        fresh -= steep[:, :width]
        xp.multiply(fresh, r, out=back[:, 2 * width :])
        # reset: what the new gate gets, times what it scales; update: the old state less the new
        xp.multiply(fresh, inner[place], out=into[:, :width])
        xp.subtract(states[before], new, out=into[:, width : 2 * width])
        into[:, width : 2 * width] *= arrived
        both = gate[:, : 2 * width]
        xp.subtract(1, both, out=steep)
        steep *= both
        into[:, : 2 * width] *= steep
        back[:, : 2 * width] = into[:, : 2 * width]
        recur(back, arrived)
        arrived += work
    once = products.once
    dw_ih, dw_hh = once(flows.T, x), once(turned.T, rows_before(xp, states, sizes))
    dx = once(flows, weight_ih) if wants_x else xp.empty((0,), wide)
    return tuple(a.astype(given, copy=False) for a in (dx, dh, dw_ih, dw_hh, flows.sum(0), turned.sum(0)))


def gru_step(entering: Tensor, returning: Tensor, h: Tensor) -> Tensor:
    """One step in tensors: the state from the sums that enter the gates from the input and from the state before."""
    (ir, iz, new), (hr, hz, scaled) = chunk(entering, 3, -1), chunk(returning, 3, -1)
    z = sigmoid(iz + hz)
    new = tanh(new + sigmoid(ir + hr) * scaled)
    return new + z * (h - new)


def plain_gru(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None, *, sizes: Sizes
) -> Tensor:  # fmt: skip
    """gru_layer in tensors, every operation recorded."""
    given = x.dtype
    x, h, weight_ih, weight_hh = (t.to(dtype=accumulator(given)) for t in (x, h, weight_ih, weight_hh))
    arriving = plain_projection(x, weight_ih, bias_ih)
    states, start = [], 0
    for size in sizes:
        h = part(h, slice(0, size))
        h = gru_step(part(arriving, slice(start, start + size)), plain_projection(h, weight_hh, bias_hh), h)
        states.append(h)
        start += size
    return cat(states).to(dtype=given)
