"""What both sides of the training benchmark do: repeat a step, and say how long the fastest took and how much memory was needed."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

WARM_UP = 2


def measure(step: Callable[[], None], seconds: float) -> None:
    """Print the milliseconds of the fastest step, by the wall and of the processor, and the largest resident memory in MiB."""
    times: list[float] = []
    busy: list[float] = []
    for _ in range(WARM_UP):
        step()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start, busy_start = time.perf_counter(), time.process_time()
        step()
        times.append(time.perf_counter() - start)
        busy.append(time.process_time() - busy_start)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"wall": min(times) * 1e3, "cpu": min(busy) * 1e3, "mebibytes": peak}))
