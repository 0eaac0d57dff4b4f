"""Random numbers that follow a tensor: shapes and dtypes, what they are like, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError, EngineError, Generator, GradientError, SettingError, ShapeError, Tensor, nn

MANY = 50_000


def test_numbers_like_a_tensor_take_its_shape_and_dtype() -> None:
    x = engine.zeros(3, 4, dtype="float64")
    for like in (engine.rand_like, engine.randn_like):
        made = like(x)
        assert (made.shape, made.dtype, made.requires_grad) == ((3, 4), engine.float64, False)
        assert like(x, dtype="float16", requires_grad=True).requires_grad
        first, second = like(x, generator=Generator(3)), like(x, generator=Generator(3))
        np.testing.assert_array_equal(first.numpy(), second.numpy())
    whole = engine.randint_like(engine.zeros(1000, dtype="int32"), 2, 5)
    assert whole.dtype == engine.int32
    assert set(whole.tolist()) == {2, 3, 4}
    assert set(engine.randint_like(engine.zeros(1000), 2).tolist()) == {0.0, 1.0}


def test_elements_are_the_parameters() -> None:
    engine.manual_seed(0)
    p = engine.tensor([0.0, 0.3, 1.0], dtype="float64")
    draws = engine.bernoulli(p.expand(MANY, 3))
    assert draws.dtype == engine.float64
    np.testing.assert_allclose(draws.numpy().mean(0), p.numpy(), atol=0.01)
    assert p.bernoulli().shape == (3,)
    assert engine.bernoulli(0.5, (2,)).shape == (2,)
    rates = engine.tensor([0.0, 2.0, 30.0])
    draws = engine.poisson(rates.expand(MANY, 3))
    assert draws.dtype == engine.float32
    np.testing.assert_allclose(draws.numpy().mean(0), rates.numpy(), rtol=0.02)
    np.testing.assert_allclose(draws.numpy().var(0), rates.numpy(), rtol=0.05)
    draws = engine.exponential(engine.tensor([0.5, 4.0]).expand(MANY, 2))
    np.testing.assert_allclose(draws.numpy().mean(0), [2, 0.25], rtol=0.03)
    means, deviations = engine.tensor([0.0, 5.0]), engine.tensor([1.0, 0.1])
    draws = engine.normal(means.expand(MANY, 2), deviations)
    np.testing.assert_allclose(draws.numpy().mean(0), means.numpy(), atol=0.02)
    np.testing.assert_allclose(draws.numpy().std(0), deviations.numpy(), rtol=0.02)
    assert engine.normal(means.double(), 1.0).dtype == engine.float64
    assert engine.normal(0.0, deviations).shape == (2,)
    assert engine.normal(0.0, 1.0, (3,)).shape == (3,)


def test_indices_by_weight() -> None:
    engine.manual_seed(0)
    weights = engine.tensor([[1.0, 0.0, 3.0], [2.0, 2.0, 0.0]])
    draws = engine.multinomial(weights, MANY, replacement=True)
    assert (draws.shape, draws.dtype) == ((2, MANY), engine.int64)
    shares = np.stack([np.bincount(row, minlength=3) / MANY for row in draws.numpy()])
    np.testing.assert_allclose(shares, [[0.25, 0, 0.75], [0.5, 0.5, 0]], atol=0.01)
    pairs = engine.multinomial(weights, 2)
    assert sorted(pairs[0].tolist()) == [0, 2]
    assert sorted(pairs[1].tolist()) == [0, 1]
    firsts = engine.multinomial(engine.tensor([1.0, 0.0, 3.0]).expand(MANY, 3), 2).numpy()
    assert (np.sort(firsts, 1) == [0, 2]).all()
    np.testing.assert_allclose((firsts[:, 0] == 2).mean(), 0.75, atol=0.01)
    assert engine.tensor([0.0, 1.0]).multinomial(3, replacement=True).tolist() == [1, 1, 1]
    assert engine.multinomial(weights[:0], 2).shape == (0, 2)
    assert engine.multinomial(weights[:0], 2, replacement=True).shape == (0, 2)


WRITTEN: list[tuple[Callable[[Tensor], Tensor], float, float]] = [
    (lambda x: x.normal_(3.0, 2.0), 3, 2),
    (lambda x: x.uniform_(-1.0, 3.0), 1, 4 / 12**0.5),
    (lambda x: x.exponential_(4.0), 0.25, 0.25),
    (lambda x: x.bernoulli_(0.2), 0.2, 0.4),
    (lambda x: x.random_(0, 2), 0.5, 0.5),
    (lambda x: x.random_(2), 0.5, 0.5),
]


@pytest.mark.parametrize(("write", "mean", "deviation"), WRITTEN)
def test_numbers_are_written_into_a_tensor(write: Callable[[Tensor], Tensor], mean: float, deviation: float) -> None:
    engine.manual_seed(0)
    for dtype in ("float32", "float16"):
        x = engine.zeros(MANY, dtype=dtype)
        array = x.array
        assert write(x) is x
        assert x.array is array
        np.testing.assert_allclose(x.double().numpy().mean(), mean, atol=0.05)
        np.testing.assert_allclose(x.double().numpy().std(), deviation, rtol=0.05)
    weight = nn.Linear(3, 2).weight
    with engine.no_grad():
        write(weight)
    out = (weight * 2 * weight).sum()
    with engine.no_grad():
        write(weight)
    with pytest.raises(GradientError, match="written to"):
        out.backward()


REFUSED: list[tuple[Callable[[], Any], type[EngineError], str]] = [
    (lambda: engine.rand_like(engine.zeros(2, dtype="int64")), DtypeError, "randint"),
    (lambda: engine.bernoulli(engine.tensor([0.5, 1.5])), SettingError, r"between 0 and 1.*1\.5"),
    (lambda: engine.bernoulli(engine.tensor([1, 0])), DtypeError, "float"),
    (lambda: engine.poisson(engine.tensor([-1.0])), SettingError, "at least 0.*-1"),
    (lambda: engine.poisson(engine.tensor([float("nan")])), SettingError, "nan"),
    (lambda: engine.exponential(engine.tensor([0.0])), SettingError, "above 0"),
    (lambda: engine.normal(engine.zeros(2), -1.0), SettingError, "at least 0.*-1"),
    (lambda: engine.normal(engine.zeros(2), engine.ones(3)), ShapeError, "broadcast"),
    (lambda: engine.multinomial(engine.ones(2, 2, 2), 1), ShapeError, r"\(2, 2, 2\)"),
    (lambda: engine.multinomial(engine.ones(3), 0), SettingError, "num_samples"),
    (lambda: engine.multinomial(engine.ones(3), 4), SettingError, "replacement=True"),
    (lambda: engine.multinomial(engine.zeros(3), 1, replacement=True), SettingError, "has 0"),
    (lambda: engine.multinomial(engine.tensor([1.0, -1.0]), 1), SettingError, "at least 0.*-1"),
    (lambda: engine.zeros(2).normal_(0.0, -1.0), SettingError, "std"),
    (lambda: engine.zeros(2).uniform_(1.0, 0.0), SettingError, "above"),
    (lambda: engine.zeros(2).exponential_(0.0), SettingError, "rate"),
    (lambda: engine.zeros(2).bernoulli_(2.0), SettingError, "probability"),
    (lambda: engine.zeros(2).random_(0), SettingError, "whole numbers"),
    (lambda: engine.zeros(2, dtype="int64").normal_(), DtypeError, "int64"),
    (lambda: engine.zeros(2, requires_grad=True).normal_(), GradientError, "no_grad"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_what_cannot_be_drawn_is_refused(act: Callable[[], Any], error: type[EngineError], says: str) -> None:
    with pytest.raises(error, match=says):
        act()
