"""Dropout: how much is dropped, which shapes go together, and that the way back drops the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.ops.layers.dropping import STRETCH, draw_mask, mask_of_block

F = nn.functional


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1e-4])
def test_as_much_is_dropped_as_was_asked_for(p: float) -> None:
    x = engine.ones((1000, 1000), requires_grad=True)
    y = F.dropout(x, p)
    share = (y.numpy() == 0).mean()
    assert abs(share - p) < 5 * np.sqrt(p / 1e6)
    np.testing.assert_allclose(y.numpy()[y.numpy() != 0], 1 / (1 - p), rtol=1e-6)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


@pytest.mark.parametrize(
    ("layer", "shape", "whole"),
    [
        (nn.Dropout1d, (50, 40, 3), (2,)), (nn.Dropout1d, (2000, 3), (1,)), (nn.Dropout2d, (50, 40, 3, 2), (2, 3)),
        (nn.Dropout2d, (50, 40, 3), (2,)), (nn.Dropout3d, (50, 40, 3, 2, 2), (2, 3, 4)), (nn.Dropout3d, (2000, 3, 2, 2), (1, 2, 3)),
    ],
)  # fmt: skip
def test_channels_go_together(layer: Any, shape: tuple[int, ...], whole: tuple[int, ...]) -> None:
    out = layer(0.3)(engine.ones(shape)).numpy()
    np.testing.assert_array_equal(out.max(whole), out.min(whole))
    assert abs((out == 0).mean() - 0.3) < 0.06
    assert layer(0.3).eval()(engine.ones(shape)).numpy().all()


@pytest.mark.parametrize(("layer", "shape"), [(nn.AlphaDropout, (400, 500)), (nn.FeatureAlphaDropout, (400, 500, 2))])
def test_alpha_dropout_keeps_mean_and_variance(layer: Any, shape: tuple[int, ...]) -> None:
    out = layer(0.2)(engine.randn(*shape)).numpy()
    assert abs(out.mean()) < 0.02
    assert abs(out.std() - 1) < 0.02
    if len(shape) == 3:
        assert abs((out[..., 0] == out[..., 1]).mean() - 0.2) < 0.01


def test_everything_or_nothing_is_dropped() -> None:
    x = engine.ones((3, 4, 5))
    for call in (F.dropout, F.dropout1d, F.alpha_dropout, F.feature_alpha_dropout):
        assert not call(x, 1.0, True).numpy().any()  # type: ignore[operator]
        assert call(x, 0.0, True) is x  # type: ignore[operator]


def test_a_block_has_the_same_mask_each_time_and_others_have_others() -> None:
    first, again, other = (mask_of_block(np, (1, 2), block, (64, 64), 0.5) for block in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert abs((first == other).mean() - 0.5) < 0.05


def test_masks_are_the_same_for_any_number_of_threads() -> None:
    masks, before = [], engine.device.threads()
    try:
        for members in (1, 2, 3):
            engine.set_threads(members)
            masks.append(
                (mask_of_block(np, (1, 2), 3, (700, 1000), 0.3), draw_mask(np.random.Philox(0), (700, 1000), 0.3))
            )
    finally:
        engine.set_threads(before)
    for block, drawn in masks:
        np.testing.assert_array_equal(block, masks[0][0])
        np.testing.assert_array_equal(drawn, masks[0][1])
        for mask in (block, drawn):
            assert abs(1 - mask[: STRETCH // 1000].mean() - 0.3) < 0.01
            assert abs((mask[:131] == mask[131:262]).mean() - (0.09 + 0.49)) < 0.01


def test_masks_of_sizes_that_fill_no_word_are_whole() -> None:
    bits = np.random.Philox(0)
    for size in range(9):
        assert draw_mask(bits, (size,), 0.25).shape == (size,)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: F.dropout(engine.ones(3), 1.5), engine.SettingError, "between 0 and 1"),
        (lambda: F.dropout(engine.tensor([1]), 0.5), engine.DtypeError, "float"),
        (lambda: F.dropout1d(engine.ones(3)), engine.ShapeError, "2 or 3 axes"),
        (lambda: F.dropout2d(engine.ones((3, 3))), engine.ShapeError, "3 or 4 axes"),
        (lambda: F.feature_alpha_dropout(engine.ones(3), training=True), engine.ShapeError, "2 or more axes"),
        (lambda: nn.AlphaDropout(-0.1), engine.SettingError, "AlphaDropout"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize("shape", [(0, 2, 5, 8), (2, 0, 5, 8), (3, 2, 0, 8)])
def test_attention_and_dropout_of_nothing_give_nothing(shape: tuple[int, ...]) -> None:
    x = engine.zeros(shape, requires_grad=True)
    y = F.dropout(F.scaled_dot_product_attention(x, x, x, dropout_p=0.1), 0.5)
    y.sum().backward()
    assert y.shape == shape
    assert x.grad is not None
    assert x.grad.shape == shape
