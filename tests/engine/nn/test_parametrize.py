"""Weights that are computed when they are used."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.nn.utils.parametrizations import spectral_norm, weight_norm
from numzoo.engine.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations


def test_a_weight_of_length_and_direction_is_the_same_and_trains() -> None:
    layer, x = nn.Linear(4, 3), engine.randn(5, 4)
    before = layer(x).numpy()
    assert weight_norm(layer) is layer
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {
        "bias": (3,), "parametrizations.weight.original0": (3, 1), "parametrizations.weight.original1": (3, 4),
    }  # fmt: skip
    np.testing.assert_allclose(layer(x).numpy(), before, rtol=1e-5, atol=1e-6)
    rule = optim.SGD(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        loss = (layer(x) ** 2).mean()
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(twin(x).numpy(), layer(x).numpy())
    twin.parametrizations["weight"].original0.array += 1
    assert not np.array_equal(twin(x).numpy(), layer(x).numpy())


def test_the_largest_singular_value_becomes_1() -> None:
    layer = spectral_norm(nn.Conv2d(3, 8, 3), n_power_iterations=50)
    layer(engine.randn(1, 3, 5, 5))
    assert np.linalg.svd(layer.weight.numpy().reshape(8, -1))[1][0] == pytest.approx(1, rel=1e-3)
    assert set(layer.state_dict()) == {
        "bias", "parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v",
    }  # fmt: skip
    layer.eval()
    held = layer.parametrizations["weight"].state_dict()["0._u"].numpy().copy()
    layer(engine.randn(1, 3, 5, 5))
    np.testing.assert_array_equal(layer.parametrizations["weight"].state_dict()["0._u"].numpy(), held)


def test_a_parametrization_goes_away_and_leaves_the_weight() -> None:
    layer = weight_norm(weight_norm(nn.Linear(4, 3)), "bias", None)
    value = layer.weight.numpy().copy()
    remove_parametrizations(layer, "weight")
    assert is_parametrized(layer, "bias")
    assert not is_parametrized(layer, "weight")
    np.testing.assert_array_equal(layer.weight.numpy(), value)
    remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert not is_parametrized(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


class Doubled(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2.0


class Cut(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[:1]


def test_one_follows_another() -> None:
    layer = nn.Linear(2, 2)
    before = layer.weight.numpy().copy()
    register_parametrization(layer, "weight", Doubled())
    register_parametrization(layer, "weight", Doubled())
    np.testing.assert_array_equal(layer.weight.numpy(), 4 * before)
    np.testing.assert_array_equal(
        remove_parametrizations(layer, "weight", leave_parametrized=False).weight.numpy(), before
    )


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: weight_norm(nn.Linear(2, 2), "wait"), engine.ArgumentError, "no parameter 'wait'"),
        (lambda: register_parametrization(nn.Linear(2, 2), "weight", Cut()), engine.ShapeError, "Cut"),
        (lambda: remove_parametrizations(nn.Linear(2, 2), "weight"), engine.ArgumentError, "no parametrized"),
        (
            lambda: remove_parametrizations(weight_norm(nn.Linear(2, 2)), "weight", False),
            engine.ArgumentError,
            "several",
        ),
        (lambda: spectral_norm(nn.Linear(2, 2), n_power_iterations=0), engine.SettingError, "n_power_iterations"),
        (lambda: spectral_norm(nn.Linear(2, 2), dim=2), engine.SettingError, "axis 2"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
