"""The activations beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numzoo.engine import nn

from .case import Case, Drawn, Random, axis_of, elementwise, shape_of, uniform

F = nn.functional


def activation(
    name: str, settings: Callable[[Random], dict[str, Any]] = lambda _: {}, low: float = -3.0, high: float = 3.0, **more: Any
) -> Case:  # fmt: skip
    """One input, and settings that PyTorch's function of the same name takes too."""

    def draw(random: Random) -> Drawn:
        return [uniform(random, *shape_of(random), low=low, high=high)], settings(random)

    return Case(name, draw, getattr(F, name), lambda torch, x, **s: getattr(torch.nn.functional, name)(x, **s), **more)


def along(name: str, least: int = 1, even: bool = False) -> Case:
    """The same along a random axis, ``dim``."""

    def draw(random: Random) -> Drawn:
        shape = list(shape_of(random, least=least, empty=not even))
        axis = axis_of(random, len(shape))
        if even:
            shape[axis] *= 2
        return [uniform(random, *shape)], {"dim": axis}

    return Case(name, draw, getattr(F, name), lambda torch, x, dim: getattr(torch.nn.functional, name)(x, dim=dim))


def draw_prelu(random: Random) -> Drawn:
    shape = shape_of(random, least=1)
    channels = shape[1] if len(shape) > 1 and shape[1] and random.random() < 0.6 else 1
    return [uniform(random, *shape), uniform(random, channels, low=-0.5, high=0.5)], {}


def some(**ranges: tuple[float, float]) -> Callable[[Random], dict[str, Any]]:
    """Each setting drawn from its range, or left out."""
    return lambda random: {name: float(random.uniform(*ends)) for name, ends in ranges.items() if random.random() < 0.7}


CASES = [
    activation("relu"),
    activation("relu6", low=-4, high=9),
    activation("leaky_relu", some(negative_slope=(0.0, 0.5))),
    activation("rrelu", some(lower=(0.0, 0.1), upper=(0.4, 0.6))),
    activation("elu", some(alpha=(0.2, 3.0))),
    activation("selu"),
    # PyTorch keeps 1 / alpha, and hardsigmoid's 1 / 6, in single precision.
    activation("celu", some(alpha=(0.3, 3.0)), tolerance=1e-6),
    activation("gelu", lambda random: {"approximate": str(random.choice(["none", "tanh"]))}),
    activation("silu"),
    activation("mish", low=-6, high=6),
    activation("hardswish", low=-5, high=5),
    activation("hardsigmoid", low=-5, high=5, tolerance=1e-6, second=False),
    activation("hardtanh", some(min_val=(-2.0, -0.5), max_val=(0.5, 2.0))),
    activation("hardshrink", some(lambd=(0.0, 1.5)), dtypes=("float32",)),
    activation("softshrink", some(lambd=(0.0, 1.5))),
    activation("tanhshrink"),
    activation("threshold", lambda random: {"threshold": float(random.uniform(-1, 1)), "value": 5.0}, dtypes=("float32",)),
    activation("softplus", some(beta=(0.3, 3.0), threshold=(1.0, 30.0)), dtypes=("float32",)),
    activation("softsign"),
    activation("logsigmoid", low=-9, high=9),
    elementwise("sigmoid ", F.sigmoid, theirs=lambda torch, x: torch.nn.functional.sigmoid(x)),
    elementwise("tanh ", F.tanh, theirs=lambda torch, x: torch.nn.functional.tanh(x)),
    Case("prelu", draw_prelu, F.prelu, lambda torch, x, w: torch.nn.functional.prelu(x, w)),
    along("softmax"),
    along("softmin"),
    along("log_softmax"),
    along("glu", even=True),
]  # fmt: skip
