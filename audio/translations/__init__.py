"""Sound models of transformers in the words of numzoo's builders, whose names and settings are theirs: a small file per family."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from numzoo.hub.foreign.fields import Fields

__all__ = ["families", "otherwise", "translate"]

_TRANSFORMERS = {"hubert": "wav2vec2", "wav2vec2": "wav2vec2", "wavlm": "wav2vec2", "whisper": "openai_whisper"}
"""model_type -> the file with its function ``transformers``."""

_OTHERWISE = {
    "data2vec-audio": "its positional convolutions are five, one after another",
    "unispeech-sat": "it has no model here, though its encoder is that of wav2vec 2.0",
    "wav2vec2-bert": "it hears mel spectrograms",
    "wav2vec2-conformer": "its layers have convolutions between attention and perceptron",
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
    """What an entry would say of these weights: model, config, keys, task, transform, categories."""
    module = importlib.import_module(f"{__name__}.{_TRANSFORMERS[family]}")
    said: dict[str, Any] = module.transformers(Fields(config, who=who, family=f"{family} of transformers"))
    return said
