"""Averaged weights: what is averaged, swapped in and out, saved and refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.errors import ArgumentError, SettingError, StateError


def model(dtype: str = "float32") -> nn.Module:
    engine.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3)).to(dtype=dtype)


def values(net: Any) -> dict[str, Any]:
    return {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}


def move(net: Any, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for tensor in net.state_dict().values():
        tensor.array[...] = np.asarray(generator.standard_normal(tensor.shape) * 3).astype(tensor.dtype)


def assert_same(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert given.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(given[name], value, err_msg=name)


@pytest.mark.parametrize(("warm_up", "buffers"), [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_every_number_follows_the_formula(dtype: str, warm_up: bool, buffers: bool) -> None:
    net = model(dtype)
    average = optim.EMA(net, 0.8, warm_up=warm_up, buffers=buffers)
    wanted = {name: value.astype(float) for name, value in values(net).items()}
    for step in range(1, 8):
        move(net, step)
        average.update()
        decay = min(0.8, (1 + step) / (10 + step)) if warm_up else 0.8
        for name, value in values(net).items():
            is_copied = "num_batches" in name or ("running" in name and not buffers)
            wanted[name] = (
                value.astype(float) if is_copied else decay * wanted[name] + (1 - decay) * value.astype(float)
            )
    assert average.updates == 7
    for name, mean in average.means.items():
        np.testing.assert_allclose(mean.astype(float), wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert average.means["0.weight"].dtype == ("float64" if dtype == "float64" else "float32")


def test_the_means_are_in_the_model_inside_and_its_own_weights_after() -> None:
    net = model()
    average = optim.EMA(net, 0.5)
    x = engine.tensor(np.random.default_rng(0).standard_normal((2, 2, 4, 4)).astype(np.float32))
    net.eval()
    move(net, 1)
    for tensor in net.buffers():
        tensor.array[...] = np.abs(tensor.array)
    average.update()
    before, arrays = values(net), [p.array for p in net.parameters()]
    outside = net(x).numpy().copy()
    twin = copy.deepcopy(net)
    average.copy_to(twin)
    with average.swapped() as inside:
        assert inside is net
        assert_same(values(net), average.means)
        np.testing.assert_allclose(net(x).numpy(), twin(x).numpy(), rtol=1e-5, atol=1e-6)
    assert_same(values(net), before)
    assert all(p.array is array for p, array in zip(net.parameters(), arrays, strict=True))
    np.testing.assert_array_equal(net(x).numpy(), outside)


def test_a_second_look_sees_the_new_means_and_not_what_a_kernel_kept() -> None:
    layer = nn.Linear(64, 64)
    average = optim.EMA(layer, 0.0)
    x = engine.ones(32, 64)
    for seed in range(3):
        move(layer, seed)
        average.update()
        with average.swapped():
            wanted = x.numpy() @ layer.weight.numpy().T + layer.bias.numpy()
            for _ in range(2):
                np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_an_error_inside_brings_the_weights_back() -> None:
    net = model()
    average = optim.EMA(net, 0.5)
    move(net, 1)
    before = values(net)
    with pytest.raises(ZeroDivisionError), average.swapped():
        raise ZeroDivisionError
    assert_same(values(net), before)
    average.update()


def test_what_happens_inside_does_not_reach_the_means() -> None:
    net = model()
    average = optim.EMA(net, 0.5)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    before, means = values(net), copy.deepcopy(average.means)
    with average.swapped():
        net.train()
        net(engine.ones(2, 2, 4, 4)).sum().backward()
        optimizer.step()
        net.load_state_dict(values(model()))
    assert_same(average.means, means)
    assert_same(values(net), before)


def test_training_between_looks_goes_on_as_without_them() -> None:
    def run(look: bool) -> dict[str, Any]:
        net = model()
        average = optim.EMA(net, 0.9)
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        for _ in range(6):
            optimizer.zero_grad()
            net(engine.ones(2, 2, 4, 4)).square().sum().backward()
            optimizer.step()
            average.update()
            if look:
                with average.swapped(), engine.no_grad():
                    net.eval()
                    net(engine.ones(1, 2, 4, 4))
                    net.train()
        return values(net)

    assert_same(run(True), run(False))


def test_a_tied_weight_is_averaged_once() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    average = optim.EMA(net, 0.5)
    assert sorted(average.means) == ["0.bias", "0.weight", "1.bias"]
    net[0].weight.array[...] += 1
    average.update()
    average.copy_to(net)
    np.testing.assert_array_equal(net[1].weight.numpy(), average.means["0.weight"])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_resumed_average_ends_at_the_same_bits(dtype: str) -> None:
    net = model(dtype)
    average = optim.EMA(net, 0.9, warm_up=True)
    for step in range(3):
        move(net, step)
        average.update()
    saved = average.state_dict()
    resumed = optim.EMA(model(dtype), 0.5)
    resumed.load_state_dict(saved)
    resumed.model = net
    for step in range(3, 6):
        move(net, step)
        average.update()
        resumed.update()
    assert_same(resumed.means, average.means)
    assert (resumed.updates, resumed.decay, resumed.warm_up) == (6, 0.9, True)
    assert saved["updates"] == 3


def test_a_model_that_changed_its_dtype_is_averaged_on() -> None:
    net = model()
    average = optim.EMA(net, 0.5)
    net.to(dtype="float64")
    average.update()
    with average.swapped():
        assert net[0].weight.dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: optim.EMA(5), ArgumentError, "wants a model, not a int"),
        (lambda: optim.EMA(model(), 1.5), SettingError, r"decay must be a number in \[0, 1\], not 1.5"),
        (lambda: optim.EMA(model(), -0.1), SettingError, "decay"),
        (lambda: optim.EMA(model(), warm_up=1), SettingError, "warm_up"),
        (lambda: optim.EMA(model(), buffers=None), SettingError, "buffers"),  # type: ignore[arg-type]
    ],
)
def test_a_setting_out_of_range_is_refused(call: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_no_update_or_second_swap_inside() -> None:
    average = optim.EMA(model())
    for call in (
        average.update,
        lambda: average.swapped().__enter__(),
        lambda: average.copy_to(average.model),
        lambda: average.load_state_dict({}),
    ):
        with average.swapped(), pytest.raises(SettingError, match=r"inside swapped\(\)"):
            call()


def test_a_model_with_other_parts_than_before_is_refused() -> None:
    net = model()
    average = optim.EMA(net)
    net[3] = nn.Linear(16, 5)
    for call in (average.update, lambda: average.swapped().__enter__()):
        with pytest.raises(StateError, match=r"'3.weight' is no longer what it was"):
            call()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: None, "a state has"),
        (lambda s: {**s, "extra": 1}, "a state has"),
        (lambda s: {**s, "means": 5}, "a state has"),
        (lambda s: {**s, "updates": -1}, "'updates'"),
        (lambda s: {**s, "means": {**s["means"], "x": np.ones(1)}}, "only the state has 'x'"),
        (
            lambda s: {**s, "means": {k: v for k, v in s["means"].items() if k != "0.bias"}},
            "only the model has '0.bias'",
        ),
        (
            lambda s: {**s, "means": {**s["means"], "0.bias": np.ones(9)}},
            r"'0.bias' of the state must be float32 \(4,\)",
        ),
        (lambda s: {**s, "means": {**s["means"], "0.bias": [1.0]}}, "not list"),
        (lambda s: {**s, "means": {**s["means"], "0.bias": np.ones(4, int)}}, "not int64"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(change: Any, text: str) -> None:
    average = optim.EMA(model())
    before = average.state_dict()
    with pytest.raises(StateError, match=text):
        average.load_state_dict(change(average.state_dict()))
    assert_same(average.means, before["means"])
