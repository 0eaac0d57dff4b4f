"""The narrow copies of many parameters renewed in one launch, from a table on the GPU that says where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ...capturing import in_capture, keep_in_capture
from ...dtype import Array, Dtype
from .layout import dense_order
from .machine import Machine, machine
from .program import Kernel, scalars

__all__ = ["place", "renew"]

CHUNK = 16384
"""Numbers that one block rounds, as in ``narrowing.cu``."""
THREADS = 256
MOST_TABLES = 4


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
        if len(tables) >= MOST_TABLES:
            tables.clear()
        table = tables[key] = _Table(here, [twin.place for twin in twins])
    # A replay reads and writes all this.
    keep_in_capture(f"narrow copies {id(table)}", lambda: (table, [(twin.source, twin.array) for twin in twins]))
    _kernel(dtype)(table.blocks, THREADS, here.address(table.entries), here.address(table.chunks))
    return True


class _Table:
    """Places of arrays and their chunks, on the GPU."""

    def __init__(self, here: Machine, places: Sequence[tuple[int, int, int]]) -> None:
        chunks = [(entry, part) for entry, (_, _, count) in enumerate(places) for part in range(-(-count // CHUNK))]
        self.blocks = len(chunks)
        self.entries = here.xp.asarray(np.array(places, np.int64))
        self.chunks = here.xp.asarray(np.array(chunks, np.int32))


@cache
def _kernel(dtype: Dtype) -> Kernel:
    return Kernel("narrowing.cu", "narrow_all", "PP", SCALAR=scalars(dtype)["SCALAR"])
