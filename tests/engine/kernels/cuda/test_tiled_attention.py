"""Attention in float32 that never holds its scores: the kernel is the body in float64, for odd lengths, layouts, masks and causal order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import numzoo.engine as engine
from numzoo.engine import Tensor
from numzoo.engine.kernels.cuda.attention import held_scores, tiled
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


@pytest.mark.parametrize("laid", ["heads first", "length first"])
@pytest.mark.parametrize("case", CASES)
def test_attention_in_float32_is_the_body_s(planned: Any, case: str, laid: str) -> None:
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


@pytest.mark.parametrize(
    ("heads", "count", "rows"),
    [(768, 128, 8), (3072, 197, 7), (512, 1500, 8), (768, 512, 8), (12, 128, 2), (512, 32, 2)],
)
def test_the_rows_of_a_block_are_chosen_for_the_size(heads: int, count: int, rows: int) -> None:
    """132 multiprocessors: many heads take the largest tiles that leave the last one full, few heads small ones."""
    here: Any = SimpleNamespace(processors=132, shared_memory=227 << 10)
    whole, columns, most = tiled._tiles(64)
    assert tiled._rows(here, heads, count, most, lambda rows: tiled._shared(whole, columns, rows)) == rows


@pytest.mark.parametrize("width", [32, 64, 80, 96, 128])
def test_two_blocks_find_room_in_a_multiprocessor(width: int) -> None:
    whole, columns, most = tiled._tiles(width)
    assert tiled._shared(whole, columns, most) <= 113 << 10
