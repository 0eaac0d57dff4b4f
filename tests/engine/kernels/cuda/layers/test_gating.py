"""Gated products on the GPU are to the bit what the two operations give, and so is what flows back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, at_odd_place, memory_orders

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.layers import gating

GATES = ["silu", "gelu", "gelu_tanh"]


def drawn(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(as_dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("gate", GATES)
def test_the_numbers_are_those_of_two_operations(one_order: Any, gate: str, dtype: str) -> None:
    x, y, flow = (engine.Tensor(drawn((5, 67), dtype, seed)).to("cuda") for seed in range(3))
    apart = getattr(ops, gate)
    np.testing.assert_array_equal(ops.gated(x, y, gate).numpy(), (apart(x) * y).numpy())
    found = []
    for function in (lambda a, b: ops.gated(a, b, gate), lambda a, b: apart(a) * b):
        a, b = (t.detach().clone().requires_grad_() for t in (x, y))
        function(a, b).backward(flow)
        found.append([a.grad.numpy(), b.grad.numpy()])
    for there, here in zip(*found, strict=True):
        np.testing.assert_array_equal(there, here)
    assert {"gated", "gated_backward"} <= {*one_order.launched}


@pytest.mark.parametrize("gate", GATES)
def test_every_layout(one_order: Any, gate: str) -> None:
    for x in memory_orders(drawn((3, 5, 8))):
        y, flow = drawn((3, 5, 8), seed=1), drawn((3, 5, 8), seed=2)
        assert_kernel_is_body(one_order, gating.gated_product, "gated_product", x, y, activation=gate, keep=False)
        assert_kernel_is_body(
            one_order, gating.gated_product_backward, "gated_product_backward", flow, x, y, activation=gate
        )
    odd = gating.gated_product(at_odd_place(one_order, x), one_order.put(y), activation=gate)[0]
    whole = gating.gated_product(one_order.put(x), one_order.put(y), activation=gate)[0]
    np.testing.assert_array_equal(odd.get(), whole.get())


def test_other_dtypes_and_shapes_are_computed_apart(one_order: Any) -> None:
    x, y = engine.Tensor(drawn((2, 3))).to("cuda"), engine.Tensor(drawn((3,), "float64")).to("cuda")
    assert ops.gated(x, y).dtype == engine.float64
    empty = engine.zeros(0, 3).to("cuda")
    assert ops.gated(empty, empty).shape == (0, 3)
    with pytest.raises(engine.errors.SettingError, match="activation is one of"):
        ops.gated(x, x, "relu")
