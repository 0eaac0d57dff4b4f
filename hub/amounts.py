"""Sizes and spans of time that a person gives: "20GB", "512 MiB", "30d"."""

from __future__ import annotations

import re

from numzoo.hub import configuration
from numzoo.hub.errors import UsageError

__all__ = ["parse_age", "parse_size"]

_AGE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,3})?)\s*([smhdw])\s*", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_size(text: str, *, who: str = "The size") -> int:
    """A number of bytes: "20GB" is 20,000,000,000, "20GiB" is 20 x 1024^3, a plain number is bytes.

    Raises UsageError for anything else; `who` begins its message.
    """
    size = configuration.size(text)
    if size is None:
        raise UsageError(f"{who} is {text!r}; wanted a size such as 20GB, 500MB or 1.5GiB.")
    return size


def parse_age(text: str, *, who: str = "The age") -> float:
    """A number of seconds: "90s", "15m", "12h", "30d", "4w". Raises UsageError for anything else."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"{who} is {text!r}; wanted a span of time such as 12h, 30d or 4w.")
    return float(found[1]) * _SECONDS[found[2]]
