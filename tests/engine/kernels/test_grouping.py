"""The kernels of normalisation by groups and by the root of the mean square against their bodies."""

from __future__ import annotations

import numpy as np
import pytest

from numzoo.engine import ops
from numzoo.engine.kernels.cpu.grouping import group_norm, group_norm_backward, rms_norm, rms_norm_backward


@pytest.mark.parametrize("groups", [1, 3, 12])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_kernel_is_the_body(groups: int, affine: bool, order: str) -> None:
    generator = np.random.default_rng(0)
    x, flow = (np.asarray(generator.standard_normal((4, 12, 9, 11)) + 0.5, np.float32, order=order) for _ in range(2))
    weight, bias = generator.standard_normal((2, 12)).astype(np.float32) if affine else (None, None)
    given = group_norm(x, weight, bias, groups=groups, epsilon=1e-3)
    wanted = ops.group_norm.body(np, x, weight, bias, groups=groups, epsilon=1e-3)
    given += group_norm_backward(flow, x, weight, *given[1:], groups=groups)
    wanted += ops.group_norm_backward.body(np, flow, x, weight, *wanted[1:], groups=groups)
    for a, b in zip(given, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("groups", [1, 4, 64])
@pytest.mark.parametrize("shape", [(1, 64, 5003), (2, 64, 30, 31), (3, 64, 7, 8, 9)])
def test_channels_that_come_last_in_memory_stay_there(shape: tuple[int, ...], groups: int) -> None:
    generator = np.random.default_rng(1)
    x = np.moveaxis(generator.standard_normal((shape[0], *shape[2:], shape[1])).astype(np.float32) + 3, -1, 1)
    weight, bias = generator.standard_normal((2, 64)).astype(np.float32)
    given = group_norm(x, weight, bias, groups=groups, epsilon=1e-3)
    wanted = ops.group_norm.body(np, x.astype(np.float64), weight, bias, groups=groups, epsilon=1e-3)
    assert np.moveaxis(given[0], 1, -1).flags.c_contiguous
    for a, b in zip(given, wanted, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b.reshape(a.shape), rtol=2e-6, atol=4e-6)


def test_other_types_and_what_does_not_fit_are_left_to_the_body() -> None:
    assert group_norm(np.zeros((2, 4, 3)), groups=2) is NotImplemented
    assert group_norm(np.zeros((2, 4, 3), np.float32), groups=3) is NotImplemented
    assert group_norm(np.zeros((2, 4, 3), np.float32), np.zeros(3, np.float32), groups=2) is NotImplemented


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("affine", [True, False])
def test_the_root_mean_square_kernel_is_the_body(affine: bool, axes: int) -> None:
    generator = np.random.default_rng(0)
    x, flow = (generator.standard_normal((40, 20, 32)).astype(np.float32) for _ in range(2))
    weight = generator.standard_normal(x.shape[3 - axes :]).astype(np.float32) if affine else None
    given = rms_norm(x, weight, epsilon=1e-3, axes=axes)
    wanted = ops.rms_norm.body(np, x, weight, epsilon=1e-3, axes=axes)
    given += rms_norm_backward(flow, x, weight, given[1], axes=axes)
    wanted += ops.rms_norm_backward.body(np, flow, x, weight, wanted[1], axes=axes)
    for a, b in zip(given, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
