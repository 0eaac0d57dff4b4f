"""Many arrays narrowed or widened in one launch: the narrow copies of parameters, from a table on the GPU, and gradients that came narrow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ....capturing import in_capture, keep_in_capture
from ....device import convert
from ....dtype import Array, Dtype, float32
from ..layout import dense_order, empty_like
from ..machine import Machine, machine
from ..program import Kernel, scalars

__all__ = ["place", "renew", "widen"]

CHUNK = 16384
"""Numbers that one block rounds, as in ``narrowing.cu``."""
THREADS = 256
MOST_TABLES = 4
SIZES = (16, 64, 224)
"""How many arrays a launch may widen; their places are among its arguments, of which there are 4,096 bytes."""


def place(source: Array, narrow: Array) -> tuple[int, int, int] | None:
    """Where an array of float32 and its copy lie and how many numbers they hold; None unless both fill their memory in the same order."""
    if not source.size or dense_order(source) is None or dense_order(source) != dense_order(narrow):
        return None
    address = machine().address
    return address(source), address(narrow), source.size


def renew(twins: Sequence[Any]) -> bool:
    """Write what sources hold now to their copies; False where a captured step has no table for them, which it could not write."""
    here = machine()
    dtype, tables = twins[0].array.dtype, twins[0].tables  # which go when the parameter does
    key = (here, *(twin.place for twin in twins))
    table = tables.get(key)
    if table is None:
        if in_capture():
            return False
        table = _kept(tables, key, _Table(here, [twin.place for twin in twins]))
    # A replay reads and writes all this.
    keep_in_capture(f"narrow copies {id(table)}", lambda: (table, [(twin.source, twin.array) for twin in twins]))
    _kernel(dtype)(table.blocks, THREADS, here.address(table.entries), here.address(table.chunks))
    return True


def widen(arrays: Sequence[Array], tables: dict[Any, Any]) -> list[Array]:
    """The arrays, all of one narrow dtype and none empty, in float32, each in memory of its own and in its own memory order.

    What there is to say of their sizes is kept in ``tables``.
    """
    here = machine()
    most = SIZES[-1]
    if len(arrays) > most:
        return [*widen(arrays[:most], tables), *widen(arrays[most:], tables)]
    key = (here, *(array.size for array in arrays))
    table = tables.get(key)
    if any(dense_order(array) is None for array in arrays) or (table is None and in_capture()):
        return [convert(array, float32) for array in arrays]
    if table is None:
        table = _kept(tables, key, _Table(here, [(array.size,) for array in arrays]))
    keep_in_capture(f"widened {id(table)}", lambda: table)
    results, address = [empty_like(here, array, float32) for array in arrays], here.address
    room = next(size for size in SIZES if size >= len(arrays))
    spare = (0,) * (room - len(arrays))
    _widener(arrays[0].dtype, room)(
        table.blocks, THREADS, *map(address, arrays), *spare, *map(address, results), *spare, address(table.entries), address(table.chunks)
    )  # fmt: skip
    return results


class _Table:
    """Places of arrays, or their sizes alone, and their chunks, on the GPU."""

    def __init__(self, here: Machine, entries: Sequence[tuple[int, ...]]) -> None:
        chunks = [(entry, part) for entry, (*_, count) in enumerate(entries) for part in range(-(-count // CHUNK))]
        self.blocks = len(chunks)
        self.entries = here.xp.asarray(np.array(entries, np.int64))
        self.chunks = here.xp.asarray(np.array(chunks, np.int32))


def _kept(tables: dict[Any, Any], key: Any, table: _Table) -> _Table:
    if len(tables) >= MOST_TABLES:
        tables.clear()
    tables[key] = table
    return table


@cache
def _kernel(dtype: Dtype) -> Kernel:
    return Kernel("narrowing.cu", "narrow_all", "PP", SCALAR=scalars(dtype)["SCALAR"])


@cache
def _widener(dtype: Dtype, most: int) -> Kernel:
    return Kernel("narrowing.cu", "widen_all", f"{2 * most}PPP", SCALAR=scalars(dtype)["SCALAR"], MOST=most)
