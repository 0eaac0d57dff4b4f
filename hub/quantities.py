"""Sizes and times as people read them."""

from __future__ import annotations

__all__ = ["size_text", "time_text"]


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
