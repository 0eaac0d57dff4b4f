"""What both sides of the training benchmark do: repeat a step, and say how long the fastest took and how much memory it needed."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

WARM_UP = 2


def measure(step: Callable[[], None], seconds: float) -> None:
    """Print the milliseconds of the fastest step, and the largest resident memory of this process in MiB."""
    times: list[float] = []
    for _ in range(WARM_UP):
        step()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"milliseconds": min(times) * 1e3, "mebibytes": peak}))
