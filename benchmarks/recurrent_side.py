"""One side of the recurrent benchmark: SIDE KIND SECONDS. numzoo's and PyTorch's names for these things are the same."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time


def main() -> None:
    side, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    library = importlib.import_module("numzoo.engine" if side == "numzoo" else "torch")
    threads = int(os.environ["OMP_NUM_THREADS"])
    (library.set_threads if side == "numzoo" else library.set_num_threads)(threads)
    nn, optim = library.nn, library.optim
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = getattr(nn, kind)(256, 256, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    x, target = library.randn(100, 32, 256), library.randn(100, 32, 256)

    def step() -> None:
        loss = nn.functional.mse_loss(model(x)[0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    walls, processor = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(walls) < 5:
        start, used = time.perf_counter(), time.process_time()
        step()
        walls.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"milliseconds": min(walls) * 1e3, "processor": min(processor) * 1e3, "megabytes": peak / 1024}))


if __name__ == "__main__":
    main()
