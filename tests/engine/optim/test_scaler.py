"""Scaled losses: what is divided, skipped, grown and refused; and gradients that accumulate over parts of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import (
    ArgumentError,
    EngineError,
    GradientError,
    GradScaler,
    SettingError,
    StateError,
    Tensor,
    nn,
    optim,
)

F = nn.functional


def parameter(*values: float) -> Tensor:
    return engine.tensor(list(values), requires_grad=True)


def test_gradients_are_divided_before_the_step() -> None:
    w = parameter(1.0, 2.0)
    optimizer = optim.SGD([w], lr=0.1)
    scaler = GradScaler(init_scale=1024.0)
    loss = (w * w).sum()
    scaled = scaler.scale(loss)
    assert scaled.item() == loss.item() * 1024
    scaled.backward()
    scaler.unscale_(optimizer)
    assert w.grad is not None
    assert w.grad.tolist() == [2, 4]
    optim.clip_grad_norm_([w], 1.0)
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_allclose(w.numpy(), np.array([1, 2]) - 0.1 * np.array([2, 4]) / np.sqrt(20), rtol=1e-5)
    assert scaler.get_scale() == 1024


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_step_with_a_gradient_that_is_not_finite_changes_nothing(bad: float) -> None:
    w, v = parameter(1.0), parameter(2.0, 3.0)
    optimizer = optim.Adam([w, v])
    scaler = GradScaler(init_scale=8.0)
    w.grad, v.grad = engine.tensor([1.0]), engine.tensor([1.0, bad])
    assert scaler.step(optimizer) is None
    scaler.update()
    assert (w.tolist(), v.tolist()) == ([1], [2, 3])
    assert optimizer.state == {}
    assert scaler.get_scale() == 4


def test_the_scale_grows_after_enough_good_steps_and_each_optimiser_is_judged_alone() -> None:
    w, v = parameter(1.0), parameter(1.0)
    first, second = optim.SGD([w], lr=1.0), optim.SGD([v], lr=1.0)
    scaler = GradScaler(init_scale=4.0, growth_interval=2, growth_factor=3.0, backoff_factor=0.25)
    scales = []
    for bad in (False, False, True, False, False):
        w.grad, v.grad = engine.tensor([4.0]), engine.tensor([np.inf if bad else 0.0])
        scaler.step(first)
        scaler.step(second)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [4, 12, 3, 3, 9]
    assert w.item() < 1  # stepped even where the other was not finite
    scaler.update(7.0)
    assert scaler.get_scale() == 7


def test_a_large_sum_of_finite_gradients_is_no_overflow() -> None:
    w = engine.zeros(4, requires_grad=True)
    w.grad = engine.full((4,), 3e38)
    scaler = GradScaler(init_scale=1.0)
    scaler.step(optim.SGD([w], lr=1e-38))
    assert (w.numpy() != 0).all()


def test_saved_states_go_on_and_a_scaler_that_is_off_does_nothing() -> None:
    scaler = GradScaler(init_scale=64.0, growth_interval=3)
    w = parameter(1.0)
    w.grad = engine.ones(1)
    scaler.step(optim.SGD([w], lr=0.1))
    scaler.update()
    again = GradScaler()
    again.load_state_dict(scaler.state_dict())
    assert again.state_dict() == scaler.state_dict() == {
        "scale": 64.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 3, "_growth_tracker": 1
    }  # fmt: skip
    off = GradScaler(enabled=False)
    loss = (w * 2).sum()
    assert off.scale(loss) is loss
    assert off.scale([loss])[0] is loss
    optimizer = optim.SGD([w], lr=0.1)
    off.unscale_(optimizer)
    off.step(optimizer)
    off.update()
    assert off.state_dict() == {}
    off.load_state_dict({})
    assert off.get_scale() == 1.0
    assert not off.is_enabled()


def twice(act: str) -> None:
    w = parameter(1.0)
    w.grad = engine.ones(1)
    scaler, optimizer = GradScaler(), optim.SGD([w], lr=0.1)
    getattr(scaler, "step" if act == "after" else act)(optimizer)
    getattr(scaler, "unscale_" if act == "after" else act)(optimizer)


REFUSED: list[tuple[Callable[[], Any], type[EngineError], str]] = [
    (lambda: GradScaler(init_scale=0.0), SettingError, "init_scale"),
    (lambda: GradScaler(growth_factor=1.0), SettingError, "growth_factor"),
    (lambda: GradScaler(backoff_factor=1.0), SettingError, "backoff_factor"),
    (lambda: GradScaler(growth_interval=0), SettingError, "growth_interval"),
    (lambda: GradScaler().update(-1.0), SettingError, "new_scale"),
    (lambda: GradScaler().update(), GradientError, r"step\(optimizer\) first"),
    (lambda: GradScaler().scale(3.0), ArgumentError, "not float"),
    (lambda: GradScaler().step(optim.SGD([parameter(1.0)], lr=0.1), lambda: None), ArgumentError, "closures"),
    (lambda: GradScaler().load_state_dict({"scale": 1.0}), StateError, "growth_factor"),
    (lambda: GradScaler().load_state_dict({**GradScaler().state_dict(), "_growth_tracker": "x"}), StateError, "tracker"),
    (lambda: GradScaler().load_state_dict({**GradScaler().state_dict(), "scale": np.nan}), SettingError, "init_scale"),
    (lambda: twice("unscale_"), GradientError, "twice"),
    (lambda: twice("step"), GradientError, "twice"),
    (lambda: twice("after"), GradientError, "after step"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_misuse_is_refused(act: Callable[[], Any], error: type[EngineError], says: str) -> None:
    with pytest.raises(error, match=says):
        act()


def test_training_in_fp16_survives_an_overflow() -> None:
    engine.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    scaler = GradScaler(init_scale=2.0**24, growth_interval=10)  # too large: float16 ends at 65504
    random = np.random.default_rng(0)
    x, y = engine.tensor(random.standard_normal((32, 8)).astype(np.float32)), engine.tensor(random.integers(0, 3, 32))
    losses, skipped = [], 0
    for _ in range(60):
        optimizer.zero_grad()
        with engine.precision("fp16"):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        skipped += scaler.get_scale() < before
        losses.append(loss.item())
        assert all(np.isfinite(p.numpy()).all() for p in model.parameters())
    assert skipped > 0
    assert losses[-1] < losses[0] * 0.8


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_parts_of_a_batch_add_up_to_its_gradient(parts: int) -> None:
    engine.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    random = np.random.default_rng(0)
    x, y = engine.tensor(random.standard_normal((16, 6))), engine.tensor(random.integers(0, 3, 16))
    F.cross_entropy(model(x), y).backward()
    whole = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    size = 16 // parts
    for i in range(parts):
        part = slice(i * size, (i + 1) * size)
        (F.cross_entropy(model(x[part]), y[part]) / parts).backward()
    for p, wanted in zip(model.parameters(), whole, strict=True):
        assert p.grad is not None
        np.testing.assert_allclose(p.grad.numpy(), wanted, rtol=1e-12, atol=1e-15)
