"""Texts that go on: tokens chosen one after another from what a model gives.

>>> from numzoo.text import generation
>>> tokens = generation.generate(model, prompt, longest=20)     # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .beams import beam_search
    from .choice import Choice
    from .steps import Decoder, EncoderDecoder, Step
    from .writing import generate, stream

_HOMES = {
    "Choice": "choice",
    "Decoder": "steps",
    "EncoderDecoder": "steps",
    "Step": "steps",
    "beam_search": "beams",
    "generate": "writing",
    "stream": "writing",
}

__all__ = ["Choice", "Decoder", "EncoderDecoder", "Step", "beam_search", "generate", "stream"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
