"""Settings of layers, checked where they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import SettingError

Size = int | Sequence[int]
"""One number for every axis, or one for each."""


def whole(who: str, least: int, **values: Any) -> None:
    """Refuse values that are no whole numbers of at least ``least``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SettingError(f"{who}: {name} must be a whole number of at least {least}, not {value!r:.60}")


def probability(who: str, value: Any) -> None:
    """Refuse what is no number between 0 and 1."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not 0.0 <= value <= 1.0:
        raise SettingError(f"{who}: the probability must be a number between 0 and 1, not {value!r:.60}")


def sizes(name: str, value: Any, axes: int) -> tuple[int, ...]:
    """One number for each of ``axes`` axes: given so, or one number for all."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return (int(value),) * axes
    if isinstance(value, Sequence) and all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in value):
        if len(value) == axes:
            return tuple([int(v) for v in value])
        if len(value) == 1:
            return (int(value[0]),) * axes
    wanted = {1: "or one in a tuple", 2: "or two of them"}.get(axes, f"or {axes} of them")
    raise SettingError(f"{name} must be a whole number {wanted}, not {value!r:.60}")


def pair(name: str, value: Size) -> tuple[int, int]:
    """One number for both axes, or two."""
    first, second = sizes(name, value, 2)
    return first, second
