"""What kernels complain of: numbers of rows, classes or places that lie outside. Nobody waits for the GPU to hear it.

A kernel that meets such a number writes NaN, or 0, where it would have read, and says so in memory that the CPU can see. That is looked
at when a kernel of this kind is next called, and when results come back to the CPU: there the error is raised.
"""

from __future__ import annotations

import threading
from typing import Any

from ...errors import ShapeError
from .machine import machine

__all__ = ["NAMES", "check", "complaints"]

NAMES = ("", "cross_entropy", "take_rows", "sum_rows", "gather", "spread_along", "sample", "index_select")
"""Who complains, by number."""
_WORDS = {
    "cross_entropy": "target {0} is no class: there are {1} (0 to {2})",
    "take_rows": "row {0} lies outside of the table, whose rows are 0 to {2}",
    "sum_rows": "row {0} lies outside of the table, whose rows are 0 to {2}",
    "sample": "index must number the {1} elements of an image, but holds {0}",
}
_held: dict[int, tuple[Any, int]] = {}
_lock = threading.Lock()


def complaints(name: str) -> tuple[int, int]:
    """The number of who may complain, and the address of the words; raises what was complained of before."""
    words, address = _of(machine())
    if words[0]:
        _raise(words)
    return NAMES.index(name), address


def check() -> None:
    """Raise what a kernel complained of, if one did. It is sure to be seen once the GPU has done its work."""
    for words, _ in list(_held.values()):
        if words[0]:
            _raise(words)


def _of(here: Any) -> tuple[Any, int]:
    found = _held.get(id(here))
    if found is None:
        with _lock:
            found = _held.setdefault(id(here), here.shared_words(4))
    return found


def _raise(words: Any) -> None:
    who, number, count = (int(word) for word in words[:3])
    words[0] = 0
    name = NAMES[who]
    text = _WORDS.get(name, "an index holds {0}, but the axis has {1} elements").format(number, count, count - 1)
    raise ShapeError(f"{name}: {text} (found on the GPU; it was called earlier than the line that this error names)")
