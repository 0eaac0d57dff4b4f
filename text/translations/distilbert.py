"""DistilBERT of transformers (model_type "distilbert")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.encoder import ACTIVATIONS

from .heads import encoder

__all__ = ["transformers"]


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`DistilBertConfig` and the names of transformers' files."""
    fields.must("activation", tuple(ACTIVATIONS), "gelu")
    width, heads = fields.whole("dim", 768, most=1 << 16), fields.whole("n_heads", 12, most=1 << 12)
    if width % heads:
        fields.fail("n_heads", f"a divisor of dim, {width}")
    config = {
        "vocab_size": fields.whole("vocab_size", 30522, most=1 << 22),
        "max_position_embeddings": fields.whole("max_position_embeddings", 512, most=1 << 20),
        "dim": width,
        "n_layers": fields.whole("n_layers", 6, most=1000),
        "n_heads": heads,
        "hidden_dim": fields.whole("hidden_dim", 3072, most=1 << 18),
        "activation": fields.text("activation", "gelu"),
    }
    said = encoder(
        fields, extras, config, name="DistilBert", builders="distilbert", family="distilbert", poolers=(),
        parts="embeddings|transformer", head=r"(vocab_(transform|layer_norm|projector)|pre_classifier|classifier)\..+",
    )  # fmt: skip
    if said["model"].endswith("masked_lm"):
        said["keys"]["ignore"].append(r"vocab_projector\.weight")
    return said
