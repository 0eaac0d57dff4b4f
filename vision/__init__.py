"""Images: reading and writing them, transforms, datasets, and the architectures that recognise them.

Everything is imported when it is first used: Pillow with the first image, the engine with the first model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets, errors, finetuning, io, models, transforms
    from .io import from_array, read_image, to_array, write_image

__all__ = [
    "datasets",
    "errors",
    "finetuning",
    "from_array",
    "io",
    "models",
    "read_image",
    "to_array",
    "transforms",
    "write_image",
]
_FROM_IO = ("from_array", "read_image", "to_array", "write_image")


def __getattr__(name: str) -> Any:
    if name in _FROM_IO:
        return getattr(importlib.import_module(f"{__name__}.io"), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
