"""RoBERTa, XLM-RoBERTa and CamemBERT of transformers: one architecture under three names of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

from .bert import sizes
from .heads import encoder

__all__ = ["transformers"]

_NAMES = {"roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert"}


def transformers(fields: Fields, extras: Mapping[str, Any]) -> dict[str, Any]:
    """`RobertaConfig` and the names of transformers' files."""
    fields.must(
        "pad_token_id", 1, 1, because="places are counted from behind it, and it is what tokenizers fill up with"
    )
    name = _NAMES[fields.text("model_type")]
    said = encoder(
        fields, extras, {**sizes(fields, vocab_size=50265), "pad_token_id": 1}, name=name, builders="roberta",
        family="roberta", head=r"(lm_head|classifier)\..+",
    )  # fmt: skip
    if said["model"].endswith("masked_lm"):
        said["keys"]["ignore"].append(r"lm_head\.decoder\.(weight|bias)")
    return said
