"""Normalisations beside PyTorch's."""

from __future__ import annotations

from typing import Any

from numzoo.engine import nn

from .case import Case, Drawn, Random, uniform

F = nn.functional


def vectors(random: Random, *sizes: int) -> list[Any]:
    """A weight and a bias, or only the first, or none."""
    count = int(random.integers(0, 3))
    return [uniform(random, *sizes, low=0.3) if i < count else None for i in range(2)]


def positions(random: Random, least: int = 0, most: int = 3) -> tuple[int, ...]:
    return tuple(int(n) for n in random.integers(2, 5, int(random.integers(least, most + 1))))


def draw_group(random: Random) -> Drawn:
    groups, each = (int(n) for n in random.integers(1, 4, 2))
    x = uniform(random, int(random.integers(1, 4)), groups * each * 2, *positions(random))
    return [x, *vectors(random, groups * each * 2)], {"num_groups": groups, "eps": float(random.choice([1e-5, 1e-2]))}


def draw_instance(random: Random) -> Drawn:
    channels = int(random.integers(1, 5))
    x = uniform(random, int(random.integers(1, 4)), channels, *positions(random, 1))
    running = random.random() < 0.6
    settings: dict[str, Any] = {"eps": 1e-3}
    if running:
        settings |= {"momentum": 0.3, "use_input_stats": bool(random.random() < 0.5)}
    means = [uniform(random, channels) if running else None, uniform(random, channels, low=0.3) if running else None]
    return [x, *vectors(random, channels), *means], settings


def draw_batch(random: Random) -> Drawn:
    arrays, settings = draw_instance(random)
    x = uniform(random, int(random.integers(2, 5)), arrays[0].shape[1], *positions(random))
    means = [uniform(random, x.shape[1]), uniform(random, x.shape[1], low=0.3)]
    training = settings.get("use_input_stats", True)
    return [x, *arrays[1:3], *means], {"eps": 1e-3, "training": training, "momentum": 0.3}


def draw_last(random: Random) -> Drawn:
    last = positions(random, 1, 2)
    x = uniform(random, *positions(random, 0, 2), *last)
    return [x, *vectors(random, *last)], {"normalized_shape": last, "eps": float(random.choice([1e-5, 1e-2]))}


def draw_rms(random: Random) -> Drawn:
    (x, weight, _), settings = draw_last(random)
    return [x, weight], settings if random.random() < 0.7 else {"normalized_shape": settings["normalized_shape"]}


def draw_response(random: Random) -> Drawn:
    x = uniform(random, int(random.integers(1, 3)), int(random.integers(1, 7)), *positions(random, 1, 3))
    return [x], {"size": int(random.integers(1, 6)), "alpha": float(random.uniform(0.1, 1)), "beta": 0.6, "k": 1.5}


def running(call: Any, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, **settings: Any) -> Any:
    """The result, and what became of the running statistics."""
    held = [None if t is None else t.detach().clone() for t in (mean, variance)]
    out = call(x, *held, weight, bias, **settings)
    return (out, *(t for t in held if t is not None))


def settled(order: str, call: Any, x: Any, *vectors: Any, **settings: Any) -> Any:
    """The call with the vectors behind the named setting, as PyTorch has them."""
    return call(x, settings.pop(order), *vectors, **settings)


def groups(call: Any) -> Any:
    return lambda *x, **settings: settled("num_groups", call, *x, **settings)


def last(call: Any) -> Any:
    return lambda *x, **settings: settled("normalized_shape", call, *x, **settings)


def theirs(name: str, form: Any = lambda call: call) -> Any:
    return lambda torch, *x, **settings: form(getattr(torch.nn.functional, name))(*x, **settings)


def kept(call: Any) -> Any:
    return lambda *x, **settings: running(call, *x, **settings)


CASES = [
    Case("group_norm", draw_group, groups(F.group_norm), theirs("group_norm", groups)),
    Case("instance_norm", draw_instance, kept(F.instance_norm), theirs("instance_norm", kept), dtypes=("float32",)),
    Case("batch_norm", draw_batch, kept(F.batch_norm), theirs("batch_norm", kept), dtypes=("float32",)),
    Case("layer_norm", draw_last, last(F.layer_norm), theirs("layer_norm", last)),
    Case("rms_norm", draw_rms, last(F.rms_norm), theirs("rms_norm", last)),
    # PyTorch's takes no tensor with gaps.
    Case(
        "local_response_norm", draw_response, F.local_response_norm,
        lambda torch, x, **s: torch.nn.functional.local_response_norm(x.contiguous(), **s), dtypes=("float32",),
    ),
]  # fmt: skip
