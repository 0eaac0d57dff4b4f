"""The first NaN or infinity is named with its operation, line and inputs, and nothing is left of the search afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import GradientError, Tensor, nn
from numzoo.engine.debug import watch
from numzoo.engine.op import TABLE

F = nn.functional


def leaf(*values: float) -> Tensor:
    return engine.tensor(list(values), requires_grad=True)


def line_with(mark: str) -> str:
    lines = Path(__file__).read_text().splitlines()
    return f"{Path(__file__).name}:{next(i for i, text in enumerate(lines, 1) if text.endswith(f'# {mark}'))}"


FORWARD: list[tuple[Callable[[], Any], str]] = [
    (lambda: engine.log(leaf(1.0, -1.0)), r"log: its result.*first NaN, at \(1,\) \(1 of 2 numbers\)\n.*x float32 \(2,\) \(-1 to 1\)"),
    (lambda: leaf(1.0, 2.0) / engine.tensor([1.0, 0.0]), r"div: .*first infinity, at \(1,\).*\n.*y float32 \(2,\) \(0 to 1\)"),
    (lambda: engine.exp(leaf(1000.0)), "exp: .*first infinity"),
    (lambda: engine.tensor([1.0, np.nan]) + 1, r"add: .*first NaN.*\n.*x float32 \(2,\) \(1 to 1, 1 NaN\)"),
    (lambda: engine.cat([leaf(1.0), leaf(np.nan)]), r"cat_along: .*first NaN.*\n.*tensors\[1\] float32 \(1,\) \(1 NaN\)"),
    (lambda: (leaf(6e4).half() * 2).sum(), "mul: its result, float16"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "says"), FORWARD)
def test_the_first_bad_number_of_forward_is_named(act: Callable[[], Any], says: str) -> None:
    with pytest.raises(GradientError, match=says) as caught, engine.detect_anomaly():
        act()
    assert Path(__file__).name in str(caught.value)
    act()


def test_the_line_is_the_callers() -> None:
    x = leaf(-1.0)
    with pytest.raises(GradientError) as caught, engine.detect_anomaly():
        nn.Sequential(nn.Identity())(x.log())  # the bad logarithm
    assert line_with("the bad logarithm") in str(caught.value)


def test_the_first_bad_gradient_is_named_with_the_input_that_it_is_for() -> None:
    x = leaf(0.0, 4.0)
    says = r"backward of sqrt failed: the gradient for its input x, float32 \(2,\), holds the first infinity, at \(0,\)"
    with pytest.raises(GradientError, match=says) as caught, engine.detect_anomaly():
        x.sqrt().sum().backward()
    assert "that arrived: float32 (2,) (1 to 1)" in str(caught.value)
    with engine.detect_anomaly(infinity=False):
        x.sqrt().sum().backward()
        # 0 times infinity: the NaN that comes of it is found all the same.
        with pytest.raises(GradientError, match=r"backward of sqrt failed.*first NaN"):
            (x.sqrt() * engine.tensor([0.0, 1.0])).sum().backward()


def test_the_forward_line_of_a_bad_gradient() -> None:
    x = leaf(0.0)
    with engine.detect_anomaly():
        root = x.sqrt()  # the first root
        with pytest.raises(GradientError) as caught:
            root.sum().backward()
    assert line_with("the first root") in str(caught.value)


def test_masks_of_infinities_and_healthy_networks_pass() -> None:
    engine.manual_seed(0)
    layer = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU())
    with engine.detect_anomaly():
        scores = layer(engine.randn(3, 4))
        mask = engine.tensor(np.triu(np.ones((3, 4), bool), 1))
        out = engine.where(mask, -np.inf, scores).softmax(-1)
        F.cross_entropy(out @ layer[0].weight, engine.tensor([0, 1, 2])).backward()
        whole = engine.tensor([1, 2]) + 3
    assert whole.tolist() == [4, 5]
    assert layer[0].weight.grad is not None


def test_nothing_is_left_when_nobody_watches() -> None:
    def add() -> Any:
        engine.add(engine.ones(1), 1)
        return TABLE["add"].implementations[np.ndarray]

    plain = add()
    with engine.detect_anomaly():
        assert "checked" in add().__qualname__
    assert watch.watchers == []
    assert repr(add()).split(" at ")[0] == repr(plain).split(" at ")[0]
    with pytest.raises(ZeroDivisionError), engine.detect_anomaly():
        raise ZeroDivisionError
    assert watch.watchers == []


def test_warnings_made_errors_do_not_hide_the_anomaly() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(GradientError, match="first NaN"), engine.detect_anomaly():
            engine.log(leaf(-1.0, 2.0))
