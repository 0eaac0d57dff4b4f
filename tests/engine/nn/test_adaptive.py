"""Softmax in clusters: probabilities that sum to one, the loss of the target's own, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn


@pytest.fixture
def layer() -> nn.AdaptiveLogSoftmaxWithLoss:
    engine.manual_seed(3)
    return nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0, head_bias=True, dtype="float64")


def test_the_names_and_shapes_are_those_of_public_checkpoints(layer: nn.Module) -> None:
    assert {name: tuple(t.shape) for name, t in layer.state_dict().items()} == {
        "head.weight": (7, 8),
        "head.bias": (7,),
        "tail.0.0.weight": (4, 8),
        "tail.0.1.weight": (5, 4),
        "tail.1.0.weight": (2, 8),
        "tail.1.1.weight": (10, 2),
    }


def test_probabilities_sum_to_one_and_the_output_is_the_targets_own(layer: nn.AdaptiveLogSoftmaxWithLoss) -> None:
    x = engine.randn(6, 8).double()
    target = engine.tensor([0, 4, 5, 9, 10, 19])
    table = layer.log_prob(x).detach().numpy()
    assert np.allclose(np.exp(table).sum(1), 1)
    output, loss = layer(x, target)
    assert np.allclose(output.detach().numpy(), table[np.arange(6), target.numpy()])
    assert np.isclose(float(loss), -output.detach().numpy().mean())
    assert (layer.predict(x).numpy() == table.argmax(1)).all()


def test_one_example_may_come_without_a_batch(layer: nn.AdaptiveLogSoftmaxWithLoss) -> None:
    x = engine.randn(8).double()
    output, _ = layer(x, engine.tensor(7))
    assert output.shape == ()
    assert np.isclose(float(output), float(layer.log_prob(x.unsqueeze(0))[0, 7]))


def test_gradients_equal_those_of_the_whole_table(layer: nn.AdaptiveLogSoftmaxWithLoss) -> None:
    x, target = engine.randn(5, 8).double(), engine.tensor([1, 6, 12, 12, 3])
    layer(x, target).loss.backward()
    found = {name: p.grad.numpy().copy() for name, p in layer.named_parameters() if p.grad is not None}
    layer.zero_grad()
    nn.functional.nll_loss(layer.log_prob(x), target).backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        assert np.allclose(found[name], parameter.grad.numpy()), name


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda _: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5]), engine.SettingError, "cutoffs must rise"),
        (lambda _: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [20]), engine.SettingError, "below n_classes 20"),
        (lambda _: nn.AdaptiveLogSoftmaxWithLoss(8, 20, []), engine.SettingError, "cutoffs"),
        (lambda _: nn.AdaptiveLogSoftmaxWithLoss(2, 20, [5, 10]), engine.SettingError, "cluster 0"),
        (lambda _: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5], div_value=0), engine.SettingError, "div_value"),
        (lambda m: m(engine.zeros(2, 7).double(), engine.tensor([1, 2])), engine.ShapeError, r"\(batch, 8\)"),
        (lambda m: m(engine.zeros(2, 8).double(), engine.tensor([1])), engine.ShapeError, "each of 2 examples"),
        (lambda m: m(engine.zeros(1, 8).double(), engine.tensor([1.0])), engine.DtypeError, "integers"),
        (lambda m: m(engine.zeros(1, 8).double(), engine.tensor([20])), engine.SettingError, "0 to 19"),
    ],
)
def test_bad_input_is_named(layer: nn.Module, call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call(layer)
