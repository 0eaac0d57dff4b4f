"""Text models of transformers in the words of numzoo's builders, whose names and settings are theirs: a small file per family."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["families", "otherwise", "translate"]

_TRANSFORMERS = {
    "albert": "albert",
    "bert": "bert",
    "camembert": "roberta",
    "distilbert": "distilbert",
    "electra": "electra",
    "gpt2": "gpt2",
    "llama": "llama",
    "mistral": "llama",
    "mpnet": "mpnet",
    "mt5": "t5",
    "qwen2": "llama",
    "roberta": "roberta",
    "t5": "t5",
    "xlm-roberta": "roberta",
}
"""model_type -> the file with its function ``transformers``."""

_OTHERWISE = {
    "deberta": "its attention has parts for places and for contents",
    "deberta-v2": "its attention has parts for places and for contents",
    "gemma": "its norms add one to their weights, and its embeddings are scaled",
    "longt5": "its encoder attends to what is near",
    "modernbert": "it has rotary places and gated perceptrons",
    "nomic_bert": "it has rotary places",
    "phi3": "its queries, keys and values are one matrix",
    "qwen3": "it normalises queries and keys",
    "roberta-prelayernorm": "it normalises before its layers",
    "umt5": "every one of its layers has relative places of its own",
    "xlnet": "it reads texts in any order",
}
"""What looks like something that numzoo has, and why it is not."""


def families() -> dict[str, tuple[str, ...]]:
    """Which architectures are translated: library -> names."""
    return {"transformers": tuple(_TRANSFORMERS)}


def otherwise(library: str, family: str) -> str:
    """Why numzoo has no model for an architecture that looks like one of its own; nothing for a stranger."""
    return _OTHERWISE.get(family, "") if library == "transformers" else ""


def translate(
    library: str, family: str, config: Mapping[str, Any], extras: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """What an entry would say of these weights: model, config, keys, task, categories."""
    module = importlib.import_module(f"{__name__}.{_TRANSFORMERS[family]}")
    said: dict[str, Any] = module.transformers(Fields(config, who=who, family=f"{family} of transformers"), extras)
    return said
