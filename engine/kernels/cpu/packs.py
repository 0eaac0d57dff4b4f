"""Weights in the layout that a primitive wants, kept for as long as the weights do not change.

oneDNN's fast implementations take weights in blocked layouts of their own. Rearranging them costs a pass over the
weights, so the result is kept per array, until `forget` is told that the array's contents changed or the array's memory
is given up.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from ...modes import modes
from . import pool
from .memory import Array, address

PackKey = tuple[int, object]


class _Record:
    """The packs made of the arrays that share one owner of memory."""

    __slots__ = ("owner", "packs")

    def __init__(self, owner: weakref.ref[Any]) -> None:
        self.owner = owner
        self.packs: dict[PackKey, tuple[int, Any]] = {}  # (address, token) -> (address past the end, the pack)


MOST = pool.physical_bytes() // 4
"""Bytes that packs of weights which serve unpacked too may take together."""

_records: dict[int, _Record] = {}
_forgotten = 0


def find(array: Array, token: object) -> Any:
    """The pack kept for these contents under this token, or None."""
    owner = _owner(array)
    record = _records.get(id(owner))
    if record is None or record.owner() is not owner:
        return None
    kept = record.packs.get((address(array), token))
    return None if kept is None else kept[1]


def obtain(array: Array, token: object, make: Callable[[Array], Any]) -> Any:
    """The pack kept for these contents under this token; otherwise `make(array)`, kept from now on.

    A token stands for one layout of one shape, strides and type; it must be hashable and compare by identity or value.
    """
    found = find(array, token)
    if found is not None:
        return found
    before = _forgotten
    pack = make(array)
    if before == _forgotten:  # nobody changed an array while it was being packed
        _keep(array, token, pack)
    return pack


def seen(array: Array, token: object, times: int = 1) -> bool:
    """Whether this was asked `times` before of these contents under this token."""
    count = find(array, token) or 0
    if count >= times:
        return True
    _keep(array, token, count + 1)  # a number in the place of a pack
    return False


def worth_keeping(array: Array, token: object) -> bool:
    """Whether a pack is likely to serve again. Where graphs are recorded, weights are trained, as a rule, and change
    before the next time; so there only what is asked for a second time is."""
    return not modes.recording or seen(array, (token, "seen"))


def forget(array: Array) -> None:
    """Drop every pack made of memory that `array` covers. To be called after each change of an array's contents."""
    global _forgotten
    _forgotten += 1
    if not _records:
        return
    owner = _owner(array)
    record = _records.get(id(owner))
    if record is None or record.owner() is not owner:
        return
    start, stop = _extent(array)
    for key, (end, _) in list(record.packs.items()):
        if key[0] < stop and start < end:
            record.packs.pop(key, None)


def kept_bytes() -> int:
    """The bytes of all packs."""
    packs = [pack for record in list(_records.values()) for _, pack in list(record.packs.values())]
    return sum(pack.nbytes for pack in packs if not isinstance(pack, int))


def has_room(size: int) -> bool:
    """Whether one more pack of `size` bytes leaves all of them within `MOST`."""
    return kept_bytes() + size <= MOST


def clear() -> None:
    """Drop all packs."""
    _records.clear()


def _owner(array: Array) -> Any:
    """The object whose memory this is: an array without base, a mapped file, a bytes object."""
    owner: Any = array
    base = array.base
    while base is not None:
        owner = base
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return owner


def _keep(array: Array, token: object, pack: Any) -> None:
    owner = _owner(array)
    name = id(owner)
    record = _records.get(name)
    if record is None or record.owner() is not owner:
        try:
            # What it needs goes with it: when Python ends, modules lose their names before the last arrays go.
            reference = weakref.ref(owner, partial(_drop, _records, name))
        except TypeError:  # such memory could be given up unnoticed, and its address used again
            return
        record = _records[name] = _Record(reference)
    record.packs[address(array), token] = (_extent(array)[1], pack)


def _extent(array: Array) -> tuple[int, int]:
    """The addresses that the array's elements lie between."""
    start = stop = address(array)
    if not array.size:
        return start, stop
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (length - 1) * stride
        else:
            stop += (length - 1) * stride
    return start, stop + array.itemsize


def _drop(records: dict[int, _Record], name: int, reference: weakref.ref[Any]) -> None:
    record = records.get(name)
    if record is not None and record.owner is reference:
        del records[name]
