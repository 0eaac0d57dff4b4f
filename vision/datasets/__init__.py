"""Datasets: facts about files, and readers that give (image, label).

Every dataset has a length, gives (image, label) by index, and takes a `transform` for the image; `labels` holds all
labels.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .digits import Digits
    from .fashion_mnist import FashionMNIST
    from .folder import ImageFolder
    from .idx import read_idx
    from .mnist import MNIST

_HOMES = {
    "Digits": "digits",
    "FashionMNIST": "fashion_mnist",
    "MNIST": "mnist",
    "ImageFolder": "folder",
    "read_idx": "idx",
}

__all__ = ["MNIST", "Digits", "FashionMNIST", "ImageFolder", "read_idx"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
