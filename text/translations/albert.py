"""ALBERT of transformers (model_type "albert")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

from .bert import sizes
from .heads import encoder

__all__ = ["transformers"]


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`AlbertConfig` and the names of transformers' files."""
    config = sizes(
        fields,
        vocab_size=30000,
        hidden_size=4096,
        num_attention_heads=64,
        intermediate_size=16384,
        hidden_act="gelu_new",
    )
    layers = config["num_hidden_layers"]
    config |= {
        "embedding_size": fields.whole("embedding_size", 128, most=1 << 16),
        "num_hidden_groups": fields.whole("num_hidden_groups", 1, most=layers),
        "inner_group_num": fields.whole("inner_group_num", 1, most=100),
    }
    said = encoder(
        fields, extras, config, name="Albert", builders="albert", family="albert", sentences=False,
        more={"AlbertForPreTraining": ("masked_lm", "fill-mask")}, poolers=("encoder", "sequence_classification"),
    )  # fmt: skip
    if said["model"].endswith("masked_lm"):
        said["keys"]["ignore"] += [r"sop_classifier\.classifier\.(weight|bias)", r"predictions\.decoder\.(weight|bias)"]
    return said
