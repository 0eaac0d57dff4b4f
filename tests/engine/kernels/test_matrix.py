"""Matrix products against NumPy's in float64."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numzoo.engine import ops
from numzoo.engine.kernels.cpu import matrix as module
from numzoo.engine.kernels.cpu import plans
from numzoo.engine.kernels.cpu.linear import linear
from numzoo.engine.kernels.cpu.matrix import matmul
from numzoo.engine.ops.algebra import matrix as bodies

LAYOUTS = ["dense", "cut", "every other", "transposed", "reversed"]
SHAPES = [
    ((3, 4), (4, 5)),
    ((64, 33), (33, 2)),
    ((7,), (2, 7, 3)),
    ((2, 1, 7), (2, 7, 3)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((1, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (1, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 6)),
    ((2, 5, 3, 4), (2, 1, 4, 6)),
    ((4, 1, 2, 3, 5), (3, 1, 5, 2)),
    ((3, 4), (2, 5, 4, 6)),
]


VECTORS = [
    ((1, 64), (64, 33)),
    ((64, 33), (33, 1)),
    ((1, 1), (1, 1)),
    ((7,), (7,)),
    ((7,), (7, 3)),
    ((3, 7), (7,)),
    ((2, 3, 7), (7,)),
]


def double(array: Any) -> Any:
    return array.astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("left", "right"), SHAPES, ids=str)
def test_a_product_is_numpys(make: Any, assert_close: Any, left: Any, right: Any, layout: str, dtype: Any) -> None:
    x, y = make(left, layout, dtype), make(right, layout, dtype, seed=1)
    expected = np.asarray(double(x) @ double(y))
    result = matmul(x, y)
    assert_close(result, expected)
    assert result.flags.c_contiguous


@pytest.mark.parametrize(("left", "right"), VECTORS, ids=str)
def test_products_with_one_vector_are_left_to_numpy(make: Any, left: Any, right: Any) -> None:
    assert matmul(make(left), make(right)) is NotImplemented


@pytest.mark.parametrize(("left", "right"), VECTORS, ids=str)
def test_bfloat16_products_with_one_vector_are_served(make: Any, assert_close: Any, left: Any, right: Any) -> None:
    x, y = make(left, dtype=ml_dtypes.bfloat16), make(right, dtype=ml_dtypes.bfloat16)
    assert_close(matmul(x, y), np.asarray(double(x) @ double(y)))


@pytest.mark.parametrize("swap", ["neither", "left", "right", "both"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_transposed_operands_need_no_copy(
    make: Any, assert_close: Any, swap: str, batch: Any, monkeypatch: Any
) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("an operand was copied")

    monkeypatch.setattr(module, "as_dense", refuse)
    x, y = make((*batch, 5, 6)), make((*batch, 6, 7), seed=1)
    if swap in ("left", "both"):
        x = make((*batch, 6, 5)).swapaxes(-1, -2)
    if swap in ("right", "both"):
        y = make((*batch, 7, 6), seed=1).swapaxes(-1, -2)
    assert_close(matmul(x, y), double(x) @ double(y))


def test_heads_split_from_one_projection_are_multiplied(make: Any, assert_close: Any) -> None:
    whole = make((2, 9, 3, 4, 8))  # batch, time, (query, key, value), heads, width
    query, key, value = (whole[:, :, part].transpose(0, 2, 1, 3) for part in range(3))
    scores = matmul(query, key.swapaxes(-1, -2))
    assert_close(scores, double(query) @ double(key).swapaxes(-1, -2))
    assert_close(matmul(scores, value), double(scores) @ double(value))


def test_repeated_batch_axes_are_not_copied_out(make: Any, assert_close: Any) -> None:
    x, y = np.broadcast_to(make((3, 4)), (5, 3, 4)), make((5, 4, 6), seed=1)
    assert_close(matmul(x, y), double(x) @ double(y))
    assert_close(
        matmul(np.broadcast_to(make((1, 4)), (3, 4)), make((4, 2))),
        double(np.broadcast_to(make((1, 4)), (3, 4))) @ double(make((4, 2))),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_broadcasts_agree_with_numpy(make: Any, assert_close: Any, data: st.DataObject) -> None:
    size, layout = st.integers(1, 5), st.sampled_from(LAYOUTS)
    batch = data.draw(st.lists(size, max_size=3))
    rows, inner, columns = data.draw(st.integers(2, 5)), data.draw(size), data.draw(st.integers(2, 5))

    def some() -> tuple[int, ...]:
        kept = [n if data.draw(st.booleans()) else 1 for n in batch]
        return tuple(kept[data.draw(st.integers(0, len(kept))) :])

    x = make((*some(), rows, inner), data.draw(layout))
    y = make((*some(), inner, columns), data.draw(layout), seed=1)
    assert_close(matmul(x, y), double(x) @ double(y))


def test_small_products_are_left_to_numpy(monkeypatch: Any) -> None:
    monkeypatch.undo()
    plans.clear()
    x = np.ones((8, 8), np.float32)
    assert matmul(x, x) is NotImplemented
    assert linear(x, x) is NotImplemented


REFUSED = {
    "inner sizes that differ": (np.ones((3, 4), np.float32), np.ones((5, 6), np.float32)),
    "batches that do not broadcast": (np.ones((2, 3, 4), np.float32), np.ones((3, 4, 6), np.float32)),
    "double precision": (np.ones((3, 4)), np.ones((4, 5))),
    "mixed types": (np.ones((3, 4), np.float32), np.ones((4, 5), ml_dtypes.bfloat16)),
    "nothing inside": (np.ones((3, 0), np.float32), np.ones((0, 5), np.float32)),
    "no rows": (np.ones((0, 4), np.float32), np.ones((4, 5), np.float32)),
    "numbers": (np.ones((), np.float32), np.ones((), np.float32)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_left_to_the_body(name: str) -> None:
    assert matmul(*REFUSED[name]) is NotImplemented


def test_products_of_float16_are_computed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    # NumPy multiplies float16 without BLAS, a hundred times slower.
    seen, plain = [], bodies.product
    monkeypatch.setattr(bodies, "product", lambda xp, x, y: seen.extend([x.dtype, y.dtype]) or plain(xp, x, y))
    x, weight = (np.random.default_rng(seed).normal(size=(20, 70)).astype(np.float16) for seed in (0, 1))
    wide, wide_weight = x.astype(np.float32), weight.astype(np.float32)
    for found, wanted in (
        (ops.linear(x, weight), wide @ wide_weight.T),
        (ops.matmul(x, weight.T), wide @ wide_weight.T),
        (bodies.linear_weight(weight, x), wide_weight.T @ wide),
    ):
        assert found.dtype == np.float16
        assert (found.numpy() == wanted.astype(np.float16)).mean() > 0.99
    assert seen == [np.float32] * 6
