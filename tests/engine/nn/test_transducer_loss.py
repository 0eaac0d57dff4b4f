"""The transducer's loss: published figures, an independent float64 recursion, bounds of gradients, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.errors import DtypeError, SettingError, ShapeError
from numzoo.engine.nn import functional as F

PUBLISHED = np.array(
    [[[[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.1, 0.6, 0.1, 0.1], [0.1, 0.1, 0.2, 0.8, 0.1]],
      [[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.1, 0.2, 0.1, 0.1], [0.7, 0.1, 0.2, 0.1, 0.1]]]],
    np.float32,
)  # fmt: skip
"""The example that implementations of this loss are tested by, since the first of them (warp-transducer)."""

GRADIENT = np.array(
    [[[[-0.13116688, -0.3999269, 0.17703125, 0.17703125, 0.17703125], [-0.18572757, 0.12247056, -0.18168412, 0.12247056, 0.12247056],
       [-0.32091254, 0.06269141, 0.06928472, 0.12624499, 0.06269141]],
      [[0.05456069, -0.21824276, 0.05456069, 0.05456069, 0.05456069], [0.12073959, 0.12073959, -0.48295835, 0.12073959, 0.12073959],
       [-0.6925882, 0.16871116, 0.18645467, 0.16871116, 0.16871116]]]],
)  # fmt: skip


def loss_of(scores: Any, labels: Any, steps: int, blank: int) -> float:
    """One example by the recursion over ends (equation 18 of the paper read backwards), a number at a time, in float64."""
    x = np.asarray(scores, np.float64)
    chance = np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)
    beta = np.zeros((steps + 1, len(labels) + 2))
    for t in range(steps - 1, -1, -1):
        for u in range(len(labels), -1, -1):
            passes = 1.0 if (t, u) == (steps - 1, len(labels)) else beta[t + 1, u]
            says = beta[t, u + 1] * chance[t, u, labels[u]] if u < len(labels) else 0.0
            beta[t, u] = passes * chance[t, u, blank] + says
    return float(-np.log(beta[0, 0]))


def leaf(values: Any) -> Any:
    return engine.tensor(values).requires_grad_()


def test_the_published_example_has_its_published_loss_and_gradient() -> None:
    x = leaf(PUBLISHED)
    loss = F.rnnt_loss(x, [[1, 2]], [2], [2], blank=0)
    loss.backward()
    assert loss.item() == pytest.approx(4.495666, abs=1e-6)
    assert np.abs(x.grad.numpy() - GRADIENT).max() < 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_losses_are_those_of_an_independent_recursion(seed: int) -> None:
    random = np.random.default_rng(seed)
    batch, time, length, classes = (int(random.integers(low, high)) for low, high in ((1, 5), (1, 9), (0, 6), (2, 7)))
    blank = int(random.integers(-classes, classes))
    x = random.normal(size=(batch, time, length + 1, classes)) * 3
    labels = random.integers(0, classes - 1, (batch, length))
    labels += labels >= blank % classes
    steps, lengths = random.integers(1, time + 1, batch), random.integers(0, length + 1, batch)
    wanted = [
        loss_of(x[n, : steps[n], : lengths[n] + 1], labels[n, : lengths[n]], int(steps[n]), blank) for n in range(batch)
    ]
    found = F.rnnt_loss(engine.tensor(x), labels, steps, lengths, blank, reduction="none")
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)
    given = engine.log_softmax(engine.tensor(x.astype(np.float32)), axis=-1)
    np.testing.assert_allclose(
        F.rnnt_loss(given, labels, steps, lengths, blank, reduction="none", fused_log_softmax=False).numpy(), wanted, rtol=1e-5
    )  # fmt: skip
    assert F.rnnt_loss(engine.tensor(x), labels, steps, lengths, blank).item() == pytest.approx(np.mean(wanted))
    layer = nn.RNNTLoss(blank, reduction="sum")
    assert layer(engine.tensor(x), labels, steps, lengths).item() == pytest.approx(np.sum(wanted))


def test_gradients_of_first_and_second_order_hold_for_examples_of_any_length() -> None:
    x = engine.tensor(np.random.default_rng(0).normal(size=(3, 4, 3, 4)))
    labels, steps, lengths = [[1, 1], [2, 3], [3, 1]], [4, 2, 3], [2, 0, 1]
    engine.check.gradients(lambda y: F.rnnt_loss(y, labels, steps, lengths, 0), x)


def test_what_lies_beyond_an_examples_lengths_has_no_say() -> None:
    x = np.random.default_rng(0).normal(size=(1, 5, 4, 6)).astype(np.float32)
    short = F.rnnt_loss(engine.tensor(x[:, :3, :2]), [[4]], [3], [1]).item()
    long = leaf(x)
    loss = F.rnnt_loss(long, [[4, 0, -9]], [3], [1])
    loss.backward()
    assert loss.item() == pytest.approx(short, rel=1e-6)
    gradient = long.grad.numpy()
    assert not gradient[:, 3:].any()
    assert not gradient[:, :, 2:].any()


def test_the_gradient_of_each_examples_loss_is_bounded_by_clamp() -> None:
    plain, bounded = leaf(PUBLISHED), leaf(PUBLISHED)
    (F.rnnt_loss(plain, [[1, 2]], [2], [2], 0, reduction="sum") * 3.0).backward()
    (F.rnnt_loss(bounded, [[1, 2]], [2], [2], 0, 0.1, "sum") * 3.0).backward()
    np.testing.assert_allclose(bounded.grad.numpy(), np.clip(plain.grad.numpy() / 3, -0.1, 0.1) * 3, rtol=1e-5)


def test_an_impossible_class_is_no_hindrance_and_an_impossible_label_costs_infinity() -> None:
    scores = np.zeros((2, 3, 2, 4), np.float32)
    scores[..., 2] = -np.inf
    x = leaf(scores)
    losses = F.rnnt_loss(x, [[1], [2]], [3, 3], [1, 1], 0, reduction="none")
    losses.sum().backward()
    assert np.isinf(losses.numpy()).tolist() == [False, True]
    assert np.isnan(x.grad.numpy()).any(axis=(1, 2, 3)).tolist() == [False, True]


def test_long_sequences_stay_finite() -> None:
    x = leaf(np.random.default_rng(0).normal(size=(1, 400, 60, 5)).astype(np.float32) * 20)
    loss = F.rnnt_loss(x, np.arange(59)[None] % 4, [400], [59])
    loss.backward()
    assert 0 < loss.item() < np.inf
    gradient = x.grad.numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient.sum(axis=3)).max() < 1e-4  # a softmax is moved by no shift of all its scores


X = engine.tensor(PUBLISHED)
REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.rnnt_loss(X[0], [[1, 2]], [2], [2]), ShapeError, r"batch, time, length \+ 1, classes"),
    (lambda: F.rnnt_loss(X[:, :0], [[1, 2]], [0], [2]), ShapeError, r"not \(1, 0, 3, 5\)"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [2], [2], blank=5), SettingError, "0 to 4"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [2], [2], reduction="most"), SettingError, "reduction"),
    (lambda: F.rnnt_loss(X, [[1]], [2], [1]), ShapeError, r"\(1, 2\) for logits"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [3], [2]), ShapeError, "logit_lengths.*between 1 and 2"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [0], [2]), ShapeError, "logit_lengths.*between 1 and 2"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [2], [3]), ShapeError, "target_lengths.*between 0 and 2"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [2, 2], [2]), ShapeError, "each of the 1"),
    (lambda: F.rnnt_loss(X, [[1, 2]], [2.0], [2]), DtypeError, "whole numbers"),
    (lambda: F.rnnt_loss(X, [[1, 4]], [2], [2]), ShapeError, "target 4 is no label"),
    (lambda: F.rnnt_loss(X, [[1, -1]], [2], [2]), ShapeError, "target -1 is no label"),
    (lambda: F.rnnt_loss(X, [[1.0, 2.0]], [2], [2]), DtypeError, "integers"),
    (lambda: F.rnnt_loss([[[[1]]]], np.zeros((1, 0), int), [1], [0]), DtypeError, "int64"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_is_wrong_is_said(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
