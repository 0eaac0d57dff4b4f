"""MPNet of transformers (model_type "mpnet"), of which sentence-transformers' all-mpnet-base-v2 is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

from .bert import sizes
from .heads import encoder

__all__ = ["transformers"]


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`MPNetConfig` and the names of transformers' files."""
    fields.must("relative_attention_num_buckets", 32, 32, because="transformers computes with 32, whatever it says")
    config = sizes(fields, vocab_size=30527)
    del config["type_vocab_size"]
    said = encoder(
        fields, extras, config, name="MPNet", builders="mpnet", family="mpnet", head=r"(lm_head|classifier)\..+"
    )
    if said["model"].endswith("masked_lm"):
        said["keys"]["ignore"].append(r"lm_head\.decoder\.(weight|bias)")
    return said
