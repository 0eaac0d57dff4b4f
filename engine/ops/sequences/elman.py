"""The simple recurrent network: one layer in one direction over all steps, and its gradient over all steps.

Elman, "Finding structure in time" (1990).
"""

from __future__ import annotations

from typing import Any

from ...dtype import Array, accumulator
from ...errors import SettingError, ShapeError
from ...modes import modes
from ...op import op, op_with_results
from ...tensor import Tensor
from ..algebra.matrix import linear
from ..elementwise.elementary import tanh
from ..layers.activation import relu
from ..layers.replay import replayed
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
    "rnn_backward",
    "rnn_layer",
]


def _rnn_joint(
    grad: Tensor, x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    sizes: Sizes, nonlinearity: str, states: Tensor,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    if modes.recording:
        inputs = [x, h, weight_ih, weight_hh, bias_ih, bias_hh]
        return replayed(lambda *given: plain_rnn(*given, sizes=sizes, nonlinearity=nonlinearity), inputs, [grad])
    dx, dh, dw_ih, dw_hh, db = rnn_backward(
        grad, x, weight_ih, weight_hh, states, sizes=sizes, nonlinearity=nonlinearity, wants_x=x.requires_grad
    )
    return (
        dx if x.requires_grad else None, dh, dw_ih, dw_hh, None if bias_ih is None else db, None if bias_hh is None else db,
    )  # fmt: skip


@op(residuals=("states",), jointly=_rnn_joint)
def rnn_layer(
    xp: Any, x: Array, h: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None, bias_hh: Array | None = None, *,
    sizes: Sizes, nonlinearity: str = "tanh",
) -> tuple[Array, ...]:  # fmt: skip
    """The states after each row of a packed sequence: tanh (or relu) of both products and both biases.

    x (rows, features); h (batch, width) before the first step; weight_ih (width, features), weight_hh (width, width), biases
    (width,). Half precisions are computed in float32. Keeps the states, with those before the first step in front.
    """
    return rnn_forward(
        xp, plain_products(xp), x, h, weight_ih, weight_hh, bias_ih, bias_hh, sizes=sizes, nonlinearity=nonlinearity
    )


def check_nonlinearity(name: str, nonlinearity: Any) -> None:
    """Refuse what is neither tanh nor relu."""
    if nonlinearity not in ("tanh", "relu"):
        raise SettingError(f"{name}: nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r:.60}")


def rnn_forward(
    xp: Any, products: Products, x: Array, h: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array | None = None,
    bias_hh: Array | None = None, *, sizes: Sizes, nonlinearity: str = "tanh",
) -> tuple[Array, ...]:  # fmt: skip
    """The computation, by whatever multiplies matrices."""
    check_nonlinearity("rnn", nonlinearity)
    check_layer("rnn", 1, x, h, weight_ih, weight_hh, (bias_ih, bias_hh), sizes)
    batch, width = h.shape
    if weight_ih.shape[0] != width:
        raise ShapeError(f"rnn: states {tuple(h.shape)} do not fit weights {tuple(weight_ih.shape)} for their rows")
    given, wide = x.dtype, accumulator(x.dtype)
    x, h, weight_ih, weight_hh = (a.astype(wide, copy=False) for a in (x, h, weight_ih, weight_hh))
    bias = sum_of(bias_ih, bias_hh)
    sums = products.empty((x.shape[0], width), wide)
    fill = entering(
        products, xp.ascontiguousarray(x), weight_ih.T, None if bias is None else bias.astype(wide, copy=False), sums
    )
    recur = products.by(weight_hh.T)
    states = products.empty((batch + x.shape[0], width), wide)
    states[:batch] = h
    for now, before in steps(sizes):
        state = states[now]
        recur(states[before], state)
        fill(now.stop - batch)
        state += sums[now.start - batch : now.stop - batch]
        if nonlinearity == "tanh":
            xp.tanh(state, out=state)
        else:
            xp.maximum(state, 0, out=state)
    return states[batch:].astype(given, copy=False), states


@op_with_results(5)
def rnn_backward(
    xp: Any, flow: Array, x: Array, weight_ih: Array, weight_hh: Array, states: Array, *, sizes: Sizes, nonlinearity: str = "tanh",
    wants_x: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    """The gradients of rnn_layer for x, h, weight_ih, weight_hh and either bias, back through all steps.

    Without ``wants_x`` that of x is empty.
    """
    return rnn_back(
        xp, plain_products(xp), flow, x, weight_ih, weight_hh, states, sizes=sizes, nonlinearity=nonlinearity, wants_x=wants_x
    )  # fmt: skip


def rnn_back(
    xp: Any, products: Products, flow: Array, x: Array, weight_ih: Array, weight_hh: Array, states: Array, *, sizes: Sizes,
    nonlinearity: str = "tanh", wants_x: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    """The computation, by whatever multiplies matrices."""
    given, wide = x.dtype, states.dtype
    x, weight_ih, weight_hh = (a.astype(wide, copy=False) for a in (x, weight_ih, weight_hh))
    batch, width = sizes[0], states.shape[1]
    recur = products.by(weight_hh)
    flows, dh = products.empty((x.shape[0], width), wide), xp.zeros((batch, width), wide)
    for now, _ in reversed(list(steps(sizes))):
        place = slice(now.start - batch, now.stop - batch)
        state, into, arrived = states[now], flows[place], dh[: now.stop - now.start]
        arrived += flow[place]
        if nonlinearity == "tanh":
            xp.multiply(state, state, out=into)
            xp.subtract(1, into, out=into)
            into *= arrived
        else:
            xp.multiply(arrived, state > 0, out=into)
        recur(into, arrived)
    once = products.once
    dw_ih, dw_hh = once(flows.T, x), once(flows.T, rows_before(xp, states, sizes))
    dx = once(flows, weight_ih) if wants_x else xp.empty((0,), wide)
    return tuple(a.astype(given, copy=False) for a in (dx, dh, dw_ih, dw_hh, flows.sum(0)))


def plain_rnn(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None, *, sizes: Sizes,
    nonlinearity: str,
) -> Tensor:  # fmt: skip
    """rnn_layer in tensors, every operation recorded."""
    given = x.dtype
    x, h, weight_ih, weight_hh = (t.to(dtype=accumulator(given)) for t in (x, h, weight_ih, weight_hh))
    arriving = plain_projection(x, weight_ih, bias_ih, bias_hh)
    bend = tanh if nonlinearity == "tanh" else relu
    states, start = [], 0
    for size in sizes:
        h = bend(part(arriving, slice(start, start + size)) + linear(part(h, slice(0, size)), weight_hh))
        states.append(h)
        start += size
    return cat(states).to(dtype=given)
