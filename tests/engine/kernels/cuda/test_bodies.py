"""Every operation computes on a GPU what it computes on the CPU: by its body alone, and with whatever kernels there are.

The emulated GPU refuses what CuPy would refuse: NumPy's functions on its arrays, arguments that CuPy's functions do not have, arrays of two devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from optable import ROWS
from optable.row import Row

from numzoo import engine
from numzoo.engine.op import TABLE
from numzoo.engine.ops.layers import blockwise

IDS = [f"{row.name} {row.label}".strip() for row in ROWS]
WITH_BODIES = {"copied", "transposed", "look_at_integers", "look_at_numbers", "flat"}
"""Launches for bodies: copies of gradients that others hold too, looks at numbers that must lie within bounds, and the first gradient of a backward pass."""
EVERY = [pytest.param(row, id=name) for row, name in zip(ROWS, IDS, strict=True)]


@pytest.fixture
def bodies() -> Iterator[None]:
    """No kernels, on either device."""
    held = {name: dict(op.kernels) for name, op in TABLE.items()}
    for op in TABLE.values():
        op.kernels.clear()
        op.implementations.clear()
    yield
    for name, op in TABLE.items():
        op.kernels.update(held[name])
        op.implementations.clear()


def drawn(row: Row) -> list[Any]:
    generator = np.random.default_rng(0)
    return [
        generator.integers(0, row.limit, shape)
        if i in row.integers
        else generator.uniform(row.low, row.high, shape).astype(np.float32)
        for i, shape in enumerate(row.shapes)
    ]


def computed(row: Row, device: str, order: int) -> list[Any]:
    """The results of a row, and the gradients of its inputs."""
    inputs = [engine.Tensor(x).to(device=device) for x in drawn(row)]
    moving = [x for i, x in enumerate(inputs) if i not in row.integers] if row.smooth else []
    for x in moving:
        x.requires_grad_(True)
    given = row.run(*inputs)
    results = [r for r in (given if isinstance(given, (tuple, list)) else [given]) if isinstance(r, engine.Tensor)]
    found = list(results)
    if moving:
        first = results[0]
        weight = np.cos(np.arange(first.numel(), dtype=np.float32)).reshape(first.shape)
        value = (first * engine.Tensor(weight).to(device=device)).sum()
        for _ in range(order):
            slopes = [s for s in engine.grad(value, moving, create_graph=order > 1, allow_unused=True) if s is not None]
            found += slopes
            value = sum(((s * s).sum() for s in slopes), start=value * 0.0)
            if not value.requires_grad:
                break
    if device != "cpu":
        assert not any(isinstance(r.array, np.ndarray) for r in found), "a result lies on the CPU"
    return [r.numpy() for r in found]


def assert_both_agree(row: Row, order: int) -> None:
    for there, here in zip(computed(row, "cuda", order), computed(row, "cpu", order), strict=True):
        assert there.dtype == here.dtype
        assert there.shape == here.shape
        np.testing.assert_allclose(there, here, rtol=2e-4, atol=2e-4)


@pytest.mark.usefixtures("bodies")
@pytest.mark.parametrize("gpu", ["ascending"], indirect=True)
@pytest.mark.parametrize("row", EVERY)
def test_the_body_of_an_operation_computes_on_a_gpu(row: Row, gpu: Any) -> None:
    assert_both_agree(row, min(row.order, 2))
    assert {*gpu.launched} <= WITH_BODIES


SMALLER: dict[str, tuple[tuple[tuple[int, ...], ...], int, int]] = {
    "attend large": (((2, 6, 20, 8),) * 3, 1000, 512),
    "attend long": (((1, 2, 70, 8),) * 3, 2000, 16),
}
"""Rows that are large because attention then computes in several blocks. Emulated threads are slow, so here it is the blocks that are smaller: the
shapes, the scores of a block, and the keys that causal blocks grow by."""


@pytest.mark.parametrize("row", EVERY)
def test_an_operation_with_its_kernels_computes_on_a_gpu(row: Row, one_order: Any, monkeypatch: Any) -> None:
    found = SMALLER.get(f"{row.name} {row.label}")
    if found is not None:
        row = replace(row, shapes=found[0])
        monkeypatch.setattr(blockwise, "SCORES_OF_GPU", found[1])
        monkeypatch.setattr(blockwise, "KEYS_STEP", found[2])
    assert_both_agree(row, 1)
    if found is not None:
        assert one_order.launched.count("attention_softmax") > 3


def test_rows_made_smaller_are_there() -> None:
    assert set(SMALLER) <= set(IDS)


@pytest.mark.parametrize("gpu", ["ascending"], indirect=True)
def test_what_cupy_lacks_is_refused(gpu: Any) -> None:
    x = gpu.xp.asarray(np.ones(3, np.float32))
    for wrong in (
        lambda: gpu.xp.errstate(over="ignore"),
        lambda: gpu.xp.take(x, gpu.xp.asarray(np.zeros(1, int)), 0, None, "wrap"),
        lambda: x.take(gpu.xp.asarray(np.zeros(1, int)), 0, mode="wrap"),
        lambda: gpu.xp.maximum.reduce(x),
        lambda: gpu.xp.add(x, np.ones(3, np.float32)),
        lambda: np.add(x, np.ones(())),
        lambda: np.asarray(x),
    ):
        with pytest.raises((AttributeError, TypeError, NotImplementedError)):
            wrong()
