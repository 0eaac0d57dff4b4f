"""What the methods do to their arguments."""

from __future__ import annotations

import operator
from typing import Any

from ..errors import ShapeError

Axis = Any
"""An axis, a tuple of axes, or None for all."""


def unpack(values: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    try:
        return tuple([operator.index(v) for v in values])
    except TypeError:
        raise ShapeError(f"sizes and axes are whole numbers, not {values!r:.80}") from None
