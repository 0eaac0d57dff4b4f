"""Initial values: the distributions, the fans, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import SettingError, ShapeError, nn

init = nn.init


def drawn(call: Callable[[nn.Parameter], Any], *shape: int, dtype: str = "float32") -> np.ndarray[Any, Any]:
    engine.manual_seed(0)
    parameter = nn.Parameter.of(*(shape or (300, 200)), dtype=dtype)
    assert call(parameter) is parameter
    assert parameter.is_pending
    values = parameter.numpy()
    assert values.dtype == engine.dtype.as_dtype(dtype)
    return values


# name, call, mean, standard deviation, smallest, largest
DISTRIBUTIONS: list[tuple[str, Callable[[nn.Parameter], Any], float, float, float, float]] = [
    ("zeros", init.zeros_, 0, 0, 0, 0),
    ("ones", init.ones_, 1, 0, 1, 1),
    ("constant", lambda p: init.constant_(p, 2.5), 2.5, 0, 2.5, 2.5),
    ("normal", lambda p: init.normal_(p, 1.0, 0.5), 1, 0.5, -2, 4),
    ("uniform", lambda p: init.uniform_(p, -1, 3), 1, 4 / math.sqrt(12), -1, 3),
    ("truncated", lambda p: init.trunc_normal_(p, std=0.02), 0, 0.02, -0.12, 0.12),
    ("truncated within", lambda p: init.trunc_normal_(p, a=-1, b=1), 0, 0.5396, -1, 1),
    ("truncated tail", lambda p: init.trunc_normal_(p, a=5, b=9), 5.1865, 0.1787, 5, 9),
    ("truncated other tail", lambda p: init.trunc_normal_(p, mean=10, std=2, a=-10, b=2), 1.5486, 0.43, -4, 2),
    ("truncated narrow", lambda p: init.trunc_normal_(p, a=0.5, b=0.501), 0.5005, 0.001 / math.sqrt(12), 0.5, 0.501),
    ("truncated without spread", lambda p: init.trunc_normal_(p, mean=1.0, std=0.0), 1, 0, 1, 1),
    ("kaiming uniform", init.kaiming_uniform_, 0, math.sqrt(2 / 200), -math.sqrt(6 / 200), math.sqrt(6 / 200)),
    (
        "kaiming normal out",
        lambda p: init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu"),
        0,
        math.sqrt(2 / 300),
        -1,
        1,
    ),
    (
        "kaiming slope",
        lambda p: init.kaiming_uniform_(p, a=math.sqrt(5)),
        0,
        math.sqrt(1 / 600),
        -math.sqrt(1 / 200),
        math.sqrt(1 / 200),
    ),
    ("xavier uniform", init.xavier_uniform_, 0, math.sqrt(2 / 500), -math.sqrt(6 / 500), math.sqrt(6 / 500)),
    ("xavier normal", lambda p: init.xavier_normal_(p, gain=2.0), 0, 2 * math.sqrt(2 / 500), -1, 1),
]


@pytest.mark.parametrize(
    ("call", "mean", "std", "low", "high"), [d[1:] for d in DISTRIBUTIONS], ids=[d[0] for d in DISTRIBUTIONS]
)
def test_values_have_the_distribution_that_is_asked_for(
    call: Any, mean: float, std: float, low: float, high: float
) -> None:
    values = drawn(call)
    width = max(std, 1e-7)
    assert abs(values.mean(dtype=np.float64) - mean) < 0.02 * width + 1e-6 * abs(mean)
    assert abs(values.std(dtype=np.float64) - std) < 0.03 * width
    assert low <= float(values.min())
    assert float(values.max()) <= np.float32(high)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_every_dtype_is_filled(dtype: str) -> None:
    for call in (init.xavier_uniform_, init.zeros_, lambda p: init.trunc_normal_(p, std=0.1)):
        drawn(call, 3, 4, dtype=dtype)


def test_the_size_of_a_kernel_counts_as_inputs() -> None:
    assert init.fans(engine.zeros(8, 4, 3, 5)) == (60, 120)
    assert init.fans(nn.Linear(3, 7).weight) == (3, 7)
    assert nn.Conv2d(4, 8, 3).weight.is_pending


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1.0) == 1
    assert init.calculate_gain("conv2d") == init.calculate_gain("linear") == 1
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)


def test_what_holds_values_already_is_drawn_at_once() -> None:
    tensor = engine.ones(3, 4)
    init.zeros_(tensor)
    assert not tensor.any()
    parameter = nn.Parameter(np.ones((3, 4), np.float32))
    array = parameter.array
    init.normal_(parameter)
    assert parameter.array is array
    assert (array != 1).all()


def test_only_the_last_word_counts_until_the_first_use() -> None:
    parameter = nn.Parameter.of(2, 2)
    init.ones_(parameter)
    init.constant_(parameter, 3)
    assert parameter.tolist() == [[3, 3], [3, 3]]


def test_empty_shapes_are_filled_with_nothing() -> None:
    for call in (init.normal_, init.trunc_normal_, init.kaiming_uniform_, init.xavier_uniform_, init.xavier_normal_):
        assert drawn(call, 0, 3).shape == (0, 3)
        assert drawn(call, 3, 0).shape == (3, 0)


REFUSED: list[tuple[Callable[[nn.Parameter], Any], type[Exception], str]] = [
    (lambda p: init.normal_(p, std=-1), SettingError, "std"),
    (lambda p: init.normal_(p, std=math.nan), SettingError, "std"),
    (lambda p: init.uniform_(p, 1, 0), SettingError, "uniform_"),
    (lambda p: init.uniform_(p, 0, math.inf), SettingError, "uniform_"),
    (lambda p: init.trunc_normal_(p, a=1, b=1), SettingError, "trunc_normal_"),
    (lambda p: init.trunc_normal_(p, a=20, b=30), SettingError, "next to nothing"),
    (lambda p: init.trunc_normal_(p, mean=5, std=0.0), SettingError, "next to nothing"),
    (lambda p: init.kaiming_uniform_(p, mode="fan_middle"), SettingError, "fan_in"),
    (lambda p: init.kaiming_normal_(p, nonlinearity="wave"), SettingError, "'wave'"),
    (lambda p: init.xavier_uniform_(nn.Parameter.of(3)), ShapeError, "2 axes"),
    (lambda p: nn.Parameter.of(2, -1), ShapeError, "Parameter"),
    (lambda p: nn.Parameter.of(2.5), ShapeError, "Parameter"),
    (lambda p: p.set_array(np.zeros((3, 3), np.float32)), ShapeError, r"\(3, 3\)"),
]


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_what_cannot_be_drawn_is_refused(act: Callable[[nn.Parameter], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        act(nn.Parameter.of(2, 2))


def test_layers_start_as_pytorchs_do() -> None:
    engine.manual_seed(0)
    for layer, fan in ((nn.Linear(400, 300), 400), (nn.Conv2d(16, 200, 5), 400)):
        bound = 1 / math.sqrt(fan)
        assert float(np.abs(layer.weight.numpy()).max()) <= bound * 1.0001
        assert layer.weight.numpy().std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
        assert layer.bias is not None
        assert float(np.abs(layer.bias.numpy()).max()) <= bound
    norm = nn.BatchNorm2d(3)
    assert norm.weight is not None
    assert norm.weight.tolist() == [1, 1, 1]
    attention = nn.MultiheadAttention(8, 2)
    assert not attention.in_proj_bias.any()  # type: ignore[union-attr]
