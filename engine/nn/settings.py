"""Settings of layers, checked where they are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SettingError


def whole(who: str, least: int, **values: Any) -> None:
    """Refuse values that are no whole numbers of at least ``least``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SettingError(f"{who}: {name} must be a whole number of at least {least}, not {value!r:.60}")


def probability(who: str, value: Any) -> None:
    """Refuse what is no number between 0 and 1."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not 0.0 <= value <= 1.0:
        raise SettingError(f"{who}: the probability must be a number between 0 and 1, not {value!r:.60}")
