"""Steps of optimisers by the CPU's kernels against the rules themselves, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.kernels.cpu import optimizers

SIZE = 3 * optimizers.FEWEST + 17
SERVED: dict[str, dict[str, Any]] = {
    "AdamW": {},
    "AdamW that decays much": {"lr": 0.1, "weight_decay": 0.5},
    "AdamW without decay": {"weight_decay": 0.0, "betas": (0.8, 0.95), "eps": 1e-5},
    "AdamW upwards": {"maximize": True},
    "Adam": {"weight_decay": 0.0, "kind": optim.Adam},
    "SGD": {"momentum": 0.9, "kind": optim.SGD},
    "SGD that decays": {"momentum": 0.8, "weight_decay": 0.1, "kind": optim.SGD},
    "SGD with dampening": {"momentum": 0.9, "dampening": 0.3, "kind": optim.SGD},
}
LEFT: dict[str, dict[str, Any]] = {
    "decay within the gradient": {"weight_decay": 0.1, "kind": optim.Adam},
    "amsgrad": {"amsgrad": True},
    "no eps": {"eps": 0.0},
    "a decay of all": {"lr": 1.0, "weight_decay": 1.0},
    "no velocity": {"kind": optim.SGD},
    "a step ahead": {"momentum": 0.9, "nesterov": True, "kind": optim.SGD},
    "upwards": {"momentum": 0.9, "maximize": True, "kind": optim.SGD},
    "decay and dampening": {"momentum": 0.9, "weight_decay": 0.1, "dampening": 0.3, "kind": optim.SGD},
}


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "BLOCK", optimizers.FEWEST)


def train(settings: dict[str, Any], dtype: str = "float32", steps: int = 3, size: int = SIZE) -> list[Any]:
    """The parameter and its states after a few steps whose rate changes."""
    generator = np.random.default_rng(0)
    kind = settings.get("kind", optim.AdamW)
    chosen = {"lr": 0.01, **{name: value for name, value in settings.items() if name != "kind"}}
    parameter = nn.Parameter(generator.standard_normal(size).astype(dtype))
    optimizer = kind([parameter], **chosen)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = chosen["lr"] * (1 - 0.1 * step)
        # Of one sign, so that no mean is a small difference of large numbers.
        gradient = abs(generator.standard_normal(size)) * 10.0 ** generator.integers(-6, 3, size)
        parameter.grad = engine.tensor(gradient.astype("float32").astype(dtype))
        optimizer.step()
    state = optimizer.state[parameter]
    return [parameter.numpy(), *(state[name] for name in ("exp_avg", "exp_avg_sq", "momentum_buffer") if name in state)]


@pytest.mark.parametrize("case", SERVED)
def test_a_step_is_the_rule_to_the_last_bits(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    name = "sgd" if "SGD" in case else "adam"
    rule = optimizers.RULES[name]
    monkeypatch.setitem(optimizers.RULES, name, lambda *given: calls.append(rule(*given)) or calls[-1])
    found = train(SERVED[case])
    assert calls == [name == "adam", True, True]  # the first velocity is the gradient itself
    for array, wanted in zip(found, train(SERVED[case], "float64"), strict=True):
        # What is near 0 is a difference of numbers of the size of Adam's rate, or of SGD's gradients.
        near = 1e-5 if name == "sgd" else 2e-7 if array is found[0] else 1e-30
        np.testing.assert_allclose(array, wanted, rtol=1e-6, atol=near)


@pytest.mark.parametrize("case", LEFT)
def test_what_is_not_served_is_left_to_the_rule(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = train(LEFT[case])
    monkeypatch.setattr(optimizers, "RULES", {})
    for array, wanted in zip(found, train(LEFT[case]), strict=True):
        np.testing.assert_array_equal(array, wanted)


def test_how_a_parameter_is_cut_and_how_many_threads_there_are_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = train({})
    monkeypatch.setattr(optimizers, "BLOCK", 1 << 20)
    threads = engine.device.threads()
    try:
        engine.set_threads(1)
        for array, wanted in zip(found, train({}), strict=True):
            np.testing.assert_array_equal(array, wanted)
    finally:
        engine.set_threads(threads)


def test_numbers_that_are_none_stay_where_they_are() -> None:
    parameter = nn.Parameter(np.ones(SIZE, np.float32))
    gradient = np.ones(SIZE, np.float32)
    gradient[[5, SIZE - 1]] = np.nan, np.inf
    parameter.grad = engine.tensor(gradient)
    optim.AdamW([parameter], lr=0.01).step()
    assert np.flatnonzero(~np.isfinite(parameter.numpy())).tolist() == [5, SIZE - 1]
