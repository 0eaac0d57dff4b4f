"""One side of the overhead benchmark: numzoo or PyTorch, whose names for these things are the same."""

from __future__ import annotations

import importlib
import json
import sys
import timeit
from collections.abc import Callable
from typing import Any


def small_step(library: Any) -> Callable[[], None]:
    """A training step of a tiny network, 32-64-10: so little arithmetic that it is all overhead."""
    nn = library.nn
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = library.optim.SGD(model.parameters(), lr=0.01)
    x, y = library.randn(16, 32), library.randint(0, 10, (16,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def main() -> None:
    library = importlib.import_module("numzoo.engine" if sys.argv[1] == "numzoo" else "torch")
    x, y = library.randn(64, requires_grad=True), library.randn(64, requires_grad=True)
    a, b = x.detach(), y.detach()
    cases = {
        "x + y, both requiring gradients, 64 elements": lambda: x + y,
        "x + y, none requiring gradients, 64 elements": lambda: a + b,
        "x * 2.0, 64 elements": lambda: a * 2.0,
        "relu(x), 64 elements": lambda: a.relu(),
        "(x + y).sum().backward(), 64 elements": lambda: (x + y).sum().backward(),
        "training step of 32-64-10, batch 16, SGD": small_step(library),
    }
    figures = {}
    for name, case in cases.items():
        count = 2_000 if "backward" in name or "step" in name else 20_000
        figures[name] = min(timeit.repeat(case, number=count, repeat=7)) / count * 1e6
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
