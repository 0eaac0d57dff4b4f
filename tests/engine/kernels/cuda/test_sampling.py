"""Random numbers that follow a tensor on a GPU are drawn there: with its parameters, and into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emulated_cupy import listened

from numzoo import engine
from numzoo.engine import DtypeError, SettingError, distributions
from numzoo.engine.sampling import bernoulli_of, exponential, multinomial, normal_of

SIZE = 20_000


def numbers(*values: float) -> Any:
    """Each for a share of the draws, on the GPU."""
    return engine.tensor(np.repeat(np.float32(values), SIZE // len(values))).to("cuda")


def spread(drawn: Any, parts: int) -> list[tuple[float, float]]:
    """The mean and the deviation of each share."""
    values = drawn.float().numpy().reshape(parts, -1)
    return [(float(v.mean()), float(v.std())) for v in values]


LAWS: dict[str, tuple[Callable[[], Any], list[tuple[float, float]]]] = {
    "bernoulli": (lambda: bernoulli_of(numbers(0.0, 0.25, 1.0, 0.5)), [(0, 0), (0.25, 0.433), (1, 0), (0.5, 0.5)]),
    "normal": (lambda: normal_of(numbers(-1.0, 5.0), numbers(2.0, 0.0)), [(-1, 2), (5, 0)]),
    "normal of halves": (lambda: normal_of(numbers(-1.0, 4.0).half(), 0.5), [(-1, 0.5), (4, 0.5)]),
    "exponential": (lambda: exponential(numbers(1.0, 4.0)), [(1, 1), (0.25, 0.25)]),
    "Normal": (lambda: distributions.Normal(numbers(0.0, 3.0), numbers(1.0, 2.0)).sample(), [(0, 1), (3, 2)]),
    "Uniform": (lambda: distributions.Uniform(numbers(0.0, 3.0), numbers(1.0, 5.0)).sample(), [(0.5, 0.289), (4, 0.577)]),
    "Exponential": (lambda: distributions.Exponential(numbers(1.0, 4.0)).sample(), [(1, 1), (0.25, 0.25)]),
    "Bernoulli": (lambda: distributions.Bernoulli(numbers(0.25, 0.5)).sample(), [(0.25, 0.433), (0.5, 0.5)]),
    "Geometric": (lambda: distributions.Geometric(numbers(0.25, 1.0)).sample(), [(3, 3.464), (0, 0)]),
    "normal_": (lambda: numbers(0.0).normal_(1.0, 3.0), [(1, 3)]),
    "uniform_": (lambda: numbers(0.0).uniform_(2.0, 4.0), [(3, 0.577)]),
    "exponential_": (lambda: numbers(0.0).exponential_(2.0), [(0.5, 0.5)]),
    "bernoulli_": (lambda: numbers(0.0).long().bernoulli_(0.25), [(0.25, 0.433)]),
    "random_": (lambda: numbers(0.0).random_(1, 4), [(2, 0.816)]),
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.usefixtures("one_order")
def test_a_law_has_its_moments_and_nothing_waits(law: str) -> None:
    draw, wanted = LAWS[law]
    engine.manual_seed(3)
    with listened() as met:
        first = draw()
    assert {what.split(" at ")[0] for what in met} <= {"a copy to the GPU"}  # of the parameters
    assert first.device.type == "cuda"
    for found, (mean, deviation) in zip(spread(first, len(wanted)), wanted, strict=True):
        assert found == pytest.approx((mean, deviation), abs=0.03 * max(1.0, deviation) + 0.01)
    engine.manual_seed(3)
    assert (draw().numpy() == first.numpy()).all()


@pytest.mark.usefixtures("one_order")
def test_classes_come_with_their_shares() -> None:
    weights = engine.tensor(np.float32([[1, 0, 3, 0], [0, 2, 2, 4]])).to("cuda")
    with listened() as met:
        drawn = multinomial(weights, 8000, replacement=True)
        again = distributions.Categorical(weights).sample((4000,))
        vectors = distributions.OneHotCategorical(weights).sample((4000,))
    assert not met
    assert (drawn.shape, again.shape, vectors.shape) == ((2, 8000), (4000, 2), (4000, 2, 4))
    wanted = [[0.25, 0, 0.75, 0], [0, 0.25, 0.25, 0.5]]
    for found in (drawn.numpy(), again.numpy().T, vectors.numpy().argmax(-1).T):
        shares = [np.bincount(row, minlength=4) / row.size for row in found]
        np.testing.assert_allclose(shares, wanted, atol=0.03)
        assert all(
            (share == 0).tolist() == (np.array(row) == 0).tolist() for share, row in zip(shares, wanted, strict=True)
        )
    without = multinomial(weights, 2).numpy()
    assert sorted(without[0].tolist()) == [0, 2]
    assert 0 not in without[1]


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "probabilities": (lambda: bernoulli_of(numbers(0.5, 1.5)), SettingError, "between 0 and 1, but was given 1.5"),
    "deviations": (lambda: normal_of(numbers(0.0), numbers(-1.0)), SettingError, "at least 0, but was given -1"),
    "rates": (lambda: exponential(numbers(0.0)), SettingError, "above 0, but was given 0"),
    "weights": (lambda: multinomial(numbers(-2.0), 1), SettingError, "at least 0, but was given -2"),
    "too few": (lambda: multinomial(numbers(0.0, 0.0)[:3], 1), SettingError, "a row has 0"),
    "a scale": (lambda: distributions.Normal(numbers(0.0), numbers(0.0)), SettingError, "scale must be above 0, but holds 0"),
    "a value": (lambda: distributions.Bernoulli(numbers(0.5)).log_prob(numbers(0.25)), SettingError, "0 or 1, but holds 0.25"),
    "NaN": (lambda: distributions.Normal(numbers(np.nan), numbers(1.0)), SettingError, "but holds nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("one_order")
def test_a_parameter_that_is_none_is_told_later(name: str) -> None:
    act, error, says = WRONG[name]
    with pytest.raises(error, match=f"{says}.*found on the GPU"):
        (act(), engine.cuda.synchronize())


@pytest.mark.usefixtures("one_order")
def test_whole_numbers_hold_no_fractions_and_a_captured_step_draws_anew() -> None:
    with pytest.raises(DtypeError, match="normal_: draws floating-point"):
        numbers(0.0).long().normal_()
    x = engine.zeros(50, device="cuda")
    step = engine.capture(lambda: (x.normal_() * 1.0, bernoulli_of(x * 0 + 0.5)), warmup=1)
    found = [tuple(part.numpy() for part in step()) for _ in range(4)]
    for one in range(3):
        assert (found[one][0] != found[one + 1][0]).all()
        assert (found[one][1] != found[one + 1][1]).any()
