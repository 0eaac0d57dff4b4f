"""Copies of weights in another layout, kept as long as the weights hold what they held.

A library reads some weights in one layout in one precision and in another in the next. Where models are used, the same weights come again with
every call, so a copy of each is kept. Where graphs are recorded, weights are trained, as a rule, and change before the next time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ... import writes
from ...capturing import epoch, in_capture
from ...dtype import Array
from ...modes import modes
from ...node import next_sequence

__all__ = ["MOST", "kept_copy"]

MOST = 256 << 20
"""Bytes that all copies may take together; what finds no room is copied each time."""


class _Copy:
    """A copy, and when it was made of what."""

    __slots__ = ("array", "epoch", "order", "since", "source")

    def __init__(self, source: Array, order: tuple[int, ...], array: Array) -> None:
        name = id(source)

        def forget(reference: Any) -> None:
            found = _copies.get(name)
            if found is not None and found.source is reference:
                del _copies[name]

        self.source, self.order, self.array = weakref.ref(source, forget), order, array
        self.since, self.epoch = next_sequence(), epoch()

    def holds(self, source: Array, order: tuple[int, ...]) -> bool:
        """Whether it is what that array holds now, in this order of axes."""
        last = writes.last
        if (
            self.source() is not source
            or self.order != order
            or self.epoch is not epoch()
            or self.since <= writes.forgotten
            or writes.is_written(source, self.since)
        ):
            return False
        self.since = max(self.since, last)  # what was written elsewhere until now need not be looked through again
        return True


_copies: dict[int, _Copy] = {}


def kept_copy(source: Array, order: tuple[int, ...], make: Callable[[Array], Array]) -> Array:
    """What ``make(source)`` gives, a copy in this order of axes: the one of before, if nothing was written to the array since."""
    if modes.recording or in_capture():  # the replays of a captured step may change it
        return make(source)
    found = _copies.get(id(source))
    if found is not None and found.holds(source, order):
        return found.array
    copy = make(source)
    if copy.nbytes + sum(each.array.nbytes for each in list(_copies.values())) <= MOST:
        _copies[id(source)] = _Copy(source, order, copy)
    return copy
