"""Pooling beside PyTorch's, in 1, 2 and 3 dimensions with random settings."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine.nn import functional as F

from .case import FLOATS, Case, Drawn, Random, uniform
from .convolution import each, numbers


def example(random: Random, axes: int, low: int, high: int, empty: bool = True) -> Any:
    """A batch of 0 to 2, or one example without that axis."""
    shape = [
        int(random.integers(0 if empty else 1, 3)), int(random.integers(1, 4)), *(int(n) for n in random.integers(low, high, axes)),
    ]  # fmt: skip
    return uniform(random, *(shape[1:] if random.random() < 0.25 else shape))


def windowed(axes: int, **choices: Any) -> Any:
    """Windows that fit, with the settings that ``choices`` draws from."""

    def draw(random: Random) -> Drawn:
        kernel = numbers(random, axes, 1, 3)
        settings: dict[str, Any] = {"kernel_size": kernel, "ceil_mode": bool(random.random() < 0.4)}
        if random.random() < 0.7:
            settings["stride"] = numbers(random, axes, 1, 3)
        if random.random() < 0.6:
            settings["padding"] = tuple(int(random.integers(0, k // 2 + 1)) for k in each(kernel, axes))
        for name, values in choices.items():
            if random.random() < 0.6:
                settings[name] = values(random) if callable(values) else values[int(random.integers(len(values)))]
        return [example(random, axes, 5, 9)], settings

    return draw


def powered(axes: int) -> Any:
    def draw(random: Random) -> Drawn:
        # Of a line PyTorch's own function takes no tuple.
        kernel = numbers(random, axes, 1, 3) if axes > 1 else int(random.integers(1, 4))
        settings: dict[str, Any] = {"norm_type": float(random.integers(1, 4)), "kernel_size": kernel}
        if random.random() < 0.7:
            settings["stride"] = numbers(random, axes, 1, 3)
        settings["ceil_mode"] = bool(random.random() < 0.4)
        return [uniform(random, 2, 2, *(int(n) for n in random.integers(3, 7, axes)), low=0.3)], settings

    return draw


def adapted(axes: int, indices: bool) -> Any:
    def draw(random: Random) -> Drawn:
        size: Any = tuple(int(n) for n in random.integers(1, 7, axes))
        if axes > 1 and random.random() < 0.3:
            size = (None, *size[1:])
        elif random.random() < 0.3:
            size = size[0]
        settings = {"output_size": size}
        if indices:
            settings["return_indices"] = bool(random.random() < 0.5)
        return [example(random, axes, 1, 9)], settings

    return draw


def unpooled(axes: int) -> Any:
    def draw(random: Random) -> Drawn:
        kernel = int(random.integers(2, 4))
        sizes = [int(n) for n in random.integers(1, 4, axes)]
        count, whole = int(np.prod(sizes)), int(np.prod([kernel * n for n in sizes]))
        places = np.stack([random.permutation(whole)[:count] for _ in range(6)]).reshape(2, 3, *sizes)
        settings: dict[str, Any] = {"kernel_size": kernel}
        if random.random() < 0.4:
            settings["output_size"] = [kernel * n + int(random.integers(0, kernel)) for n in sizes]
        return [uniform(random, 2, 3, *sizes), places.astype(np.int64)], settings

    return draw


def case(name: str, draw: Any, **more: Any) -> Case:
    def theirs(torch: Any, *tensors: Any, **settings: Any) -> Any:
        return getattr(torch.nn.functional, name)(*(t.contiguous() for t in tensors), **settings)

    return Case(name, draw, getattr(F, name), theirs, **more)


def divisors(random: Random) -> int:
    return int(random.integers(1, 9))


FLAGS = (False, True)
AVERAGED = {1: FLOATS, 2: FLOATS, 3: ("float32",)}  # PyTorch averages no volumes of narrower types
CASES = [
    *(case(f"max_pool{a}d", windowed(a, dilation=lambda r, a=a: numbers(r, a, 1, 2), return_indices=FLAGS)) for a in (1, 2, 3)),
    case("avg_pool1d", windowed(1, count_include_pad=FLAGS)),
    *(case(f"avg_pool{a}d", windowed(a, count_include_pad=FLAGS, divisor_override=divisors), dtypes=AVERAGED[a]) for a in (2, 3)),
    *(case(f"lp_pool{a}d", powered(a), narrow_tolerance=8, dtypes=AVERAGED[a]) for a in (1, 2, 3)),
    *(case(f"adaptive_avg_pool{a}d", adapted(a, False)) for a in (1, 2, 3)),
    *(case(f"adaptive_max_pool{a}d", adapted(a, True)) for a in (1, 2, 3)),
    *(case(f"max_unpool{a}d", unpooled(a), dtypes=("float32", "bfloat16")) for a in (1, 2, 3)),
]  # fmt: skip
