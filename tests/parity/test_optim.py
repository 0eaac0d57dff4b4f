"""Optimisers, clipping and schedules against PyTorch's: the same paths from the same start."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.optim import blocks

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "optimisers are compared with PyTorch's where torch is installed (the parity extra)", allow_module_level=True
    )

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch

STEPS = 30
# A scalar, vectors, a matrix, a kernel, one that is cut into blocks, one of no numbers, one that gets its first gradient late.
SHAPES: tuple[tuple[int, ...], ...] = ((), (7,), (5, 3), (4, 3, 3, 2), (150, 120), (0, 4), (6, 2))
LATE = 6
LATE_STEP = 4

OPTIMISERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.05}),
    ("Adam", {"lr": 0.02, "amsgrad": True}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.0}),
    ("Adam", {"lr": 0.01, "betas": (0.0, 0.0)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.2, "eps": 1e-4}),
    ("Adagrad", {"lr": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.05}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.02, "centered": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-3, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.02, "betas": (0.8, 0.95), "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.5, "beta2_decay": -0.5, "eps": (1e-3, 1e-2), "d": 2.0, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.3, "maximize": True}),
]


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parameters of these sizes, too, be cut into several blocks."""
    monkeypatch.setattr(blocks, "BLOCK", 4099)


def values(shape: tuple[int, ...], seed: int, dtype: Any) -> Any:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def pair(dtype: Any, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> tuple[list[Any], list[Any]]:
    """Parameters of ours and of PyTorch's with the same values."""
    arrays = [values(shape, seed, dtype) for seed, shape in enumerate(shapes)]
    return [nn.Parameter(a.copy()) for a in arrays], [torch.nn.Parameter(torch.tensor(a)) for a in arrays]


def give_gradients(mine: list[Any], theirs: list[Any], step: int) -> None:
    """A gradient that depends on the parameter, computed once for both."""
    for place, (own, other) in enumerate(zip(mine, theirs, strict=True)):
        if place == LATE and step < LATE_STEP:
            own.grad = other.grad = None
            continue
        array = own.array
        # Drawn around other values, and not near 0, where a sign hangs on the last bit.
        noise = np.sign(values(array.shape, 1000 * step + place, array.dtype)) * 0.3
        gradient = np.asarray(0.5 * np.tanh(array) + noise, array.dtype)
        own.grad, other.grad = engine.tensor(gradient), torch.tensor(gradient)


def same(mine: list[Any], theirs: list[Any], tolerance: float, note: str) -> None:
    for own, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(own.numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=note)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "settings"), OPTIMISERS, ids=str)
def test_an_optimiser_takes_pytorchs_path(name: str, settings: dict[str, Any], dtype: str) -> None:
    mine, theirs = pair(dtype, SHAPES if name != "Adafactor" else (*SHAPES[:5], (2, 2), (6, 2)))
    if name == "Adafactor":
        # PyTorch's spacing of numbers is float32's for the one and float64's for the other, as here.
        settings = {"eps": (None, 1e-3), **settings}
    ours = getattr(optim, name)([{"params": mine[:3]}, {"params": mine[3:], "lr": 0.03}], **settings)
    other = getattr(torch.optim, name)([{"params": theirs[:3]}, {"params": theirs[3:], "lr": 0.03}], **settings)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    if name == "NAdam" and dtype == "float64":
        tolerance = 1e-7  # PyTorch keeps the product of the first betas in float32
    for step in range(STEPS):
        give_gradients(mine, theirs, step)
        if step == 15:
            ours.param_groups[0]["lr"] *= 0.5
            other.param_groups[0]["lr"] *= 0.5
        ours.step()
        other.step()
        same(mine, theirs, tolerance, f"step {step}")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
        ("Adagrad", {}),
        ("RMSprop", {"momentum": 0.5}),
    ],
    ids=str,
)
def test_complex_parameters_take_pytorchs_path(name: str, settings: dict[str, Any]) -> None:
    start = values((4, 3), 1, "float64") + 1j * values((4, 3), 2, "float64")
    mine, theirs = nn.Parameter(start.copy()), torch.nn.Parameter(torch.tensor(start))
    ours, other = getattr(optim, name)([mine], **settings), getattr(torch.optim, name)([theirs], **settings)
    for step in range(STEPS):
        gradient = mine.array * 0.5 + values((4, 3), step, "float64") * (1 + 0.5j)
        mine.grad, theirs.grad = engine.tensor(gradient), torch.tensor(gradient)
        ours.step()
        other.step()
        same([mine], [theirs], 1e-12, f"step {step}")


def test_a_state_of_pytorchs_is_taken_up() -> None:
    mine, theirs = pair("float64")
    ours, other = optim.AdamW(mine, lr=0.02), torch.optim.AdamW(theirs, lr=0.02)
    for step in range(10):
        give_gradients(mine, theirs, step)
        other.step()
    for own, parameter in zip(mine, theirs, strict=True):
        own.array[...] = parameter.detach().numpy()
    state = other.state_dict()
    arrays = {number: {name: value.numpy() for name, value in one.items()} for number, one in state["state"].items()}
    ours.load_state_dict({"state": arrays, "param_groups": state["param_groups"]})
    for step in range(10, 20):
        give_gradients(mine, theirs, step)
        ours.step()
        other.step()
        same(mine, theirs, 1e-12, f"step {step}")


# ---- clipping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.5, math.inf])
@pytest.mark.parametrize("limit", [0.0, 0.1, 7.0, 1e6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_are_clipped_by_norm_as_in_pytorch(dtype: str, limit: float, norm: float) -> None:
    mine, theirs = pair(dtype, SHAPES[:5] + SHAPES[6:])
    give_gradients(mine[:5], theirs[:5], 0)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    total = optim.clip_grad_norm_(mine, limit, norm)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, limit, norm)
    assert str(total.dtype) == dtype
    np.testing.assert_allclose(total.item(), wanted.item(), rtol=tolerance)
    for own, other in zip(mine[:5], theirs[:5], strict=True):
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=tolerance, atol=1e-15)
    assert mine[5].grad is None


@pytest.mark.parametrize("limit", [0.0, 0.2, 100.0])
def test_gradients_are_clipped_by_value_as_in_pytorch(limit: float) -> None:
    mine, theirs = pair("float32", SHAPES[:5])
    give_gradients(mine, theirs, 0)
    mine[1].grad.array[:3] = theirs[1].grad[:3] = np.nan
    mine[2].grad.array[0] = np.inf
    theirs[2].grad[0] = math.inf
    optim.clip_grad_value_(mine, limit)
    torch.nn.utils.clip_grad_value_(theirs, limit)
    for own, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(own.grad.numpy(), other.grad.numpy())


# ---- schedules --------------------------------------------------------------------------------------------------

Build = Callable[[Any, Any], Any]


def lr(library: Any) -> Any:
    return torch.optim.lr_scheduler if library is torch.optim else optim


def warm_then_cosine(library: Any, optimizer: Any) -> Any:
    s = lr(library)
    parts = [
        s.LinearLR(optimizer, 0.1, total_iters=8),
        s.CosineAnnealingLR(optimizer, 20, eta_min=1e-3),
        s.StepLR(optimizer, 4, 0.5),
    ]
    return s.SequentialLR(optimizer, parts, [8, 30])


SCHEDULES: dict[str, Build] = {
    "step": lambda o, x: lr(o).StepLR(x, 7, 0.3),
    "step every time": lambda o, x: lr(o).StepLR(x, 1, 0.9),
    "milestones": lambda o, x: lr(o).MultiStepLR(x, [12, 5, 5, 30], 0.5),
    "exponential": lambda o, x: lr(o).ExponentialLR(x, 0.9),
    "constant": lambda o, x: lr(o).ConstantLR(x, 0.25, 6),
    "polynomial": lambda o, x: lr(o).PolynomialLR(x, 20, 1.5),
    "restarts": lambda o, x: lr(o).CosineAnnealingWarmRestarts(x, 5, 2, 0.001),
    "linear": lambda o, x: lr(o).LinearLR(x, 0.1, 0.8, 20),
    "linear default": lambda o, x: lr(o).LinearLR(x),
    "linear down": lambda o, x: lr(o).LinearLR(x, 1.0, 0.05, 30),
    "cosine": lambda o, x: lr(o).CosineAnnealingLR(x, 50, 1e-3),
    "cosine up again": lambda o, x: lr(o).CosineAnnealingLR(x, 15, 1e-3),
    "cosine to 0": lambda o, x: lr(o).CosineAnnealingLR(x, 12),
    "cosine of one step": lambda o, x: lr(o).CosineAnnealingLR(x, 1),
    "one cycle": lambda o, x: lr(o).OneCycleLR(x, 0.5, total_steps=51),
    "one cycle of lists": lambda o, x: lr(o).OneCycleLR(
        x, [0.5, 0.1], epochs=6, steps_per_epoch=10, pct_start=0.4, anneal_strategy="linear", base_momentum=[0.7, 0.8], max_momentum=0.9,
        div_factor=10.0, final_div_factor=100.0,
    ),
    "one cycle in three": lambda o, x: lr(o).OneCycleLR(x, 0.5, total_steps=55, three_phase=True),
    "one cycle, still momentum": lambda o, x: lr(o).OneCycleLR(x, 0.5, total_steps=55, cycle_momentum=False),
    "function": lambda o, x: lr(o).LambdaLR(x, lambda epoch: 1 / (1 + epoch)),
    "functions": lambda o, x: lr(o).LambdaLR(x, [lambda epoch: 0.95**epoch, lambda epoch: 1.0 + epoch]),
    "in turn": warm_then_cosine,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_gives_pytorchs_rates(name: str, kind: str) -> None:
    mine, theirs = pair("float32", ((2,), (3,)))
    settings: dict[str, Any] = {"momentum": 0.9} if kind == "SGD" else {}
    ours = getattr(optim, kind)([{"params": mine[:1]}, {"params": mine[1:], "lr": 0.03}], lr=0.2, **settings)
    other = getattr(torch.optim, kind)([{"params": theirs[:1]}, {"params": theirs[1:], "lr": 0.03}], lr=0.2, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, on the order of steps
        own, reference = SCHEDULES[name](optim, ours), SCHEDULES[name](torch.optim, other)
        for step in range(51):
            for left, right in zip(ours.param_groups, other.param_groups, strict=True):
                for key in ("lr", "momentum", "betas"):
                    if key in left:
                        np.testing.assert_allclose(
                            left[key], right[key], rtol=1e-9, atol=1e-15, err_msg=f"{key} {step}"
                        )
            np.testing.assert_allclose(own.get_last_lr(), reference.get_last_lr(), rtol=1e-9, atol=1e-15)
            if step < 50:
                other.step()
                own.step()
                reference.step()


def test_two_schedules_side_by_side_multiply_as_in_pytorch() -> None:
    mine, theirs = pair("float32", ((2,),))
    ours, other = optim.SGD(mine, lr=1.0), torch.optim.SGD(theirs, lr=1.0)
    own = [optim.StepLR(ours, 5, 0.5), optim.LinearLR(ours, 0.1, total_iters=10), optim.MultiStepLR(ours, [3, 20])]
    s = torch.optim.lr_scheduler
    reference = [s.StepLR(other, 5, 0.5), s.LinearLR(other, 0.1, total_iters=10), s.MultiStepLR(other, [3, 20])]
    for _ in range(50):
        other.step()
        for left, right in zip(own, reference, strict=True):
            left.step()
            right.step()
        np.testing.assert_allclose(ours.param_groups[0]["lr"], other.param_groups[0]["lr"], rtol=1e-12)


PLATEAUS: list[dict[str, Any]] = [
    {}, {"patience": 2}, {"mode": "max", "patience": 1, "factor": 0.5}, {"patience": 3, "cooldown": 4, "threshold": 0.1},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs"}, {"patience": 0, "min_lr": [0.01, 0.002]}, {"patience": 0, "eps": 0.02},
    {"mode": "max", "patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
]  # fmt: skip


@pytest.mark.parametrize("settings", PLATEAUS, ids=str)
def test_a_plateau_is_seen_where_pytorch_sees_it(settings: dict[str, Any]) -> None:
    mine, theirs = pair("float32", ((2,), (3,)))
    ours = optim.SGD([{"params": mine[:1]}, {"params": mine[1:], "lr": 0.03}], lr=0.2)
    other = torch.optim.SGD([{"params": theirs[:1]}, {"params": theirs[1:], "lr": 0.03}], lr=0.2)
    own = optim.ReduceLROnPlateau(ours, **settings)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **settings)
    generator = np.random.default_rng(3)
    for step in range(50):
        metric = math.nan if step == 7 else 1.0 / (1 + step // 4) + 0.1 * generator.random()
        own.step(engine.tensor(metric, dtype="float64") if step % 2 else metric)
        reference.step(metric)
        np.testing.assert_allclose(own.get_last_lr(), reference.get_last_lr(), rtol=1e-12, err_msg=str(step))


def test_averaged_weights_are_pytorchs() -> None:
    other = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3))
    mine = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    mine.load_state_dict({name: value.numpy() for name, value in other.state_dict().items()})
    average = torch.optim.swa_utils.AveragedModel(
        other, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    average.update_parameters(other)  # the first copies
    own = optim.EMA(mine, 0.9)
    for step in range(20):
        for (name, value), target in zip(other.state_dict().items(), mine.state_dict().values(), strict=True):
            if value.is_floating_point():
                drawn = values(tuple(value.shape), step, "float32")
                value.copy_(torch.tensor(drawn))
                target.array[...] = drawn
            else:
                assert name.endswith("num_batches_tracked")
        average.update_parameters(other)
        own.update()
    for name, value in average.module.state_dict().items():
        np.testing.assert_allclose(own.means[name], value.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
