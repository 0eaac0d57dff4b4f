"""From texts to what people want to know of them: the model, its tokenizer and what stands around both, as one callable.

`numzoo.hub.pipeline` makes them by an entry's task; each can be made by hand from a model and a tokenizer.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answering import QuestionAnswering, question_answering
    from .classifying import TextClassification, TokenClassification, text_classification, token_classification
    from .filling import FillMask, fill_mask
    from .rewriting import TextToText, text_to_text
    from .sentences import SentenceSimilarity, sentence_similarity
    from .writing import TextGeneration, text_generation

_HOMES = {
    "FillMask": "filling",
    "QuestionAnswering": "answering",
    "SentenceSimilarity": "sentences",
    "TextClassification": "classifying",
    "TextGeneration": "writing",
    "TextToText": "rewriting",
    "TokenClassification": "classifying",
    "fill_mask": "filling",
    "question_answering": "answering",
    "sentence_similarity": "sentences",
    "text_classification": "classifying",
    "text_generation": "writing",
    "text_to_text": "rewriting",
    "token_classification": "classifying",
}

__all__ = [
    "FillMask",
    "QuestionAnswering",
    "SentenceSimilarity",
    "TextClassification",
    "TextGeneration",
    "TextToText",
    "TokenClassification",
    "fill_mask",
    "question_answering",
    "sentence_similarity",
    "text_classification",
    "text_generation",
    "text_to_text",
    "token_classification",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
