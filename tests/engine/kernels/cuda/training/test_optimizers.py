"""Optimisers on the GPU step as on the CPU: many parameters in a launch, in captured steps too; norms, averages, scaled gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.kernels.cuda.training import optimizers
from numzoo.engine.optim.fused import is_whole, laid_like

KINDS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.05, maximize=True),
    "SGD with momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "SGD with dampening": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.25),
    "Adam": lambda p: optim.Adam(p, lr=0.02, weight_decay=0.01),
    "Adam with amsgrad": lambda p: optim.Adam(p, lr=0.02, amsgrad=True, maximize=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.02, weight_decay=0.1),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1, weight_decay=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.02, weight_decay=0.01),
    "RMSprop with all": lambda p: optim.RMSprop(p, lr=0.02, centered=True, momentum=0.5),
    "Lion": lambda p: optim.Lion(p, lr=0.01, weight_decay=0.1),
    "LAMB": lambda p: optim.LAMB(p, lr=0.02, weight_decay=0.1),
    "LAMB without lengths": lambda p: optim.LAMB(p, lr=0.02, adapt=False),
}
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (4, 3), (2, 3, 2, 2), (150, 220), (0,), (1, 1))


def parameters(dtype: Any = "float32", device: str = "cpu", shapes: Any = SHAPES) -> list[Any]:
    generator = np.random.default_rng(1)
    drawn = [np.asarray(generator.standard_normal(s)).astype(engine.dtype.as_dtype(dtype)) for s in shapes]
    return [engine.Tensor(values).to(device=device).requires_grad_() for values in drawn]


def give_gradients(held: list[Any], step: int) -> None:
    generator = np.random.default_rng(100 + step)
    for parameter in held:
        drawn = engine.tensor(np.asarray(generator.standard_normal(parameter.shape)).astype(parameter.dtype))
        parameter.grad = drawn.to(device=parameter.device)


def assert_close(given: list[Any], wanted: list[Any], tolerance: float = 1e-6) -> None:
    for left, right in zip(given, wanted, strict=True):
        np.testing.assert_allclose(
            left.numpy().astype(float), right.numpy().astype(float), rtol=tolerance, atol=tolerance
        )


def states(optimizer: Any) -> list[Any]:
    saved = optimizer.state_dict()["state"]
    return [engine.tensor(np.asarray(value, float)) for one in saved.values() for _, value in sorted(one.items())]


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_the_cpu(gpu: EmulatedMachine, kind: str) -> None:
    here, there = parameters(device="cuda"), parameters()
    fused, plain = KINDS[kind](here), KINDS[kind](there)
    for step in range(3):
        give_gradients(here, step)
        give_gradients(there, step)
        if step == 2:
            here[1].grad = there[1].grad = None  # it is a step behind from now on
        before = len(gpu.launched)
        fused.step()
        plain.step()
        assert 1 <= len([name for name in gpu.launched[before:] if name in ("update", "lamb_means")]) <= 2
    assert_close(here, there)
    assert_close(states(fused), states(plain))


@pytest.mark.parametrize("kind", ["SGD with momentum", "AdamW", "LAMB"])
def test_weights_of_convolutions_step_with_the_others_in_their_own_order(one_order: EmulatedMachine, kind: str) -> None:
    there = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 2), nn.Linear(3, 2))
    here = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 2), nn.Linear(3, 2)).to("cuda")
    here.load_state_dict(there.state_dict())
    fused, plain = KINDS[kind](here.parameters()), KINDS[kind](there.parameters())
    own, other = list(here.parameters()), list(there.parameters())
    assert [p.array.flags.c_contiguous for p in own if p.ndim == 4] == [False, False]
    for step in range(4):
        give_gradients(own, step)
        give_gradients(other, step)
        if step == 1:  # as a convolution gives them
            for p in own:
                p.grad = engine.Tensor(laid_like(p.grad.array, p.array))
        if step == 2:  # saved and loaded, states lie in row order
            fused.load_state_dict(plain.state_dict())
        one_order.launched.clear()
        fused.step()
        plain.step()
        assert len([name for name in one_order.launched if name in ("update", "lamb_means")]) == 1
    assert_close(own, other)
    assert_close(states(fused), states(plain))
    assert [p.array.flags.c_contiguous for p in own if p.ndim == 4] == [False, False]


def test_a_weight_that_is_drawn_on_the_gpu_lies_as_convolutions_read_it(one_order: EmulatedMachine) -> None:
    drawn = nn.Conv2d(3, 4, 3, device="cuda").weight.array
    assert drawn.transpose(0, 2, 3, 1).flags.c_contiguous


def test_arrays_are_laid_like_others() -> None:
    model = np.empty((2, 3, 4), np.float32).transpose(1, 0, 2)
    assert is_whole(model)
    assert not is_whole(np.empty((2, 6, 4))[:, ::2])
    assert not is_whole(np.broadcast_to(np.zeros(3), (2, 3)))
    rows = np.arange(24.0).reshape(3, 2, 4)
    copy = laid_like(rows, model)
    assert copy.strides == tuple(2 * step for step in model.strides)
    assert np.array_equal(copy, rows)
    assert laid_like(model, model) is model
    gaps = np.arange(48, dtype=np.float16).reshape(2, 3, 8)[:, :, ::2].transpose(1, 0, 2)
    assert gaps.strides == model.strides  # by chance, in bytes
    assert is_whole(laid_like(gaps, model))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("bfloat16", 1e-2), ("float16", 2e-3)])
def test_other_dtypes_step_too(one_order: EmulatedMachine, dtype: str, tolerance: float) -> None:
    here, there = parameters(dtype, "cuda"), parameters(dtype)
    for held in (here, there):
        optimizer = optim.AdamW(held, lr=0.02)
        for step in range(2):
            give_gradients(held, step)
            optimizer.step()
    assert_close(here, there, tolerance)
    assert "update" in one_order.launched


def test_parameters_that_lie_anyhow_and_share_memory_are_right(one_order: EmulatedMachine) -> None:
    results = []
    for device in ("cpu", "cuda"):
        whole = engine.Tensor(np.arange(48, dtype=np.float32).reshape(6, 8) / 10).to(device=device)
        held = [
            engine.Tensor(part).requires_grad_() for part in (whole.array[:3], whole.array[1:4], whole.array[:, ::2])
        ]
        odd = engine.Tensor(np.linspace(-1, 1, 33, dtype=np.float32)).to(device=device)
        held.append(engine.Tensor(odd.array[1:]).requires_grad_())  # where 16 bytes cannot be read at once
        optimizer = optim.SGD(held, lr=0.1, momentum=0.5)
        for step in range(3):
            give_gradients(held, step)
            held[3].grad = engine.Tensor(held[3].grad.array[::-1])
            optimizer.step()
        results.append([*held, whole])
    assert_close(results[1], results[0])


def test_more_parameters_than_one_launch_takes(one_order: EmulatedMachine, monkeypatch: Any) -> None:
    monkeypatch.setattr(optimizers, "SIZES", (2, 3))
    results = []
    for device in ("cpu", "cuda"):
        held = parameters(device=device, shapes=((3,), (4,), (2, 2), (20000,), (5,), (1,), (2,)))
        optimizer = optim.LAMB(held, lr=0.1)
        for step in range(2):
            give_gradients(held, step)
            norm = optim.clip_grad_norm_(held, 1.0)
            optimizer.step()
        results.append([*held, norm])
    assert_close(results[1], results[0])
    assert one_order.launched.count("lamb_step") == 6


def test_a_state_travels_between_devices(one_order: EmulatedMachine) -> None:
    here, there = parameters(device="cuda"), parameters()
    fused, plain = optim.Adam(here), optim.Adam(there)
    give_gradients(here, 0)
    give_gradients(there, 0)
    fused.step()
    plain.step()
    fused.load_state_dict(plain.state_dict())
    for step in (1, 2):
        give_gradients(here, step)
        give_gradients(there, step)
        fused.step()
        plain.step()
    assert_close(here, there)
    assert fused.state[here[0]]["step"] == 3


def test_a_rule_that_is_said_anew_is_not_the_gpus() -> None:
    class Signs(optim.SGD):
        def rule(self, xp: Any, p: Any, g: Any, states: Any, scratch: Any, numbers: Any) -> None:
            p -= xp.sign(g)

    assert optim.AdamW.fused == "adam"
    assert not Signs.fused


def test_a_captured_step_counts_and_follows_the_schedule(one_order: EmulatedMachine) -> None:
    gradients = [np.random.default_rng(step).standard_normal((3, 4)).astype(np.float32) for step in range(6)]
    results = []
    for captured in (False, True):
        weight = engine.Tensor(np.ones((3, 4), np.float32)).to(device="cuda").requires_grad_()
        optimizer = optim.AdamW([weight], lr=0.1)

        def step(x: Any, weight: Any = weight, optimizer: Any = optimizer) -> Any:
            weight.grad = x * 1.0
            optimizer.step()
            return weight * 1.0

        run = engine.capture(step, warmup=2) if captured else step
        for count, values in enumerate(gradients):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + count)
            run(engine.Tensor(values).to(device="cuda"))
        assert optimizer.state[weight]["step"] == 6
        results.append([weight])
    assert_close(results[1], results[0])


@pytest.mark.parametrize("power", [2.0, np.inf])
@pytest.mark.parametrize("limit", [0.5, 1e6, np.inf])
def test_gradients_are_clipped_as_on_the_cpu(gpu: EmulatedMachine, power: float, limit: float) -> None:
    results = []
    for device in ("cpu", "cuda"):
        held = [*parameters(device=device), *parameters("float16", device, ((3, 5), (700,)))]
        give_gradients(held, 0)
        held[2].grad = engine.Tensor(held[2].grad.array.T.copy().T)
        norm = optim.clip_grad_norm_(held, limit, power)
        assert norm.device.type == device
        results.append(
            [norm, *(p.grad for p in held if p.dtype == np.float32), *(p.grad for p in held if p.dtype != np.float32)]
        )
    assert_close(results[1][:8], results[0][:8])
    assert_close(results[1][8:], results[0][8:], 2e-3)


def test_a_norm_that_is_not_finite_shows_in_the_gradients(one_order: EmulatedMachine) -> None:
    for wrong, wanted in ((np.inf, 0.0), (np.nan, np.nan)):
        held = parameters(device="cuda", shapes=((3,), (2, 2)))
        give_gradients(held, 0)
        values = held[0].grad.numpy().copy()
        values[1] = wrong
        held[0].grad = engine.tensor(values).to(device="cuda")
        norm = optim.clip_grad_norm_(held, 1.0)
        np.testing.assert_equal(norm.numpy(), np.float32(wrong))
        np.testing.assert_equal(
            held[1].grad.numpy(), np.full((2, 2), wanted, np.float32) * np.sign(held[1].grad.numpy()) ** 2
        )


def test_one_gradient_of_two_parameters_is_scaled_once_for_each(one_order: EmulatedMachine) -> None:
    held = parameters(device="cuda", shapes=((3,), (3,)))
    shared = engine.tensor(np.array([3.0, 0.0, 4.0], np.float32)).to(device="cuda")
    held[0].grad, held[1].grad = shared, engine.Tensor(shared.array)
    optim.clip_grad_norm_(held, 1.0)
    for parameter in held:
        np.testing.assert_allclose(parameter.grad.numpy(), np.array([3.0, 0, 4]) / np.sqrt(50), rtol=1e-5)
    np.testing.assert_array_equal(shared.numpy(), [3, 0, 4])


def test_averages_move_as_on_the_cpu(gpu: EmulatedMachine) -> None:
    results = []
    for device in ("cpu", "cuda"):
        engine.manual_seed(3)
        model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7)).to(device)
        average = optim.EMA(model, decay=0.9, warm_up=True)
        for step in range(3):
            for parameter in model.parameters():
                parameter.array[...] = parameter.array * 0.5 + step
            average.update()
        results.append([engine.Tensor(np.asarray(mean)) for mean in average.state_dict()["means"].values()])
    assert_close(results[1], results[0])
    assert "update" in gpu.launched


@pytest.mark.parametrize("overflow", [False, True])
def test_the_scaler_leaves_a_step_out_after_an_overflow(gpu: EmulatedMachine, overflow: bool) -> None:
    held = parameters("float16", "cuda", ((40,), (3, 3)))
    before = [p.numpy().copy() for p in held]
    optimizer, scaler = optim.SGD(held, lr=1.0), optim.GradScaler(init_scale=4.0)
    for parameter in held:
        parameter.grad = engine.tensor(np.full(parameter.shape, 8.0, np.float16)).to(device="cuda")
    if overflow:
        values = np.full((40,), 8.0, np.float16)
        values[33] = np.inf
        held[0].grad = engine.tensor(values).to(device="cuda")
    scaler.step(optimizer)
    scaler.update()
    for parameter, old in zip(held, before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), old if overflow else old - np.float16(2.0))
    assert scaler.get_scale() == (2.0 if overflow else 4.0)
    assert gpu.launched.count("scale_all") == 1
