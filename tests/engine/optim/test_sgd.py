"""Stochastic gradient descent: steps by hand, settings, groups, states."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, SettingError, StateError, nn, optim


def path(steps: int, **settings: Any) -> list[float]:
    """Where x goes from 1 under the gradient 2 x."""
    x = engine.tensor([1.0], dtype="float64", requires_grad=True)
    optimizer = optim.SGD([x], **settings)
    places = []
    for _ in range(steps):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
        places.append(x.item())
    return places


PATHS: list[tuple[dict[str, Any], list[float]]] = [
    ({"lr": 0.1}, [0.8, 0.64, 0.512]),
    ({"lr": 0.0}, [1.0, 1.0, 1.0]),
    ({"lr": 0.1, "momentum": 0.5}, [0.8, 0.54, 0.302]),
    ({"lr": 0.1, "momentum": 0.5, "nesterov": True}, [0.7, 0.44, 0.248]),
    ({"lr": 0.1, "momentum": 0.5, "dampening": 1.0}, [0.8, 0.7, 0.65]),
    ({"lr": 0.1, "weight_decay": 1.0}, [0.7, 0.49, 0.343]),
]


@pytest.mark.parametrize(("settings", "wanted"), PATHS, ids=str)
def test_steps_are_those_of_the_formula(settings: dict[str, Any], wanted: list[float]) -> None:
    np.testing.assert_allclose(path(3, **settings), wanted, rtol=1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_every_shape_and_dtype_steps_with_every_setting(shape: tuple[int, ...], dtype: str) -> None:
    x = engine.ones(shape, dtype=dtype, requires_grad=True)
    optimizer = optim.SGD([x], lr=0.25, momentum=0.5, weight_decay=0.5)
    for wanted in (0.625, 0.109375):
        optimizer.zero_grad()
        (x * 1.0).sum().backward()
        optimizer.step()
        assert x.dtype == dtype
        assert x.shape == shape
        np.testing.assert_allclose(x.numpy().astype(np.float64), wanted, rtol=1e-2)


def test_what_has_no_gradient_stays() -> None:
    a, b = engine.ones(2, requires_grad=True), engine.ones(2, requires_grad=True)
    optimizer = optim.SGD([a, b], lr=0.5, weight_decay=1.0)
    a.sum().backward()
    optimizer.step()
    assert a.tolist() == [0, 0]
    assert b.tolist() == [1, 1]


def test_groups_have_settings_of_their_own() -> None:
    a, b = engine.ones(1, requires_grad=True), engine.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.1}], lr=0.5)
    (a + b).sum().backward()
    optimizer.step()
    assert a.item() == 0.5
    assert b.item() == pytest.approx(0.9)
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert a.item() == 0.5
    optimizer.add_param_group({"params": [engine.ones(1, requires_grad=True)], "momentum": 0.9})
    assert [g["momentum"] for g in optimizer.param_groups] == [0.0, 0.0, 0.9]


def test_a_generator_of_parameters_is_enough() -> None:
    model = nn.Linear(3, 2)
    before = model.weight.numpy().copy()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model(engine.ones(1, 3)).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(model.weight.numpy(), before - 0.1, rtol=1e-6)


def test_a_read_only_parameter_steps_on_a_copy() -> None:
    array = np.ones(2, np.float32)
    array.flags.writeable = False
    x = nn.Parameter(array)
    (x * 1).sum().backward()
    optim.SGD([x], lr=0.5).step()
    assert x.tolist() == [0.5, 0.5]
    assert array.tolist() == [1, 1]


def test_gradients_of_shared_seeds_do_not_alias_parameters() -> None:
    x = engine.ones(2, requires_grad=True)
    (x + 0).sum().backward()
    optimizer = optim.SGD([x], lr=1.0, momentum=0.9)
    optimizer.step()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1]


# ---- states -----------------------------------------------------------------------------------------------------


def trainer() -> tuple[nn.Linear, optim.SGD]:
    engine.manual_seed(0)
    model = nn.Linear(3, 2)
    return model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(model: nn.Linear, optimizer: optim.SGD, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(engine.ones(4, 3)).square().sum().backward()
        optimizer.step()


def kept(state: dict[str, Any]) -> Any:
    """What is remembered of the first parameter."""
    (array,) = [v for v in state["state"][0].values() if getattr(v, "shape", ())]
    return np.asarray(array)


def test_training_goes_on_from_a_saved_state_as_if_never_stopped() -> None:
    model, optimizer = trainer()
    train(model, optimizer, 3)
    weights = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    saved = copy.deepcopy(optimizer.state_dict())
    train(model, optimizer, 3)
    other, second = trainer()
    other.load_state_dict(weights)
    second.load_state_dict(saved)
    train(other, second, 3)
    np.testing.assert_array_equal(other.weight.numpy(), model.weight.numpy())


def test_training_on_does_not_change_the_state_that_was_loaded() -> None:
    model, optimizer = trainer()
    train(model, optimizer, 2)
    saved = copy.deepcopy(optimizer.state_dict())
    wanted = copy.deepcopy(saved)
    other, second = trainer()
    second.load_state_dict(saved)
    train(other, second, 2)
    np.testing.assert_array_equal(kept(saved), kept(wanted))


STATES: list[Callable[[dict[str, Any]], Any]] = [
    lambda s: None,
    lambda s: {},
    lambda s: {**s, "param_groups": []},
    lambda s: {**s, "param_groups": [{**s["param_groups"][0], "params": [0]}]},
    lambda s: {**s, "state": {7: s["state"][0]}},
    lambda s: {**s, "state": {0: dict.fromkeys(s["state"][0], np.zeros(5))}},
]


@pytest.mark.parametrize("change", STATES)
def test_a_state_of_another_model_is_refused_and_nothing_changes(change: Callable[[dict[str, Any]], Any]) -> None:
    model, optimizer = trainer()
    train(model, optimizer, 2)
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    with pytest.raises(StateError, match="SGD"):
        optimizer.load_state_dict(change(state))
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    np.testing.assert_array_equal(kept(after), kept(before))


def leaf() -> engine.Tensor:
    return engine.ones(2, requires_grad=True)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: optim.SGD([], lr=0.1), ArgumentError, "no parameters"),
    (lambda: optim.SGD([leaf() * 2], lr=0.1), ArgumentError, "leaf tensors.*computed"),
    (lambda: optim.SGD([3], lr=0.1), ArgumentError, "int"),
    (lambda: optim.SGD([leaf()], lr=-1), SettingError, "lr"),
    (lambda: optim.SGD([leaf()], lr=math.nan), SettingError, "lr"),
    (lambda: optim.SGD([leaf()], lr="fast"), SettingError, "lr must be a number"),
    (lambda: optim.SGD([leaf()], momentum=-1), SettingError, "momentum"),
    (lambda: optim.SGD([leaf()], weight_decay=-1), SettingError, "weight_decay"),
    (lambda: optim.SGD([leaf()], nesterov=True), SettingError, "nesterov"),
    (lambda: optim.SGD([leaf()], nesterov=True, momentum=0.9, dampening=0.1), SettingError, "nesterov"),
    (lambda: optim.SGD([{"params": [leaf()], "beta": 1}]), ArgumentError, "'beta'"),
    (lambda: optim.SGD([{"lr": 1}]), ArgumentError, "'params'"),
    (lambda: optim.SGD([{"params": [leaf()], "lr": -1}], lr=1), SettingError, "lr"),
    (lambda: optim.SGD([t := leaf(), t]), ArgumentError, "two groups|twice"),
]


@pytest.mark.parametrize(("make", "error", "says"), REFUSED)
def test_settings_that_cannot_be_are_refused(make: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_one_tensor_is_a_list_of_one() -> None:
    x = leaf()
    assert optim.SGD(x, lr=0.1).param_groups[0]["params"] == [x]
