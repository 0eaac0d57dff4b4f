"""Embedding layers: their state, padding, lengths, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn

F = nn.functional


def test_the_padding_row_is_zero_and_stays() -> None:
    layer = nn.Embedding(5, 4, padding_idx=-2)
    assert layer.padding_idx == 3
    assert not layer.weight.numpy()[3].any()
    assert layer.weight.numpy()[[0, 1, 2, 4]].all()
    layer(engine.tensor([[3, 1], [3, 3]])).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.numpy().sum(1).tolist() == [0, 4, 0, 0, 0]
    assert repr(layer) == "Embedding(5, 4, padding_idx=3)"
    assert list(layer.state_dict()) == ["weight"]


def test_long_rows_are_shortened_in_place_before_they_are_used() -> None:
    weight = engine.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    out = F.embedding(engine.tensor([0, 1]), weight, max_norm=1.0)
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(weight.numpy(), [[0.6, 0.8], [0.3, 0.4], [6, 8]], rtol=1e-6)
    np.testing.assert_allclose(F.embedding(engine.tensor([2]), weight, max_norm=4.0, norm_type=1.0).numpy().sum(), 4)
    np.testing.assert_allclose(F.embedding(engine.tensor([2]), weight, max_norm=1.0, norm_type=np.inf).numpy().max(), 1)


def test_given_vectors_are_frozen_unless_said_otherwise() -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    assert layer(engine.tensor([2])).tolist() == [[4.0, 5.0]]
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    bag = nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert bag(engine.tensor([0, 1, 2]), engine.tensor([0, 2])).tolist() == [[2.0, 4.0], [4.0, 5.0]]


def test_an_empty_bag_is_zero_in_every_mode() -> None:
    engine.manual_seed(0)  # by some weights one row has every maximum, and the other no gradient
    for mode in ("sum", "mean", "max"):
        engine.manual_seed(0)  # which row holds the largest is drawn
        layer = nn.EmbeddingBag(4, 3, mode=mode, padding_idx=0)
        out = layer(engine.tensor([1, 2, 0, 0]), engine.tensor([0, 0, 2]))
        assert not out.numpy()[[0, 2]].any()
        out.sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.numpy().any(1).tolist() == [False, True, True, False]
        assert not layer(engine.zeros(0, dtype="int64"), engine.zeros(2, dtype="int64")).numpy().any()


def test_the_gradient_of_many_rows_is_their_sum() -> None:
    generator = np.random.default_rng(0)
    for width in (3, 100):
        index = generator.integers(0, 50, (40, 30))
        weight = engine.zeros((60, width), requires_grad=True)
        flow = generator.standard_normal((40, 30, width)).astype(np.float32)
        F.embedding(engine.Tensor(index), weight).backward(engine.Tensor(flow))
        wanted = np.zeros((60, width))
        np.add.at(wanted, index, flow)
        assert weight.grad is not None
        np.testing.assert_allclose(weight.grad.numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_bags_weigh_rows_by_frequency_as_single_vectors_do() -> None:
    numbers = engine.tensor([[1, 1, 0], [1, 2, 0]])
    table = engine.zeros((3, 2), requires_grad=True)
    F.embedding_bag(numbers, table, mode="sum", scale_grad_by_freq=True).sum().backward()
    assert table.grad is not None
    np.testing.assert_allclose(table.grad.numpy(), np.ones((3, 2)), rtol=1e-6)


W = engine.zeros((3, 2))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: F.embedding(engine.tensor([3]), W), engine.ShapeError, "row 3 .* 0 to 2"),
        (lambda: F.embedding(engine.tensor([-1]), W), engine.ShapeError, "row -1"),
        (lambda: F.embedding(engine.tensor([1.0]), W), engine.DtypeError, "integers"),
        (lambda: F.embedding(engine.tensor([1]), engine.zeros(3)), engine.ShapeError, "width"),
        (lambda: F.embedding(engine.tensor([1]), W, padding_idx=3), engine.SettingError, "none of the 3"),
        (lambda: F.embedding(engine.tensor([1]), W, max_norm=0.0), engine.SettingError, "max_norm"),
        (lambda: F.embedding(engine.tensor([1]), (engine.ones((3, 2), requires_grad=True) * 2.0), max_norm=1.0), engine.GradientError, "writes"),
        (lambda: F.embedding_bag(engine.tensor([1]), W), engine.ShapeError, "offsets"),
        (lambda: F.embedding_bag(engine.tensor([[1]]), W, engine.tensor([0])), engine.ArgumentError, "leave offsets out"),
        (lambda: F.embedding_bag(engine.tensor([1]), W, engine.tensor([0.0])), engine.DtypeError, "integers"),
        (lambda: F.embedding_bag(engine.tensor([1]), W, engine.tensor([1])), engine.ShapeError, "begin with 0"),
        (lambda: F.embedding_bag(engine.tensor([1]), W, engine.tensor([0, 2])), engine.ShapeError, "begin with 0"),
        (lambda: F.embedding_bag(engine.tensor([1]), W, engine.tensor([0, 2]), include_last_offset=True), engine.ShapeError, "ends at 2"),
        (lambda: F.embedding_bag(engine.tensor([[1]]), W, mode="median"), engine.SettingError, "median"),
        (lambda: F.embedding_bag(engine.tensor([[1]]), W, mode="max", scale_grad_by_freq=True), engine.SettingError, "maximum"),
        (lambda: F.embedding_bag(engine.tensor([[1]]), W, mode="mean", per_sample_weights=engine.ones((1, 1))), engine.SettingError, "sum"),
        (lambda: nn.Embedding(3, 2, _weight=engine.zeros((2, 3))), engine.ShapeError, "shape"),
        (lambda: nn.Embedding(-1, 2), engine.SettingError, "num_embeddings"),
        (lambda: nn.EmbeddingBag(3, 2, mode="median"), engine.SettingError, "mode"),
        (lambda: nn.Embedding.from_pretrained([1.0]), engine.ShapeError, "width"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
