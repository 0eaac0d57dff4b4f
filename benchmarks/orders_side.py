"""One side of the benchmark of orders: numzoo or PyTorch, whose names for these things are the same."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from calls import least

SHAPE = (1000, 1000)


def main() -> None:
    is_ours = sys.argv[1] == "numzoo"
    e = importlib.import_module("numzoo.engine" if is_ours else "torch")
    if not is_ours:
        e.set_num_threads(1)
    random = np.random.default_rng(0)
    x = e.tensor(random.standard_normal(SHAPE).astype(np.float32))
    size, share, whole = abs(x) + 0.1, x / 8, e.tensor(random.integers(0, 1000, SHAPE))
    cases: dict[str, Callable[[], Any]] = {
        "sort": lambda: e.sort(x, dim=1),
        "sort, stable": lambda: e.sort(x, dim=1, stable=True),
        "topk, 5": lambda: e.topk(x, 5, dim=1),
        "median": lambda: e.median(x, dim=1),
        "quantile": lambda: e.quantile(x, 0.3, dim=1),
        "unique integers": lambda: e.unique(whole),
        "var": lambda: e.var(x, dim=0),
        "norm": lambda: e.norm(x),
        "logsumexp": lambda: e.logsumexp(x, dim=1),
        "cumsum": lambda: e.cumsum(x, dim=1),
        "cummax": lambda: e.cummax(x, dim=1),
        "logcumsumexp": lambda: e.logcumsumexp(x, dim=1),
        "atan": lambda: e.atan(x),
        "asinh": lambda: e.asinh(x),
        "logaddexp": lambda: e.logaddexp(x, size),
        "erf": lambda: e.erf(x),
        "erfinv": lambda: e.erfinv(share),
        "lgamma": lambda: e.lgamma(size),
    }
    print(json.dumps({f"{name} of {SHAPE}": least(case) for name, case in cases.items()}))


if __name__ == "__main__":
    main()
