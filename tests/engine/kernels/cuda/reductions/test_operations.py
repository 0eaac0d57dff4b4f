"""Reductions on the GPU give what the bodies give: over any axes, in any layout and dtype, in one launch or in parts, and no less exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine.dtype import as_dtype
from numzoo.engine.op import TABLE

FLOATING = [
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "all",
    "any",
    "count_nonzero",
    "max_along",
    "min_along",
    "variance",
    "vector_norm_of",
    "logsumexp_of",
]


def laid(here: EmulatedMachine, values: Any, how: str) -> Any:
    """Values on the GPU that lie in memory in a certain way."""
    if how == "plain":
        return here.put(values)
    if how == "last":
        return here.put(np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1))
    wide = here.put(np.full(tuple(2 * size + 1 for size in values.shape), 7).astype(values.dtype))
    if how == "cut":
        view = wide[tuple(slice(1, size + 1) for size in values.shape)]
    else:
        view = wide[tuple(slice(0, 2 * size, 2) for size in values.shape)][
            tuple(slice(None, None, -1) for _ in values.shape)
        ]
    view[...] = here.put(values)
    return view


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    kind = as_dtype(dtype)
    if kind.kind in "iub":
        return generator.integers(0 if kind.kind != "i" else -3, 2 if kind.kind == "b" else 4, shape).astype(kind)
    return (generator.integers(-6, 7, shape) / 4).astype(kind)  # so that there are equal ones


def both(here: EmulatedMachine, name: str, x: Any, values: Any, **settings: Any) -> tuple[list[Any], list[Any]]:
    given = TABLE[name].kernels["cuda"](x, **settings)
    assert given is not NotImplemented
    wide = (
        values.astype(np.float64)
        if values.dtype.kind in "fV" and values.dtype.itemsize < 8 and name not in ("argmax", "argmin")
        else values
    )
    with np.errstate(all="ignore"):
        wanted = TABLE[name].body(np, wide, **settings)
    given, wanted = ([*r] if isinstance(r, tuple) else [r] for r in (given, wanted))
    return [g.get() for g in given], [np.asarray(w) for w in wanted]


def check(here: EmulatedMachine, name: str, x: Any, values: Any, tolerance: float = 1e-6, **settings: Any) -> None:
    for given, wanted in zip(*both(here, name, x, values, **settings), strict=True):
        assert given.shape == wanted.shape
        if wanted.dtype.kind in "iub":
            assert given.dtype == wanted.dtype
            np.testing.assert_array_equal(given, wanted)
        else:
            assert given.dtype == values.dtype
            np.testing.assert_allclose(given.astype(float), wanted, rtol=tolerance, atol=tolerance)


def settings_of(name: str, axis: Any, keepdim: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {"axis": axis, "keepdim": keepdim}
    if name == "count_nonzero":
        del settings["keepdim"]
    if name in ("argmax", "argmin", "max_along", "min_along") and isinstance(axis, tuple):
        settings["axis"] = axis[0]
    return settings


@pytest.mark.parametrize("how", ["plain", "cut", "turned", "last"])
@pytest.mark.parametrize("name", FLOATING)
def test_any_axes_of_any_layout(one_order: EmulatedMachine, name: str, how: str) -> None:
    values = drawn((3, 5, 4, 6), seed=len(name))
    x = laid(one_order, values, how)
    for place, axis in enumerate([(3,), (1,), (0,), (2, 3), (0, 2, 3), (0, 1), None]):
        if axis is None and name in ("max_along", "min_along"):
            continue
        check(one_order, name, x, values, **settings_of(name, axis, place % 2 == 0))


@pytest.mark.parametrize("name", ["sum", "argmin", "variance", "max_along", "logsumexp_of"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((5, 3000), (1,)), ((9000,), (0,)), ((3000, 5), (0,)), ((700, 40), (0,)), ((2, 700, 3), (1,)), ((4, 40, 33), (1,)), ((12, 2500), (0,))]
)  # fmt: skip
def test_long_rows_and_columns_are_made_of_parts(gpu: EmulatedMachine, name: str, shape: Any, axis: Any) -> None:
    values = drawn(shape)
    values.reshape(-1)[-3] = -40
    x = gpu.put(values)
    check(gpu, name, x, values, 2e-6, **settings_of(name, axis, False))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int64", "int8", "uint8", "bool"])
@pytest.mark.parametrize("name", ["sum", "amax", "argmax", "any"])
def test_other_dtypes(one_order: EmulatedMachine, name: str, dtype: str) -> None:
    values = drawn((6, 37), dtype)
    tolerance = {"float16": 2e-3, "bfloat16": 1e-2}.get(dtype, 1e-12)
    for axis in ((0,), (1,)):
        check(one_order, name, one_order.put(values), values, tolerance, **settings_of(name, axis, False))


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, np.inf, -np.inf])
def test_norms(one_order: EmulatedMachine, p: float) -> None:
    values = drawn((4, 30))
    for axis in ((1,), None):
        check(one_order, "vector_norm_of", one_order.put(values), values, axis=axis, keepdim=False, p=p)


@pytest.mark.parametrize("name", ["amax", "amin", "argmax", "argmin", "sum", "variance", "max_along", "logsumexp_of"])
def test_a_nan_and_infinities_go_as_in_the_body(one_order: EmulatedMachine, name: str) -> None:
    values = drawn((4, 50))
    values[0, 7] = values[0, 30] = np.nan
    values[1, 3], values[2, 9], values[3] = np.inf, -np.inf, -np.inf
    settings = settings_of(name, (1,), False)
    for given, wanted in zip(*both(one_order, name, one_order.put(values), values, **settings), strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-6)


def test_sums_are_as_exact_as_the_numbers(one_order: EmulatedMachine) -> None:
    values = np.random.default_rng(1).uniform(0, 1, (3, 20001)).astype(np.float32) + np.float32(1000)
    total = TABLE["sum"].kernels["cuda"](one_order.put(values), axis=(1,), keepdim=False).get()
    np.testing.assert_array_equal(total, values.astype(np.float64).sum(1).astype(np.float32))
    spread = TABLE["variance"].kernels["cuda"](one_order.put(values), axis=(1,), keepdim=False).get()
    np.testing.assert_allclose(spread, values.astype(np.float64).var(1, ddof=1), rtol=1e-6)


def test_gradients_flow_and_broadcasting_is_undone_by_kernels(one_order: EmulatedMachine) -> None:
    grads = []
    for device in ("cpu", "cuda"):
        x = engine.Tensor(drawn((4, 3, 8))).to(device).requires_grad_()
        y = engine.Tensor(drawn((3, 1), seed=2)).to(device).requires_grad_()
        product = x * y
        (product.amax(-1).sum() + product.var(0).mean() + product.max(1).values.sum()).backward()
        grads.append([x.grad.numpy(), y.grad.numpy()])
    for given, wanted in zip(grads[1], grads[0], strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)
    assert "rows_by_block" in one_order.launched or "rows_by_warp" in one_order.launched


def test_nothing_to_choose_from_is_refused_as_by_the_body(one_order: EmulatedMachine) -> None:
    with pytest.raises(engine.errors.EngineError, match="nothing to choose from"):
        engine.zeros(0, 3).to("cuda").amax(0)
    assert engine.zeros(0, 3).to("cuda").sum(0).tolist() == [0, 0, 0]
    with pytest.raises(engine.errors.EngineError, match="out of range"):
        engine.zeros(2, 3).to("cuda").sum(5)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *(
            (name, dtype)
            for name in ("sum", "argmax", "max_along")
            for dtype in ("float32", "bfloat16", "int8", "float64")
        ),
        *(("variance", dtype) for dtype in ("float32", "bfloat16")),
    ],
)
def test_results_side_by_side_are_taken_in_fours(gpu: EmulatedMachine, name: str, dtype: str) -> None:
    tolerance = 1e-2 if dtype == "bfloat16" else 2e-6
    for shape, axis, fits in (((40, 132), (0,), True), ((3, 30, 8), (0, 1), True), ((500, 8), (0,), True), ((40, 133), (0,), False)):  # fmt: skip
        values = drawn(shape, dtype)
        gpu.launched.clear()
        settings = settings_of(name, axis[:1] if name in ("argmax", "max_along") else axis, False)
        check(gpu, name, gpu.put(values), values, tolerance, **settings)
        if len(shape) == 2:
            assert gpu.launched[0] == ("columns_in_fours" if fits and dtype != "float64" else "columns")
    whole = gpu.put(np.concatenate([values.reshape(-1)[:1], values[:, :132].reshape(-1)]))
    gpu.launched.clear()
    check(gpu, name, whole[1:].reshape(40, 132), values[:, :132], tolerance, **settings_of(name, (0,), False))
    assert gpu.launched[0] == "columns"  # it begins where four cannot be read at once


@pytest.mark.parametrize(
    ("name", "dtype"), [("sum", "float32"), ("sum", "bfloat16"), ("mean", "float32"), ("any", "int8")]
)
def test_a_few_hundred_terms_side_by_side_take_one_launch(gpu: EmulatedMachine, name: str, dtype: str) -> None:
    for shape in ((200, 132), (512, 8), (130, 40)):
        values = drawn(shape, dtype)
        gpu.launched.clear()
        check(gpu, name, gpu.put(values), values, 1e-2 if dtype == "bfloat16" else 2e-6, axis=(0,), keepdim=False)
        assert gpu.launched == ["columns_in_fours"]
    values = drawn((600, 8), dtype)
    gpu.launched.clear()
    check(gpu, name, gpu.put(values), values, 1e-2 if dtype == "bfloat16" else 2e-6, axis=(0,), keepdim=False)
    assert gpu.launched == ["columns_in_fours", "parts"]


def test_warps_take_longer_rows_where_there_are_many(one_order: EmulatedMachine) -> None:
    many = 32 * one_order.processors
    for rows, entry in ((many, "rows_by_warp"), (many - 1, "rows_by_block")):
        values = drawn((rows, 1500))
        one_order.launched.clear()
        check(one_order, "sum", one_order.put(values), values, axis=(1,), keepdim=False)
        assert one_order.launched[0] == entry
