"""One row for each operation; the same questions are put to all of them.

Value against an independent float64 reference, first and second gradient along a random direction, every floating dtype,
empty, size-1 and non-contiguous inputs, kernel equal to the body.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optable import REACHED, ROWS, STEPS, WIDE
from optable.row import F64, Row

from numzoo import engine
from numzoo.engine.op import TABLE

IDS = [f"{row.name} {row.label}".strip() for row in ROWS]
SMOOTH = [pytest.param(row, id=name) for row, name in zip(ROWS, IDS, strict=True) if row.smooth]
EVERY = [pytest.param(row, id=name) for row, name in zip(ROWS, IDS, strict=True)]


def drawn(row: Row, seed: int = 0, dtype: Any = F64) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [
        generator.integers(0, row.limit, shape)
        if i in row.integers
        else generator.uniform(row.low, row.high, shape).astype(dtype)
        for i, shape in enumerate(row.shapes)
    ]


def numbers(result: Any) -> Any:
    return (result[0] if isinstance(result, tuple) else result).numpy()


def test_every_operation_has_a_row() -> None:
    named = {row.name for row in ROWS}
    assert set(TABLE) - named - REACHED == set()


@pytest.mark.parametrize("row", EVERY)
def test_the_value_is_the_references(row: Row) -> None:
    inputs = drawn(row)
    wanted = row.reference(*inputs, **row.settings)
    given = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    assert given.shape == np.shape(wanted)
    np.testing.assert_allclose(given, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("row", SMOOTH)
def test_first_and_second_gradients_are_slopes(row: Row) -> None:
    engine.check.gradients(row.run, *[engine.Tensor(x) for x in drawn(row)], order=row.order)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("row", [p for p in EVERY if p.values[0].name not in STEPS])  # type: ignore[attr-defined]
def test_every_floating_dtype_is_kept_and_close(row: Row, dtype: str) -> None:
    kind = engine.dtype.as_dtype(dtype)
    inputs = drawn(row, dtype=kind)
    wanted = row.reference(*[x.astype(F64) if x.dtype == kind else x for x in inputs], **row.settings)
    given = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    if given.dtype.kind in "bi":
        np.testing.assert_array_equal(given, wanted)
        return
    # Statistics and losses stay wide on purpose.
    assert given.dtype == (np.float32 if row.label == "variance" or row.name in WIDE else kind)
    tolerance = {"float32": 2e-5, "float16": 2e-2, "bfloat16": 1e-1}[dtype]
    np.testing.assert_allclose(given.astype(F64), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("row", EVERY)
def test_memory_order_does_not_matter(row: Row) -> None:
    inputs = drawn(row)
    turned = []
    for x in inputs:
        wide = np.zeros((*(2 * s for s in x.shape),), x.dtype)
        view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
        view[...] = x
        turned.append(np.asfortranarray(x) if x.ndim > 2 else view)
    straight = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    crooked = numbers(row.run(*[engine.Tensor(x) for x in turned]))
    np.testing.assert_allclose(crooked, straight, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1,), (1, 1), ()])
@pytest.mark.parametrize("row", [p for p in EVERY if p.values[0].elementwise])  # type: ignore[attr-defined]
def test_empty_and_single_elements_work(row: Row, shape: tuple[int, ...]) -> None:
    inputs = [np.full(shape, 1.5) for _ in row.shapes]
    wanted = row.reference(*inputs, **row.settings)
    tensors = [engine.Tensor(x, requires_grad=row.smooth) for x in inputs]
    result = row.run(*tensors)
    assert result.shape == np.shape(wanted)
    np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-12)
    if row.smooth:
        result.sum().backward()
        assert all(t.grad is not None and t.grad.shape == shape for t in tensors)


@pytest.mark.parametrize("row", [p for p in EVERY if p.values[0].elementwise and len(p.values[0].shapes) == 2])  # type: ignore[attr-defined]
def test_operands_broadcast_and_gradients_sum_back(row: Row) -> None:
    generator = np.random.default_rng(1)
    x, y = generator.uniform(0.6, 1.0, (3, 1, 4)), generator.uniform(1.1, 2.0, (2, 1))
    a, b = engine.Tensor(x, requires_grad=row.smooth), engine.Tensor(y, requires_grad=row.smooth)
    result = row.run(a, b)
    np.testing.assert_allclose(result.numpy(), row.reference(x, y), rtol=1e-12)
    if row.smooth:
        result.sum().backward()
        assert a.grad is not None
        assert b.grad is not None
        assert a.grad.shape == x.shape
        assert b.grad.shape == y.shape


def scaled(row: Row) -> list[Any]:
    """The row's inputs made so large that kernels find them worth their while."""
    inputs = drawn(row, seed=3, dtype=np.float32)
    if not row.elementwise:
        return inputs
    return [
        np.random.default_rng(4 + i).uniform(row.low, row.high, (16, 32, 64, 8)).astype(np.float32)
        for i in range(len(inputs))
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("row", EVERY)
def test_the_kernel_gives_what_the_body_gives(row: Row, dtype: str) -> None:
    inputs = [x if x.dtype.kind == "i" else x.astype(engine.dtype.as_dtype(dtype)) for x in scaled(row)]
    with_kernels = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    kernels = {name: dict(o.kernels) for name, o in TABLE.items()}
    try:
        for o in TABLE.values():
            o.kernels.clear()
            o.implementations.clear()
        without = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    finally:
        for name, o in TABLE.items():
            o.kernels.update(kernels[name])
            o.implementations.clear()
    assert with_kernels.dtype == without.dtype
    assert with_kernels.shape == without.shape
    tolerance = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 4e-2}[dtype]
    np.testing.assert_allclose(with_kernels.astype(F64), without.astype(F64), rtol=tolerance, atol=tolerance)
