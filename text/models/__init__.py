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
    ),
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
