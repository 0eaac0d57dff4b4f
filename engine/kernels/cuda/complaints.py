"""What kernels complain of: numbers of rows, classes or places that lie outside. Nobody waits for the GPU to hear it.

A kernel that meets such a number writes NaN, or 0, where it would have read, and says so in memory that the CPU can see. That is looked
at when a kernel of this kind is next called, and when results come back to the CPU: there the error is raised. Bodies, which cannot complain,
let the numbers be looked at by a launch of its own.
"""

from __future__ import annotations

import struct
import threading
from functools import cache
from typing import Any

import numpy as np

from ...dtype import Array, Dtype, kind
from ...errors import ShapeError
from .layout import blocks_for
from .machine import machine
from .program import Kernel, scalars
from .shapes.transposing import copy_like

__all__ = ["check", "complaints", "look"]

INDICES = {
    "int64": "index_t", "int32": "int", "int16": "short", "int8": "schar", "uint8": "uchar", "uint16": "ushort", "uint32": "uint",
    "uint64": "index_t",
}  # fmt: skip
_TABLE = "row {0} lies outside of the table, whose rows are 0 to {2}"
_PLACE = "an index holds {0}, but the axis has {1} elements"
_KNOWN = {
    "cross_entropy": "target {0} is no class: there are {1} (0 to {2})", "take_rows": _TABLE, "sum_rows": _TABLE,
    "sample": "index must number the {1} elements of an image, but holds {0}",
    "gather": _PLACE, "spread_along": _PLACE, "combine_along": _PLACE, "index_select": _PLACE,
}  # fmt: skip
"""What kernels complain of by themselves; {0} is the number, {1} the first one too large."""
_told: list[tuple[str, type[Exception], bool]] = [("", ShapeError, False)]
"""The sentence, the kind of error, and whether the number is no integer, by the number that a kernel is given."""
_numbers: dict[Any, int] = {}
_held: dict[int, tuple[Any, int]] = {}
_lock = threading.Lock()


def complaints(name: str) -> tuple[int, int]:
    """The number of who may complain, and the address of the words; raises what was complained of before."""
    return _known(name), _address()


@cache
def _known(name: str) -> int:
    return _number(f"{name}: {_KNOWN[name]}", ShapeError, False)


def look(array: Array, low: float, high: float, sentence: str, error: type[Exception], *, within: bool = False) -> None:
    """Let the GPU look whether all numbers lie from ``low`` to ``high``, or none does; if not, the sentence is an error later."""
    if not array.size:
        return
    here = machine()
    real = kind(array.dtype) == 2
    if not real and (kind(array.dtype) != 1 or array.dtype.name not in INDICES):
        array = array.astype("int64")
    given = array if array.flags.c_contiguous else copy_like(array)
    number, words = _number(sentence, error, real), _address()
    start = (blocks_for(here, given.size), 256, here.address(given), given.size)
    if real:
        _reals(given.dtype)(*start, float(low), float(high), number, words)
    else:
        _integers(given.dtype)(*start, int(low), int(high), int(within), number, words)


@cache
def _integers(dtype: Dtype) -> Kernel:
    return Kernel(
        "bounds.cu", "look_at_integers", "PqqqiiP", INDEX=INDICES[dtype.name], **scalars(np.dtype(np.float32))
    )


@cache
def _reals(dtype: Dtype) -> Kernel:
    return Kernel("bounds.cu", "look_at_numbers", "PqddiP", INDEX="int", **scalars(dtype))


def check() -> None:
    """Raise what a kernel complained of, if one did. It is sure to be seen once the GPU has done its work."""
    for words, _ in list(_held.values()):
        if words[0]:
            _raise(words)


def _number(sentence: str, error: type[Exception], real: bool) -> int:
    key = sentence, error, real
    found = _numbers.get(key)
    if found is None:
        with _lock:
            if key not in _numbers:
                _told.append(key)
                _numbers[key] = len(_told) - 1
            found = _numbers[key]
    return found


def _address() -> int:
    """The words of this GPU; what was complained of there before is raised."""
    here = machine()
    held = _held.get(id(here))
    if held is None:
        with _lock:
            held = _held.setdefault(id(here), here.shared_words(4))
    if held[0][0]:
        _raise(held[0])
    return held[1]


def _raise(words: Any) -> None:
    who, number, count = (int(word) for word in words[:3])
    words[0] = 0
    sentence, error, real = _told[who]
    shown = struct.unpack("d", struct.pack("q", number))[0] if real else number
    text = sentence.format(shown, count, count - 1)
    raise error(f"{text} (found on the GPU; it was called earlier than the line that this error names)")
