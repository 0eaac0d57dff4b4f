"""What was written to in place, and when: so that backward refuses to compute with arrays that changed since the forward call.

Time is the number that the next node gets. A walk looks only at nodes that are older than the last write: in a usual training
step there are none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .node import Node, next_sequence
from .tensor import Tensor

LIMIT = 1 << 16
"""Writes that are remembered in each table; the oldest go first."""
PARTS = 1024
"""Parts of one piece of memory that are told apart; with more, everything between them counts as written."""

last = -1
"""When the last write happened."""
forgotten = -1
"""Up to when writes may have been forgotten."""

_tensors: dict[int, int] = {}
_memory: dict[int, int] = {}
_parts: dict[int, dict[tuple[int, int], int]] = {}
# By identity of tensors, of arrays that own their memory, and of the owners of parts that were written. A node holds what it
# kept, so an identity that was reused belongs to a write from before the node, which does not count.


def note(tensor: Tensor) -> None:
    """Remember that the tensor's memory was written to, or given to it, just now."""
    note_all((tensor,))


def note_all(tensors: Iterable[Tensor]) -> None:
    """The same of several, at once."""
    global last
    now = last = next_sequence()
    for tensor in tensors:
        _tensors[id(tensor)] = now
        array = tensor.array
        if getattr(array, "base", None) is None:
            _memory[id(array)] = now
        else:
            _note_part(array, now)
    if len(_tensors) > LIMIT:
        _forget_oldest()


def _note_part(array: Any, now: int) -> None:
    """Remember a write to a part of an array."""
    parts = _parts.setdefault(id(_owner(array)), {})
    if len(parts) > PARTS:
        starts, stops = zip(*parts, strict=True)
        parts.clear()
        parts[min(starts), max(stops)] = now
    parts[_extent(array)] = now


def changed(node: Node) -> str | None:
    """The name of something that the node keeps and that was written to since, if there is any."""
    op, now, plan = node.op, node.sequence, node.plan
    if not plan.keeps:
        return None
    for position, value in zip(plan.inputs, (node.saved if plan.inputs else None) or (), strict=False):
        if position >= 0 and value is not None and _is_written(value, now):
            name = f"{op.tensors[0]}[{position}]" if op.variadic else op.tensors[position]
            return f"{name} ({value.dtype} {tuple(value.shape)})"
    if plan.keeps_out and any(array is not None and _is_written(array, now) for array in node.outs or ()):
        return "its result"
    if plan.residuals and any(_is_written(array, now) for array in node.residuals or ()):
        return "what it had worked out"
    return None


def is_written(value: Any, since: int) -> bool:
    """Whether a tensor, or the memory of an array, was written to after a node of this number was made."""
    return last > since and _is_written(value, since)


def _is_written(value: Any, since: int) -> bool:
    if isinstance(value, Tensor):
        if _tensors.get(id(value), -1) > since:
            return True
        value = value.array
    if not hasattr(value, "shape") or not hasattr(value, "flags"):
        return False
    owner = _owner(value)
    if _memory.get(id(owner), -1) > since:
        return True
    parts = _parts.get(id(owner))
    if parts is None:
        return False
    start, stop = _extent(value)
    return any(when > since and begin < stop and start < end for (begin, end), when in list(parts.items()))


def _owner(array: Any) -> Any:
    base = getattr(array, "base", None)
    while base is not None:
        array, base = base, getattr(base, "base", None)
    return array


def _extent(array: Any) -> tuple[int, int]:
    """The addresses that the array's elements lie between."""
    try:
        start = array.__array_interface__["data"][0]
    except AttributeError:
        start = array.data.ptr
    stop = start
    if array.size:
        for length, stride in zip(array.shape, array.strides, strict=True):
            if stride < 0:
                start += (length - 1) * stride
            else:
                stop += (length - 1) * stride
        stop += array.itemsize
    return start, stop


def _forget_oldest() -> None:
    global forgotten
    forgotten = last
    for table in (_tensors, _memory):
        oldest = sorted(table, key=table.__getitem__)[: len(table) // 2]
        for name in oldest:
            table.pop(name, None)
    for name in list(_parts)[: len(_parts) // 2]:
        _parts.pop(name, None)
