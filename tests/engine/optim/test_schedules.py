"""Schedules: their rates by hand, saving and going on, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.errors import ArgumentError, SettingError, StateError


def sgd(*rates: float, momentum: float = 0.9) -> optim.SGD:
    groups = [{"params": [nn.Parameter(np.ones(2))], "lr": rate} for rate in rates or (1.0,)]
    return optim.SGD(groups, momentum=momentum)


def rates(optimizer: Any, schedule: Any, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    return found


def in_turn(optimizer: Any) -> Any:
    parts = [optim.LinearLR(optimizer, 0.25, total_iters=3), optim.StepLR(optimizer, 2, 0.5)]
    return optim.SequentialLR(optimizer, parts, [3])


SCHEDULES: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "step": (lambda o: optim.StepLR(o, 2, 0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
    "milestones": (lambda o: optim.MultiStepLR(o, [1, 4, 4], 0.5), [1, 0.5, 0.5, 0.5, 0.125, 0.125]),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
    "constant": (lambda o: optim.ConstantLR(o, 0.25, 2), [0.25, 0.25, 1, 1, 1, 1]),
    "polynomial": (lambda o: optim.PolynomialLR(o, 2, 2.0), [1, 0.25, 0, 0, 0, 0]),
    "restarts": (lambda o: optim.CosineAnnealingWarmRestarts(o, 2, 2), [1, 0.5, 1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4]),
    "linear": (lambda o: optim.LinearLR(o, 0.25, 1.0, 3), [0.25, 0.5, 0.75, 1, 1, 1]),
    "linear to 0": (lambda o: optim.LinearLR(o, 1.0, 0.0, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
    "cosine": (lambda o: optim.CosineAnnealingLR(o, 2, 0.5), [1, 0.75, 0.5, 0.75, 1, 0.75]),
    "function": (lambda o: optim.LambdaLR(o, lambda step: 1 / (1 + step)), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]),
    "one cycle": (
        lambda o: optim.OneCycleLR(o, 2.0, 6, pct_start=0.5, anneal_strategy="linear", div_factor=4.0, final_div_factor=5.0),
        [0.5, 1.25, 2, 2 - 1.9 / 3, 2 - 3.8 / 3, 0.1],
    ),
    "in turn": (in_turn, [0.25, 0.5, 0.75, 1, 1, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_gives_the_rates_that_one_works_out_by_hand(name: str) -> None:
    build, wanted = SCHEDULES[name]
    optimizer = sgd(1.0)
    np.testing.assert_allclose(rates(optimizer, build(optimizer), 6), wanted, rtol=1e-12, atol=1e-15)


def test_a_sequence_within_a_sequence_keeps_its_milestones() -> None:
    optimizer = sgd(1.0)
    inner = in_turn(optimizer)
    outer = optim.SequentialLR(optimizer, [inner, optim.LambdaLR(optimizer, lambda step: 0.1)], [7])
    np.testing.assert_allclose(rates(optimizer, outer, 9), [0.25, 0.5, 0.75, 1, 1, 0.5, 0.5, 0.1, 0.1], rtol=1e-12)
    optimizer = sgd(1.0)
    first = optim.LambdaLR(optimizer, lambda step: 0.1)
    outer = optim.SequentialLR(optimizer, [first, in_turn(optimizer)], [2])
    np.testing.assert_allclose(rates(optimizer, outer, 8), [0.1, 0.1, 0.25, 0.5, 0.75, 1, 1, 0.5], rtol=1e-12)


def test_a_rate_that_is_changed_by_hand_is_gone_on_from() -> None:
    optimizer = sgd(1.0)
    schedule = optim.StepLR(optimizer, 1, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    assert rates(optimizer, schedule, 3) == [8.0, 4.0, 2.0]


def test_one_cycle_moves_momentum_the_other_way() -> None:
    for optimizer in (sgd(1.0), optim.Adam([nn.Parameter(np.ones(2))])):
        schedule = optim.OneCycleLR(optimizer, 1.0, 11, pct_start=0.5)
        found = []
        for _ in range(11):
            group = optimizer.param_groups[0]
            found.append(group["betas"][0] if "betas" in group else group["momentum"])
            if len(found) < 11:
                schedule.step()
        assert found[0] == pytest.approx(0.95)
        assert min(found) == pytest.approx(0.85, abs=1e-2)
        assert found[-1] == pytest.approx(0.95)


RESUMABLE = {**{name: build for name, (build, _) in SCHEDULES.items()}, "plateau": lambda o: optim.ReduceLROnPlateau(o, patience=0, factor=0.5)}  # fmt: skip


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("name", RESUMABLE)
def test_a_resumed_schedule_gives_the_same_rates_to_the_bit(name: str, at: int) -> None:
    def step(schedule: Any, count: int) -> None:
        schedule.step(*([1.0 + (count % 3)] if name == "plateau" else []))

    optimizer = sgd(1.0, 0.3)
    schedule = RESUMABLE[name](optimizer)
    for count in range(at):
        step(schedule, count)
    saved = json.loads(json.dumps([optimizer.state_dict(), schedule.state_dict()], allow_nan=False))
    other = sgd(7.0, 7.0)
    again = RESUMABLE[name](other)
    other.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    assert again.get_last_lr() == schedule.get_last_lr()
    for count in range(at, 6):
        step(schedule, count)
        step(again, count)
        assert [g["lr"] for g in other.param_groups] == [g["lr"] for g in optimizer.param_groups]
        assert [g["momentum"] for g in other.param_groups] == [g["momentum"] for g in optimizer.param_groups]
        assert again.get_last_lr() == schedule.get_last_lr() == [g["lr"] for g in optimizer.param_groups]


@pytest.mark.parametrize("name", [n for n in SCHEDULES if n != "in turn"])
def test_a_schedule_may_go_on_from_a_step(name: str) -> None:
    optimizer = sgd(1.0)
    build, _ = SCHEDULES[name]
    schedule = build(optimizer)
    for _ in range(3):
        schedule.step()
    assert schedule.last_epoch == 3
    with pytest.raises(SettingError, match="last_epoch=3 goes on with a schedule, but group 0 has no 'initial_lr'"):
        optim.StepLR(sgd(1.0), 2, last_epoch=3)


def test_a_metric_that_stops_improving_lowers_the_rate() -> None:
    optimizer = sgd(1.0)
    schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    found = []
    for metric in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, math.nan, math.nan, math.nan, engine.tensor(1.0), 1.0, 1.0, 1.0):
        schedule.step(metric)
        found.append(schedule.get_last_lr()[0])
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]


REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda o: optim.StepLR(5, 2), ArgumentError, "StepLR: wants an optimizer, not a int"),
    (lambda o: optim.StepLR(o, 0), SettingError, "StepLR: step_size must be a whole number of at least 1, not 0"),
    (lambda o: optim.StepLR(o, 2.5), SettingError, "step_size"),
    (lambda o: optim.StepLR(o, 2, -0.1), SettingError, r"gamma must be a number in \[0, inf\), not -0.1"),
    (lambda o: optim.StepLR(o, 2, last_epoch=-2), SettingError, "last_epoch"),
    (lambda o: optim.MultiStepLR(o, 5), SettingError, "milestones must be a list"),
    (lambda o: optim.MultiStepLR(o, [1, -1]), SettingError, "milestone"),
    (lambda o: optim.LinearLR(o, 0.0), SettingError, r"start_factor must be a number in \(0, 1\]"),
    (lambda o: optim.LinearLR(o, 1.0, 1.5), SettingError, "end_factor"),
    (lambda o: optim.LinearLR(o, total_iters=0), SettingError, "total_iters"),
    (lambda o: optim.CosineAnnealingLR(o, 0), SettingError, "T_max"),
    (lambda o: optim.CosineAnnealingLR(o, 5, -1.0), SettingError, "eta_min"),
    (lambda o: optim.LambdaLR(o, 0.5), ArgumentError, "a function of the step, or a list of 1"),
    (lambda o: optim.LambdaLR(o, [abs, abs]), ArgumentError, "a list of 1"),
    (lambda o: optim.LambdaLR(o, lambda step: "x"), SettingError, "LambdaLR at step 0: the factor"),
    (lambda o: optim.LambdaLR(o, lambda step: -1.0), SettingError, "LambdaLR at step 0: lr"),
    (lambda o: optim.LambdaLR(o, lambda step: math.nan), SettingError, "LambdaLR at step 0"),
    (lambda o: optim.OneCycleLR(o, 1.0), SettingError, "total_steps, or epochs and steps_per_epoch"),
    (lambda o: optim.OneCycleLR(o, 1.0, 0), SettingError, "total_steps"),
    (lambda o: optim.OneCycleLR(o, 1.0, epochs=1, steps_per_epoch=0), SettingError, "steps_per_epoch"),
    (lambda o: optim.OneCycleLR(o, -1.0, 5), SettingError, "max_lr"),
    (lambda o: optim.OneCycleLR(o, [1.0, 1.0], 5), SettingError, "max_lr must be 1 numbers"),
    (lambda o: optim.OneCycleLR(o, 1.0, 5, pct_start=1.5), SettingError, "pct_start"),
    (lambda o: optim.OneCycleLR(o, 1.0, 5, anneal_strategy="sin"), SettingError, "anneal_strategy"),
    (lambda o: optim.OneCycleLR(o, 1.0, 5, div_factor=0.0), SettingError, "div_factor"),
    (lambda o: optim.OneCycleLR(o, 1.0, 5, final_div_factor=0.0), SettingError, "final_div_factor"),
    (lambda o: optim.OneCycleLR(o, 1.0, 5, max_momentum=-1.0), SettingError, "max_momentum"),
    (lambda o: optim.OneCycleLR(optim.Adagrad([nn.Parameter(np.ones(1))]), 1.0, 5), SettingError, "neither momentum nor betas"),
    (lambda o: optim.SequentialLR(o, [], []), ArgumentError, "wants a list of schedules"),
    (lambda o: optim.SequentialLR(o, [optim.ReduceLROnPlateau(o)] * 2, [2]), ArgumentError, "without a metric"),
    (lambda o: optim.SequentialLR(o, [optim.StepLR(sgd(), 2)], []), ArgumentError, "of the optimizer"),
    (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 2)], [2]), SettingError, "wants 0 milestones for 1 schedules"),
    (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 2)] * 3, [4, 2]), SettingError, "rising and above 0"),
    (lambda o: optim.ReduceLROnPlateau(o, "low"), SettingError, "mode must be 'min' or 'max', not 'low'"),
    (lambda o: optim.ReduceLROnPlateau(o, threshold_mode="x"), SettingError, "threshold_mode"),
    (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), SettingError, r"factor must be a number in \[0, 1\), not 1.0"),
    (lambda o: optim.ReduceLROnPlateau(o, patience=-1), SettingError, "patience"),
    (lambda o: optim.ReduceLROnPlateau(o, min_lr=[0.1, 0.1]), SettingError, "min_lr must be 1 numbers"),
    (lambda o: optim.ReduceLROnPlateau(o).step(), ArgumentError, "wants the metric"),
    (lambda o: optim.ReduceLROnPlateau(o).step("low"), ArgumentError, "wants the metric"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_what_cannot_be_meant_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(sgd(1.0))


def test_the_step_after_the_last_of_one_cycle_is_refused_and_changes_nothing() -> None:
    optimizer = sgd(1.0)
    schedule = optim.OneCycleLR(optimizer, 1.0, 3)
    for _ in range(3):
        schedule.step()
    rate = schedule.get_last_lr()
    for _ in range(2):
        with pytest.raises(SettingError, match="step 4 of 3"):
            schedule.step()
    assert schedule.get_last_lr() == rate == [optimizer.param_groups[0]["lr"]]


def test_groups_that_came_later_are_refused_clearly() -> None:
    optimizer = sgd(1.0)
    schedule = optim.StepLR(optimizer, 2)
    optimizer.add_param_group({"params": [nn.Parameter(np.ones(1))]})
    schedule.step()  # works from present rates, and needs no more
    cosine = optim.CosineAnnealingLR(sgd(1.0), 4)
    cosine.optimizer.add_param_group({"params": [nn.Parameter(np.ones(1))]})
    cosine.step()
    function = optim.LambdaLR(sgd(1.0), lambda step: 1.0)
    function.optimizer.add_param_group({"params": [nn.Parameter(np.ones(1))]})
    with pytest.raises(SettingError, match="was made for 1 groups, and the optimizer has 2"):
        function.step()


@pytest.mark.parametrize("name", RESUMABLE)
def test_a_state_of_another_schedule_is_refused_and_nothing_changes(name: str) -> None:
    optimizer = sgd(1.0)
    schedule = RESUMABLE[name](optimizer)
    before = schedule.state_dict()
    others = [RESUMABLE[other](sgd(1.0)).state_dict() for other in RESUMABLE if not other.startswith(name)]
    damaged = [{**before, "last_epoch": "x"}, {**before, "_last_lr": 5}, {**before, "base_lrs": [1.0, 2.0]}]
    for state in [None, {}, *damaged, *others]:
        if isinstance(state, dict) and set(state) == set(before) and state not in damaged:
            continue
        with pytest.raises(StateError, match=f"^{type(schedule).__name__}: "):
            schedule.load_state_dict(state)
    assert schedule.state_dict() == before
