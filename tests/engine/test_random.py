"""Random numbers: the same seed gives the same, whatever else happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError, SettingError, ShapeError, nn

DRAWS: list[tuple[str, Callable[[], Any]]] = [
    ("rand", lambda: engine.rand(3, 4)), ("randn", lambda: engine.randn((3, 4), dtype="float64")), ("uniform", lambda: engine.uniform(-1, 2, (5,))),
    ("normal", lambda: engine.normal(1, 2, (5,))), ("randint", lambda: engine.randint(0, 100, (5,))), ("randperm", lambda: engine.randperm(20)),
    ("bernoulli", lambda: engine.bernoulli(0.5, (30,))), ("dropout", lambda: nn.functional.dropout(engine.ones(50))),
    ("linear", lambda: nn.Linear(4, 3).weight), ("stochastic depth", lambda: nn.functional.stochastic_depth(engine.ones(50, 1), 0.5)),
]  # fmt: skip


@pytest.mark.parametrize("draw", [d for _, d in DRAWS], ids=[n for n, _ in DRAWS])
def test_a_seed_gives_the_same_numbers_again(draw: Callable[[], Any]) -> None:
    engine.manual_seed(7)
    first, second = draw().numpy().copy(), draw().numpy().copy()
    engine.manual_seed(7)
    np.testing.assert_array_equal(draw().numpy(), first)
    np.testing.assert_array_equal(draw().numpy(), second)
    engine.manual_seed(8)
    assert (draw().numpy() != first).any()
    assert (first != second).any()


def test_a_generator_of_its_own_leaves_the_default_one_alone() -> None:
    engine.manual_seed(1)
    wanted = engine.rand(4).tolist()
    engine.manual_seed(1)
    own = engine.Generator(5)
    a = engine.rand(3, generator=own).tolist()
    assert engine.rand(4).tolist() == wanted
    assert engine.rand(3, generator=engine.Generator(5)).tolist() == a
    assert engine.rand(3, generator=own.manual_seed(5)).tolist() == a


def test_a_state_can_be_kept_and_gone_on_from() -> None:
    generator = engine.Generator(3)
    generator.split()
    engine.rand(5, generator=generator)
    state = generator.get_state()
    wanted, split = engine.rand(5, generator=generator).tolist(), generator.split()
    other = engine.Generator(99)
    other.set_state(state)
    assert engine.rand(5, generator=other).tolist() == wanted
    assert other.split() == split


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(16, 3),
        nn.LayerNorm(3),
        nn.MultiheadAttention(4, 2),
    )


def test_two_models_of_one_seed_are_equal() -> None:
    engine.manual_seed(0)
    first = network()
    engine.manual_seed(0)
    second = network()
    for (name, a), (other, b) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_parameters_do_not_depend_on_the_order_of_their_first_use() -> None:
    engine.manual_seed(0)
    first = network()
    engine.manual_seed(0)
    second = network()
    engine.rand(100)  # nor on what is drawn in between
    wanted = {name: value.numpy().copy() for name, value in first.state_dict().items()}
    for name, value in reversed(second.state_dict().items()):
        np.testing.assert_array_equal(value.numpy(), wanted[name])


def test_parameters_of_one_shape_differ() -> None:
    a, b = nn.Linear(4, 4).weight, nn.Linear(4, 4).weight
    assert (a.numpy() != b.numpy()).all()


def test_threads_that_use_a_parameter_first_get_one_array() -> None:
    for _ in range(20):
        layer = nn.Linear(64, 64)
        seen: list[int] = []
        start = threading.Barrier(4)

        def work(layer: nn.Linear = layer, seen: list[int] = seen, start: threading.Barrier = start) -> None:
            start.wait()
            seen.append(id(layer.weight.array))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(seen)) == 1


def test_the_distributions_are_what_they_say() -> None:
    generator = engine.Generator(0)
    n = 20_000
    rand, randn = engine.rand(n, generator=generator).numpy(), engine.randn(n, generator=generator).numpy()
    assert 0 <= rand.min() < rand.max() < 1
    assert abs(rand.mean() - 0.5) < 0.01
    assert abs(randn.mean()) < 0.03
    assert abs(randn.std() - 1) < 0.03
    whole = engine.randint(-2, 3, (n,), generator=generator).numpy()
    assert set(whole.tolist()) == {-2, -1, 0, 1, 2}
    assert abs(engine.bernoulli(0.3, (n,), generator=generator).mean().item() - 0.3) < 0.02
    assert sorted(engine.randperm(50, generator=generator).tolist()) == list(range(50))
    shifted = engine.normal(3, 0.5, (n,), generator=generator)
    assert abs(shifted.mean().item() - 3) < 0.02
    assert abs(shifted.std().item() - 0.5) < 0.02
    assert engine.rand(dtype="float16").shape == ()


def test_dropout_keeps_the_mean_and_scales_what_it_keeps() -> None:
    engine.manual_seed(0)
    x = engine.ones(100, 200, requires_grad=True)
    out = nn.functional.dropout(x, 0.25)
    np.testing.assert_allclose(np.unique(out.numpy()), [0, 4 / 3], rtol=1e-6)
    assert abs(out.mean().item() - 1) < 0.02
    out.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())
    assert nn.functional.dropout(x, 0.25, training=False) is x
    assert nn.functional.dropout(x, 0.0) is x
    assert not nn.functional.dropout(x, 1.0).any()
    rows = nn.functional.stochastic_depth(x, 0.5).numpy()
    assert ((rows == 0).all(1) | (rows == 2).all(1)).all()
    assert len(np.unique(nn.functional.stochastic_depth(x, 0.5, "batch").numpy())) == 1
    assert nn.functional.dropout(engine.ones(()), 0.5).item() in (0, 2)


REFUSED: list[tuple[Callable[[], Any], type[Exception]]] = [
    (lambda: engine.manual_seed(-1), SettingError),
    (lambda: engine.manual_seed("1"), SettingError),
    (lambda: engine.manual_seed(True), SettingError),
    (lambda: engine.manual_seed(1.5), SettingError),
    (lambda: engine.Generator(-1), SettingError),
    (lambda: engine.Generator("a"), SettingError),
    (lambda: engine.rand(-1), ShapeError),
    (lambda: engine.randn(1.5), ShapeError),
    (lambda: engine.rand("3"), ShapeError),
    (lambda: engine.rand(3, dtype="int64"), DtypeError),
    (lambda: engine.randn(3, dtype="bool"), DtypeError),
    (lambda: engine.uniform(1, 0, (2,)), SettingError),
    (lambda: engine.uniform(0, float("nan"), (2,)), SettingError),
    (lambda: engine.normal(0, -1, (2,)), SettingError),
    (lambda: engine.normal(0, float("nan"), (2,)), SettingError),
    (lambda: engine.randint(3, 3, (2,)), SettingError),
    (lambda: engine.randint(0.5, 3, (2,)), SettingError),
    (lambda: engine.randint(0, 2**70, (2,)), SettingError),
    (lambda: engine.randperm(-1), SettingError),
    (lambda: engine.randperm(2.5), SettingError),
    (lambda: engine.bernoulli(1.5, (2,)), SettingError),
    (lambda: engine.bernoulli(float("nan"), (2,)), SettingError),
    (lambda: nn.functional.dropout(engine.ones(2), 1.5), SettingError),
    (lambda: nn.functional.dropout(engine.ones(2, dtype="int64"), 0.5), DtypeError),
    (lambda: nn.functional.stochastic_depth(engine.ones(2), 0.5, "column"), SettingError),
    (lambda: engine.rand(2, generator=3), Exception),
]


@pytest.mark.parametrize(("draw", "error"), REFUSED)
def test_draws_that_cannot_be_are_refused(draw: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        draw()


def test_numpy_seeds_are_seeds() -> None:
    engine.manual_seed(np.int64(4))
    a = engine.rand(3).tolist()
    engine.manual_seed(4)
    assert engine.rand(3).tolist() == a
