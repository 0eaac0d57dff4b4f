"""Preprocessing: the presets that models were trained with, and the random transforms to train them further.

>>> from numzoo.vision import transforms
>>> transforms.classification(resize=256, crop=224).settings()["interpolation"]
'bilinear'

Sizes are (height, width), or one number for both. Every transform draws its random numbers in `draw` and uses them in
`apply`, `apply_mask` and `apply_boxes`, so that an image, its mask and its boxes can share a draw: see `Transform`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays import Normalize, ToArray, batch
    from .base import Compose, Transform
    from .color import ColorJitter, Grayscale
    from .crops import CenterCrop, Pad, RandomCrop, RandomResizedCrop, Resize
    from .erasing import RandomErasing
    from .preset import Classification, classification
    from .turns import RandomHorizontalFlip, RandomRotation, RandomVerticalFlip

_HOMES = {
    "CenterCrop": "crops",
    "Classification": "preset",
    "ColorJitter": "color",
    "Compose": "base",
    "Grayscale": "color",
    "Normalize": "arrays",
    "Pad": "crops",
    "RandomCrop": "crops",
    "RandomErasing": "erasing",
    "RandomHorizontalFlip": "turns",
    "RandomResizedCrop": "crops",
    "RandomRotation": "turns",
    "RandomVerticalFlip": "turns",
    "Resize": "crops",
    "ToArray": "arrays",
    "Transform": "base",
    "batch": "arrays",
    "classification": "preset",
}

__all__ = [
    "CenterCrop",
    "Classification",
    "ColorJitter",
    "Compose",
    "Grayscale",
    "Normalize",
    "Pad",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToArray",
    "Transform",
    "batch",
    "classification",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
