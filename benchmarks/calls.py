"""What sides that time single calls share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def least(case: Callable[[], Any], repeats: int = 7) -> float:
    """The least processor time of several calls, in milliseconds."""
    case()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        case()
        best = min(best, time.process_time() - start)
    return best * 1e3
