"""Attention by cuDNN's fused engines, which never hold the scores: float16 and bfloat16, heads of up to 256, any strides.

An engine is compiled for the sizes it is asked for, which takes a second, so sizes must come twice before that is done; where
there is dropout it is done at once, for a replay must drop what the first call dropped. What the way back needs of the way there, the
result and the logarithms of the rows' sums, is kept; without it the way back goes as the way there did, with the scores held.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....device import convert
from ....dtype import Array, Dtype
from ....modes import are_deterministic_algorithms_enabled
from ....ops.layers import attention_operands
from ....ops.layers.heads import Parts
from ...plans import Plans
from ..layout import blocks_for, dense_order, maker
from ..libraries import choosing
from ..machine import Machine, machine
from ..shapes.transposing import copy_into
from .graph import Attention, Laid, fourfold
from .launches import kernels, seed_memory
from .operands import (
    ALIGNED,
    Operands,
    dense,
    fetcher,
    gradients_like,
    is_one_attention,
    is_readable,
    laid_out,
    operands_of,
    places_of,
    result_in_heads,
    result_like,
    strides_of,
)

__all__ = ["attend", "attend_backward", "attend_in_heads", "described", "extras", "finite", "mask", "prepared"]

Plan = Callable[..., Any]
PLANS: Plans[Plan] = choosing.renewed(Plans())

SERVED = ("float16", "bfloat16")
LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
"""What stands for minus infinity in a bias: a row of nothing else would give NaN."""


def attend(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, seed: Any,
    keep: bool = False,
) -> Any:  # fmt: skip
    """The result of an attention, or NotImplemented; with ``keep`` three arrays: the result twice, and the logarithms of the rows' sums."""
    keep = keep or dropout > 0.0  # one engine for both, so that a forward call that is made again drops the same
    address = here.address
    a, b, c = address(query), address(key), address(value)
    name = (
        "forward", here, query.shape, query.strides, query.dtype, key.shape, key.strides, key.dtype, value.shape, value.strides,
        value.dtype, None if bias is None else (bias.shape, bias.strides, bias.dtype), scale, causal, dropout, keep,
        are_deterministic_algorithms_enabled(), (a | b | c) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name) or _forward_plan(name, here, query, key, value, bias, scale, causal, dropout, keep)
    return plan(seed, query, key, value, bias, a, b, c)


def attend_in_heads(
    here: Machine, query: Array, key: Array | None, value: Array | None, bias: Array | None, heads: int, scale: float, causal: bool,
    dropout: float, seed: Any, keep: bool = False,
) -> Any:  # fmt: skip
    """The same for heads that lie side by side, or all three behind one another; the result lies likewise."""
    keep = keep or dropout > 0.0
    a, b, c, others = places_of(here, query, key, value)
    name = (
        "forward in heads", here, heads, query.shape, query.strides, query.dtype, others,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), scale, causal, dropout, keep,
        are_deterministic_algorithms_enabled(), (a | b | c) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name) or _forward_plan(name, here, query, key, value, bias, scale, causal, dropout, keep, heads)
    return plan(seed, query, key, value, bias, a, b, c)


def attend_backward(
    here: Machine, flow: Array, query: Array, key: Array, value: Array, bias: Array | None, out: Array, sums: Array, scale: float,
    causal: bool, dropout: float, seed: Any,
) -> Any:  # fmt: skip
    """The gradients for query, key and value, or NotImplemented; ``out`` and ``sums`` are what ``attend`` kept."""
    deterministic = are_deterministic_algorithms_enabled()
    address = here.address
    a, b, c, arrived = address(query), address(key), address(value), address(flow)
    # Of how far apart they lie only this matters (see ``blockwise.maker_of_three``): other addresses come anew with each call.
    beside = b - a == c - b == query.shape[1] * query.strides[1]
    name = (
        "backward", here, flow.shape, flow.strides, flow.dtype, query.shape, query.strides, query.dtype, key.shape, key.strides, value.shape,
        value.strides, None if bias is None else (bias.shape, bias.strides, bias.dtype), out.strides, scale, causal, dropout, deterministic, beside,
        (a | b | c | arrived) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(name, _plan_backward, here, scale, causal, dropout, query, key, value, bias, flow, out)
    return plan(seed, query, key, value, bias, flow, out, sums, a, b, c, arrived)


def mask(
    out: Array, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, seed: Any
) -> Array:  # fmt: skip
    """What dropout left of the weights of an attention whose result was ``out``: booleans (entries, heads, queries, keys).

    No engine tells its mask. But where all keys weigh the same, and the values are columns of the unit matrix, the result is the mask; what is
    hidden in any case counts as dropped.
    """
    here = machine()
    given = (a if a is None or a.dtype == out.dtype else convert(a, out.dtype) for a in (query, key, value, bias))
    query, key, value, bias = given
    lying = tuple(a if a is None else (a.shape, a.strides) for a in (query, key, value, bias))
    name = ("mask", here, lying, query.dtype, scale, causal, dropout, are_deterministic_algorithms_enabled())
    plan: Any = PLANS.get(name) or PLANS.make(name, _plan_forward, here, scale, causal, dropout, True, query, key, value, bias)  # fmt: skip
    found: Array = plan.mask(seed)
    return found


# ---- plans -------------------------------------------------------------------------------------------------------


def _forward_plan(
    name: Any, here: Machine, query: Array, key: Array | None, value: Array | None, bias: Array | None, scale: float, causal: bool,
    dropout: float, keep: bool, heads: int = 0,
) -> Plan:  # fmt: skip
    parts = _apart(query, key, value, heads)
    if query.dtype.name not in SERVED or parts is None or not is_one_attention(*parts, bias):
        return PLANS.make(name, lambda: _refuse)
    if not dropout:
        return PLANS.make(name, _second_time, name, here, scale, causal, keep, heads)
    return PLANS.make(name, _plan_forward, here, scale, causal, dropout, keep, query, key, value, bias, heads)


def _apart(query: Array, key: Any, value: Any, heads: int) -> Parts | None:
    """Query, key and value with their heads cut apart; None where they cannot be."""
    return attention_operands.parts_in_heads(query, key, value, heads) if heads else (query, key, value)


def _second_time(name: Any, here: Machine, scale: float, causal: bool, keep: bool, heads: int) -> Plan:
    """A plan that makes way for the real one when it is asked for a second time."""
    asked = 0

    def run(seed: Any, query: Array, key: Any, value: Any, bias: Array | None, *places: int) -> Any:
        nonlocal asked
        asked += 1
        if asked < 2:
            return NotImplemented
        plan = PLANS[name] = _plan_forward(here, scale, causal, 0.0, keep, query, key, value, bias, heads)
        return plan(seed, query, key, value, bias, *places)

    return run


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan_forward(
    here: Machine, scale: float, causal: bool, dropout: float, keep: bool, query: Array, key: Any, value: Any, bias: Array | None,
    heads: int = 0,
) -> Plan:  # fmt: skip
    step = query.shape[2] // 3 * query.itemsize if key is None else 0
    parts = _apart(query, key, value, heads)
    given = None if parts is None else operands_of(here, *parts, bias)
    if parts is None or given is None:
        return _refuse
    query, key, value = parts
    make, out = (
        result_in_heads(here, query, value.shape[-1])
        if heads
        else result_like(here, query, value.shape[-1], given.grouped)
    )
    dtype = query.dtype
    run = prepared(here, described("statistics" if keep else "forward", given, out, dtype, scale, causal, dropout))
    if run is None:
        return _refuse
    # Dropout's mask is the engine's own. Where none goes back by it, better none goes there.
    if dropout and _way_back(here, given, query, key, value, out, out, scale, causal, dropout) is None:
        return _refuse
    fetch, added, hide = fetcher(given), finite(here, given, dtype), _hider(here, given, out, dtype)
    address, empty = here.address, here.empty
    rows, wide = (*given.query.shape[:3], 1), np.dtype(np.float32)
    make_sums = maker(here, rows, wide)
    copies, plain = any(given.copied), bias is None and not dropout

    def compute(seed: Any, query: Array, key: Any, value: Any, bias: Array | None, a: int, b: int, c: int) -> Any:
        if copies:
            query, key, value = fetch(*(_apart(query, key, value, heads) or ()))
            a, b, c = address(query), address(key), address(value)
        elif step:
            b, c = a + step, a + 2 * step
        result = make()
        if not keep:
            places: tuple[int, ...] = (a, b, c, address(result))
            sums = None
        else:
            sums = make_sums()
            places = (a, b, c, address(result), address(sums))
        if plain:
            run(*places)
        else:
            more, held = extras(here, added, bias, dropout, seed)
            run(*places, *more)
            del held
            if bias is not None:
                hide(bias, result, sums)
        return (result, result, sums) if keep else result

    def mask(seed: Any) -> Array:
        equal = [laid_out(here, laid, dtype) for laid in (given.query, given.key)]
        result, sums = laid_out(here, out, dtype), empty(rows, wide)
        entries, shared, keys, width = given.value.shape
        kept = empty((*out.shape[:3], keys), np.dtype(np.bool_))
        bias = None if given.bias is None else here.zeros(_copy_of_bias(given), dtype)
        for start in range(0, keys, width):
            stop = min(start + width, keys)
            count = stop - start
            values = laid_out(here, given.value, dtype)
            unit = convert(here.xp.eye(count, dtype=wide), dtype)
            copy_into(values[:, :, start:stop, :count], here.xp.broadcast_to(unit, (entries, shared, count, count)))
            more, held = extras(here, None if bias is None else lambda bias: bias, bias, dropout, seed)
            run(*map(address, (*equal, values, result, sums)), *more)
            del held
            kept[..., start:stop] = convert(result[..., :count], wide) != 0
        return kept

    compute.mask = mask  # type: ignore[attr-defined]
    return compute


def _plan_backward(
    here: Machine, scale: float, causal: bool, dropout: float, query: Array, key: Array, value: Array, bias: Array | None, flow: Array,
    out: Array,
) -> Plan:  # fmt: skip
    given = operands_of(here, query, key, value, bias)
    dtype = query.dtype
    if given is None or out.dtype != dtype or flow.dtype != dtype or flow.shape != out.shape:
        return _refuse
    answer, flowing = (fourfold(a.shape, strides_of(a), given.grouped) for a in (out, flow))
    if answer is None:
        return _refuse
    copies_flow = flowing is None or not is_readable(flowing) or here.address(flow) % ALIGNED != 0
    if flowing is None or copies_flow:
        flowing = answer
    make_flow = maker(here, out.shape, dtype, dense_order(out))
    way = _way_back(here, given, query, key, value, answer, flowing, scale, causal, dropout)
    if way is None:
        return _refuse
    run, make_three = way
    fetch, added, address = fetcher(given), finite(here, given, dtype), here.address
    copies, plain = any(given.copied), bias is None and not dropout

    def compute(
        seed: Any, query: Array, key: Array, value: Array, bias: Array | None, flow: Array, out: Array, sums: Array, a: int, b: int,
        c: int, arrived: int,
    ) -> tuple[Array, ...]:  # fmt: skip
        three = make_three()
        if copies:
            query, key, value = fetch(query, key, value)
            a, b, c = address(query), address(key), address(value)
        if copies_flow:
            flow, given = make_flow(), flow
            copy_into(flow, given)
            arrived = address(flow)
        places = (
            a, b, c, address(out), arrived, address(sums), address(three[0]), address(three[1]), address(three[2]),
        )  # fmt: skip
        if plain:
            run(*places)
            return three
        more, held = extras(here, added, bias, dropout, seed)
        run(*places, *more)
        del held
        return three

    return compute


def _way_back(
    here: Machine, given: Operands, query: Array, key: Array, value: Array, out: Laid, flow: Laid, scale: float, causal: bool,
    dropout: float,
) -> tuple[Plan, Callable[[], tuple[Array, ...]]] | None:  # fmt: skip
    """What runs the gradients of an attention, and what makes memory for them; None where no engine computes them."""
    dtype = query.dtype
    make, three = gradients_like(here, query, key, value)
    gradients = [fourfold(each.shape, strides_of(each), given.grouped) for each in three]
    if any(each is None or not is_readable(each) for each in gradients):
        gradients = [fourfold(a.shape, dense(a.shape), given.grouped) for a in (query, key, value)]
        first, second, third = (maker(here, each.shape, dtype) for each in three)

        def make() -> tuple[Array, ...]:
            return first(), second(), third()

    run = prepared(here, described("backward", given, out, dtype, scale, causal, dropout, flow, tuple(gradients)))
    return None if run is None else (run, make)


def prepared(here: Machine, wanted: Attention) -> Plan | None:
    """What runs a description, asked for once."""
    name = ("graph", here, wanted)
    run = PLANS.get(name) or PLANS.make(name, lambda: here.prepare(wanted) or _refuse)
    return None if run is _refuse else run


def described(
    kind: str, given: Operands, out: Laid, dtype: Dtype, scale: float, causal: bool, dropout: float, flow: Laid | None = None,
    gradients: Any = None,
) -> Attention:  # fmt: skip
    bias = None if given.bias is None else _of_bias(given)
    return Attention(
        kind, given.query, given.key, given.value, out, dtype.name, float(scale), causal, float(dropout), bias, flow, gradients,
        deterministic=are_deterministic_algorithms_enabled(),
    )  # fmt: skip


def _copy_of_bias(given: Operands) -> tuple[int, ...]:
    """The shape of a copy of the bias: with all keys."""
    assert given.bias is not None
    return (*given.bias.shape[:3], given.key.shape[2])


def _of_bias(given: Operands) -> Laid:
    """How that copy is told to cuDNN: with all queries, which may be one repeated; given as one, the way back would lose it."""
    shape = _copy_of_bias(given)
    entry, head, row, column = dense(shape)
    queries = given.query.shape[2]
    return Laid((*shape[:2], queries, shape[3]), (entry, head, row if shape[2] == queries else 0, column))


def finite(here: Machine, given: Operands, dtype: Dtype) -> Callable[[Array], Array] | None:
    """What copies a bias so that it has no gaps and no minus infinity."""
    laid = given.bias
    if laid is None:
        return None
    shape = _copy_of_bias(given)
    kernel, count = kernels(dtype)["bias"], math.prod(shape)
    numbers = (count, *shape[1:], *laid.strides, LOWEST[dtype.name])
    launch, make, address = kernel.prepared(here, blocks_for(here, count), 256, None, None, *numbers), maker(here, shape, dtype), here.address  # fmt: skip

    def copy(bias: Array) -> Array:
        out = make()
        launch(address(bias), address(out))
        return out

    return copy


def _hider(here: Machine, given: Operands, laid: Laid, dtype: Dtype) -> Callable[[Array, Array, Array | None], None]:
    """What writes zeros to the rows (laid out so) of queries that a bias hides from every key, and sums of which nothing flows back."""
    bias = given.bias
    if bias is None:
        return lambda bias, out, sums: None
    entries, heads, queries, width = laid.shape
    # Bias repeats along an axis of one: each of its rows is looked at once.
    rows = math.prod(bias.shape[:3])
    numbers = (rows, *bias.shape[:3], bias.shape[3], *bias.strides, entries, heads, queries, width, *laid.strides[:3])
    launch = kernels(dtype)["hidden"].prepared(here, blocks_for(here, rows * 32), 256, None, None, None, *numbers)
    address = here.address

    def hide(bias: Array, out: Array, sums: Array | None) -> None:
        launch(address(bias), address(out), 0 if sums is None else address(sums))

    return hide


def extras(
    here: Machine, added: Callable[[Array], Array] | None, bias: Array | None, dropout: float, seed: Any
) -> tuple[list[int], list[Array]]:
    """The addresses of the bias and of dropout's seed and offset, and what must live until the work is given."""
    places, held = [], []
    if added is not None:
        held.append(added(bias))
        places.append(here.address(held[0]))
    if dropout:
        held.append(seed_memory(here, seed))
        first = here.address(held[-1])
        places += (first, first + 8)
    return places, held
