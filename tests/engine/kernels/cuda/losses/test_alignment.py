"""The likelihood of labels over their alignments, and its gradient, are the bodies': repeated labels, none, too many, examples of every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, placed

from numzoo import engine
from numzoo.engine.kernels.cuda.losses import alignment
from numzoo.engine.op import TABLE

CASES = {
    "plain": ([[1, 2, 3], [2, 2, 1]], [9, 7], [3, 2]),
    "repeated": ([[1, 1, 1, 1], [3, 1, 3, 1]], [9, 9], [4, 4]),
    "too many labels": ([[1, 2, 3, 4], [2, 0, 0, 0]], [3, 9], [4, 1]),
    "no labels, no steps": ([[1, 2], [1, 0], [3, 1]], [4, 0, 0], [0, 0, 1]),
}


def given(case: str, dtype: Any = np.float32) -> tuple[Any, ...]:
    table, steps, labels = (np.array(each) for each in CASES[case])
    x = np.random.default_rng(0).standard_normal((9, len(steps), 5)).astype(dtype)
    x -= np.log(np.exp(x).sum(-1, keepdims=True))
    states = np.zeros((len(steps), 2 * table.shape[1] + 1), np.int64)
    states[:, 1::2] = np.where(np.arange(table.shape[1]) < labels[:, None], table, 0)
    return x, states, steps, labels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_likelihoods_and_gradients(gpu: Any, case: str, dtype: Any) -> None:
    arrays = given(case, dtype)
    _, forward = assert_kernel_is_body(gpu, alignment.ctc_nll, "ctc_nll", *arrays)
    flow = np.linspace(1, 2, len(arrays[2])).astype(dtype)
    x = arrays[0]
    turned = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, 2)), 2, 0)
    for each in (x, turned):
        assert_kernel_is_body(gpu, alignment.ctc_nll_input, "ctc_nll_input", flow, each, *arrays[1:], forward)


def test_long_labels_are_shared_by_threads(one_order: Any) -> None:
    table = np.random.default_rng(1).integers(1, 4, (1, 150))
    states = np.zeros((1, 301), np.int64)
    states[:, 1::2] = table
    x = np.log(np.full((9, 1, 5), 0.2, np.float32))
    arrays = (x, states, np.array([9]), np.array([4]))
    _, forward = assert_kernel_is_body(one_order, alignment.ctc_nll, "ctc_nll", *arrays)
    assert_kernel_is_body(one_order, alignment.ctc_nll_input, "ctc_nll_input", np.ones(1, np.float32), *arrays, forward)


def test_a_nan_and_impossible_numbers(one_order: Any) -> None:
    x, *rest = given("plain")
    x[2, 0, 1], x[3, 1] = np.nan, -np.inf
    flow = np.ones(2, np.float32)
    with np.errstate(all="ignore"):
        loss, forward = TABLE["ctc_nll"].body(np, x, *rest)
        wanted = TABLE["ctc_nll_input"].body(np, flow, x, *rest, forward)
    found, kept = alignment.ctc_nll(*(placed(one_order, a) for a in (x, *rest)))
    np.testing.assert_allclose(found.get(), loss)
    slopes = alignment.ctc_nll_input(one_order.put(flow), *(placed(one_order, a) for a in (x, *rest)), kept)
    np.testing.assert_allclose(slopes.get(), wanted)


@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_the_loss_is_the_cpus_wherever_labels_and_lengths_lie(one_order: Any, place: str) -> None:
    x, _, _, _ = given("plain")
    found = []
    for device in ("cpu", "cuda"):
        y = engine.Tensor(x).to(device).requires_grad_()
        labels, steps, lengths = (
            engine.tensor(v).to(place if device == "cuda" else "cpu") for v in ([[1, 2, 3], [2, 2, 1]], [9, 7], [3, 2])
        )
        loss = engine.nn.functional.ctc_loss(y, labels, steps, lengths)
        loss.backward()
        found.append([loss.detach().numpy(), y.grad.numpy()])
    for there, here in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)
    assert {"ctc_forward", "ctc_backward"} <= {*one_order.launched}


@pytest.mark.parametrize("number", [-(10**15), 10**15])
@pytest.mark.parametrize("place", ["states", "steps", "labels"])
def test_what_lies_outside_is_not_looked_for_in_memory(one_order: Any, place: str, number: int) -> None:
    """It was complained of already, but the launches are under way."""
    x, states, steps, labels = given("plain")
    {"states": states[:, 1], "steps": steps, "labels": labels}[place][...] = number
    arrays = [one_order.put(each) for each in (x, states, steps, labels)]
    loss, forward = alignment.ctc_nll(*arrays)
    slopes = alignment.ctc_nll_input(one_order.put(np.ones(2, np.float32)), *arrays, forward)
    assert loss.get().shape == (2,)
    assert slopes.get().shape == x.shape
