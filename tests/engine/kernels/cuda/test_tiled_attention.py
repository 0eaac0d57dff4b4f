"""Attention in float32 that never holds its scores: the kernel is the body in float64, for odd lengths, layouts, masks and causal order."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import numzoo.engine as engine
from numzoo.engine import Tensor
from numzoo.engine.kernels.cuda.attention import held_scores, tiled, tiles
from numzoo.engine.nn import functional

ATTENTION = functional.scaled_dot_product_attention
CASES: dict[str, dict[str, Any]] = {  # queries, keys, width
    "one query": {"sizes": (1, 7, 32), "heads": (2, 2), "is_causal": True}, "seven": {"sizes": (7, 7, 32)},
    "one short of a tile": {"sizes": (63, 63, 32)}, "a tile": {"sizes": (64, 64, 32)}, "one more": {"sizes": (65, 65, 32), "heads": (1, 3)},
    "of a vision transformer": {"sizes": (197, 197, 32), "heads": (1, 1)}, "causal": {"sizes": (130, 130, 32), "is_causal": True},
    "causal and more keys": {"sizes": (33, 150, 32), "is_causal": True}, "causal and fewer keys": {"sizes": (150, 33, 32), "is_causal": True},
    "padding": {"sizes": (65, 70, 32), "heads": (3, 2), "mask": (3, 1, 1, 70)}, "a mask for each head": {"sizes": (20, 70, 32), "mask": (1, 2, 20, 70)},
    "a mask of rows": {"sizes": (65, 40, 32), "mask": (65, 40), "is_causal": True}, "hidden rows": {"sizes": (20, 70, 32), "mask": (20, 70), "hidden": 5},
    "wide": {"sizes": (20, 70, 128)}, "between widths": {"sizes": (20, 40, 72)}, "narrow": {"sizes": (9, 9, 24), "scale": -0.3},
}  # fmt: skip


def run_on(place: str, case: str, dtype: str, laid: str = "heads first") -> Any:
    """The result of a case on a device."""
    settings = {"heads": (1, 2), **CASES[case]}
    queries, keys, width = settings.pop("sizes")
    entries, heads = settings.pop("heads")
    generator = np.random.default_rng(1)
    leaves = []
    for length in (queries, keys, keys):
        values = generator.standard_normal((entries, heads, length, width)).astype(np.float32)
        if laid == "length first":
            values = np.ascontiguousarray(values.swapaxes(1, 2)).swapaxes(1, 2)
        leaves.append(Tensor(values).to(dtype=getattr(engine, dtype)).to(place).requires_grad_())
    shape, hidden = settings.pop("mask", None), settings.pop("hidden", None)
    if shape is not None:
        mask = generator.random(shape) > 0.3
        mask[..., 0] = True
        if hidden is not None:
            mask[..., hidden, :] = False
        settings["attn_mask"] = Tensor(mask).to(place)
    out = ATTENTION(*leaves, **settings)
    (out * out).sum().backward()
    return [t.cpu().double().numpy() for t in (out.detach(), *(leaf.grad for leaf in leaves))]  # type: ignore[union-attr]


@pytest.fixture
def planned(gpu: Any) -> Any:
    """The plans made from now on."""
    tiled.PLANS.clear()
    held_scores.PLANS.clear()
    return tiled.PLANS


def cut_as(monkeypatch: Any, at_once: bool, rows: int = 0) -> None:
    """Let the way back take one launch or two, and blocks so many rows of a thread, whatever the size."""
    real = tiles.cut

    def cut(*given: Any) -> Any:
        found = real(*given)
        return dataclasses.replace(found, rows=rows) if rows else found

    def cuts_back(here: Any, width: int, heads: int, queries: int, keys: int) -> Any:
        by_keys = (keys, queries)
        if at_once:
            return (cut(here, "heads", width, heads, *by_keys),)
        return cut(here, "queries", width, heads, queries, keys), cut(here, "keys", width, heads, *by_keys)

    monkeypatch.setattr(tiled, "cut", cut)
    monkeypatch.setattr(tiled, "cuts_back", cuts_back)


@pytest.mark.parametrize("laid", ["heads first", "length first"])
@pytest.mark.parametrize("case", CASES)
def test_attention_in_float32_is_the_body_s(planned: Any, monkeypatch: Any, case: str, laid: str) -> None:
    cut_as(monkeypatch, laid == "length first")
    for mine, right in zip(run_on("cuda", case, "float32", laid), run_on("cpu", case, "float64"), strict=True):
        np.testing.assert_allclose(mine, right, atol=1e-5 * max(1.0, float(np.abs(right).max())))
    assert planned
    assert tiled._refuse not in planned.values()


def test_nan_and_infinity_stay_in_the_rows_of_their_queries(planned: Any) -> None:
    values = np.random.default_rng(0).standard_normal((1, 1, 70, 32)).astype(np.float32)
    broken = values.copy()
    broken[0, 0, 4, 2], broken[0, 0, 65, 1] = np.nan, np.inf
    with engine.no_grad():
        found = ATTENTION(Tensor(broken).to("cuda"), *(Tensor(values).to("cuda") for _ in range(2))).cpu().numpy()
    assert planned
    assert np.isnan(found[0, 0, [4, 65]]).all()
    assert np.isfinite(np.delete(found, (4, 65), 2)).all()


LAID: dict[str, Any] = {
    "backwards": lambda t: t[:, :, ::-1], "every other entry": lambda t: t[::2], "cut out of wider heads": lambda t: t[..., 32:],
    "keys of one head for all": lambda t: t[:, :1], "unaligned": lambda t: t[..., 1:33], "columns first": lambda t: t.mT.contiguous().mT,
}  # fmt: skip


@pytest.mark.parametrize("laid", LAID)
def test_any_strides_are_read_or_left_to_held_scores(planned: Any, laid: str) -> None:
    generator = np.random.default_rng(3)
    given = [generator.standard_normal((2, 2, 30, 64)).astype(np.float32) for _ in range(3)]
    bias = generator.standard_normal((40, 30)).astype(np.float32)
    found = []
    for place in ("cuda", "cpu"):
        kind = engine.float32 if place == "cuda" else engine.float64
        query, key, value = (LAID[laid](Tensor(each).to(dtype=kind).to(place)) for each in given)
        if laid == "keys of one head for all":
            query = Tensor(given[0]).to(dtype=kind).to(place)[..., :64]
        added = Tensor(bias).to(dtype=kind).to(place).mT[:, ::-1][:, 5:35]
        with engine.no_grad():
            found.append(ATTENTION(query, key, value, added).cpu().double().numpy())
    np.testing.assert_allclose(*found, atol=1e-5)
    served = tiled._refuse not in planned.values()
    assert served == (laid not in ("keys of one head for all", "unaligned", "columns first"))


CUTS = [
    ("forward", 768, 128, 8), ("forward", 3072, 197, 7), ("forward", 512, 1500, 8), ("forward", 768, 512, 8), ("forward", 12, 128, 2),
    ("forward", 512, 32, 2), ("queries", 3072, 197, 7), ("keys", 3072, 197, 7), ("keys", 768, 128, 8), ("keys", 12, 128, 2),
]  # fmt: skip


@pytest.mark.parametrize(("way", "heads", "count", "rows"), CUTS)
def test_the_rows_of_a_block_are_chosen_for_the_size(way: str, heads: int, count: int, rows: int) -> None:
    """132 multiprocessors: many heads take the largest tiles that leave the last one full, few heads small ones."""
    here: Any = SimpleNamespace(processors=132, shared_memory=227 << 10)
    assert tiles.cut(here, way, 64, heads, count, count).rows == rows


@pytest.mark.parametrize(
    ("width", "heads", "length", "ways"),
    [(64, 768, 128, 1), (64, 512, 1500, 1), (64, 12, 128, 2), (64, 300, 512, 2), (128, 768, 128, 2)],
)
def test_many_heads_go_back_in_one_launch_and_few_in_two(width: int, heads: int, length: int, ways: int) -> None:
    here: Any = SimpleNamespace(processors=132, shared_memory=227 << 10)
    assert len(tiles.cuts_back(here, width, heads, length, length)) == ways


@pytest.mark.parametrize("width", [20, 32, 64, 80, 96, 112, 128])
@pytest.mark.parametrize("way", tiles.WAYS)
def test_two_blocks_find_room_in_a_multiprocessor(way: str, width: int) -> None:
    here: Any = SimpleNamespace(processors=132, shared_memory=227 << 10)
    chosen = tiles.cut(here, way, width, 1000, 512, 512)
    assert chosen.shared <= 113 << 10
    assert chosen.rows >= 4 or (way == "heads" and width > tiles.MOST_AT_ONCE)
    small: Any = SimpleNamespace(processors=132, shared_memory=99 << 10)
    assert tiles.cut(small, way, width, 1000, 512, 512).shared <= 99 << 10


DROPPED: dict[str, Any] = {
    "plain": {}, "at once": {"at_once": True, "is_causal": True}, "at once in parts of 8 rows": {"at_once": True, "rows": 8},
    "causal": {"is_causal": True}, "masked": {"mask": (2, 1, 1, 48)}, "in parts of 7 rows": {"rows": 7},
}  # fmt: skip


@pytest.mark.parametrize("case", DROPPED)
def test_dropout_drops_the_same_on_both_ways_and_in_second_derivatives(
    planned: Any, monkeypatch: Any, case: str
) -> None:
    settings = dict(DROPPED[case])
    real_attend, seeds = tiled.attend, []
    cut_as(monkeypatch, settings.pop("at_once", False), settings.pop("rows", 0))
    monkeypatch.setattr(tiled, "attend", lambda *given: seeds.append(given[8]) or real_attend(*given))  # type: ignore[func-returns-value]
    generator = np.random.default_rng(5)
    values = [generator.standard_normal((2, 1, length, 32)) for length in (40, 48, 48)]
    flow = generator.standard_normal((2, 1, 40, 32))
    seen = generator.random(settings.pop("mask", (1, 1, 1, 1))) > 0.3
    own = [Tensor(v.astype(np.float32)).to("cuda").requires_grad_() for v in values]
    exact = [Tensor(v).requires_grad_() for v in values]
    added = Tensor(seen).to("cuda") if seen.size > 1 else None
    out = ATTENTION(*own, added, dropout_p=0.3, **settings)
    kept = tiled.mask(own[0].array, own[1].array, 0.3, seeds[0]).get()
    assert abs(kept.mean() - 0.7) < 0.03
    scores = exact[0] @ exact[1].mT * 32**-0.5
    if settings:
        seen = seen & np.tril(np.ones((40, 48), bool))
    scores = engine.where(Tensor(np.broadcast_to(seen, scores.shape).copy()), scores, -np.inf)
    right = engine.softmax(scores, axis=-1) * Tensor(kept / 0.7) @ exact[2]
    check([out.detach()], [right.detach()])
    for create_graph in (False, True):
        mine = engine.grad(
            (out * Tensor(flow.astype(np.float32)).to("cuda")).sum(), own, retain_graph=True, create_graph=create_graph
        )
        theirs = engine.grad((right * Tensor(flow)).sum(), exact, retain_graph=True, create_graph=create_graph)
        check([t.detach() for t in mine], [t.detach() for t in theirs])
    second = engine.grad(sum((t * t).sum() for t in mine), own)
    check(second, engine.grad(sum((t * t).sum() for t in theirs), exact))


def check(found: Any, wanted: Any) -> None:
    for mine, right in zip(found, wanted, strict=True):
        theirs = right.numpy()
        np.testing.assert_allclose(
            mine.cpu().double().numpy(), theirs, atol=1e-5 * max(1.0, float(np.abs(theirs).max()))
        )


@pytest.mark.parametrize("flow", ["repeated", "unaligned", "backwards"])
def test_what_flows_back_may_lie_in_any_way(planned: Any, flow: str) -> None:
    generator = np.random.default_rng(6)
    values, wide = generator.standard_normal((1, 2, 20, 32)), generator.standard_normal((1, 2, 20, 36))
    found = []
    for place, kind in (("cuda", engine.float32), ("cpu", engine.float64)):
        x = Tensor(values).to(dtype=kind).to(place).requires_grad_()
        given = Tensor(wide).to(dtype=kind).to(place)
        arrived = {
            "repeated": given[:, :, :1, :1].expand(1, 2, 20, 32),
            "unaligned": given[..., 1:33],
            "backwards": given[:, :, ::-1, :32],
        }[flow]
        found += engine.grad(ATTENTION(x, x, x, is_causal=True), x, arrived)
    check(found[:1], found[1:])
    assert len([name for name in planned if name[0] == "backward"]) == 1


def test_what_dropout_s_bits_do_not_fit_is_left_to_held_scores(planned: Any) -> None:
    x = Tensor(np.ones((1, 1, 20, 32), np.float32)).to("cuda").requires_grad_()
    ATTENTION(x, x, x, dropout_p=0.3).sum().backward()
    assert held_scores.PLANS
    assert tiled._refuse in planned.values()


def test_the_same_gradients_come_each_time(planned: Any) -> None:
    values = (
        Tensor(np.random.default_rng(0).standard_normal((1, 2, 100, 32)).astype(np.float32)).to("cuda").requires_grad_()
    )
    first, again = (engine.grad(ATTENTION(values, values, values).sum(), values)[0].cpu().numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("at_once", [False, True])
def test_scores_far_below_zero_do_not_reach_what_lies_past_the_ends_of_tiles(
    planned: Any, monkeypatch: Any, at_once: bool
) -> None:
    """There zeros are fetched, whose scores of 0 would weigh more than a float32 holds."""
    cut_as(monkeypatch, at_once)
    generator = np.random.default_rng(2)
    values = [
        generator.standard_normal((1, 1, length, 32)) * 0.1 + mean for length, mean in ((19, 5), (21, -5), (21, 0))
    ]
    found = []
    for place, kind in (("cuda", engine.float32), ("cpu", engine.float64)):
        leaves = [Tensor(each).to(dtype=kind).to(place).requires_grad_() for each in values]
        out = ATTENTION(*leaves)
        found.append([out.detach(), *engine.grad((out * out).sum(), leaves)])
    check(*found)
