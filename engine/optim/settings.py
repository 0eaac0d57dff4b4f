"""The ranges of settings, and how a value outside its range is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..errors import SettingError


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``; an end that is open is outside the range."""

    low: float = 0.0
    high: float = math.inf
    open_low: bool = False
    open_high: bool = True

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        return f"{'(['[not self.open_low]}{self.low:g}, {self.high:g}{')]'[not self.open_high]}"


Ranges: TypeAlias = Mapping[str, Range]

NOT_NEGATIVE = Range()
POSITIVE = Range(open_low=True)
ANY = Range(-math.inf, open_low=True)
SHARE = Range(0.0, 1.0)
CLOSED_SHARE = Range(0.0, 1.0, open_high=False)


def number(who: str, name: str, value: Any, allowed: Range = ANY) -> float:
    """``value`` as a Python number, if it is one within the range."""
    if is_number(value):
        plain: float = value.item() if isinstance(value, np.generic) else value
        if plain in allowed:
            return plain
    raise SettingError(f"{who}: {name} must be a number in {allowed}, not {value!r:.60}")


def whole(who: str, name: str, value: Any, least: int) -> int:
    """``value`` as a Python integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SettingError(f"{who}: {name} must be a whole number of at least {least}, not {value!r:.60}")
    return int(value)


def numbers(who: str, name: str, value: Any, count: int, allowed: Range = ANY) -> tuple[float, ...]:
    """``count`` numbers, each within the range; lists become tuples."""
    if not isinstance(value, (tuple, list)) or len(value) != count:
        raise SettingError(f"{who}: {name} must be {count} numbers in {allowed}, not {value!r:.60}")
    return tuple(number(who, f"{name}[{place}]", part, allowed) for place, part in enumerate(value))


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def truth(who: str, name: str, value: Any) -> bool:
    """``value``, if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise SettingError(f"{who}: {name} must be True or False, not {value!r:.60}")
    return bool(value)
