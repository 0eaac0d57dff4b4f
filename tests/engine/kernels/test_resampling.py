"""Linear resampling by oneDNN, and sampling at points, is what the body computes, in either memory order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine.kernels.cpu import onednn, resampling, sampling
from numzoo.engine.ops.images.resampling import cubic_taps, linear_taps

pytestmark = pytest.mark.skipif(not onednn.status()[0], reason="oneDNN does not load here")


def image(*shape: int, last: bool, dtype: str = "float32") -> Any:
    x = np.random.default_rng(0).standard_normal(shape).astype(engine.dtype.as_dtype(dtype))
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if last else x


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("sizes", "out"), [((40,), (61,)), ((20, 30), (33, 17)), ((6, 9, 12), (9, 9, 5))])
def test_forward_is_the_body(sizes: Any, out: Any, last: bool, dtype: str) -> None:
    x = image(2, 16, *sizes, last=last, dtype=dtype)
    tables = tuple(None if a == b else linear_taps(a, b) for a, b in zip(sizes, out, strict=True))
    given, wanted = resampling.resample(x, tables=tables), engine.ops.resample.body(np, x, tables=tables)
    assert given is not NotImplemented
    assert given.dtype == wanted.dtype
    # Axes of length 1 aside, results lie as their image does.
    assert np.argsort(given.strides).tolist() == np.argsort(x.strides).tolist()
    tolerance = 1e-5 if dtype == "float32" else 2e-2
    np.testing.assert_allclose(given.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance)


def test_other_tables_are_left_to_the_body() -> None:
    x = image(2, 16, 20, 30, last=False)
    for tables in (
        (linear_taps(20, 40, 1.9), None),
        (linear_taps(20, 40, align=True), None),
        (cubic_taps(20, 40), cubic_taps(30, 40)),
        (linear_taps(20, 40), linear_taps(40, 30).turned),
    ):
        assert resampling.resample(x, tables=tables) is NotImplemented
    assert (
        resampling.resample(image(2, 2, 20, 30, last=True)[:, :, ::2], tables=(linear_taps(10, 40), None))
        is NotImplemented
    )


@pytest.mark.parametrize("last", [False, True])
def test_sampling_is_the_body_whatever_the_memory_order(last: bool) -> None:
    x = image(2, 16, 1000, last=last)
    generator = np.random.default_rng(1)
    index, weight = generator.integers(0, 1000, (2, 4, 70)), generator.random((2, 4, 70)).astype(np.float32)
    given = sampling.sample(x, weight, index)
    assert given is not NotImplemented
    np.testing.assert_array_equal(given, engine.ops.sample.body(np, x, weight, index))
    assert sampling.sample(x[:, :4], weight, index) is NotImplemented
