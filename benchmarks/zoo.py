"""How long one picture takes each classifier of the registry, for the catalogue's plot: ``python benchmarks/zoo.py``.

Writes hub/catalog/speed.json. The weights are drawn at random, the picture has the side that the entry prepares pictures to;
the time is the median of several runs after two to warm up, without gradients, with the threads that numzoo takes by itself.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from numzoo import engine, hub
from numzoo.hub.catalog.items import items_of
from numzoo.hub.catalog.pages import speed_key
from numzoo.hub.registry.names import shipped_registry
from numzoo.vision import models

OUT = Path(__file__).parents[1] / "hub" / "catalog" / "speed.json"


def main() -> None:
    """Measure what is asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="measure the builders whose names hold this, and keep the other times"
    )
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    known: dict[str, Any] = json.loads(OUT.read_bytes())
    times: dict[str, float] = dict(known["milliseconds"])
    wanted = {
        speed_key(item): item
        for item in items_of(shipped_registry())
        if item["kind"] == "model" and item["task"] == "image-classification" and options.only in item["family"]
    }
    for key, item in sorted(wanted.items()):
        times[key] = round(milliseconds(item, options.runs), 2)
        print(f"{key:32} {times[key]:10.2f} ms", flush=True)
    day = datetime.date.today().isoformat()
    measured = f"Measured on {day}, {engine.device.threads()} threads, {platform.machine()}, {processor()}."
    OUT.write_text(json.dumps({"measured": measured, "milliseconds": times}, indent=1) + "\n", encoding="utf-8")


def milliseconds(item: Any, runs: int) -> float:
    """The median time of one picture."""
    entry = hub.describe(item["title"])
    model = getattr(models, item["family"])(**entry["config"]).eval()
    channels, side = len(entry["transform"]["mean"]), entry["transform"]["crop"]
    picture = engine.tensor(np.random.default_rng(0).normal(size=(1, channels, side, side)).astype(np.float32))
    found = []
    with engine.inference_mode():
        for run in range(runs + 2):
            start = time.perf_counter()
            model(picture).numpy()
            if run >= 2:
                found.append(time.perf_counter() - start)
            if sum(found) > 10:
                break
    return statistics.median(found) * 1000


def processor() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()
