"""BERT of transformers (model_type "bert"), and what its relatives' configurations share with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields
from numzoo.text.models.encoder import ACTIVATIONS

from .heads import encoder

__all__ = ["sizes", "transformers"]

HEAD = r"cls\.(predictions|seq_relationship)\..+"


def sizes(fields: Fields, **defaults: Any) -> dict[str, Any]:
    """The settings of `BertConfig`; `defaults` are what a missing one means, where a relative's differ."""
    fields.must("position_embedding_type", "absolute", "absolute")
    fields.must("hidden_act", tuple(ACTIVATIONS), defaults.get("hidden_act", "gelu"))
    width = fields.whole("hidden_size", defaults.get("hidden_size", 768), most=1 << 16)
    heads = fields.whole("num_attention_heads", defaults.get("num_attention_heads", 12), most=1 << 12)
    if width % heads:
        fields.fail("num_attention_heads", f"a divisor of hidden_size, {width}")
    return {
        "vocab_size": fields.whole("vocab_size", defaults.get("vocab_size", 30522), most=1 << 22),
        "hidden_size": width,
        "num_hidden_layers": fields.whole("num_hidden_layers", 12, most=1000),
        "num_attention_heads": heads,
        "intermediate_size": fields.whole("intermediate_size", defaults.get("intermediate_size", 3072), most=1 << 18),
        "hidden_act": fields.text("hidden_act", defaults.get("hidden_act", "gelu")),
        "max_position_embeddings": fields.whole("max_position_embeddings", 512, most=1 << 20),
        "type_vocab_size": fields.whole("type_vocab_size", 2, most=1 << 16),
        "layer_norm_eps": fields.number("layer_norm_eps", 1e-12, most=1.0),
    }


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`BertConfig` and the names of transformers' files."""
    said = encoder(
        fields, extras, sizes(fields), name="Bert", builders="bert", family="bert", head=HEAD,
        more={"BertForPreTraining": ("masked_lm", "fill-mask")}, poolers=("encoder", "sequence_classification"),
        rename=[
            (r"(cls\.predictions\.transform\.LayerNorm)\.gamma", r"\1.weight"),
            (r"(cls\.predictions\.transform\.LayerNorm)\.beta", r"\1.bias"),
        ],
    )  # fmt: skip
    if said["model"].endswith("masked_lm"):
        said["keys"]["ignore"] += [r"cls\.seq_relationship\.(weight|bias)", r"cls\.predictions\.decoder\.(weight|bias)"]
    return said
