"""Sizes and times as people read and write them."""

from __future__ import annotations

import re

from numzoo.hub.errors import UsageError

__all__ = ["parse_age", "parse_size", "size_text", "time_text"]

_AGE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,3})?)\s*([smhdw])\s*", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def size_text(size: float | None) -> str:
    """A number of bytes: "13.6 MB"; "-" where it is not known."""
    if size is None:
        return "-"
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def time_text(seconds: float) -> str:
    """A while: "0:07", "12:30", "2:05:00"."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def parse_size(text: str, *, who: str = "The size") -> int:
    """A number of bytes: "20GB" is 20,000,000,000, "20GiB" is 20 x 1024^3, a plain number is bytes.

    Raises UsageError for anything else; `who` begins its message.
    """
    from numzoo.hub import configuration

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
