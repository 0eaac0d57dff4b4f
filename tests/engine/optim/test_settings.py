"""What optimisers refuse, and how they say it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.errors import ArgumentError, DtypeError, SettingError, ShapeError, StateError

INF, NAN = float("inf"), float("nan")

# optimiser -> setting -> values out of range, and the range that the message names
REFUSED: dict[str, dict[str, tuple[list[Any], str]]] = {
    "SGD": {"momentum": ([-0.1, NAN, INF], "[0, inf)"), "dampening": ([NAN, "x", INF], "(-inf, inf)"), "nesterov": ([1, "yes", True], "")},
    "Adam": {
        "betas": ([(-0.1, 0.9), (1.0, 0.9), (0.9, 1.0), (0.9, NAN), 0.9, (0.9,), (0.9, 0.9, 0.9), "ab", None], "[0, 1)"),
        "eps": ([-1e-8, NAN, INF, None], "[0, inf)"), "amsgrad": ([1, None], "True or False"), "maximize": ([2, "no"], "True or False"),
    },
    "AdamW": {"betas": ([(0.9, 1.5)], "[0, 1)"), "eps": ([-1], "[0, inf)")},
    "Adagrad": {name: ([-1, NAN, INF], "[0, inf)") for name in ("lr_decay", "initial_accumulator_value", "eps")},
    "RMSprop": {"alpha": ([-0.1, 1.0, NAN], "[0, 1)"), "eps": ([-1], "[0, inf)"), "momentum": ([-1, INF], "[0, inf)"), "centered": ([1], "True or False")},
    "Adamax": {"betas": ([(1.0, 0.9)], "[0, 1)"), "eps": ([-1, NAN], "[0, inf)")},
    "NAdam": {"betas": ([(1.0, 0.9)], "[0, 1)"), "momentum_decay": ([-1, NAN], "[0, inf)"), "decoupled_weight_decay": ([1], "True or False")},
    "RAdam": {"betas": ([(1.0, 0.9)], "[0, 1)"), "eps": ([-1, NAN], "[0, inf)"), "decoupled_weight_decay": ([1], "True or False")},
    "Adadelta": {"rho": ([-0.1, 1.1, NAN], "[0, 1]"), "eps": ([-1, NAN], "[0, inf)")},
    "Lion": {"betas": ([(-0.1, 0.9), (0.9, 1.1), (NAN, 0.5)], "[0, 1]")},
    "LAMB": {"betas": ([(1.0, 0.9)], "[0, 1)"), "eps": ([-1, NAN], "[0, inf)"), "adapt": ([None], "True or False")},
    "Adafactor": {
        "beta2_decay": ([0.1, NAN, -INF], "(-inf, 0]"), "d": ([0.5, NAN, INF], "[1, inf)"), "eps": ([(None, None), (-1, 0), (0, -1), 1e-3], "[0, inf)"),
    },
}  # fmt: skip
for table in REFUSED.values():
    table["lr"] = ([-1e-3, NAN, INF, -INF, "fast", None, True, 1j], "[0, inf)")
    table["weight_decay"] = ([-1e-3, NAN, INF, "much"], "[0, inf)")
REFUSED["Adadelta"]["lr"][0].remove(True)  # which is no other number than the rate that it has, 1.0
CASES = [(o, n, v, r) for o, t in REFUSED.items() for n, (values, r) in t.items() for v in values]


def weights() -> nn.Parameter:
    return nn.Parameter(np.ones((2, 3), np.float32))


@pytest.mark.parametrize(("name", "setting", "value", "allowed"), CASES, ids=str)
def test_a_setting_out_of_range_is_refused_with_its_range(name: str, setting: str, value: Any, allowed: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: ") as caught:
        getattr(optim, name)([weights()], **{setting: value})
    message = str(caught.value)
    assert setting in message
    assert allowed in message
    # The same in a group of its own, by hand later, and from a saved state.
    with pytest.raises(SettingError, match=f"^{name}: "):
        getattr(optim, name)([{"params": [weights()], setting: value}])
    parameter = weights()
    optimizer = getattr(optim, name)([parameter])
    saved = optimizer.state_dict()
    saved["param_groups"][0][setting] = value
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(SettingError, match=f"^{name}: "):
        optimizer.load_state_dict(saved)
    assert optimizer.state_dict() == before
    optimizer.step()
    optimizer.param_groups[0][setting] = value
    parameter.grad = engine.ones(2, 3)
    with pytest.raises(SettingError, match=f"^{name}: "):
        optimizer.step()
    np.testing.assert_array_equal(parameter.numpy(), 1)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ([], ArgumentError, "no parameters to train"),
        (nn.Linear(2, 2), ArgumentError, r"pass model.parameters\(\)"),
        (5, ArgumentError, "not a int"),
        ({"params": []}, ArgumentError, "not a dict"),
        ({1.0, 2.0}, ArgumentError, "no order"),
        (["weight"], ArgumentError, "was given a str"),
        ([np.ones(2)], ArgumentError, "was given a ndarray"),
        ([weights() * 2], ArgumentError, "a computed tensor"),
        ([engine.tensor([1, 2])], DtypeError, "int64"),
        ([{"parameters": []}], ArgumentError, "a dictionary with 'params'"),
        ([{"params": [weights()], "learning_rate": 1}], ArgumentError, "no setting 'learning_rate'; it takes lr"),
        ([{"params": [weights()], "name": 5}], SettingError, "name of a group"),
        ([{"params": [weights()]}, weights()], ArgumentError, "a group is a dictionary"),
        ([weights()] * 2, ArgumentError, "given twice"),
    ],
    ids=str,
)
def test_what_is_no_list_of_parameters_is_refused(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        optim.Adam(given)
    assert str(caught.value).startswith("Adam: ")


def test_a_parameter_of_two_groups_is_refused() -> None:
    parameter = weights()
    optimizer = optim.SGD([parameter])
    with pytest.raises(ArgumentError, match=r"shape \(2, 3\) is given twice"):
        optimizer.add_param_group({"params": parameter})


def test_adafactor_refuses_complex_parameters() -> None:
    with pytest.raises(DtypeError, match=r"Adafactor: .*complex64"):
        optim.Adafactor([nn.Parameter(np.ones(2, np.complex64))])


@pytest.mark.parametrize(
    ("gradient", "error", "text"),
    [
        (engine.ones(3, 2), ShapeError, r"shape \(2, 3\) has a gradient of shape \(3, 2\)"),
        (engine.ones(()), ShapeError, r"gradient of shape \(\)"),
        (np.ones((2, 3)), ArgumentError, "a dense tensor of its parameter's shape, not a ndarray"),
        (engine.ones(2, 3, dtype="complex64"), DtypeError, "float32 has a gradient of complex64"),
    ],
    ids=str,
)
def test_a_gradient_that_does_not_fit_is_refused_before_anything_changes(gradient: Any, error: Any, text: str) -> None:
    first, second = weights(), weights()
    first.grad = engine.ones(2, 3)
    second.grad = gradient
    with pytest.raises(error, match=text):
        optim.Adam([{"params": [first]}, {"params": [second]}]).step()
    np.testing.assert_array_equal(first.numpy(), 1)


def test_a_gradient_of_another_dtype_is_cast() -> None:
    parameter = weights()
    parameter.grad = engine.ones(2, 3, dtype="float64")
    optim.SGD([parameter], lr=0.5).step()
    assert parameter.dtype == np.float32
    np.testing.assert_array_equal(parameter.numpy(), 0.5)


def test_numpys_numbers_are_settings_too() -> None:
    optimizer = optim.Adam([weights()], lr=np.float32(0.5), betas=[np.float64(0.5), 0.75])  # type: ignore[arg-type]
    group = optimizer.state_dict()["param_groups"][0]
    assert type(group["lr"]) is float
    assert group["betas"] == (0.5, 0.75)


def test_the_printed_form_says_how_much_is_trained() -> None:
    text = repr(optim.Adam([weights(), weights()], lr=0.5))
    assert "2 parameters of 12 numbers: lr=0.5" in text


# ---- saved states -----------------------------------------------------------------------------------------------


def adam_after_a_step() -> Any:
    parameters = [weights(), weights()]
    optimizer = optim.Adam([{"params": parameters[:1]}, {"params": parameters[1:]}])
    for parameter in parameters:
        parameter.grad = engine.ones(2, 3)
    optimizer.step()
    return optimizer


def without(state: Any, *path: Any) -> Any:
    place = state
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return state


def changed(state: Any, value: Any, *path: Any) -> Any:
    place = state
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return state


SGD_STATE = optim.SGD([{"params": [weights()]}, {"params": [weights()]}]).state_dict()
DAMAGES: dict[str, Any] = {
    "has 'state' and 'param_groups'": lambda s: [None, 5, {}, without(s, "state")],
    "'param_groups' is a list": lambda s: [changed(s, {}, "param_groups"), changed(s, [5, 6], "param_groups"), changed(s, [{}, {}], "param_groups")],
    "groups of": lambda s: [changed(s, s["param_groups"][:1], "param_groups"), changed(s, [0, 1], "param_groups", 0, "params")],
    "has the setting 'momentum': it is not a state of Adam": lambda s: [SGD_STATE],
    "lacks the setting 'eps'": lambda s: [without(s, "param_groups", 0, "eps")],
    "'state' maps": lambda s: [changed(s, [], "state")],
    "must map names": lambda s: [changed(s, [], "state", 1)],
    "lacks 'exp_avg'": lambda s: [without(s, "state", 1, "exp_avg")],
    "lacks 'step'": lambda s: [without(s, "state", 1, "step")],
    "has 'velocity', which Adam does not keep": lambda s: [changed(s, np.ones((2, 3)), "state", 1, "velocity")],
    "'exp_avg' must be an array of shape": lambda s: [changed(s, np.ones((3, 2), np.float32), "state", 1, "exp_avg")],
    "must be an array of shape .2, 3., not float": lambda s: [changed(s, 1.0, "state", 1, "exp_avg")],
    "is of complex64, which float32 cannot hold": lambda s: [changed(s, np.ones((2, 3), np.complex64), "state", 1, "exp_avg")],
    "is of int64": lambda s: [changed(s, np.ones((2, 3), np.int64), "state", 1, "exp_avg")],
}  # fmt: skip


@pytest.mark.parametrize("text", DAMAGES)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(text: str) -> None:
    optimizer = adam_after_a_step()
    for damaged in DAMAGES[text](copy.deepcopy(optimizer.state_dict())):
        before = copy.deepcopy(optimizer.state_dict())
        with pytest.raises(StateError, match=text):
            optimizer.load_state_dict(damaged)
        after = optimizer.state_dict()
        assert after["param_groups"] == before["param_groups"]
        for number, state in before["state"].items():
            for name, value in state.items():
                np.testing.assert_array_equal(after["state"][number][name], value)


@pytest.mark.parametrize("step", ["x", -1, 1.5, NAN, [1], np.ones(2)])
def test_a_count_that_is_none_is_refused(step: Any) -> None:
    optimizer = adam_after_a_step()
    with pytest.raises(StateError, match="'step' must be a whole number from 0"):
        optimizer.load_state_dict(changed(optimizer.state_dict(), step, "state", 1, "step"))


@pytest.mark.parametrize("number", [2, -1, "a", 0.5, True])
def test_a_state_of_no_parameter_is_refused(number: Any) -> None:
    optimizer = adam_after_a_step()
    state = optimizer.state_dict()
    state["state"][number] = state["state"].pop(0) if number is not True else state["state"].pop(1)
    with pytest.raises(StateError, match="but this optimiser has 2"):
        optimizer.load_state_dict(state)


# ---- masks ------------------------------------------------------------------------------------------------------


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("settings", "decayed"),
    [
        ({}, ["0.weight", "2.weight"]),
        ({"without": ["2.*"]}, ["0.weight"]),
        ({"without": "*.weight"}, []),
        ({"without": lambda name, parameter: parameter.shape == (8, 4)}, ["2.weight"]),
        ({"fewest_axes": 1, "without": ["*.bias"]}, ["0.weight", "1.weight", "2.weight"]),
        ({"fewest_axes": 0}, ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]),
    ],
    ids=str,
)
def test_weight_decay_is_for_what_the_mask_leaves(settings: dict[str, Any], decayed: list[str]) -> None:
    net = model()
    groups = optim.decay_groups(net, 0.1, lr=0.5, **settings)
    names = {id(p): name for name, p in net.named_parameters()}
    assert [names[id(p)] for p in groups[0]["params"]] == decayed
    assert len(groups[0]["params"]) + len(groups[1]["params"]) == 6
    optimizer = optim.AdamW(groups)
    assert [(g["weight_decay"], g["lr"]) for g in optimizer.param_groups] == [(0.1, 0.5), (0.0, 0.5)]


@pytest.mark.parametrize(
    ("given", "settings", "error", "text"),
    [
        (5, {}, ArgumentError, "named_parameters"),
        (model(), {"weight_decay": -1.0}, SettingError, "weight_decay"),
        (model(), {"without": ["0.wieght"]}, ArgumentError, "no parameter fits '0.wieght'; names are such as 0.weight"),
        (model(), {"without": [5]}, ArgumentError, "no parameter fits 5"),
        (model(), {"fewest_axes": 1.5}, SettingError, "fewest_axes"),
    ],
    ids=str,
)
def test_a_mask_that_cannot_be_meant_is_refused(given: Any, settings: dict[str, Any], error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        optim.decay_groups(given, **{"weight_decay": 0.1, **settings})
