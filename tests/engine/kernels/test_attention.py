"""Attention's kernel against the body: values and gradients, in the layouts that heads come in."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.kernels.cpu import attention as kernel

SETTINGS: list[dict[str, Any]] = [
    {},
    {"causal": True},
    {"dropout": 0.3, "seed": (5, 6)},
    {"causal": True, "dropout": 0.2, "seed": (5, 6)},
]
SHAPES = {
    "heads in rows": ((2, 3, 64, 16), (2, 3, 80, 16), (2, 3, 80, 24)),
    "many blocks": ((2, 40, 96, 8), (2, 40, 96, 8), (2, 40, 96, 8)),
    "long": ((1, 2, 900, 8), (1, 2, 1000, 8), (1, 2, 1000, 8)),
    "one key head": ((2, 3, 4, 64, 8), (2, 3, 1, 64, 8), (2, 3, 1, 64, 8)),
    "no batch": ((160, 8), (170, 8), (170, 8)),
}


def drawn(shape: tuple[int, ...], seed: int, dtype: str, turned: bool) -> Any:
    values = np.random.default_rng(seed).standard_normal(shape).astype(engine.dtype.as_dtype(dtype))
    if turned and len(shape) > 2:
        return np.ascontiguousarray(values.swapaxes(-2, -3)).swapaxes(-2, -3)
    return values


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_kernel_is_the_body(dtype: str, shapes: str, turned: bool, settings: dict[str, Any]) -> None:
    query, key, value = (drawn(shape, i, dtype, turned) for i, shape in enumerate(SHAPES[shapes]))
    flow = drawn((*query.shape[:-1], value.shape[-1]), 4, dtype, turned)
    given = (kernel.attend(query, key, value, scale=0.3, **settings),)
    given += kernel.attend_backward(flow, query, key, value, scale=0.3, **settings)
    wanted = (ops.attend.body(np, query, key, value, scale=0.3, **settings),)
    wanted += ops.attend_backward.body(np, flow, query, key, value, scale=0.3, **settings)
    tolerance = 1e-5 if dtype == "float32" else 4e-2
    for a, b in zip(given, wanted, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        # What narrow numbers lose on the way depends on where they are rounded.
        a, b = a.astype(np.float64), b.astype(np.float64)
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max()


ONE_QUERY = {
    "heads": ((2, 3, 1, 16), (2, 3, 80, 16), (2, 3, 80, 24)),
    "shared keys": ((1, 3, 2, 1, 8), (1, 3, 1, 70, 8), (1, 3, 1, 70, 8)),
}


@pytest.mark.parametrize("shapes", ONE_QUERY)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_query_is_answered_by_the_formula(dtype: str, shapes: str) -> None:
    query, key, value = (drawn(shape, i, dtype, False) for i, shape in enumerate(ONE_QUERY[shapes]))
    given, wanted = (
        kernel.attend(query, key, value, scale=0.3), ops.attend.body(np, query, key, value, scale=0.3)
    )  # fmt: skip
    assert given.dtype == wanted.dtype == query.dtype
    difference = np.abs(given.astype(np.float64) - wanted.astype(np.float64)).max()
    assert difference <= (1e-5 if dtype == "float32" else 1e-2) * np.abs(wanted.astype(np.float64)).max()


def test_one_query_of_float32_is_not_narrowed_with_all_keys() -> None:
    query, key, value = (engine.tensor(drawn(shape, i, "float32", False)) for i, shape in enumerate(ONE_QUERY["heads"]))
    with engine.no_grad():
        whole = ops.attend(query, key, value, scale=0.3)
        with engine.precision("bf16"):
            np.testing.assert_array_equal(ops.attend(query, key, value, scale=0.3).numpy(), whole.numpy())
    query.requires_grad_(True)  # recorded, it is, as the way back will be
    with engine.precision("bf16"):
        assert np.abs(ops.attend(query, key, value, scale=0.3).detach().numpy() - whole.numpy()).max() > 1e-5


@pytest.mark.parametrize("form", ["padding", "every score", "queries without keys"])
def test_a_bias_is_added_and_hides(form: str) -> None:
    query, key, value = (drawn((2, 3, 64, 16), i, "float32", True) for i in range(3))
    shape = {"padding": (2, 1, 1, 64), "every score": (2, 3, 64, 64), "queries without keys": (64, 64)}[form]
    bias = np.where(np.random.default_rng(1).random(shape) < 0.3, -np.inf, 0.5).astype(np.float32)
    if form == "queries without keys":
        bias[5:9] = -np.inf
    for ours, body, operands in (
        (kernel.attend, ops.attend.body, (query, key, value, bias)),
        (kernel.attend_backward, ops.attend_backward.body, (query, query, key, value, bias)),
    ):
        given, wanted = ours(*operands, scale=0.2), body(np, *operands, scale=0.2)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (given, wanted)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    if form == "queries without keys":
        assert not kernel.attend(query, key, value, bias, scale=0.2)[:, :, 5:9].any()


@pytest.mark.parametrize("keys", [64, 600])
@pytest.mark.parametrize(
    "axes", [(2, 1, 1), (2, 1, 64), (1, 3, 64), (2, 3, 64), (1, 1, 64), (1, 3, 1), (2, 3, 1), (1, 1, 1)], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_bias_repeats_along_any_axes(dtype: str, axes: tuple[int, ...], keys: int) -> None:
    query, key, value = (drawn((2, 3, n, 16), n, dtype, True) for n in (64, keys, keys))
    for columns in (keys, 1):
        bias = drawn((*axes, columns), 5, dtype, False)
        given = kernel.attend(query, key, value, bias, scale=0.2)
        wanted = ops.attend.body(np, query, key, value, bias, scale=0.2)
        a, b = given.astype(np.float64), wanted.astype(np.float64)
        assert np.abs(a - b).max() <= (1e-5 if dtype == "float32" else 2e-2) * np.abs(b).max()


def test_a_nan_reaches_the_whole_row() -> None:
    query, key, value = (drawn((2, 3, 64, 16), i, "float32", False) for i in range(3))
    query[1, 2, 7, 3] = np.nan
    out = kernel.attend(query, key, value, scale=0.2)
    assert np.isnan(out[1, 2, 7]).all()
    assert np.isnan(out).sum() == 16


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_memory_grows_with_the_length_and_not_its_square(dropout: float) -> None:
    length = 4096
    tensors = [engine.randn(1, 1, length, 16, requires_grad=True) for _ in range(3)]
    tracemalloc.start()
    try:
        ops.scaled_dot_product_attention(*tensors, is_causal=True, dropout_p=dropout).sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < length * length * 4 / 2  # one full matrix of scores is 64 MB, and plain attention holds several


def test_small_ones_are_left_to_numpy() -> None:
    query = drawn((1, 2, 12, 4), 0, "float32", False)
    assert kernel.attend(query, query, query, scale=1.0) is NotImplemented
    assert kernel.attend(query.astype(np.float64), query, query, scale=1.0) is NotImplemented
