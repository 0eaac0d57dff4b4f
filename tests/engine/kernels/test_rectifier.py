"""Kernels of activations in straight pieces against their bodies, special numbers included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo.engine import ops
from numzoo.engine.kernels.cpu import rectifier
from numzoo.engine.op import TABLE

CASES: list[tuple[str, dict[str, Any]]] = [
    ("leaky_relu", {"negative_slope": 0.1}), ("leaky_relu", {"negative_slope": 3.0}), ("hardsigmoid", {}),
]  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_kernel_is_the_body(name: str, settings: dict[str, Any], turned: bool) -> None:
    generator = np.random.default_rng(0)
    x, flow = (generator.standard_normal((300, 200)).astype(np.float32) * 3 for _ in range(2))
    x[0, :4] = [np.nan, np.inf, -np.inf, 0]
    x, flow = (x.T, flow.T) if turned else (x, flow)
    np.testing.assert_array_equal(getattr(rectifier, name)(x, **settings), getattr(ops, name).body(np, x, **settings))
    given = getattr(rectifier, f"{name}_input")(flow, x, **settings)
    np.testing.assert_array_equal(given, TABLE[f"{name}_input"].body(np, flow, x, **settings))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (200, 1), (3, 1, 1)])
def test_a_learned_slope_is_the_body(shape: tuple[int, ...], turned: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((3, 200, 300)).astype(np.float32)
    x[0, 0, :4] = [np.nan, np.inf, -np.inf, 0]
    x = np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2) if turned else x
    weight = np.asarray(generator.standard_normal(shape), np.float32)
    given = rectifier.prelu(x, weight)
    assert given.strides == x.strides
    np.testing.assert_array_equal(given, ops.prelu.body(np, x, weight))


def test_small_and_wide_arrays_are_left_to_the_body() -> None:
    assert rectifier.leaky_relu(np.zeros(8, np.float32)) is NotImplemented
    assert rectifier.hardsigmoid(np.zeros(1 << 16)) is NotImplemented
    assert rectifier.prelu(np.zeros((1, 1 << 16), np.float32), np.zeros((2, 1), np.float32)) is NotImplemented
