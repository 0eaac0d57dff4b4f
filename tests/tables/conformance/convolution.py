"""Convolutions and transposed convolutions beside PyTorch's, in 1, 2 and 3 dimensions with random settings."""

from __future__ import annotations

import warnings
from typing import Any

from numzoo.engine.nn import functional as F

from .case import Case, Drawn, Random, uniform


def numbers(random: Random, axes: int, low: int, high: int) -> Any:
    """A setting: one number for all axes, or one for each."""
    drawn = [int(v) for v in random.integers(low, high + 1, axes)]
    return drawn[0] if random.random() < 0.3 else tuple(drawn)


def each(setting: Any, axes: int) -> tuple[Any, ...]:
    return setting if isinstance(setting, tuple) else (setting,) * axes


def channels(random: Random) -> tuple[int, int, int]:
    """Groups, with the channels of one group on either side; one in four depthwise."""
    groups = int(random.integers(1, 4))
    if random.random() < 0.25:
        return groups, 1, int(random.integers(1, 3))
    return groups, int(random.integers(1, 4)), int(random.integers(1, 4))


def straight(axes: int) -> Any:
    def draw(random: Random) -> Drawn:
        groups, ins, outs = channels(random)
        settings: dict[str, Any] = {"groups": groups, "dilation": numbers(random, axes, 1, 2)}
        kernel = each(numbers(random, axes, 1, 3), axes)
        if random.random() < 0.3:
            settings["padding"] = "same" if random.random() < 0.7 else "valid"
        else:
            settings["padding"] = numbers(random, axes, 0, 2)
            settings["stride"] = numbers(random, axes, 1, 3)
        spans = [d * (k - 1) + 1 for d, k in zip(each(settings["dilation"], axes), kernel, strict=True)]
        shape = [int(random.integers(0, 3)), groups * ins, *(s + int(random.integers(0, 5)) for s in spans)]
        x = uniform(random, *shape[1:]) if random.random() < 0.2 else uniform(random, *shape)
        bias = uniform(random, groups * outs) if random.random() < 0.6 else None
        return [x, uniform(random, groups * outs, ins, *kernel), bias], settings

    return draw


def turned(axes: int) -> Any:
    def draw(random: Random) -> Drawn:
        groups, ins, outs = channels(random)
        kernel = each(numbers(random, axes, 1, 3), axes)
        settings: dict[str, Any] = {"groups": groups, "dilation": numbers(random, axes, 1, 3)}
        settings["stride"], settings["padding"] = numbers(random, axes, 1, 3), numbers(random, axes, 0, 1)
        room = zip(each(settings["stride"], axes), each(settings["dilation"], axes), strict=True)
        settings["output_padding"] = tuple(int(random.integers(0, max(s, d))) for s, d in room)
        shape = [int(random.integers(0, 3)), groups * ins, *(int(random.integers(3, 6)) for _ in range(axes))]
        x = uniform(random, *shape[1:]) if random.random() < 0.2 else uniform(random, *shape)
        bias = uniform(random, groups * outs) if random.random() < 0.6 else None
        return [x, uniform(random, groups * ins, outs, *kernel), bias], settings

    return draw


def case(name: str, draw: Any) -> Case:
    def theirs(torch: Any, *tensors: Any, **settings: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that "same" may copy the input
            return getattr(torch.nn.functional, name)(*tensors, **settings)

    return Case(name, draw, getattr(F, name), theirs, narrow_tolerance=8)


CASES = [
    *(case(f"conv{axes}d", straight(axes)) for axes in (1, 2, 3)),
    *(case(f"conv_transpose{axes}d", turned(axes)) for axes in (1, 2, 3)),
]
