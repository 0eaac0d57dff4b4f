"""One side of the overhead benchmark: numzoo or PyTorch, whose names for these things are the same."""

from __future__ import annotations

import importlib
import json
import sys
import timeit


def main() -> None:
    library = importlib.import_module("numzoo.engine" if sys.argv[1] == "numzoo" else "torch")
    x, y = library.randn(64, requires_grad=True), library.randn(64, requires_grad=True)
    a, b = x.detach(), y.detach()
    cases = {
        "x + y, both requiring gradients": lambda: x + y,
        "x + y, none requiring gradients": lambda: a + b,
        "x * 2.0": lambda: a * 2.0,
        "relu(x)": lambda: a.relu(),
        "(x + y).sum().backward()": lambda: (x + y).sum().backward(),
    }
    figures = {}
    for name, case in cases.items():
        count = 2_000 if "backward" in name else 20_000
        figures[f"{name}, 64 elements"] = min(timeit.repeat(case, number=count, repeat=7)) / count * 1e6
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
