"""What NVIDIA's libraries give is what the bodies give on the CPU in float64: products, convolutions, attention, in every dtype and layout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import Tensor
from numzoo.engine.device import load_kernels
from numzoo.engine.nn import functional
from numzoo.engine.op import TABLE

TOLERANCE = {"float32": 2e-5, "tf32": 4e-3, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}
"""Largest difference over the largest number of the right answer."""


def operand(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def held(call: Any, values: list[Any], kind: str, *, turn: Any = None) -> None:
    """A call and its gradients on the GPU, beside the same in float64 on the CPU."""
    found = []
    for place, dtype in (("cuda", "float32" if kind == "tf32" else kind), ("cpu", "float64")):
        leaves = [Tensor(v).to(dtype=getattr(engine, dtype)).to(place) for v in values]
        if turn is not None:
            leaves = [turn(leaf) for leaf in leaves]
        leaves = [leaf.detach().requires_grad_() for leaf in leaves]
        with engine.precision("tf32" if kind == "tf32" else "f32"):
            out = call(*leaves)
            (out * out).sum().backward()
        found.append([t.cpu().double().numpy() for t in (out.detach(), *(leaf.grad for leaf in leaves))])  # type: ignore[union-attr]
    for mine, right in zip(*found, strict=True):
        largest = max(float(np.abs(right).max()), 1e-30)
        assert np.abs(mine - right).max() <= 4 * TOLERANCE[kind] * largest


PRODUCTS = [
    ((64, 48), (48, 80)), ((5, 7), (7, 3)), ((4, 33, 17), (17, 9)), ((4, 33, 17), (4, 17, 9)), ((33, 17), (4, 17, 9)), ((3, 1, 8, 6), (5, 6, 4)),
    ((17,), (17, 5)), ((5, 17), (17,)), ((1, 1), (1, 1)), ((2, 3, 130, 64), (2, 3, 64, 257)), ((1, 4096), (4096, 1000)),
]  # fmt: skip


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("shapes", PRODUCTS, ids=str)
def test_products(shapes: Any, kind: str) -> None:
    held(engine.matmul, [operand(*shape) for shape in shapes], kind)


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("turned", ["as it is", "transposed", "cut"])
def test_linear_layers(turned: str, kind: str) -> None:
    def call(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        x = {"as it is": x, "transposed": x.mT.contiguous().mT, "cut": engine.cat([x, x], -1)[..., : x.shape[-1]]}[
            turned
        ]
        return engine.linear(x, weight, bias)

    held(call, [operand(4, 33, 40), operand(24, 40), operand(24)], kind)


CONVOLUTIONS = {
    "3 x 3": ((2, 16, 15, 14), (24, 16, 3, 3), {"padding": (1, 1)}),
    "1 x 1": ((2, 16, 9, 9), (8, 16, 1, 1), {}),
    "stem": ((2, 3, 33, 32), (16, 3, 7, 7), {"stride": (2, 2), "padding": (3, 3)}),
    "dilated": ((1, 8, 12, 12), (8, 8, 3, 3), {"dilation": (2, 2)}),
    "grouped": ((2, 16, 8, 8), (16, 4, 3, 3), {"groups": 4, "padding": (1, 1)}),
    "depthwise": ((2, 16, 9, 9), (16, 1, 3, 3), {"groups": 16, "stride": (2, 2), "padding": (1, 1)}),
    "odd channels": ((2, 5, 9, 7), (7, 5, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
}


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions(case: str, kind: str) -> None:
    shape, kernel, settings = CONVOLUTIONS[case]
    held(
        lambda x, w, b: engine.conv2d(x, w, b, **settings),
        [operand(*shape), operand(*kernel), operand(kernel[0])],
        kind,
    )


ATTENTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (((2, 4, 33, 32),) * 3, {}),
    "causal": (((2, 4, 40, 64),) * 3, {"is_causal": True}),
    "other lengths": (((2, 4, 17, 32), (2, 4, 50, 32), (2, 4, 50, 32)), {}),
    "one query": (((2, 4, 1, 32), (2, 4, 50, 32), (2, 4, 50, 32)), {}),
    "groups": (((2, 8, 33, 32), (2, 2, 33, 32), (2, 2, 33, 32)), {"enable_gqa": True}),
    "odd width": (((2, 2, 20, 20),) * 3, {}),
    "many tiles": (((3, 4, 197, 64), (3, 4, 300, 64), (3, 4, 300, 64)), {"is_causal": True}),
    "wide heads": (((2, 4, 130, 128),) * 3, {}),
    "padding": (((2, 4, 33, 32),) * 3, {"mask": (2, 1, 1, 33)}),
    "hidden rows": (((2, 4, 33, 32),) * 3, {"mask": (33, 33)}),
}


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("case", ATTENTIONS)
def test_attention(case: str, kind: str) -> None:
    shapes, settings = ATTENTIONS[case]
    settings = dict(settings)
    seen = None
    if "mask" in settings:
        seen = operand(*settings.pop("mask")) > -0.5
        seen[..., 0] = True
        if case == "hidden rows":
            seen[7] = False

    def call(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        mask = None if seen is None else Tensor(seen).to(query.device)
        for _ in range(2):  # cuDNN's engines come in the second time
            out = functional.scaled_dot_product_attention(query, key, value, mask, **settings)
        return out

    turn = lambda t: t.transpose(1, 2).contiguous().transpose(1, 2)  # noqa: E731 - as projections give heads
    for way in (None, turn):
        for _ in range(2):
            held(call, [operand(*shape, seed=i) for i, shape in enumerate(shapes)], kind, turn=way)


def test_float32_attention_is_of_our_own_kernels_which_are_the_same_each_time() -> None:
    from numzoo.engine.kernels.cuda.attention import held_scores, tiled

    for plans in (held_scores.PLANS, tiled.PLANS):
        plans.clear()
    leaves = [Tensor(operand(64, 12, 128, 64, seed=i).astype(np.float32)).to("cuda").requires_grad_() for i in range(3)]
    results = []
    for _ in range(2):
        engine.manual_seed(1)
        out = functional.scaled_dot_product_attention(*leaves, dropout_p=0.1)
        results.append([t.cpu().numpy() for t in (out.detach(), *engine.grad(out.sum(), leaves))])
    assert len(tiled.PLANS) == 2
    assert not held_scores.PLANS
    for first, again in zip(*results, strict=True):
        np.testing.assert_array_equal(first, again)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    """Choices are measured, and kept in a folder of their own."""
    monkeypatch.setenv("NUMZOO_KERNEL_CACHE", str(tmp_path))
    engine.cuda.measure_plans(True)
    yield tmp_path
    engine.cuda.measure_plans(False)


def test_work_is_timed_without_the_host_s_part() -> None:
    from numzoo.engine.kernels.cuda.machine import machine

    x = Tensor(operand(1024, 1024)).to("cuda")
    short, long = machine().milliseconds(lambda: None, 2), machine().milliseconds(lambda: engine.matmul(x, x), 5)
    assert 0 <= short < long


@pytest.mark.parametrize("kind", TOLERANCE)
def test_what_was_measured_computes_the_same_and_is_kept(kind: str, measured: Path) -> None:
    for case in ("3 x 3", "depthwise"):
        shape, kernel, settings = CONVOLUTIONS[case]
        held(
            lambda x, w, b, more=settings: engine.conv2d(x, w, b, **more),  # type: ignore[misc]
            [operand(*shape), operand(*kernel), operand(kernel[0])],
            kind,
        )
    held(engine.linear, [operand(4, 33, 40), operand(24, 40), operand(24)], kind)
    suffixes = {path.suffix for path in measured.iterdir()}
    emulated = os.environ.get("NUMZOO_TEST_EMULATED_GPU") == "1"
    assert ".cudnn" in suffixes or emulated or kind == "float64"  # whose convolutions are the bodies'
    engine.cuda.measure_plans(False)
    engine.cuda.measure_plans(True)  # plans are found on the disk now
    held(engine.linear, [operand(4, 33, 40), operand(24, 40), operand(24)], kind)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("settings", [{}, {"is_causal": True}, {"enable_gqa": True}], ids=str)
def test_dropout_s_mask_is_the_one_that_cudnn_used(settings: dict[str, Any], kind: str) -> None:
    """cuDNN's own gradients, and those of the plain formula with the mask that was got out of it."""
    heads = (4, 2, 2) if settings.get("enable_gqa") else (2, 2, 2)
    values = [operand(2, h, 77, 32, seed=i) for i, h in enumerate(heads)]
    leaves = [Tensor(v).to(dtype=getattr(engine, kind)).to("cuda").requires_grad_() for v in values]
    out = functional.scaled_dot_product_attention(*leaves, dropout_p=0.3, **settings)
    flow = Tensor(operand(2, heads[0], 77, 32, seed=9)).to(dtype=out.dtype).to("cuda")
    fused = engine.grad((out * flow).sum(), leaves, retain_graph=True)
    plain = engine.grad((out * flow).sum(), leaves, create_graph=True)
    for mine, right in zip(fused, plain, strict=True):
        mine, right = (t.detach().cpu().double().numpy() for t in (mine, right))
        assert np.abs(mine - right).max() <= 8 * TOLERANCE[kind] * np.abs(right).max()
    again = engine.grad(sum((t.float() * t.float()).sum() for t in plain), leaves)
    assert all(np.isfinite(t.cpu().double().numpy()).all() for t in again)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_the_same_numbers_come_each_time_where_that_is_asked_for(kind: str) -> None:
    values = [
        Tensor(operand(*s)).to(dtype=getattr(engine, kind)).to("cuda")
        for s in ((4, 16, 12, 12), (32, 16, 3, 3), (2, 2, 40, 64))
    ]
    engine.use_deterministic_algorithms(True)
    try:
        results = []
        for _ in range(3):
            image, weight, heads = (v.detach().requires_grad_() for v in values)
            engine.conv2d(image, weight, padding=(1, 1)).sum().backward()
            functional.scaled_dot_product_attention(heads, heads, heads).sum().backward()
            results.append([leaf.grad.cpu().double().numpy() for leaf in (image, weight, heads)])  # type: ignore[union-attr]
    finally:
        engine.use_deterministic_algorithms(False)
    # The first time attention may have gone another way: its engine is made when it is asked for again.
    for first, again in zip(results[1], results[2], strict=True):
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_the_libraries_compute_and_not_the_bodies(kind: str) -> None:
    def array(*shape: int) -> Any:
        return Tensor(operand(*shape)).to(dtype=getattr(engine, kind)).to("cuda").array

    images, weight, flow = array(2, 16, 9, 9), array(24, 16, 3, 3), array(2, 24, 9, 9)
    settings: dict[str, Any] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    calls: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "matmul": ([array(33, 16), array(16, 24)], {}),
        "linear": ([array(33, 16), array(24, 16), array(24)], {}),
        "linear_weight": ([array(33, 24), array(33, 16)], {}),
        "conv2d": ([images, weight, array(24)], settings),
        "conv2d_input": ([flow, weight], {**settings, "shape": images.shape}),
        "conv2d_weight": ([flow, images], {**settings, "shape": weight.shape}),
    }
    load_kernels(type(images))
    for name, (arrays, given) in calls.items():  # a body in their place would give the same numbers, slowly
        assert TABLE[name].kernels["cuda"](*arrays, **given) is not NotImplemented, name
