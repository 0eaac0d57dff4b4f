"""Attention in float32 by kernels of our own that never hold the scores: one launch there, one or two back, planned once for a way of lying.

cuDNN has none in whole float32. Products go tile by tile through registers and shared memory (see ``tiles``). The way back computes
the scores again from the logarithms of the rows' sums, which the way there keeps; each of its sums has one order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....dtype import Array, float32
from ....modes import TF32, modes
from ....ops.layers import attention_operands
from ....ops.layers.dropping import threshold
from ...plans import Plans
from ..layout import maker
from ..machine import Machine
from ..shapes.transposing import copy_into
from .launches import drawn_mask, seed_memory
from .operands import gradients_like, is_one_attention, places_of, result_in_heads, result_like
from .tiles import LEAST_WIDTH, MOST_WIDTH, THREADS, cut, cuts_back

__all__ = [
    "attend",
    "attend_backward",
    "attend_in_heads",
    "is_read_in_pieces",
    "is_served",
    "mask",
    "steps_of",
    "way_back",
]

Plan = Callable[..., Any]
Steps = Sequence[int]
"""Numbers from one entry, head and row to the next."""
PLANS: Plans[Plan] = Plans()

ALIGNED = 16
"""What addresses and steps are multiples of, in bytes."""
LOG2_E = 1.4426950408889634


def attend(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, seed: Any,
    keep: bool,
) -> Any:  # fmt: skip
    """The result of an attention, or NotImplemented; with ``keep`` three arrays: the result twice, and the logarithms of the rows' sums."""
    if modes.precision is TF32:
        return NotImplemented
    address = here.address
    a, b, c = address(query), address(key), address(value)
    name = (
        here, query.shape, query.strides, query.dtype, key.shape, key.strides, key.dtype, value.shape, value.strides, value.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), scale, causal, dropout, keep, (a | b | c) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name) or PLANS.make(name, _plan, here, query, key, value, bias, scale, causal, dropout, keep)
    return plan(seed, a, b, c, 0 if bias is None else address(bias))


def attend_in_heads(
    here: Machine, query: Array, key: Array | None, value: Array | None, bias: Array | None, heads: int, scale: float, causal: bool,
    dropout: float, seed: Any, keep: bool,
) -> Any:  # fmt: skip
    """The same for heads that lie side by side, or all three behind one another; the result lies likewise."""
    if modes.precision is TF32:
        return NotImplemented
    a, b, c, others = places_of(here, query, key, value)
    name = (
        "in heads", here, heads, query.shape, query.strides, query.dtype, others, None if bias is None else (bias.shape, bias.strides, bias.dtype),
        scale, causal, dropout, keep, (a | b | c) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(name, _plan_in_heads, here, query, key, value, bias, heads, scale, causal, dropout, keep)
    return plan(seed, a, b, c, 0 if bias is None else here.address(bias))


def attend_backward(
    here: Machine, flow: Array, query: Array, key: Array, value: Array, bias: Array | None, out: Array, sums: Array, scale: float,
    causal: bool, dropout: float, seed: Any,
) -> Any:  # fmt: skip
    """The gradients for query, key and value, or NotImplemented; ``out`` and ``sums`` are what ``attend`` kept."""
    address = here.address
    a, b, c, arrived = address(query), address(key), address(value), address(flow)
    beside = b - a == c - b == query.shape[1] * query.strides[1]  # see ``blockwise.are_side_by_side``
    name = (
        "backward", here, flow.shape, flow.strides, flow.dtype, query.shape, query.strides, query.dtype, key.shape, key.strides, value.shape,
        value.strides, None if bias is None else (bias.shape, bias.strides, bias.dtype), out.strides, scale, causal, dropout, beside,
        (a | b | c) % ALIGNED, arrived % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(name, _plan_backward, here, flow, query, key, value, bias, out, scale, causal, dropout)
    return plan(seed, flow, a, b, c, 0 if bias is None else address(bias), arrived, address(out), address(sums))


def mask(query: Array, key: Array, dropout: float, seed: Any) -> Array:
    """What dropout leaves of the weights of such an attention: booleans (entries, heads, queries, keys)."""
    return drawn_mask(seed, 0, (*query.shape[:3], key.shape[2]), dropout)


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan_in_heads(
    here: Machine, query: Array, key: Array | None, value: Array | None, bias: Array | None, heads: int, scale: float, causal: bool,
    dropout: float, keep: bool,
) -> Plan:  # fmt: skip
    parts = attention_operands.parts_in_heads(query, key, value, heads)
    if parts is None:
        return _refuse
    plan = _plan(here, *parts, bias, scale, causal, dropout, keep, in_heads=True)
    if key is not None:
        return plan
    step = query.shape[2] // 3 * query.itemsize
    return lambda seed, a, b, c, added: plan(seed, a, a + step, a + 2 * step, added)


def _plan(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, keep: bool,
    in_heads: bool = False,
) -> Plan:  # fmt: skip
    if not is_served(here, query, key, value, bias, dropout):
        return _refuse
    entries, heads, queries, width = query.shape
    make, laid = result_in_heads(here, query, width) if in_heads else result_like(here, query, width, grouped=False)
    make_sums, address = maker(here, (entries, heads, queries), float32), here.address
    tiles = cut(here, "forward", width, entries * heads, queries, key.shape[2])
    parts = tiles.parts(queries)
    launch = tiles.kernel(dropout > 0).prepared(
        here, entries * heads * parts, THREADS, *(None,) * 7, heads, queries, key.shape[2], width, parts, *steps_of(query), *steps_of(key),
        *steps_of(value), *laid.strides[:3], *_steps_of_bias(bias), scale * LOG2_E, 1 / (1 - dropout), threshold(dropout)[1], int(causal),
        shared=tiles.shared,
    )  # fmt: skip

    def compute(seed: Any, a: int, b: int, c: int, added: int) -> Any:
        out = make()
        drawn = seed_memory(here, seed) if dropout else None
        place = 0 if drawn is None else address(drawn)
        if not keep:
            launch(a, b, c, added, address(out), 0, place)
            return out
        sums = make_sums()
        launch(a, b, c, added, address(out), address(sums), place)
        return out, out, sums

    return compute


def _plan_backward(
    here: Machine, flow: Array, query: Array, key: Array, value: Array, bias: Array | None, out: Array, scale: float, causal: bool,
    dropout: float,
) -> Plan:  # fmt: skip
    if not is_served(here, query, key, value, bias, dropout) or flow.dtype != float32 or flow.shape != out.shape:
        return _refuse
    make_three, three = gradients_like(here, query, key, value)
    if not all(is_read_in_pieces(here, each) for each in three):
        return _refuse
    copies, address = not is_read_in_pieces(here, flow), here.address
    make_flow, flowing = result_like(here, query, query.shape[3], grouped=False)
    arriving = flowing.strides[:3] if copies else steps_of(flow)
    run = way_back(here, query, key, value, bias, arriving, steps_of(out), [steps_of(each) for each in three], scale, causal, dropout)  # fmt: skip
    del three

    def compute(
        seed: Any, flow: Array, a: int, b: int, c: int, added: int, arrived: int, result: int, sums: int
    ) -> Any:
        if copies:
            flow, given = make_flow(), flow
            copy_into(flow, given)
            arrived = address(flow)
        three = make_three()
        run(seed, a, b, c, added, arrived, result, sums, *map(address, three))
        return three

    return compute


def way_back(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, arriving: Steps, out: Steps, gradients: Sequence[Steps],
    scale: float, causal: bool, dropout: float,
) -> Plan:  # fmt: skip
    """What computes the three gradients between addresses; how the result and its gradient lie, and the three, is given in steps."""
    entries, heads, queries, width = query.shape
    keys, all_heads = key.shape[2], entries * heads
    make_taken, address = maker(here, (entries, heads, queries), float32), here.address
    launches = []
    for tiles in cuts_back(here, width, all_heads, queries, keys):
        by_queries = tiles.way == "queries"
        made = (gradients[0], gradients[0]) if by_queries else gradients[1:]
        parts = tiles.parts(queries if by_queries else keys)
        blocks = all_heads * (1 if tiles.way == "heads" else parts)
        launch = tiles.kernel(dropout > 0).prepared(
            here, blocks, THREADS, *(None,) * 12, heads, queries, keys, width, blocks // all_heads, *steps_of(query), *steps_of(key),
            *steps_of(value), *arriving, *out, *made[0], *made[1], *gradients[0], *_steps_of_bias(bias), scale * LOG2_E, scale,
            1 / (1 - dropout), threshold(dropout)[1], int(causal), shared=tiles.shared,
        )  # fmt: skip
        launches.append(launch)
    first, last = launches[0], launches[-1]
    together = first is last

    def run(
        seed: Any, a: int, b: int, c: int, added: int, arrived: int, result: int, sums: int, by_query: int, by_key: int, by_value: int
    ) -> None:  # fmt: skip
        drawn = seed_memory(here, seed) if dropout else None
        place = 0 if drawn is None else address(drawn)
        taken = make_taken()
        shares = address(taken)
        if not together:
            first(a, b, c, added, arrived, result, sums, shares, by_query, 0, 0, place)
        last(a, b, c, added, arrived, result, sums, shares, by_key, by_value, by_query, place)

    return run


def is_served(here: Machine, query: Array, key: Array, value: Array, bias: Array | None, dropout: float) -> bool:
    """Whether they are one attention's operands in float32, with as many heads of keys as of queries, that 16 bytes at a time can be read of."""
    if query.dtype != float32 or not query.ndim == key.ndim == value.ndim == 4 or key.shape != value.shape:
        return False
    if not is_one_attention(query, key, value, bias) or key.shape[:2] != query.shape[:2]:
        return False
    width = query.shape[3]
    if (
        not LEAST_WIDTH <= width <= MOST_WIDTH
        or width % 4
        or not all(is_read_in_pieces(here, a) for a in (query, key, value))
    ):
        return False
    if dropout and (threshold(dropout)[0] != 16 or key.shape[2] % 16):
        return False  # bits for 16 neighbouring keys are drawn at once
    if bias is None:
        return True
    lead = bias.shape[:-2]
    return len(lead) <= 2 and all(n in (1, most) for n, most in zip(lead[::-1], query.shape[1::-1], strict=False))


def is_read_in_pieces(here: Machine, array: Array) -> bool:
    """Whether rows lie without gaps at multiples of 16 bytes, not too far from one another."""
    outer = zip(array.shape[:3], array.strides[:3], strict=True)
    near = abs(array.strides[2]) < array.itemsize << 31
    whole = near and array.strides[3] == array.itemsize and here.address(array) % ALIGNED == 0
    return whole and all(n == 1 or step % ALIGNED == 0 for n, step in outer)


def steps_of(array: Array) -> Steps:
    """Numbers from one entry, head and row to the next."""
    return [step // array.itemsize for step in array.strides[:3]]


def _steps_of_bias(bias: Array | None) -> list[int]:
    """The same of a bias, and from key to key; 0 where it is repeated."""
    if bias is None:
        return [0] * 4
    own = [0 if n == 1 else step // bias.itemsize for n, step in zip(bias.shape, bias.strides, strict=True)]
    return [0] * (4 - len(own)) + own
