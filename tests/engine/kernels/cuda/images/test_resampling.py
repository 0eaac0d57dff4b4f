"""The kernels of resampling, of sampling at points and of picking along an axis against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, memory_orders, placed

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.images import resampling
from numzoo.engine.kernels.cuda.indexing import places
from numzoo.engine.op import TABLE
from numzoo.engine.ops.images import resampling as tables


@pytest.fixture
def gpu(one_order: Any) -> Any:
    """Threads know nothing of one another here."""
    return one_order


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(as_dtype(dtype))


def last(x: Any) -> Any:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


TABLES = [
    (tables.nearest_taps(5, 8), tables.nearest_taps(6, 3)),
    (tables.linear_taps(5, 9), None),
    (tables.linear_taps(5, 3, align=True), tables.linear_taps(6, 11)),
    (tables.mean_taps(5, 2), tables.mean_taps(6, 4)),
]


@pytest.mark.parametrize("pair", TABLES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_images_in_both_layouts_and_back(gpu: Any, pair: Any, dtype: str) -> None:
    for x in (drawn((2, 8, 5, 6), dtype), last(drawn((2, 8, 5, 6), dtype)), last(drawn((2, 3, 5, 6), dtype))):
        (out,) = assert_kernel_is_body(gpu, resampling.resample, "resample", x, tables=pair, scale=2)
        back = tuple(None if table is None else table.turned for table in pair)
        assert_kernel_is_body(gpu, resampling.resample, "resample", drawn(out.shape, dtype, 1), tables=back, scale=2)


def test_volumes_lines_and_memory_orders(gpu: Any) -> None:
    three = (tables.linear_taps(4, 6), tables.linear_taps(2, 3), tables.nearest_taps(3, 5))
    assert_kernel_is_body(gpu, resampling.resample, "resample", last(drawn((2, 4, 4, 2, 3), "float64")), tables=three)
    assert_kernel_is_body(gpu, resampling.resample, "resample", drawn((2, 3, 7)), tables=(tables.mean_taps(7, 3),))
    assert_kernel_is_body(gpu, resampling.resample, "resample", drawn((7,)), tables=(tables.mean_taps(7, 3),))
    for x in memory_orders(drawn((2, 4, 5, 6))):
        assert_kernel_is_body(gpu, resampling.resample, "resample", x, tables=TABLES[2])
    assert resampling.resample(gpu.put(drawn((1, 1, 90, 90))), tables=(tables.mean_taps(90, 2),) * 2) is NotImplemented


@pytest.mark.parametrize("channels", [1, 3, 20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_images_are_sampled_at_points(gpu: Any, channels: int, dtype: str) -> None:
    x, weight, index = drawn((2, channels, 30), dtype), drawn((2, 4, 17), dtype, 1), np.random.default_rng(2).integers(0, 30, (2, 4, 17))  # fmt: skip
    (out,) = assert_kernel_is_body(gpu, resampling.sample, "sample", x, weight, index)
    assert_kernel_is_body(gpu, resampling.sample_weight, "sample_weight", drawn(out.shape, dtype, 3), x, index, scale=3)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_elements_are_picked_along_an_axis_and_put_back(gpu: Any, axis: int, dtype: str) -> None:
    generator = np.random.default_rng(3)
    for x in memory_orders((drawn((3, 4, 5)) * 3).astype(as_dtype(dtype))):
        for shape in ((3, 4, 5), (2, 3, 4), (1, 1, 1)):
            sizes = [9 if i == axis % 3 else size for i, size in enumerate(shape)]
            index = generator.integers(-x.shape[axis], x.shape[axis], sizes)
            wanted = TABLE["gather_along"].body(np, x, index, axis=axis)
            np.testing.assert_array_equal(places.gather_along(placed(gpu, x), gpu.put(index), axis=axis).get(), wanted)
            if dtype in ("float32", "bfloat16"):
                assert_kernel_is_body(
                    gpu, places.spread_along, "spread_along", wanted, index.astype(np.int32), shape=(3, 4, 5), axis=axis % 3
                )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex128"])
def test_slices_are_picked(gpu: Any, dtype: str) -> None:
    index = np.array([3, -1, 0, 3])
    for x in memory_orders((drawn((4, 5, 4)) * 3).astype(as_dtype(dtype))):
        for axis in (0, 2):
            given = places.take_slices(placed(gpu, x), gpu.put(index), axis=axis)
            np.testing.assert_array_equal(given.get(), x.take(index, axis))


@pytest.mark.parametrize("wrong", [4, -5])
def test_an_index_outside_is_an_error_when_the_result_is_read(gpu: Any, wrong: int) -> None:
    x = engine.Tensor(gpu.put(drawn((3, 4))))
    index = engine.Tensor(gpu.put(np.array([[0, wrong]])))
    out = ops.gather(x, 1, index)
    with pytest.raises(engine.errors.ShapeError, match=f"gather: an index holds {wrong}, but the axis has 4 elements"):
        out.numpy()
    out = ops.index_select(x, 1, index.reshape(2))
    with pytest.raises(engine.errors.ShapeError, match=f"index_select: an index holds {wrong}"):
        out.numpy()


def test_interpolation_and_grids_give_the_cpus_gradients(gpu: Any) -> None:
    def slopes(device: str) -> list[Any]:
        x = engine.Tensor(drawn((2, 3, 5, 6))).to(device=device)
        grid = engine.Tensor(np.tanh(drawn((2, 4, 3, 2), seed=1))).to(device=device)
        for tensor in (x, grid):
            tensor.requires_grad_(True)
        wide = engine.nn.functional.interpolate(x, scale_factor=2, mode="bicubic")
        out = ops.grid_sample(x, grid, align_corners=False)
        ((wide * wide).sum() + (out * out).sum()).backward()
        return [wide.numpy(), out.numpy(), x.grad.numpy(), grid.grad.numpy()]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-4)
    assert {"resample", "sample", "sample_weight"} <= set(gpu.launched)
