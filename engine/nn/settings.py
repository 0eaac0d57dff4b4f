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


def pair(name: str, value: Size) -> tuple[int, int]:
    """One number for both axes, or two."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value), int(value)
    if isinstance(value, Sequence) and len(value) == 2 and all(isinstance(v, (int, np.integer)) for v in value):
        return int(value[0]), int(value[1])
    raise SettingError(f"{name} must be a whole number or two of them, not {value!r}")
