"""Models of text: a family per file, a builder function per kind of model, parameter names as in transformers.

The builders take the settings that a repository's config.json names. A family is imported when one of its builders is
first asked for.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numzoo.engine import nn

_FAMILIES: dict[str, tuple[str, ...]] = {
    "bert": (
        "bert_encoder",
        "bert_masked_lm",
        "bert_sequence_classification",
        "bert_token_classification",
        "bert_question_answering",
        "bert_sentence_encoder",
        "bert_sentence_classification",
    ),
    "roberta": (
        "roberta_encoder",
        "roberta_masked_lm",
        "roberta_sequence_classification",
        "roberta_token_classification",
        "roberta_question_answering",
        "roberta_sentence_encoder",
        "roberta_sentence_classification",
    ),
    "distilbert": (
        "distilbert_encoder",
        "distilbert_masked_lm",
        "distilbert_sequence_classification",
        "distilbert_token_classification",
        "distilbert_question_answering",
        "distilbert_sentence_encoder",
        "distilbert_sentence_classification",
    ),
    "albert": (
        "albert_encoder",
        "albert_masked_lm",
        "albert_sequence_classification",
        "albert_token_classification",
        "albert_question_answering",
    ),
    "electra": (
        "electra_encoder",
        "electra_masked_lm",
        "electra_sequence_classification",
        "electra_token_classification",
        "electra_question_answering",
        "electra_discriminator",
    ),
    "mpnet": (
        "mpnet_encoder",
        "mpnet_masked_lm",
        "mpnet_sequence_classification",
        "mpnet_token_classification",
        "mpnet_question_answering",
        "mpnet_sentence_encoder",
        "mpnet_sentence_classification",
    ),
    "gpt2": ("gpt2_causal_lm",),
    "t5": ("t5_encoder", "t5_encoder_decoder", "t5_text_to_text"),
    "llama": ("llama_causal_lm",),
}

_BUILDERS: dict[str, str] = {builder: family for family, names in _FAMILIES.items() for builder in names}

__all__ = ["builders", *_BUILDERS]


def builders() -> list[str]:
    """The names of all builder functions, sorted."""
    return sorted(_BUILDERS)


def __getattr__(name: str) -> Callable[..., nn.Module]:
    family = _BUILDERS.get(name)
    if family is None:
        close = difflib.get_close_matches(name, _BUILDERS, n=3)
        way_out = f"did you mean {' or '.join(close)}?" if close else "builders() lists what there is."
        raise AttributeError(f"{__name__} has no model named {name!r}; {way_out}")
    builder: Callable[..., nn.Module] = getattr(importlib.import_module(f"{__name__}.{family}"), name)
    return builder


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
