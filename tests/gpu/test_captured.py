"""Captured steps train to what plain ones train to; a thousand steps leave no memory behind."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.kernels.cuda.machine import machine

RNG = np.random.default_rng(3)


def images(count: int) -> list[tuple[Any, Any]]:
    return [
        (
            engine.tensor(RNG.standard_normal((4, 3, 8, 8)).astype(np.float32)).to("cuda"),
            engine.tensor(RNG.integers(0, 5, 4)).to("cuda"),
        )
        for _ in range(count)
    ]


def network() -> nn.Module:
    engine.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(128, 5),
    ).to("cuda")  # fmt: skip


RULES = {
    "SGD": lambda parameters: engine.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    "AdamW": lambda parameters: engine.optim.AdamW(parameters, lr=0.01),
    "Lion": lambda parameters: engine.optim.Lion(parameters, lr=0.001),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_replays_are_steps(rule: str, precision: str) -> None:
    batches = images(8)
    found = []
    for captured in (False, True):
        model = network()
        optimizer = RULES[rule](model.parameters())
        schedule = engine.optim.StepLR(optimizer, 2, 0.5)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            with engine.precision(precision):
                loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        act = engine.capture(step, warmup=3) if captured else step
        losses = []
        for batch in batches:
            losses.append(act(*batch).item())
            schedule.step()
        found.append((losses, {name: value.float().numpy() for name, value in model.state_dict().items()}))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-5)
    for name, value in found[0][1].items():
        assert np.allclose(value, found[1][1][name], rtol=1e-4, atol=1e-6), name


def test_dropout_draws_anew_at_each_replay() -> None:
    layer = nn.Dropout(0.5).train()
    step = engine.capture(lambda x: layer(x), warmup=1)
    x = engine.ones(64, 64).to("cuda")
    drawn = [step(x).numpy().copy() for _ in range(5)]
    assert all((a != b).any() for a, b in itertools.pairwise(drawn))
    assert all(0.4 < (a == 0).mean() < 0.6 for a in drawn)


@pytest.mark.parametrize("captured", [False, True], ids=["plain", "captured"])
def test_a_thousand_steps_leave_nothing_behind(captured: bool) -> None:
    model = network()
    optimizer = engine.optim.AdamW(model.parameters(), lr=0.001)

    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    act = engine.capture(step) if captured else step
    [batch] = images(1)
    held = []
    for number in range(1000):
        act(*batch)
        if number in (20, 999):
            gc.collect()  # what the first calls left in circles goes when Python comes to it
            held.append((engine.cuda.memory_allocated(), engine.cuda.memory_reserved()))
    assert held[1][0] <= held[0][0]
    assert held[1][1] <= held[0][1]


def test_a_captured_step_needs_little_more_memory_than_a_plain_one() -> None:
    if isinstance(machine(), EmulatedMachine):
        pytest.skip("the emulated GPU has no memory of its own")
    engine.manual_seed(7)
    layers = [layer for _ in range(12) for layer in (nn.Linear(512, 512), nn.GELU())]
    model = nn.Sequential(*layers).to("cuda")
    optimizer = engine.optim.AdamW(model.parameters(), lr=0.001)
    x = engine.tensor(RNG.standard_normal((4096, 512)).astype(np.float32)).to("cuda")

    def step(x: Any) -> Any:
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def had(act: Any) -> int:
        for _ in range(6):
            act(x)
        return engine.cuda.memory_reserved()

    optimizer.zero_grad()
    gc.collect()
    engine.cuda.empty_cache()
    plain, captured = had(step), had(engine.capture(step))
    assert captured <= 1.15 * plain + x.array.nbytes


def test_steps_that_were_dropped_leave_no_memory_behind() -> None:
    if isinstance(machine(), EmulatedMachine):
        pytest.skip("the emulated GPU has no memory of its own")
    model = nn.Sequential(nn.Linear(1024, 1024), nn.GELU(), nn.Linear(1024, 1024)).to("cuda")
    x = engine.rand(4096, 1024, device="cuda")

    def step(x: Any) -> Any:
        model.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss.detach()

    held = []
    for _ in range(4):
        act = engine.capture(step, warmup=1)
        for _ in range(3):
            act(x)
        del act
        model.zero_grad()  # the gradients lay in its memory
        gc.collect()
        held.append(engine.cuda.memory_allocated())
    assert held[1] == held[2] == held[3]
