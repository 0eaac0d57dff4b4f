"""Attention of heads that lie side by side, as projections give them, beside that of heads cut apart."""

from __future__ import annotations

from typing import Any

import emulated_libraries
import numpy as np
import pytest

import numzoo.engine as engine
from numzoo.engine import Tensor
from numzoo.engine.kernels.cuda.attention import few_queries, fused, held_scores, operands, tiled
from numzoo.engine.kernels.cuda.attention.graph import Attention
from numzoo.engine.nn import functional as F

HEADS = 2
WIDTH = {"float32": 20, "float16": 8}
"""Of heads, which the kernels of a dtype take."""


def apart(query: Tensor, key: Tensor, value: Tensor, **settings: Any) -> Tensor:
    cut = [x.reshape((*x.shape[:2], HEADS, -1)).permute(0, 2, 1, 3) for x in (query, key, value)]
    return F.scaled_dot_product_attention(*cut, **settings).permute(0, 2, 1, 3).flatten(2)


def drawn(*shape: int, dtype: str) -> Tensor:
    values = np.random.default_rng(sum(shape)).standard_normal(shape) * 0.5
    return Tensor(values).to(dtype=dtype).to("cuda").requires_grad_()


def gradients(out: Tensor, leaves: list[Tensor], **more: Any) -> list[Any]:
    flow = Tensor(np.cos(np.arange(out.numel())).reshape(out.shape)).to(dtype=out.dtype).to("cuda")
    return list(engine.grad(out, leaves, flow, **more))


def assert_same(found: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one.cpu().double().numpy(), other.cpu().double().numpy(), atol=tolerance)


@pytest.fixture
def asked(one_order: Any) -> list[Any]:
    """What the libraries are asked for from now on."""
    for plans in (few_queries.PLANS, fused.PLANS, held_scores.PLANS, tiled.PLANS):
        plans.clear()
    emulated_libraries.ASKED.clear()
    return emulated_libraries.ASKED


@pytest.mark.parametrize("settings", [{}, {"is_causal": True}, {"dropout_p": 0.3}], ids=["plain", "causal", "dropout"])
@pytest.mark.parametrize("packed", [False, True], ids=["three", "packed"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_heads_side_by_side_are_those_that_were_cut_apart(
    asked: list[Any], one_order: Any, dtype: str, packed: bool, settings: dict[str, Any]
) -> None:
    shapes = (
        [(2, 17, 3 * HEADS * WIDTH[dtype])]
        if packed
        else [(2, length, HEADS * WIDTH[dtype]) for length in (17, 19, 19)]
    )
    whole = [drawn(*shape, dtype=dtype) for shape in shapes]
    parts = whole[0].chunk(3, -1) if packed else whole
    for _ in range(2):  # a size is planned when it comes again
        engine.manual_seed(4)
        wanted = apart(*parts, **settings)
        engine.manual_seed(4)
        one_order.launched.clear()
        found = F.attention_in_heads(*((whole[0], None, None) if packed else whole), HEADS, **settings)
    assert ("attention_tiled" in one_order.launched) == (dtype == "float32" and "dropout_p" not in settings)
    tolerance = 1e-5 if dtype == "float32" else 4e-3
    assert_same([found], [wanted], tolerance)
    assert_same(gradients(found, whole, retain_graph=True), gradients(wanted, whole, retain_graph=True), 4 * tolerance)
    if dtype == "float32" and packed:  # differentiated again
        first, right = (gradients(out, whole, create_graph=True) for out in (found, wanted))
        assert_same(gradients(first[0], whole), gradients(right[0], whole), 20 * tolerance)
    kinds = {each.kind for each in asked if isinstance(each, Attention)}
    assert kinds == ({"statistics", "backward"} if dtype == "float16" else set())


@pytest.mark.parametrize("packed", [False, True], ids=["three", "packed"])
def test_nothing_is_copied_that_lies_side_by_side(
    asked: list[Any], one_order: Any, monkeypatch: Any, packed: bool
) -> None:
    copies = []
    real = operands.copy_like
    monkeypatch.setattr(operands, "copy_like", lambda *a: copies.append(a[0].shape) or real(*a))
    x = drawn(2, 17, (3 if packed else 1) * HEADS * 8, dtype="float16")
    flow = drawn(2, 17, HEADS * 8, dtype="float16").detach()
    for _ in range(2):
        out = F.attention_in_heads(*((x, None, None) if packed else (x, x, x)), HEADS)
        one_order.launched.clear()
        x.grad = None
        out.backward(flow)
    assert out.array.flags.c_contiguous
    assert not copies
    assert not {"joined", "copied", "transposed"} & {*one_order.launched}


@pytest.mark.parametrize("packed", [False, True], ids=["three", "packed"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_does_not_lie_as_an_engine_reads_it_is_copied(asked: list[Any], dtype: str, packed: bool) -> None:
    width = (3 if packed else 1) * HEADS * WIDTH[dtype]
    base = drawn(2, 17, width + 2, dtype=dtype)
    whole = base[..., 2:]  # its rows begin between multiples of 16 bytes
    parts = whole.chunk(3, -1) if packed else (whole, whole, whole)
    for _ in range(2):
        wanted = apart(*parts)
        found = F.attention_in_heads(*((whole, None, None) if packed else parts), HEADS)
    tolerance = 1e-5 if dtype == "float32" else 4e-3
    assert_same([found], [wanted], tolerance)
    assert_same(gradients(found, [base], retain_graph=True), gradients(wanted, [base]), 4 * tolerance)


def test_what_one_head_sees_no_other_does(one_order: Any) -> None:
    query = drawn(1, 16, HEADS * 8, dtype="float32")
    out = F.attention_in_heads(query, query, query, HEADS)[..., :8].sum()
    (flow,) = engine.grad(out, query)
    assert not flow[..., 8:].cpu().numpy().any()
    assert flow[..., :8].cpu().numpy().any()
