"""Attention layers and transformers: their state, their masks, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.nn.transformer import is_causal_mask


def test_the_state_has_pytorchs_names() -> None:
    layer = nn.TransformerDecoderLayer(8, 2, 16)
    names = [
        f"{part}.{kind}"
        for part in ("self_attn", "multihead_attn")
        for kind in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    ]
    names += [
        f"{part}.{kind}" for part in ("linear1", "linear2", "norm1", "norm2", "norm3") for kind in ("weight", "bias")
    ]
    assert list(layer.state_dict()) == names
    separate = nn.MultiheadAttention(8, 2, kdim=3, vdim=4, add_bias_kv=True)
    assert [(k, tuple(v.shape)) for k, v in separate.state_dict().items()] == [
        ("q_proj_weight", (8, 8)), ("k_proj_weight", (8, 3)), ("v_proj_weight", (8, 4)), ("in_proj_bias", (24,)),
        ("bias_k", (1, 1, 8)), ("bias_v", (1, 1, 8)), ("out_proj.weight", (8, 8)), ("out_proj.bias", (8,)),
    ]  # fmt: skip


def test_the_causal_mask_is_known_when_seen() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    assert is_causal_mask(mask)
    assert is_causal_mask(mask < 0)
    assert not is_causal_mask(None)
    assert not is_causal_mask(mask[:3])
    assert not is_causal_mask(mask * 0.0)


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_needs_no_mask(need_weights: bool) -> None:
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), engine.randn(2, 5, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    padding = engine.tensor([[False] * 5, [False] * 4 + [True]])
    for more in ({}, {"key_padding_mask": padding}):
        with_mask = layer(x, x, x, need_weights=need_weights, attn_mask=mask, **more)[0]
        without = layer(x, x, x, need_weights=need_weights, is_causal=True, **more)[0]
        np.testing.assert_allclose(without.numpy(), with_mask.numpy(), rtol=1e-5, atol=1e-6)


def test_dropout_drops_in_training_alone_and_the_same_on_the_way_back() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True).double()
    x = engine.randn(2, 5, 8, dtype="float64")
    assert np.array_equal(layer.eval()(x).numpy(), layer(x).numpy())
    layer.train()
    assert not np.array_equal(layer(x).numpy(), layer(x).numpy())

    def repeated(t: Any) -> Any:
        engine.manual_seed(5)
        return layer(t)

    engine.check.gradients(repeated, x, order=2)


def test_layers_of_a_stack_are_copies() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    stack = nn.TransformerEncoder(layer, 3)
    assert len(stack.layers) == 3
    assert len(list(stack.parameters())) == 3 * len(list(layer.parameters()))
    assert nn.Transformer(8, 2, 1, 1, 16, custom_encoder=stack).encoder is stack


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: nn.MultiheadAttention(8, 3), engine.SettingError, "multiple"),
        (lambda: nn.MultiheadAttention(8, 2, kdim=0), engine.SettingError, "kdim"),
        (lambda: nn.MultiheadAttention(8, 2, dropout=2.0), engine.SettingError, "probability"),
        (lambda: nn.MultiheadAttention(8, 2)(*[engine.zeros((3, 2, 8))] * 2, engine.zeros((4, 2, 8))), engine.ShapeError, "equally long"),
        (lambda: nn.MultiheadAttention(8, 2)(*[engine.zeros((3, 2, 8))] * 3, key_padding_mask=engine.zeros((3, 2))), engine.ShapeError, "key_padding_mask"),
        (lambda: nn.MultiheadAttention(8, 2)(*[engine.zeros((3, 8))] * 3, attn_mask=engine.zeros((3, 3), dtype="int64")), engine.ArgumentError, "booleans"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="fast"), engine.SettingError, "activation"),
        (lambda: nn.TransformerEncoder(nn.Linear(2, 2), -1), engine.SettingError, "num_layers"),
        (lambda: nn.Transformer(8, 2, 1, 1)(engine.zeros((3, 2, 8)), engine.zeros((3, 1, 8))), engine.ShapeError, "equally many"),
        (lambda: nn.Transformer(8, 2, 1, 1)(engine.zeros((3, 2, 4)), engine.zeros((3, 2, 8))), engine.ShapeError, "8 features"),
        (lambda: engine.scaled_dot_product_attention(*[engine.zeros((2, 3, 4))] * 3, attn_mask=engine.zeros((3, 4))), engine.ShapeError, "broadcast"),
        (lambda: engine.scaled_dot_product_attention(*[engine.zeros((2, 3, 4))] * 3, attn_mask=engine.tensor([[1]])), engine.DtypeError, "booleans"),
        (lambda: engine.scaled_dot_product_attention(*[engine.zeros((2, 3, 4))] * 3, dropout_p=1.5), engine.SettingError, "dropout_p"),
        (lambda: engine.scaled_dot_product_attention(engine.zeros((6, 3, 4)), *[engine.zeros((4, 3, 4))] * 2, enable_gqa=True), engine.ShapeError, "multiple"),
        (lambda: engine.scaled_dot_product_attention(engine.zeros((6, 3, 4)), *[engine.zeros((2, 3, 4))] * 2), engine.ShapeError, "enable_gqa"),
        (lambda: engine.scaled_dot_product_attention(*[engine.zeros((2, 3, 4), dtype="int64")] * 3), engine.DtypeError, "floating"),
        (lambda: engine.attention_in_heads(engine.zeros((2, 3, 12)), None, None, 5), engine.ShapeError, "5 heads"),
        (lambda: engine.attention_in_heads(engine.zeros((2, 3, 12)), None, engine.zeros((2, 3, 12)), 2), engine.ShapeError, "both, or neither"),
        (lambda: engine.attention_in_heads(*[engine.zeros((2, 3, 12))] * 3, 5), engine.ShapeError, "widths that the heads divide"),
        (lambda: engine.attention_in_heads(*[engine.zeros((2, 3, 12), dtype="int64")] * 3, 2), engine.DtypeError, "floating"),
        (lambda: engine.attend(engine.zeros((2, 3, 12)), scale=1.0), engine.ShapeError, "hold all three"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
