"""The rate limit: one allowance of bytes per second for all transfers of this process, over all their threads."""

from __future__ import annotations

import re
import threading
import time

from numzoo.hub.errors import UsageError

__all__ = ["Limit", "current", "parse_rate", "set_limit"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*(|[kmg]i?)b?(?:/s)?", re.IGNORECASE)
_TICK = 0.25  # seconds' worth of bytes in one read: so a bar moves evenly, however low the limit
_LEAST, _MOST = 1 << 10, 1 << 18

_lock = threading.Lock()
_given: float | None = None  # the command line's, which goes before the environment's
_limit: Limit | None = None


class Limit:
    """So many bytes per second, whoever takes them."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.block = max(_LEAST, min(_MOST, int(rate * _TICK)))
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def wait(self, count: int) -> float:
        """Wait until `count` more bytes are allowed; give the seconds that took."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now) + count / self.rate
            pause = self._next - now
        time.sleep(pause)
        return pause


def set_limit(rate: float | None) -> None:
    """Let this process take at most `rate` bytes per second; None leaves it to NUMZOO_RATE_LIMIT."""
    global _given
    _given = rate


def current() -> Limit | None:
    """The limit that counts now, shared by all who ask; None if there is none. Raises UsageError if it is no rate."""
    from numzoo.hub import settings

    global _limit
    rate = settings.rate_limit() if _given is None else _given
    with _lock:
        if rate is None:
            _limit = None
        elif _limit is None or _limit.rate != rate:
            _limit = Limit(rate)
        return _limit


def parse_rate(text: str, who: str) -> float:
    """Bytes per second of "2M" (megabytes), "500k", "1.5Mi" or "800000"."""
    found = _RATE.fullmatch(text.strip())
    rate = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if rate < 1:
        raise UsageError(f"{who} is {text!r}; wanted bytes per second, such as 2M, 500k or 1.5Mi.")
    return rate
