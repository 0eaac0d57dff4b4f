"""What a step does to parameters, states and memory: fused or one by one, saved and resumed, in any dtype and layout."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.optim import blocks

KINDS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.05),
    "SGD with momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.02, weight_decay=0.01),
    "Adam with amsgrad": lambda p: optim.Adam(p, lr=0.02, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.02),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.02, centered=True, momentum=0.5),
    "Adamax": lambda p: optim.Adamax(p, lr=0.02, weight_decay=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.02, weight_decay=0.01, decoupled_weight_decay=True),
    "RAdam": lambda p: optim.RAdam(p, lr=0.02, weight_decay=0.01),
    "Adadelta": lambda p: optim.Adadelta(p, weight_decay=0.01),
    "Lion": lambda p: optim.Lion(p, lr=0.01, weight_decay=0.1),
    "LAMB": lambda p: optim.LAMB(p, lr=0.02, weight_decay=0.1),
    "Adafactor": lambda p: optim.Adafactor(p, lr=0.1),
}
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (4, 3), (2, 3, 2, 2), (150, 120), (0,), (1, 1))
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parameters of these sizes, too, be cut into several blocks."""
    monkeypatch.setattr(blocks, "BLOCK", 4099)


def parameters(dtype: Any = "float32", shapes: Any = SHAPES) -> list[nn.Parameter]:
    generator = np.random.default_rng(1)
    return [nn.Parameter(np.asarray(generator.standard_normal(s)).astype(engine.dtype.as_dtype(dtype))) for s in shapes]


def give_gradients(held: list[Any], step: int) -> None:
    generator = np.random.default_rng(100 + step)
    for parameter in held:
        drawn = np.asarray(generator.standard_normal(parameter.shape))
        parameter.grad = engine.tensor(drawn.astype(parameter.dtype))


def train(optimizer: Any, held: list[Any], steps: range) -> list[Any]:
    for step in steps:
        give_gradients(held, step)
        optimizer.step()
    return [p.numpy().copy() for p in held]


def assert_same(given: list[Any], wanted: list[Any]) -> None:
    for left, right in zip(given, wanted, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


# ---- fused ------------------------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_parameters_together_get_the_bits_of_each_alone(
    kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = parameters(dtype), parameters(dtype)
    together = train(KINDS[kind](first), first, range(8))
    monkeypatch.setattr(blocks, "SMALL", 0)
    if kind != "LAMB":  # whose lengths are summed block by block
        monkeypatch.setattr(blocks, "BLOCK", 1 << 30)
    assert_same(together, train(KINDS[kind](second), second, range(8)))


def test_small_parameters_really_are_changed_together() -> None:
    held = parameters()
    optimizer = optim.Adam(held)
    train(optimizer, held, range(3))
    owners = {id(optimizer.state[p]["exp_avg"].base) for p in held if 0 < p.numel() < 100}
    assert len(owners) == 1


@pytest.mark.parametrize("block", [4, 17, 20])
def test_full_blocks_begin_another_bucket(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(3,), (9,), (4,), (16,), (2, 2), (1,), (40,)]
    first, second = parameters(shapes=shapes), parameters(shapes=shapes)
    wanted = train(optim.Adam(first), first, range(6))
    monkeypatch.setattr(blocks, "BLOCK", block)
    monkeypatch.setattr(blocks, "SMALL", block)
    assert_same(train(optim.Adam(second), second, range(6)), wanted)


@each_kind
def test_parameters_come_and_go(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> list[Any]:
        held = parameters()
        optimizer = KINDS[kind](held)
        for step in range(14):
            give_gradients(held, step)
            if step in (0, 1, 5, 9, 10):
                held[1].grad = None
            if step == 7:
                held[2].requires_grad_(False)
            if step == 9:
                held[2].requires_grad_(True)
            if step == 11:  # another memory, as load_state_dict(assign=True) gives it
                held[3].set_array(held[3].array * 2)
            if step == 12:
                held[4].set_array(np.asfortranarray(held[4].array))
            optimizer.step()
        return [p.numpy().copy() for p in held]

    together = run()
    monkeypatch.setattr(blocks.Elementwise, "gathers", False)
    assert_same(together, run())


def test_parameters_that_share_memory_are_both_applied() -> None:
    memory = np.zeros(6, np.float32)
    whole, part = nn.Parameter(memory), nn.Parameter(memory[2:4])
    optimizer = optim.SGD([whole, part, nn.Parameter(np.zeros(2, np.float32))], lr=1.0)
    for _ in range(4):
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad = engine.ones(*parameter.shape)
        optimizer.step()
    np.testing.assert_array_equal(memory, [-4, -4, -8, -8, -4, -4])


@each_kind
def test_a_step_writes_into_the_parameters_own_memory_and_not_into_gradients(kind: str) -> None:
    held = parameters()
    arrays = [p.array for p in held]
    optimizer = KINDS[kind](held)
    for step in range(4):
        give_gradients(held, step)
        before = [p.grad.numpy().copy() for p in held]
        optimizer.step()
        assert_same([p.grad.numpy() for p in held], before)
    assert all(p.array is array for p, array in zip(held, arrays, strict=True))


def test_weights_that_a_kernel_rearranged_are_rearranged_anew() -> None:
    layer = nn.Linear(64, 64)
    x = engine.ones(32, 64)
    optimizer = optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(5):
        layer.zero_grad()
        layer(x).sum().backward()
        optimizer.step()
        wanted = x.numpy() @ layer.weight.numpy().T + layer.bias.numpy()
        np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-4, atol=1e-4)


# ---- layouts and dtypes -----------------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "columns first": np.asfortranarray,
    "channels last": lambda a: np.ascontiguousarray(np.moveaxis(a, 1, -1)).swapaxes(-1, 1) if a.ndim == 3 else a.T.copy().T,
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
}  # fmt: skip


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("which", ["parameter", "gradient"])
def test_any_memory_layout_gives_the_same_numbers(kind: str, layout: str, which: str) -> None:
    shapes = [(5, 4), (130, 150), (3, 4, 5)]
    results = []
    for change in (np.ascontiguousarray, LAYOUTS[layout]):
        held = parameters("float64", shapes)
        if which == "parameter":
            held = [nn.Parameter(change(p.array)) for p in held]
        optimizer = KINDS[kind](held)
        for step in range(5):
            give_gradients(held, step)
            if which == "gradient":
                for p in held:
                    p.grad = engine.Tensor(change(p.grad.array))
            optimizer.step()
        results.append([np.ascontiguousarray(p.numpy()) for p in held])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-13, atol=1e-15)


@each_kind
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_parameters_keep_float32_states(kind: str, dtype: str) -> None:
    held, wide = parameters(dtype), parameters(dtype)
    wide = [nn.Parameter(p.array.astype(np.float32)) for p in wide]
    optimizer, other = KINDS[kind](held), KINDS[kind](wide)
    for step in range(4):
        give_gradients(held, step)
        for p, q in zip(held, wide, strict=True):
            # The step in float32, rounded once.
            q.array[...] = p.array.astype(np.float32)
            q.grad = engine.tensor(p.grad.array.astype(np.float32))
        optimizer.step()
        other.step()
        assert_same([p.numpy() for p in held], [q.numpy().astype(p.dtype) for p, q in zip(held, wide, strict=True)])
    for state in optimizer.state.values():
        assert all(v.dtype == np.float32 for v in state.values() if isinstance(v, np.ndarray))


def test_a_model_that_changes_its_dtype_trains_on() -> None:
    held = parameters()
    optimizer = optim.Adam(held)
    train(optimizer, held, range(3))
    for dtype in ("float64", "bfloat16", "float32"):
        for p in held:
            p.convert(engine.dtype.as_dtype(dtype), None)
        train(optimizer, held, range(3))
        assert optimizer.state[held[1]]["exp_avg"].dtype == (np.float64 if dtype == "float64" else np.float32)
        assert all(np.isfinite(p.numpy().astype(float)).all() for p in held)


def test_read_only_memory_is_left_alone() -> None:
    array = np.ones((2, 2), np.float32)
    array.flags.writeable = False
    parameter = nn.Parameter(array)
    parameter.grad = engine.ones(2, 2)
    optim.SGD([parameter], lr=0.5).step()
    np.testing.assert_array_equal(array, 1)
    np.testing.assert_array_equal(parameter.numpy(), 0.5)


# ---- gradients --------------------------------------------------------------------------------------------------


@each_kind
def test_what_has_no_gradient_or_is_frozen_stays(kind: str) -> None:
    held = parameters(shapes=((3,), (3,), (3,)))
    before = [p.numpy().copy() for p in held]
    give_gradients(held, 0)
    held[0].grad = None
    held[1].requires_grad_(False)
    optimizer = KINDS[kind](held)
    optimizer.step()
    assert_same([p.numpy() for p in held[:2]], before[:2])
    assert not np.array_equal(held[2].numpy(), before[2])
    assert held[0] not in optimizer.state
    assert held[1] not in optimizer.state


@each_kind
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_gradient_spoils_its_own_parameter_only_and_warns_nobody(kind: str, bad: float) -> None:
    held = parameters(shapes=((3,), (4,)))
    optimizer = KINDS[kind](held)
    for step in range(3):
        give_gradients(held, step)
        held[0].grad.array[1] = bad
        optimizer.step()
    assert np.isfinite(held[1].numpy()).all()
    if np.isnan(bad):
        assert np.isnan(held[0].numpy()[1])


@each_kind
def test_a_rate_of_zero_moves_nothing_but_the_states(kind: str) -> None:
    held = parameters(shapes=((3,), (4, 2)))
    optimizer = KINDS[kind](held)
    for group in optimizer.param_groups:
        group["lr"] = 0
    before = [p.numpy().copy() for p in held]
    assert_same(train(optimizer, held, range(3)), before)


def test_a_closure_is_called_with_recording_and_its_loss_given_back() -> None:
    parameter = nn.Parameter(np.array([2.0]))
    optimizer = optim.SGD([parameter], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    with engine.no_grad():
        assert optimizer.step(closure).item() == 4.0
    np.testing.assert_allclose(parameter.numpy(), [1.6])
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(parameter.grad.numpy(), [0.0])
    optimizer.zero_grad()
    assert parameter.grad is None
    assert optimizer.step() is None


# ---- resuming ---------------------------------------------------------------------------------------------------


def through_files(state: dict[str, Any]) -> dict[str, Any]:
    """Arrays through one npz file, all else through JSON."""
    arrays: dict[str, Any] = {}
    plain: dict[str, Any] = {"param_groups": state["param_groups"], "state": {}}
    for number, one in state["state"].items():
        plain["state"][number] = {}
        for name, value in one.items():
            if isinstance(value, np.ndarray):
                arrays[f"{number}/{name}"] = value
            else:
                plain["state"][number][name] = value
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    loaded = json.loads(json.dumps(plain, allow_nan=False))
    with np.load(file) as held:
        for key in held.files:
            number, name = key.split("/")
            loaded["state"][number][name] = held[key]
    return dict(loaded)


@each_kind
@pytest.mark.parametrize("way", [copy.deepcopy, through_files, lambda state: state], ids=["copy", "files", "itself"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_resumed_run_ends_at_the_same_bits(kind: str, way: Callable[[Any], Any], dtype: str) -> None:
    held = parameters(dtype)
    optimizer = KINDS[kind]([{"params": held[:3]}, {"params": held[3:], "lr": 0.01, "name": "rest"}])
    schedule = optim.CosineAnnealingLR(optimizer, 10)
    for step in range(4):
        train(optimizer, held, range(step, step + 1))
        schedule.step()
    saved, rates = way(optimizer.state_dict()), json.loads(json.dumps(schedule.state_dict()))
    weights = [p.numpy().copy() for p in held]
    for step in range(4, 9):
        train(optimizer, held, range(step, step + 1))
        schedule.step()

    again = [nn.Parameter(w) for w in weights]
    resumed = KINDS[kind]([{"params": again[:3]}, {"params": again[3:]}])
    plan = optim.CosineAnnealingLR(resumed, 10)
    resumed.load_state_dict(saved)
    plan.load_state_dict(rates)
    for step in range(4, 9):
        train(resumed, again, range(step, step + 1))
        plan.step()
    assert_same([p.numpy() for p in again], [p.numpy() for p in held])
    left, right = resumed.state_dict(), optimizer.state_dict()
    assert left["param_groups"] == right["param_groups"]
    assert left["param_groups"][1]["name"] == "rest"
    for number, state in right["state"].items():
        for name, value in state.items():
            np.testing.assert_array_equal(left["state"][number][name], value)


@each_kind
def test_a_saved_state_is_arrays_and_numbers_and_does_not_move_on(kind: str) -> None:
    held = parameters()
    optimizer = KINDS[kind](held)
    train(optimizer, held, range(3))
    saved = optimizer.state_dict()
    before = copy.deepcopy(saved)
    train(optimizer, held, range(3))
    assert saved["param_groups"] == before["param_groups"]
    for number, state in saved["state"].items():
        assert type(number) is int
        for name, value in state.items():
            assert type(value) in (np.ndarray, int, float)
            np.testing.assert_array_equal(value, before["state"][number][name])


@each_kind
def test_a_deep_copy_of_model_and_optimiser_trains_on_its_own(kind: str) -> None:
    held = parameters()
    optimizer = KINDS[kind](held)
    train(optimizer, held, range(3))
    twin_held, twin = copy.deepcopy((held, optimizer))
    before = [p.numpy().copy() for p in held]
    result = train(twin, twin_held, range(3, 6))
    assert_same([p.numpy() for p in held], before)
    assert_same(train(optimizer, held, range(3, 6)), result)


def test_tied_parameters_are_trained_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    before = model[0].weight.numpy().copy()
    model(engine.ones(1, 3)).sum().backward()
    gradient = model[0].weight.grad.numpy().copy()
    optimizer.step()
    np.testing.assert_allclose(model[1].weight.numpy(), before - gradient, rtol=1e-6)


def test_an_optimiser_of_ones_own_needs_an_update_and_nothing_else() -> None:
    class Halving(optim.Optimizer):
        def update(self, parameter: Any, gradient: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
            state["speed"] = state.get("speed", 1.0) * 0.5
            state["last"] = gradient.copy()
            parameter.array -= group["lr"] * state["speed"] * gradient

    held = parameters(shapes=((3,),))
    optimizer = Halving(held, {"lr": 0.1})
    train(optimizer, held, range(3))
    again = [nn.Parameter(held[0].numpy().copy())]
    resumed = Halving(again, {"lr": 0.5})
    resumed.load_state_dict(optimizer.state_dict())
    assert_same(train(resumed, again, range(3, 6)), train(optimizer, held, range(3, 6)))
    with pytest.raises(engine.ArgumentError, match=r"Optimizer defines no update\(\)"):
        train(optim.Optimizer(held, {"lr": 0.1}), held, range(1))
