"""Texts to token numbers and back, from the files that models come with.

>>> from numzoo.text import tokenizers
>>> tokenizer = tokenizers.load("tokenizer.json")               # doctest: +SKIP
>>> batch = tokenizer(["A cat.", "Two small cats."])            # doctest: +SKIP
>>> batch.input_ids.shape                                       # doctest: +SKIP
(2, 6)

The work is done by the `tokenizers` library (the ``text`` extra), imported when a file is read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .batch import Batch
    from .chat import Message
    from .loading import load
    from .tokenizer import Tokenizer

_HOMES = {"Batch": "batch", "Message": "chat", "Tokenizer": "tokenizer", "load": "loading"}

__all__ = ["Batch", "Message", "Tokenizer", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
