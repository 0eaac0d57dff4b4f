"""Lion, LAMB and Adafactor against their papers, written down once more in float64 and number by number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.optim import blocks

SHAPES: tuple[tuple[int, ...], ...] = ((), (9,), (6, 4), (3, 2, 2, 2), (160, 120))
STEPS = 30


class Lion:
    """Algorithm 2 of Chen et al., 2023."""

    def __init__(self, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0) -> None:
        self.lr, self.betas, self.decay, self.m = lr, betas, weight_decay, 0.0

    def __call__(self, theta: Any, g: Any) -> Any:
        c = self.betas[0] * self.m + (1 - self.betas[0]) * g
        self.m = self.betas[1] * self.m + (1 - self.betas[1]) * g
        return theta - self.lr * (np.sign(c) + self.decay * theta)


class LAMB:
    """Algorithm 2 of You et al., 2020, with the identity for phi."""

    def __init__(
        self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-6, weight_decay: float = 0.0, adapt: bool = True,
    ) -> None:  # fmt: skip
        self.lr, self.betas, self.eps, self.decay, self.adapt = lr, betas, eps, weight_decay, adapt
        self.m, self.v, self.t = 0.0, 0.0, 0

    def __call__(self, x: Any, g: Any) -> Any:
        self.t += 1
        self.m = self.betas[0] * self.m + (1 - self.betas[0]) * g
        self.v = self.betas[1] * self.v + (1 - self.betas[1]) * g**2
        r = (self.m / (1 - self.betas[0] ** self.t)) / (np.sqrt(self.v / (1 - self.betas[1] ** self.t)) + self.eps)
        u = r + self.decay * x
        own, length = np.sqrt((x**2).sum()), np.sqrt((u**2).sum())
        ratio = own / length if self.adapt and own > 0 and length > 0 else 1.0
        return x - self.lr * ratio * u


class Adafactor:
    """Algorithms 4 to 6 of Shazeer and Stern, 2018; the lower bounds are PyTorch's: of the mean, and of v."""

    def __init__(
        self, lr: float = 1e-2, beta2_decay: float = -0.8, eps: tuple[float, float] = (1e-12, 1e-3), d: float = 1.0, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self.lr, self.power, self.eps, self.d, self.decay = lr, beta2_decay, eps, d, weight_decay
        self.r, self.c, self.v, self.t = 0.0, 0.0, 0.0, 0

    def __call__(self, x: Any, g: Any) -> Any:
        self.t += 1
        beta = 1 - self.t**self.power
        rms = math.sqrt((x**2).mean())
        if g.ndim >= 2:
            self.r = beta * self.r + (1 - beta) * (g**2).mean(-1)
            self.c = beta * self.c + (1 - beta) * (g**2).mean(-2)
            mean = np.maximum(np.asarray(self.r).mean(-1), self.eps[0])[..., None, None]
            v = np.einsum("...i,...j->...ij", self.r, self.c) / mean
        else:
            v = self.v = beta * self.v + (1 - beta) * g**2
        u = g / np.sqrt(np.maximum(v, self.eps[0] ** 2))
        u = u / max(1.0, math.sqrt((u**2).mean()) / self.d)
        alpha = max(self.eps[1], rms) * min(self.lr, 1 / math.sqrt(self.t))
        return x * (1 - self.lr * self.decay) - alpha * u


CASES: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (Lion, {}),
    (Lion, {"lr": 0.02, "betas": (0.8, 0.9), "weight_decay": 0.3}),
    (LAMB, {}),
    (LAMB, {"lr": 0.02, "weight_decay": 0.1}),
    (LAMB, {"lr": 0.02, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "adapt": False}),
    (Adafactor, {"eps": (1e-12, 1e-3)}),
    (Adafactor, {"lr": 0.4, "beta2_decay": -0.5, "eps": (1e-3, 1e-2), "d": 1.5, "weight_decay": 0.2}),
]


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parameters of these sizes, too, be cut into several blocks."""
    monkeypatch.setattr(blocks, "BLOCK", 4099)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize(("reference", "settings"), CASES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_an_optimiser_does_what_its_paper_says(
    reference: Callable[..., Any], settings: dict[str, Any], dtype: str, tolerance: float
) -> None:
    generator = np.random.default_rng(4)
    expected = [np.asarray(generator.standard_normal(shape)).astype(dtype).astype(float) for shape in SHAPES]
    parameters = [nn.Parameter(array.astype(dtype)) for array in expected]
    papers = [reference(**settings) for _ in SHAPES]
    optimizer = getattr(optim, reference.__name__)(parameters, **settings)
    for step in range(STEPS):
        for place, (parameter, paper) in enumerate(zip(parameters, papers, strict=True)):
            # Away from 0, where a sign hangs on the last bit.
            noise = np.sign(generator.standard_normal(SHAPES[place])) * (0.3 + 0.01 * step)
            gradient = np.asarray(0.2 * np.tanh(expected[place]) + noise)
            parameter.grad = engine.tensor(gradient.astype(dtype))
            expected[place] = paper(expected[place], gradient)
        optimizer.step()
        for parameter, wanted in zip(parameters, expected, strict=True):
            np.testing.assert_allclose(
                parameter.numpy(), wanted, rtol=tolerance, atol=tolerance, err_msg=f"step {step}"
            )


@pytest.mark.parametrize("name", ["LAMB", "Lion", "Adafactor"])
def test_maximizing_is_minimizing_the_opposite(name: str) -> None:
    up, down = nn.Parameter(np.ones((3, 2))), nn.Parameter(np.ones((3, 2)))
    first, second = getattr(optim, name)([up], maximize=True), getattr(optim, name)([down])
    for step in range(5):
        gradient = np.random.default_rng(step).standard_normal((3, 2))
        up.grad, down.grad = engine.tensor(-gradient), engine.tensor(gradient)
        first.step()
        second.step()
    np.testing.assert_array_equal(up.numpy(), down.numpy())
    assert not np.array_equal(up.numpy(), np.ones((3, 2)))


def test_lamb_moves_a_parameter_of_zeros() -> None:
    parameter = nn.Parameter(np.zeros(3))
    parameter.grad = engine.tensor(np.array([1.0, -2.0, 0.0]))
    optim.LAMB([parameter], lr=0.1).step()
    np.testing.assert_allclose(parameter.numpy(), [-0.1, 0.1, 0.0], rtol=1e-5)
