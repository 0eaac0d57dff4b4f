"""Texts: data sets of them, and the architectures that read and write them.

Everything is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets, errors, generation, models, pipelines, tokenizers, transforms

__all__ = ["datasets", "errors", "generation", "models", "pipelines", "tokenizers", "transforms"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
