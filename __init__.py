"""numzoo: public pretrained models, verified and ready to fine-tune, on an autograd engine of their own.

>>> from numzoo import hub
>>> model = hub.load("lenet")                       # the small network that ships inside the package
>>> model.training
False

Everything heavy is imported when it is first used: ``import numzoo`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import audio, engine, hub, tabular, text, vision

__version__ = "0.1.0"
__all__ = ["__version__", "audio", "engine", "hub", "tabular", "text", "vision"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'numzoo' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
