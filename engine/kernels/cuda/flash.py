"""Attention by cuDNN's fused engines, which never hold the scores: float16 and bfloat16, heads of up to 256, any strides.

An engine is compiled for the sizes it is asked for, which takes a second, so sizes must come twice before that is done; where
there is dropout it is done at once, for a replay must drop what the first call dropped. What the way back needs of the way there, the
result and the logarithms of the rows' sums, is kept; without it the way back goes as the way there did, with the scores held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...device import convert
from ...dtype import Array, Dtype
from ...modes import are_deterministic_algorithms_enabled
from ...ops.layers import blockwise
from ..plans import Plans
from . import choosing
from .attention_graph import Attention, Laid, Sizes, fourfold
from .layout import blocks_for, empty_in_order
from .machine import Machine, machine
from .transposing import copy_like

__all__ = ["attend", "attend_backward", "mask"]

Plan = Callable[..., Any]
PLANS: Plans[Plan] = choosing.renewed(Plans())

SERVED = ("float16", "bfloat16")
WIDEST = 256
FEWEST_QUERIES = 16
"""Fewer queries are the steps of a decoder, whose keys grow with each: products serve them without a new engine each time."""
ALIGNED = 16
LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
"""What stands for minus infinity in a bias: a row of nothing else would give NaN."""


def attend(
    here: Machine, query: Array, key: Array, value: Array, bias: Array | None, scale: float, causal: bool, dropout: float, seed: Any,
    keep: bool = False,
) -> Any:  # fmt: skip
    """The result of an attention, or NotImplemented; with ``keep`` three arrays: the result twice, and the logarithms of the rows' sums."""
    if query.dtype.name not in SERVED:
        return NotImplemented
    keep = keep or dropout > 0.0  # one engine for both, so that a forward call that is made again drops the same
    plan = _forward_plan(here, query, key, value, bias, scale, causal, dropout, keep)
    return plan(seed, query, key, value, bias)


def attend_backward(
    here: Machine, flow: Array, query: Array, key: Array, value: Array, bias: Array | None, out: Array, sums: Array, scale: float,
    causal: bool, dropout: float, seed: Any,
) -> Any:  # fmt: skip
    """The gradients for query, key and value, or NotImplemented; ``out`` and ``sums`` are what ``attend`` kept."""
    deterministic = are_deterministic_algorithms_enabled()
    apart = here.address(key) - here.address(query), here.address(value) - here.address(key)
    name = (
        "backward", here, flow.shape, flow.strides, query.shape, query.strides, query.dtype, key.shape, key.strides, value.shape,
        value.strides, None if bias is None else (bias.shape, bias.strides), out.strides, scale, causal, dropout, deterministic, apart,
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is None:
        plan = PLANS.make(name, _plan_backward, here, scale, causal, dropout, query, key, value, bias, flow, out)
    return plan(seed, query, key, value, bias, flow, out, sums)


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
    plan: Any = _forward_plan(here, query, key, value, bias, scale, causal, dropout, True)
    found: Array = plan.mask(seed)
    return found


def _forward_plan(
    here: Machine,
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None,
    scale: float,
    causal: bool,
    dropout: float,
    keep: bool,
) -> Plan:
    name = (
        "forward", here, query.shape, query.strides, query.dtype, key.shape, key.strides, value.shape, value.strides,
        None if bias is None else (bias.shape, bias.strides), scale, causal, dropout, keep, are_deterministic_algorithms_enabled(),
    )  # fmt: skip
    plan = PLANS.get(name)
    if plan is not None:
        return plan
    if not dropout:
        return PLANS.make(name, _second_time, here, scale, causal, keep)
    return PLANS.make(name, _plan_forward, here, scale, causal, dropout, keep, query, key, value, bias)


# ---- plans -------------------------------------------------------------------------------------------------------


def _second_time(here: Machine, scale: float, causal: bool, keep: bool) -> Plan:
    """A plan that is built when it is asked for a second time."""
    asked, plan = 0, None

    def run(seed: Any, *operands: Array | None) -> Any:
        nonlocal asked, plan
        if plan is None:
            asked += 1
            if asked < 2:
                return NotImplemented
            plan = _plan_forward(here, scale, causal, 0.0, keep, *operands)
        return plan(seed, *operands)

    return run


def _refuse(*_: Any) -> Any:
    return NotImplemented


@dataclass
class _Operands:
    """How query, key, value and bias go to cuDNN: their layouts, and which of them are copied first."""

    query: Laid
    key: Laid
    value: Laid
    bias: Laid | None
    grouped: bool
    copied: tuple[bool, bool, bool]


def _operands(query: Array, key: Array, value: Array, bias: Array | None) -> _Operands | None:
    grouped = query.ndim == key.ndim == value.ndim == 5 and key.shape[2] == value.shape[2] == 1
    found: list[Laid] = []
    copied = []
    for array in (query, key, value):
        laid = fourfold(array.shape, _strides(array), grouped)
        copied.append(laid is None or not _is_readable(laid))
        laid = fourfold(array.shape, _dense(array.shape), grouped) if copied[-1] else laid
        if laid is None:
            return None
        found.append(laid)
    first, second, third = found
    entries, heads, queries, width = first.shape
    if second.shape[0] != entries or third.shape[:3] != second.shape[:3] or heads % second.shape[1]:
        return None
    if queries < FEWEST_QUERIES or max(width, third.shape[3]) > WIDEST or width % 8 or third.shape[3] % 8:
        return None
    added = None
    if bias is not None:
        laid = fourfold(bias.shape, _strides(bias), grouped)
        whole = (entries, heads, queries, second.shape[2])
        if laid is None or any(n not in (1, most) for n, most in zip(laid.shape, whole, strict=True)):
            return None
        added = laid
    return _Operands(first, second, third, added, grouped, (copied[0], copied[1], copied[2]))


def _is_readable(laid: Laid) -> bool:
    """Whether cuDNN's engines read an operand as it lies: rows without gaps, everything else at multiples of 16 bytes."""
    *outer, (width, step) = zip(laid.shape, laid.strides, strict=True)
    return (width == 1 or step == 1) and all(n == 1 or (stride > 0 and stride % 8 == 0) for n, stride in outer)


def _plan_forward(
    here: Machine, scale: float, causal: bool, dropout: float, keep: bool, query: Array, key: Array, value: Array, bias: Array | None
) -> Plan:  # fmt: skip
    given = _operands(query, key, value, bias)
    if given is None:
        return _refuse
    make, out = _result_like(here, query, value.shape[-1], given.grouped)
    dtype = query.dtype
    run = here.prepare(_asked("statistics" if keep else "forward", given, out, dtype, scale, causal, dropout))
    if run is None:
        return _refuse
    fetch, added, hide = _fetcher(here, given), _finite(here, given, dtype), _hider(here, given, out, dtype)
    address, empty = here.address, here.empty
    rows, wide = (*given.query.shape[:3], 1), np.dtype(np.float32)

    def compute(seed: Any, query: Array, key: Array, value: Array, bias: Array | None) -> Any:
        query, key, value = fetch(query, key, value)
        result = make()
        places = [address(query), address(key), address(value), address(result)]
        sums = None
        if keep:
            sums = empty(rows, wide)
            places.append(address(sums))
        held = _extras(here, places, added, bias, dropout, seed)
        run(*places)
        del held
        if bias is not None:
            hide(bias, result)
        return (result, result, sums) if keep else result

    def mask(seed: Any) -> Array:
        equal = [_laid_out(here, laid, dtype) for laid in (given.query, given.key)]
        values = _laid_out(here, given.value, dtype)
        result, sums = _laid_out(here, out, dtype), empty(rows, wide)
        _, _, keys, width = given.value.shape
        kept = empty((*out.shape[:3], keys), np.dtype(np.bool_))
        bias = None if given.bias is None else here.zeros(given.bias.shape, dtype)
        for start in range(0, keys, width):
            columns = min(width, keys - start)
            values[...] = 0
            for column in range(columns):
                values[:, :, start + column, column] = 1
            places = [*map(address, (*equal, values, result, sums))]
            held = _extras(here, places, None if bias is None else lambda bias: bias, bias, dropout, seed)
            run(*places)
            del held
            kept[..., start : start + columns] = result[..., :columns] != 0
        return kept

    compute.mask = mask  # type: ignore[attr-defined]
    return compute


def _laid_out(here: Machine, laid: Laid, dtype: Dtype) -> Array:
    """Zeros that lie as cuDNN is told."""
    steps = [n * step for n, step in zip(laid.shape, laid.strides, strict=True)]
    room = here.zeros((max(1, *steps),), dtype)
    strides = tuple(step * dtype.itemsize for step in laid.strides)
    view: Array = here.xp.lib.stride_tricks.as_strided(room, laid.shape, strides)
    return view


def _plan_backward(
    here: Machine, scale: float, causal: bool, dropout: float, query: Array, key: Array, value: Array, bias: Array | None, flow: Array,
    out: Array,
) -> Plan:  # fmt: skip
    given = _operands(query, key, value, bias)
    dtype = query.dtype
    if given is None or out.dtype != dtype or flow.dtype != dtype or flow.shape != out.shape:
        return _refuse
    answer, flowing = (fourfold(a.shape, _strides(a), given.grouped) for a in (out, flow))
    if answer is None:
        return _refuse
    copies_flow = bias is not None or flowing is None or not _is_readable(flowing)
    if copies_flow:
        flowing = fourfold(flow.shape, _dense(flow.shape), given.grouped)
    assert flowing is not None
    memory = _Memory(here)
    sample = blockwise.three_like(memory, query, key, value)
    gradients = [fourfold(each.shape, _strides(each), given.grouped) for each in sample]
    if any(each is None or not _is_readable(each) for each in gradients):
        gradients = [fourfold(a.shape, _dense(a.shape), given.grouped) for a in (query, key, value)]
        side_by_side = False
    else:
        side_by_side = True
    del sample
    run = here.prepare(_asked("backward", given, answer, dtype, scale, causal, dropout, flowing, tuple(gradients)))
    if run is None:
        return _refuse
    fetch, added, hide = _fetcher(here, given), _finite(here, given, dtype), _hider(here, given, flowing, dtype)
    address = here.address

    def compute(
        seed: Any, query: Array, key: Array, value: Array, bias: Array | None, flow: Array, out: Array, sums: Array
    ) -> tuple[Array, Array, Array]:
        like = blockwise.three_like(memory, query, key, value) if side_by_side else None
        three = like or tuple(here.empty(each.shape, dtype) for each in (query, key, value))
        query, key, value = fetch(query, key, value)
        if copies_flow or address(flow) % ALIGNED:
            flow = _copy(here, flow)
        if bias is not None:
            hide(bias, flow)  # what flows to a query that saw nothing goes nowhere
        places = [*map(address, (query, key, value, out, flow, sums, *three))]
        held = _extras(here, places, added, bias, dropout, seed)
        run(*places)
        del held
        return three[0], three[1], three[2]

    return compute


def _asked(
    kind: str, given: _Operands, out: Laid, dtype: Dtype, scale: float, causal: bool, dropout: float, flow: Laid | None = None,
    gradients: Any = None,
) -> Attention:  # fmt: skip
    bias = None if given.bias is None else Laid(given.bias.shape, _dense(given.bias.shape))
    return Attention(
        kind, given.query, given.key, given.value, out, dtype.name, float(scale), causal, float(dropout), bias, flow, gradients,
        deterministic=are_deterministic_algorithms_enabled(),
    )  # fmt: skip


class _Memory:
    """What ``blockwise`` asks of the tools that make memory."""

    def __init__(self, here: Machine) -> None:
        self.empty = here.empty

    def result(self, operand: Array) -> Any:
        return operand.dtype


def _strides(array: Array) -> Sizes:
    """In elements, and 0 along axes of one element."""
    size = array.itemsize
    return tuple(0 if n == 1 else step // size for n, step in zip(array.shape, array.strides, strict=True))


def _dense(shape: Sizes) -> Sizes:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def _copy(here: Machine, array: Array) -> Array:
    return copy_like(array)


def _fetcher(here: Machine, given: _Operands) -> Callable[[Array, Array, Array], tuple[Array, ...]]:
    address, copied = here.address, given.copied

    def fetch(*arrays: Array) -> tuple[Array, ...]:
        return tuple(
            _copy(here, array) if must or address(array) % ALIGNED else array
            for array, must in zip(arrays, copied, strict=True)
        )

    return fetch


def _result_like(here: Machine, query: Array, width: int, grouped: bool) -> tuple[Callable[[], Array], Laid]:
    """What makes memory for a result, its axes in the order that the query's have in memory, and how it lies."""
    shape = (*query.shape[:-1], width)
    axes = range(query.ndim - 1)
    order = (*sorted(axes, key=lambda axis: (-abs(query.strides[axis]), axis)), query.ndim - 1)
    strides = [0] * query.ndim
    step = 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    laid = fourfold(shape, tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True)), grouped)
    if laid is None or 0 in (s for n, s in zip(query.shape, query.strides, strict=True) if n > 1):
        order = tuple(range(query.ndim))
        laid = fourfold(shape, _dense(shape), grouped)
    assert laid is not None
    chosen, dtype = order, query.dtype
    return lambda: empty_in_order(here, shape, dtype, chosen), laid


def _finite(here: Machine, given: _Operands, dtype: Dtype) -> Callable[[Array], Array] | None:
    """What copies a bias so that it has no gaps and no minus infinity."""
    laid = given.bias
    if laid is None:
        return None
    from .attention import kernels

    kernel, count = kernels(dtype)["bias"], int(np.prod(laid.shape, dtype=np.int64))
    numbers = (count, *laid.shape[1:], *laid.strides, LOWEST[dtype.name])
    grid = blocks_for(here, count)

    def copy(bias: Array) -> Array:
        out = here.empty(laid.shape, dtype)
        kernel(grid, 256, here.address(bias), here.address(out), *numbers)
        return out

    return copy


def _hider(here: Machine, given: _Operands, laid: Laid, dtype: Dtype) -> Callable[[Array, Array], None]:
    """What writes zeros to the rows (laid out so) of queries that a bias hides from every key."""
    bias = given.bias
    if bias is None:
        return lambda bias, out: None
    from .attention import kernels

    entries, heads, queries, width = laid.shape
    keys = given.key.shape[2]
    steps = tuple(0 if n == 1 else step for n, step in zip(bias.shape, bias.strides, strict=True))
    if bias.shape[3] == 1:
        keys = 1
    rows = entries * heads * queries
    numbers = (rows, heads, queries, keys, *steps, width, *laid.strides[:3])
    kernel, grid = kernels(dtype)["hidden"], blocks_for(here, rows * 32)

    def hide(bias: Array, out: Array) -> None:
        kernel(grid, 256, here.address(bias), here.address(out), *numbers)

    return hide


def _extras(
    here: Machine, places: list[int], added: Callable[[Array], Array] | None, bias: Array | None, dropout: float, seed: Any
) -> list[Array]:  # fmt: skip
    """Add the addresses of the bias and of dropout's seed and offset; gives what must live until the work is given."""
    held = []
    if added is not None:
        held.append(added(bias))
        places.append(here.address(held[0]))
    if dropout:
        from .attention import seed_memory

        memory = seed_memory(here, seed)
        held.append(memory)
        places += (here.address(memory), here.address(memory) + 8)
    return held
