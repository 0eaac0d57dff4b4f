"""The kernels of sums with a residual that are normalised, against their bodies, and what is left out against the stream's own booleans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_same, memory_orders, placed

from numzoo import engine
from numzoo.engine import nn, ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.layers import normalization, residuals
from numzoo.engine.kernels.cuda.layers.drawing import Stream

SMALL = ((32, 2), (64, 2), (64, 0))
"""Teams so small that rows of a few hundred numbers meet all ways of holding a row."""


@pytest.fixture(autouse=True)
def small(monkeypatch: Any) -> None:
    for name in ("FORWARD", "BACKWARD", "NARROW_BACKWARD"):
        monkeypatch.setattr(normalization, name, SMALL)
    residuals.PLANS.clear()


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) + 0.5).astype(as_dtype(dtype))


class Given:
    """A stream whose booleans are known."""

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def kept(self, shape: tuple[int, ...], p: float, like: Any = None) -> Any:
        return self.mask


def check(
    gpu: Any, x: Any, residual: Any, weight: Any, bias: Any, p: float = 0.0, axes: int = 1, count: int = 1
) -> None:
    """Both norms, both ways, with and without what flows to the sum itself; ``count`` flow to what was normalised."""
    flows, beside = [drawn(x.shape, residual.dtype, 7 + i) for i in range(count)], drawn(x.shape, residual.dtype, 6)
    for name, vectors in (("add_layer_norm", (weight, bias)), ("add_rms_norm", (weight,))):
        kernel, back = getattr(residuals, name), getattr(residuals, f"{name}_backward")
        settings: dict[str, Any] = {"keep": True, "epsilon": 1e-3, "axes": axes, "p": p}
        arrays = [placed(gpu, array) for array in (x, residual, *vectors)]
        # The same numbers as the stream gives next, in the memory order of x.
        mask = Stream(9).kept(x.shape, p, like=arrays[0]).get() if p else None
        stream = Stream(9)
        found = kernel(*arrays, stream=stream, **settings)
        body = ops.__dict__[name].body(np, x, residual, *vectors, stream=Given(mask), **settings)
        # A body rounds the scale to the dtype of x, a kernel only what it scales.
        assert_same(found, body, x.dtype.itemsize)
        total, *statistics = (np.asarray(array.get()) for array in found[1 : 4 if name == "add_layer_norm" else 3])
        if p:
            assert stream.drawn() == -(-x.size // 4)
            np.testing.assert_array_equal(found[-1].get(), mask)
        for other in (None, beside):
            arrays = [*flows, *(None,) * (4 - len(flows)), other, total, weight, *statistics, mask]
            given = back(*[placed(gpu, array) for array in arrays], axes=axes, dtype=x.dtype, p=p)
            body = ops.__dict__[f"{name}_backward"].body(np, *arrays, axes=axes, dtype=x.dtype, p=p)
            assert_same(given, body, x.dtype.itemsize, 5)


@pytest.mark.parametrize(("width", "p"), [(1, 0.3), (96, 0.0), (96, 0.3), (300, 0.3), (1000, 0.0), (1000, 0.3)])
def test_rows_of_every_width(gpu: Any, width: int, p: float) -> None:
    x, residual = drawn((2, 5, width)), drawn((2, 5, width), seed=1)
    check(gpu, x, residual, drawn((width,), seed=2), drawn((width,), seed=3), p)
    check(gpu, x, residual, None, None, p)


@pytest.mark.parametrize(
    ("first", "second", "weights"),
    [("bfloat16", "float32", "float32"), ("float16", "float32", "float32"), ("bfloat16", "bfloat16", "bfloat16"), ("float64", "float64", "float64")],
)  # fmt: skip
def test_every_dtype_and_what_is_added_narrower_than_the_sum(gpu: Any, first: str, second: str, weights: str) -> None:
    weight, bias = drawn((40,), weights, 2), drawn((40,), weights, 3)
    check(gpu, drawn((70, 40), first), drawn((70, 40), second, 1), weight, bias, 0.3)
    check(gpu, drawn((7, 33), first), drawn((7, 33), second, 1), None, None, 0.3, count=2)


@pytest.mark.parametrize("width", [5, 96, 300])
def test_several_flows_are_added_up_on_the_way(gpu: Any, width: int) -> None:
    x, residual, weight = drawn((2, 5, width)), drawn((2, 5, width), seed=1), drawn((width,), seed=2)
    check(gpu, x, residual, weight, weight, 0.3, count=4)
    check(gpu, np.asfortranarray(x), residual, weight, None, count=3)


def test_memory_orders_and_several_axes(gpu: Any) -> None:
    x, residual = drawn((3, 4, 8)), drawn((3, 4, 8), seed=1)
    weight, bias = drawn((8,), seed=2), drawn((8,), seed=3)
    for turned, other in zip(memory_orders(x), [*memory_orders(residual)][::-1], strict=True):
        check(gpu, turned, other, weight[::-1], bias)
    check(gpu, x.transpose(1, 0, 2).copy().transpose(1, 0, 2), residual, weight, bias, 0.3)
    check(gpu, x, np.broadcast_to(residual[:1, :1, :1], x.shape), weight, None, 0.3)
    check(gpu, x, residual, drawn((4, 8)), drawn((4, 8)), 0.3, axes=2)
    check(gpu, x, residual, None, None, 0.3, axes=3)


def test_nothing_is_written_that_is_not_wanted(gpu: Any) -> None:
    x, residual = gpu.put(drawn((3, 40))), gpu.put(drawn((3, 40), seed=1))
    out, *others = residuals.add_layer_norm(x, residual, both=False)
    assert others == [None] * 4
    np.testing.assert_allclose(out.get(), residuals.add_layer_norm(x, residual)[0].get())


def test_what_the_kernels_do_not_serve_is_left_to_the_body(gpu: Any) -> None:
    x = gpu.put(drawn((2, 3)))
    assert residuals.add_layer_norm(x, gpu.put(drawn((2, 3), "bfloat16"))) is NotImplemented
    assert residuals.add_layer_norm(x, x, gpu.put(drawn((3,), "float64"))) is NotImplemented
    assert residuals.add_rms_norm(*[gpu.put(np.zeros((0, 3), np.float32))] * 2) is NotImplemented
    assert residuals.add_layer_norm(x, x, p=0.5, stream=Given(None)) is NotImplemented
    with pytest.raises(engine.errors.ShapeError, match="weight"):
        residuals.add_layer_norm(x, x, gpu.put(drawn((2,))))
    with pytest.raises(engine.errors.ShapeError, match="one shape"):
        residuals.add_rms_norm(x, gpu.put(drawn((2, 1))))


@pytest.mark.parametrize("precision", [None, "bf16"])
@pytest.mark.parametrize("before", [False, True])
def test_a_layers_step_is_the_modules_one_after_another(gpu: Any, precision: str | None, before: bool) -> None:
    dense, norm, dropout = nn.Linear(40, 40).to(device="cuda"), nn.LayerNorm(40).to(device="cuda"), nn.Dropout(0.3)

    def step(together: bool) -> list[Any]:
        engine.manual_seed(3)
        dense.zero_grad(), norm.zero_grad()
        x = engine.Tensor(drawn((6, 40))).to(device="cuda").requires_grad_()
        with engine.precision(precision or "f32"):
            part = dense(x)
            if together:
                total, out = nn.add_and_normalise(part, x, norm, dropout)
                out = out if before else nn.normalised_sum(part, x, norm, dropout)
            else:
                total = dropout(part) + x
                out = norm(total) if before else norm(dropout(part) + x)
            assert out.dtype == engine.float32
            last = dense(out)
            loss = (last.float() * last.float()).sum() + (total * 0.5).sum() * float(before)
        loss.backward()
        return [t.numpy() for t in (out, *[v.grad for v in (x, *dense.parameters(), *norm.parameters())])]

    tolerance = 1e-4 if precision is None else 2e-2
    for one, other in zip(step(True), step(False), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())
    assert "add_layer_norm_backward" in gpu.launched


def test_second_derivatives_on_a_gpu_are_the_cpus(gpu: Any) -> None:
    def slopes(device: str) -> list[Any]:
        x = engine.Tensor(drawn((6, 40))).to(device=device).requires_grad_()
        residual = engine.Tensor(drawn((6, 40), seed=1)).to(device=device).requires_grad_()
        out, total = ops.add_layer_norm(x, residual)
        first = engine.grad((out * total).sum(), [x], create_graph=True)[0]
        return [g.numpy() for g in engine.grad((first * first).sum(), [x, residual])]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-3)
