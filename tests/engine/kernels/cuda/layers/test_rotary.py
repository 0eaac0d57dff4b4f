"""The kernel of rotary positions against its body."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, assert_same, at_odd_place, memory_orders

from numzoo.engine import ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.layers import rotary


@pytest.fixture
def gpu(one_order: Any) -> Any:
    """Threads know nothing of one another here."""
    return one_order


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(as_dtype(dtype))


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("width", [2, 6, 16, 64])
def test_pairs_are_turned(gpu: Any, interleaved: bool, width: int) -> None:
    for dtype, angle in (("float32", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("float64", "float64")):  # fmt: skip
        if width == 6 and dtype != "float32":
            continue
        x = drawn((2, 3, 5, width), dtype)
        cosine, sine = drawn((5, width // 2), angle, 1), drawn((5, width // 2), angle, 2)
        assert_kernel_is_body(gpu, rotary.rotary, "rotary", x, cosine, sine, interleaved=interleaved, scale=3)


def test_pairs_in_every_memory_order(gpu: Any) -> None:
    for x in memory_orders(drawn((2, 5, 3, 8))):
        turned = x.transpose(0, 2, 1, 3)
        for shape in ((5, 4), (2, 1, 5, 4), (2, 3, 5, 4)):
            cosine, sine = drawn(shape, seed=1), drawn(shape, seed=2)
            wanted = ops.rotary.body(np, turned, cosine, sine)
            given = rotary.rotary(gpu.put(turned), gpu.put(cosine), gpu.put(sine))
            if given is not NotImplemented:
                assert_same(given, wanted, 4)
    odd = at_odd_place(gpu, drawn((2, 3, 5, 8)))
    angles = [drawn((5, 4), seed=1), drawn((5, 4), seed=2)]
    assert_same(rotary.rotary(odd, *map(gpu.put, angles)), ops.rotary.body(np, drawn((2, 3, 5, 8)), *angles), 4)


def test_what_rotary_does_not_serve_is_left_to_the_body(gpu: Any) -> None:
    x = gpu.put(drawn((3, 4)).astype(ml_dtypes.bfloat16))
    assert rotary.rotary(x, gpu.put(drawn((3, 2), "float64")), gpu.put(drawn((3, 2), "float64"))) is NotImplemented
    assert rotary.rotary(x, gpu.put(drawn((2, 3, 2))), gpu.put(drawn((2, 3, 2)))) is NotImplemented
