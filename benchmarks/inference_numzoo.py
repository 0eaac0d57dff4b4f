"""numzoo's side of the inference benchmark: MODEL BATCH SECONDS."""

from __future__ import annotations

import json
import sys
import time

from numzoo import engine
from numzoo.vision import models


def main() -> None:
    name, batch, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    model = getattr(models, name)().eval()
    side = 299 if name == "inception_v3" else 224
    images = engine.randn(batch, 3, side, side)
    times = []
    with engine.no_grad():
        for _ in range(3):
            model(images)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            model(images)
            times.append(time.perf_counter() - start)
    print(json.dumps({"milliseconds": min(times) * 1e3}))


if __name__ == "__main__":
    main()
