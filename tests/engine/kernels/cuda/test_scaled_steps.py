"""Steps with scaled gradients on a GPU: taken or left out there, without a wait, alone and captured, as on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulated_cupy import listened
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import nn, optim

KINDS: dict[str, Callable[[Any], Any]] = {
    "SGD with dampening": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.25),
    "AdamW with amsgrad": lambda p: optim.AdamW(p, lr=0.02, weight_decay=0.1, amsgrad=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.02, centered=True, momentum=0.5),
    "Lion": lambda p: optim.Lion(p, lr=0.01, weight_decay=0.1),
    "LAMB": lambda p: optim.LAMB(p, lr=0.02, weight_decay=0.1),
}
BAD = {0: np.inf, 3: np.nan, 4: -np.inf}
"""Steps whose gradients overflow."""
STEPS = 7


class Run:
    """The same training, on a device; step by step, or captured."""

    def __init__(self, device: str, kinds: list[str], *, captured: bool = False) -> None:
        generator = np.random.default_rng(0)
        self.weights = [
            [engine.tensor(generator.standard_normal(shape).astype(np.float32)).to(device).requires_grad_() for shape in ((5, 3), (4,))]
            for _ in kinds
        ]  # fmt: skip
        self.optimizers = [KINDS[kind](held) for kind, held in zip(kinds, self.weights, strict=True)]
        self.scaler = optim.GradScaler(init_scale=1024.0, growth_interval=2)
        self.device = device
        self.act = engine.capture(self.step, warmup=2) if captured else self.step

    def step(self, *factors: Any) -> Any:
        losses = []
        for optimizer, held, factor in zip(self.optimizers, self.weights, factors, strict=True):
            loss = sum((w * w * factor).sum() for w in held)
            optimizer.zero_grad()
            self.scaler.scale(loss).backward()
            losses.append(loss)
        self.scaler.unscale_(self.optimizers[0])
        optim.clip_grad_norm_(self.weights[0], 0.5)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        return losses[-1]

    def run(self, number: int) -> None:
        """The last optimiser's gradients overflow in the steps of BAD."""
        given = [1.0 + 0.1 * number] * len(self.optimizers)
        given[-1] = BAD.get(number, given[-1])
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] *= 0.9
        self.act(*(engine.tensor(np.float32(value)).to(self.device) for value in given))

    def arrays(self) -> list[Any]:
        return [w.numpy().copy() for held in self.weights for w in held]

    def states(self) -> list[Any]:
        saved = [optimizer.state_dict()["state"] for optimizer in self.optimizers]
        return [np.asarray(v, float) for one in saved for state in one.values() for _, v in sorted(state.items())]


def assert_alike(these: list[Any], those: list[Any]) -> None:
    assert len(these) == len(those)
    for left, right in zip(these, those, strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_taken_and_left_out_as_on_the_cpu_and_nothing_waits(kind: str, one_order: Any) -> None:
    kinds = ["SGD with dampening", kind]
    plain, eager, captured = Run("cpu", kinds), Run("cuda", kinds), Run("cuda", kinds, captured=True)
    for number in range(STEPS):
        before, then = eager.arrays()[2:], captured.arrays()[2:]
        plain.run(number)
        with listened() as met:
            eager.run(number)
            captured.run(number)
        assert [what for what in met if not what.startswith("a copy to the GPU")] == []
        if number > 2 and isinstance(one_order, EmulatedMachine):
            assert len(met) == 4, met  # the numbers that this test brings
        if number in BAD:
            for old, new in zip([*before, *then], eager.arrays()[2:] + captured.arrays()[2:], strict=True):
                np.testing.assert_array_equal(old, new)
        assert_alike(eager.arrays(), plain.arrays())
        assert_alike(captured.arrays(), plain.arrays())
        if number in (0, 4, STEPS - 1):
            assert plain.scaler.state_dict() == eager.scaler.state_dict() == captured.scaler.state_dict()
            assert_alike(eager.states(), plain.states())
            assert_alike(captured.states(), plain.states())
    assert captured.act.is_captured
    assert plain.scaler.get_scale() != 1024.0


@pytest.mark.usefixtures("one_order")
def test_a_saved_state_goes_on_in_memory_that_a_captured_step_reads() -> None:
    run = Run("cuda", ["AdamW with amsgrad"], captured=True)
    for number in (1, 2, 5):
        run.run(number)
    saved = copy.deepcopy(run.scaler).state_dict()
    assert saved == run.scaler.state_dict()
    for number in (3, 4):
        run.run(number)
    assert run.scaler.get_scale() == saved["scale"] / 4
    run.scaler.load_state_dict(saved)
    run.scaler.set_growth_factor(3.0)
    run.run(6)
    assert run.scaler.get_scale() == saved["scale"] * 3
    run.scaler.update(8.0)
    run.run(3)
    assert run.scaler.get_scale() == 4.0


@pytest.mark.usefixtures("one_order")
def test_a_round_that_was_given_up_leaves_no_flag_behind() -> None:
    weight = engine.tensor(np.ones(3, np.float32)).to("cuda").requires_grad_()
    optimizer, scaler = optim.SGD([weight], lr=0.25), optim.GradScaler(init_scale=4.0)
    scaler.scale((weight * np.inf).sum()).backward()
    saved = scaler.state_dict()
    scaler.unscale_(optimizer)
    scaler.load_state_dict(saved)
    optimizer.zero_grad()
    scaler.scale(weight.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert weight.tolist() == [0.75] * 3
    assert scaler.get_scale() == 4.0


@pytest.mark.usefixtures("one_order")
def test_steps_with_and_without_a_scaler_follow_one_another() -> None:
    found = []
    for device in ("cpu", "cuda"):
        run = Run(device, ["AdamW with amsgrad"])
        for number in (0, 1, 2, 3, 1):
            run.run(number)
            for w in run.weights[0]:
                w.grad = w.detach() * 0.1
            run.optimizers[0].step()
        found.append((run.arrays(), run.states()))
        assert {state["step"] for state in run.optimizers[0].state.values()} == {8}
    assert_alike(found[1][0], found[0][0])
    assert_alike(found[1][1], found[0][1])


@pytest.mark.usefixtures("one_order")
def test_what_no_launch_changes_is_left_out_too() -> None:
    whole = engine.tensor(np.arange(6, dtype=np.float32)).to("cuda")
    held = [engine.Tensor(whole.array[:4]).requires_grad_(), engine.Tensor(whole.array[2:]).requires_grad_()]
    wide = engine.ones(3, 3).to("cuda").requires_grad_()
    scaler, optimizers = optim.GradScaler(init_scale=2.0), [optim.Adam(held), optim.Adafactor([wide])]
    for bad in (True, False):
        for w in (*held, wide):
            w.grad = engine.full(w.shape, np.inf if bad else 2.0).to("cuda")
        before = whole.numpy().copy()
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
        assert (whole.numpy() == before).all() == bad
        assert (wide.numpy() == 1).all() == bad
    assert scaler.get_scale() == 1.0


@pytest.mark.usefixtures("one_order")
def test_a_network_trains_in_fp16_in_one_launch() -> None:
    x = engine.tensor(np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)).to("cuda")
    y = engine.tensor(np.arange(16) % 3).to("cuda")
    found = []
    for captured in (False, True):
        engine.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)).to("cuda")
        optimizer, scaler = optim.AdamW(model.parameters(), lr=0.02), optim.GradScaler(init_scale=2.0**24)

        def step(model: Any = model, optimizer: Any = optimizer, scaler: Any = scaler) -> Any:
            optimizer.zero_grad()
            with engine.precision("fp16"):
                loss = nn.functional.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            return loss

        act = engine.capture(step, warmup=1) if captured else step
        found.append([act().item() for _ in range(20)])
        assert scaler.get_scale() < 2.0**24
    assert np.allclose(found[0], found[1], rtol=1e-4)
    assert found[0][-1] < found[0][0] * 0.9
