"""Sounds: reading and writing them, what models hear of them, data sets, and the architectures that hear.

Everything is imported when it is first used: the sound library with the first sound.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets, errors, io, models, pipelines, transforms
    from .io import Raw, read_audio, read_info, write_audio
    from .numbers import to_float, to_integers

__all__ = [
    "Raw",
    "datasets",
    "errors",
    "io",
    "models",
    "pipelines",
    "read_audio",
    "read_info",
    "to_float",
    "to_integers",
    "transforms",
    "write_audio",
]
_HOMES = {
    "Raw": "io",
    "read_audio": "io",
    "read_info": "io",
    "to_float": "numbers",
    "to_integers": "numbers",
    "write_audio": "io",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
