"""The gradients of an attention whose heads lie side by side, planned as its arrays lie: no views are made on the way.

What an engine does not read as it lies, or has none for, goes by views that cut the heads apart (see ``calls``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....dtype import Array, float32
from ....modes import are_deterministic_algorithms_enabled
from ....ops.layers import heads as layouts
from ....ops.layers.attention_operands import parts_in_heads
from ...plans import Plans
from ..layout import maker
from ..libraries import choosing
from ..machine import Machine
from . import fused, tiled
from .graph import Laid, Sizes, fourfold
from .operands import ALIGNED, is_readable, operands_of, places_of, strides_of

__all__ = ["attend_backward"]

Plan = Callable[..., Any]
Made = tuple[Any, int, int, int]
"""Memory for three gradients, which may be one, and where each begins."""
Gradients = tuple[Laid, Laid, Laid]
PLANS: Plans[Plan] = choosing.renewed(Plans())


def attend_backward(
    here: Machine, flow: Array, query: Array, key: Array | None, value: Array | None, bias: Array | None, out: Array, sums: Array,
    heads: int, scale: float, causal: bool, dropout: float, seed: Any,
) -> Any:  # fmt: skip
    """The gradients for query, key and value, or that of the query which holds all three; NotImplemented where none is planned so."""
    a, b, c, others = places_of(here, query, key, value)
    arrived = here.address(flow)
    name = (
        here, heads, flow.shape, flow.strides, flow.dtype, query.shape, query.strides, query.dtype, others,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), out.strides, scale, causal, dropout,
        are_deterministic_algorithms_enabled(), (a | b | c | arrived) % ALIGNED,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(name, _plan, here, flow, query, key, value, bias, out, heads, scale, causal, dropout)
    return plan(seed, bias, a, b, c, here.address(out), arrived, here.address(sums))


def _refuse(*_: Any) -> Any:
    return NotImplemented


def _plan(
    here: Machine, flow: Array, query: Array, key: Array | None, value: Array | None, bias: Array | None, out: Array, heads: int,
    scale: float, causal: bool, dropout: float,
) -> Plan:  # fmt: skip
    parts, dtype = parts_in_heads(query, key, value, heads), query.dtype
    if parts is None or flow.ndim != 3 or flow.shape[2] % heads or not flow.dtype == out.dtype == dtype:
        return _refuse
    flowing, answer = (each if each.ndim == 4 else layouts.in_heads(each, heads) for each in (flow, out))
    if flowing.shape != answer.shape:
        return _refuse
    make, gradients = _memory(here, parts, packed=key is None)
    build = _tiled if dtype == float32 else _fused
    run = build(here, parts, bias, flowing, answer, gradients, scale, causal, dropout)
    if run is None:
        return _refuse
    step = query.shape[2] // 3 * query.itemsize if key is None else 0

    def compute(seed: Any, bias: Array | None, a: int, b: int, c: int, result: int, arrived: int, sums: int) -> Any:
        if step:
            b, c = a + step, a + 2 * step
        made, first, second, third = make()
        run(seed, bias, a, b, c, result, arrived, sums, first, second, third)
        return made

    return compute


def _fused(
    here: Machine, parts: layouts.Parts, bias: Array | None, flow: Array, out: Array, gradients: Gradients, scale: float, causal: bool,
    dropout: float,
) -> Plan | None:  # fmt: skip
    """What computes them by cuDNN, between addresses."""
    given, dtype = operands_of(here, *parts, bias), parts[0].dtype
    arriving, left = (fourfold(each.shape, strides_of(each), False) for each in (flow, out))
    if given is None or any(given.copied) or arriving is None or left is None:
        return None
    if not is_readable(arriving) or here.address(flow) % ALIGNED:
        return None
    wanted = fused.described("backward", given, left, dtype, scale, causal, dropout, arriving, gradients)
    run = fused.prepared(here, wanted)
    if run is None:
        return None
    if bias is None and not dropout:
        return lambda seed, bias, *places: run(*places)
    added = fused.finite(here, given, dtype)

    def run_with_extras(seed: Any, bias: Array | None, *places: int) -> None:
        more, held = fused.extras(here, added, bias, dropout, seed)
        run(*places, *more)
        del held

    return run_with_extras


def _tiled(
    here: Machine, parts: layouts.Parts, bias: Array | None, flow: Array, out: Array, gradients: Gradients, scale: float, causal: bool,
    dropout: float,
) -> Plan | None:  # fmt: skip
    """What computes them by the tiles of float32, likewise."""
    if not tiled.is_served(here, *parts, bias, dropout) or not tiled.is_read_in_pieces(here, flow):
        return None
    steps, address = [laid.strides[:3] for laid in gradients], here.address
    run = tiled.way_back(here, *parts, bias, tiled.steps_of(flow), tiled.steps_of(out), steps, scale, causal, dropout)

    def run_on(
        seed: Any, bias: Array | None, a: int, b: int, c: int, result: int, arrived: int, sums: int, *made: int
    ) -> None:
        run(seed, a, b, c, 0 if bias is None else address(bias), arrived, result, sums, *made)

    return run_on


def _memory(here: Machine, parts: layouts.Parts, packed: bool) -> tuple[Callable[[], Made], Gradients]:
    """What makes memory for the gradients of such parts, and how each lies in it."""
    dtype, address = parts[0].dtype, here.address
    batch, heads, length, width = parts[0].shape
    if packed:
        row = 3 * heads * width
        step = heads * width * dtype.itemsize
        make_whole = maker(here, (batch, length, row), dtype)

        def whole() -> Made:
            made = make_whole()
            place = address(made)
            return made, place, place + step, place + 2 * step

        laid = _laid(parts[0].shape, row)
        return whole, (laid, laid, laid)
    first, second, third = (maker(here, (batch, part.shape[2], heads * part.shape[3]), dtype) for part in parts)

    def each() -> Made:
        made = first(), second(), third()
        return made, address(made[0]), address(made[1]), address(made[2])

    one, other, last = (_laid(part.shape, heads * part.shape[3]) for part in parts)
    return each, (one, other, last)


def _laid(shape: Sizes, row: int) -> Laid:
    """Heads side by side in rows that are so long."""
    steps = (shape[2] * row, shape[3], row, 1)
    return Laid(shape, tuple(0 if n == 1 else step for n, step in zip(shape, steps, strict=True)))
