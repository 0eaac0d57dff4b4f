"""ELECTRA of transformers (model_type "electra"): generators, discriminators, and what was made of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

from .bert import sizes
from .heads import encoder

__all__ = ["transformers"]


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`ElectraConfig` and the names of transformers' files."""
    config = sizes(fields, hidden_size=256, num_attention_heads=4, intermediate_size=1024)
    config["embedding_size"] = fields.whole("embedding_size", 128, most=1 << 16)
    said = encoder(
        fields, extras, config, name="Electra", builders="electra", family="electra", sentences=False, poolers=(),
        parts="embeddings|embeddings_project|encoder",
        more={"ElectraForPreTraining": ("discriminator", "replaced-token-detection")},
    )  # fmt: skip
    if said["model"].endswith("masked_lm"):
        said["keys"]["ignore"].append(r"generator_lm_head\.weight")
    return said
