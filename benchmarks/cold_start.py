"""From no process to the first MobileNetV2 prediction on a photograph, with the weights on disk: time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from rounds import CHECKOUT, HERE, finish, options

from numzoo import hub


def main() -> None:
    given = options(__doc__).parse_args()
    weights, photograph = hub.pull("mobilenet_v2"), hub.pull("sample:cat")
    seconds: dict[str, list[float]] = {}
    mebibytes: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        for side, python in (("numzoo", sys.executable), ("PyTorch", given.peer_python)):
            elapsed, peak = measured([python, str(HERE / "cold_start_side.py"), side, str(weights), str(photograph)])
            seconds.setdefault(side, []).append(elapsed)
            mebibytes.setdefault(side, []).append(peak)
    finish({"seconds": seconds, "peak memory, MiB": mebibytes}, "numzoo", "cold start", given.json)


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and peak mebibytes of a whole process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{Path(command[1]).name} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
