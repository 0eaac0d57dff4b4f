"""Attention whose scores are one block, held: planned once for a way of lying, then a few launches between addresses.

What takes several blocks, broadcasts its operands or cannot be multiplied as it lies goes the longer way (see ``calls``), with the
same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....device import convert
from ....dtype import Array, accumulator
from ....modes import TF32, modes
from ....ops.layers import blockwise
from ...plans import Plans
from ..algebra import matrix
from ..layout import dense_order, maker
from ..libraries import choosing
from ..machine import Machine
from .launches import drawn_mask, dropped_from, kernels, threads_for
from .operands import gradients_like, is_one_attention

__all__ = ["attend", "attend_backward"]

Plan = Callable[..., Any]
PLANS: Plans[Plan] = choosing.renewed(Plans())


def attend(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, seed: Any
) -> Any:  # fmt: skip
    """The result of an attention, or NotImplemented."""
    address = here.address
    a, b, c = address(query), address(key), address(value)
    low, tf32 = a | b | c | 256, modes.precision is TF32
    name = (
        here, query.shape, query.strides, query.dtype, key.shape, key.strides, key.dtype, value.shape, value.strides, value.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), scale, causal, dropout, tf32, low & -low,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(name, _plan, here, query, key, value, bias, scale, causal, dropout, tf32, low & -low)
    return plan(seed, bias, a, b, c)


def attend_backward(
    here: Machine, flow: Array, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float,
    seed: Any,
) -> Any:  # fmt: skip
    """The gradients for query, key and value, or NotImplemented."""
    address = here.address
    a, b, c, arrived = address(query), address(key), address(value), address(flow)
    low, tf32 = a | b | c | arrived | 256, modes.precision is TF32
    beside = b - a == c - b == query.shape[1] * query.strides[1]  # see ``blockwise.are_side_by_side``
    name = (
        here, flow.shape, flow.strides, flow.dtype, query.shape, query.strides, query.dtype, key.shape, key.strides, key.dtype, value.shape,
        value.strides, value.dtype, None if bias is None else (bias.shape, bias.strides, bias.dtype), scale, causal, dropout, tf32,
        low & -low, beside,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(
            name, _plan_backward, here, flow, query, key, value, bias, scale, causal, dropout, tf32, low & -low
        )
    return plan(seed, bias, a, b, c, arrived)


def _refuse(*_: Any) -> Any:
    return NotImplemented


class _Weights:
    """What makes the weights of such an attention, and the mask of its dropout."""

    def __init__(
        self, here: Machine, query: Array, key: Array, bias: Array | None, scale: float, causal: bool, dropout: float, tf32: bool,
        alignment: int,
    ) -> None:  # fmt: skip
        self.wide = accumulator(query.dtype)
        self.shape = (*query.shape[:3], key.shape[2])
        self.make = maker(here, self.shape, self.wide)
        self.scores = self.make()
        self.product = matrix.between_addresses(here, query, key.swapaxes(2, 3), self.scores, scale, tf32, alignment)
        self.dropout, self._address = dropout, here.address
        rows, keys = self.scores.size // self.shape[3], self.shape[3]
        self.grid = (min(rows, here.processors * 16), threads_for(keys))
        steps = (0, 0, 0, 0)
        if bias is not None:
            whole = here.xp.broadcast_to(bias, self.shape)
            steps = tuple(step // whole.itemsize for step in whole.strides)
        self.softmax = kernels(query.dtype)["softmax"].prepared(
            here, *self.grid, None, None, rows, keys, *self.shape[1:3], *steps, 0, int(causal)
        )

    def __call__(self, bias: Array | None, a: int, b: int) -> tuple[Array, int]:
        """The weights and where they lie."""
        weights = self.make()
        place = self._address(weights)
        self.product(a, b, place)
        self.softmax(place, 0 if bias is None else self._address(bias))
        return weights, place


def _weights(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, tf32: bool,
    alignment: int,
) -> _Weights | None:  # fmt: skip
    fourfold = query.ndim == key.ndim == value.ndim == 4 and (bias is None or bias.ndim <= 4)
    if not fourfold or not is_one_attention(query, key, value, bias):
        return None
    batch, (queries, keys) = query.shape[:2], (query.shape[2], key.shape[2])
    if key.shape[:2] != batch or value.shape[:2] != batch:
        return None
    if bias is not None and any(
        n not in (1, most) for n, most in zip(bias.shape[:-2][::-1], batch[::-1], strict=False)
    ):
        return None
    blocks = list(blockwise.blocks(batch, queries, keys, causal, blockwise.most_scores(here.xp)))
    if len(blocks) != 1 or blocks[0][3] != keys:
        return None
    found = _Weights(here, query, key, bias, scale, causal, dropout, tf32, alignment)
    return found if callable(found.product) else None


def _plan(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, tf32: bool,
    alignment: int,
) -> Plan:  # fmt: skip
    weigh = _weights(here, query, key, value, bias, scale, causal, dropout, tf32, alignment)
    if weigh is None:
        return _refuse
    dtype, address, grown = query.dtype, here.address, 1 / (1 - dropout)
    shape, narrows = (*query.shape[:3], value.shape[3]), weigh.wide != dtype
    example = blockwise.maker_like(query, shape)(here.empty, dtype)
    make = maker(here, shape, dtype, dense_order(example))
    scores = here.empty(weigh.shape, dtype) if narrows else weigh.scores
    product = matrix.between_addresses(here, scores, value, example, grown, tf32, alignment)
    if not callable(product):
        return _refuse
    del example, scores, weigh.scores

    def compute(seed: Any, bias: Array | None, a: int, b: int, c: int) -> Array:
        weights, place = weigh(bias, a, b)
        if dropout:
            weights = dropped_from(weights, drawn_mask(seed, 0, weigh.shape, dropout), scale=1.0)
            place = address(weights)
        if narrows:
            weights = convert(weights, dtype)
            place = address(weights)
        out = make()
        product(place, c, address(out))
        return out

    return compute


def _plan_backward(
    here: Machine, flow: Array, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float,
    tf32: bool, alignment: int,
) -> Plan:  # fmt: skip
    weigh = _weights(here, query, key, value, bias, scale, causal, dropout, tf32, alignment)
    if weigh is None or flow.dtype != query.dtype or flow.shape != (*query.shape[:3], value.shape[3]):
        return _refuse
    dtype, address, grown = query.dtype, here.address, 1 / (1 - dropout)
    narrows = weigh.wide != dtype
    make_three, (dquery, dkey, dvalue) = gradients_like(here, query, key, value)
    scores = here.empty(weigh.shape, dtype) if narrows else weigh.scores
    turned = scores.swapaxes(2, 3)

    def product(x: Array, y: Array, out: Array, scale: float) -> Any:
        return matrix.between_addresses(here, x, y, out, scale, tf32, alignment)

    products = (
        product(flow, value.swapaxes(2, 3), weigh.scores, grown), product(turned, flow, dvalue, grown),
        product(scores, key, dquery, scale), product(turned, query, dkey, scale),
    )  # fmt: skip
    if not all(map(callable, products)):
        return _refuse
    to_weights, to_value, to_query, to_key = products
    rows, keys = weigh.scores.size // weigh.shape[3], weigh.shape[3]
    back = kernels(dtype)["gradient"].prepared(here, *weigh.grid, None, None, rows, keys)
    del weigh.scores, scores, turned, dquery, dkey, dvalue

    def narrow(array: Array) -> Array:
        return convert(array, dtype) if narrows else array

    def compute(seed: Any, bias: Array | None, a: int, b: int, c: int, arrived: int) -> tuple[Array, ...]:
        weights, place = weigh(bias, a, b)
        flows = weigh.make()
        to_weights(arrived, c, address(flows))
        dropped = weights
        if dropout:
            mask = drawn_mask(seed, 0, weigh.shape, dropout)
            dropped, flows = dropped_from(weights, mask, scale=1.0), dropped_from(flows, mask, scale=1.0)
        dropped = narrow(dropped)
        three = make_three()
        to_value(address(dropped), arrived, address(three[2]))
        back(place, address(flows))
        flows = narrow(flows)
        to_query(address(flows), b, address(three[0]))
        to_key(address(flows), a, address(three[1]))
        return three

    return compute
