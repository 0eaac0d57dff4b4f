"""From texts to what models train on: tokens, masked words, padded batches, blocks of a long text.

>>> from numzoo.text.transforms import Blocks
>>> inputs, targets = Blocks([5, 6, 7, 8, 9], 2)[1]
>>> inputs.tolist(), targets.tolist()
([7, 8], [8, 9])

`numzoo.engine.data.LengthBatchSampler` puts texts of like length together.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .blocks import Blocks
    from .masking import MaskWords
    from .padding import Pad
    from .tokens import Tokenize

_HOMES = {"Blocks": "blocks", "MaskWords": "masking", "Pad": "padding", "Tokenize": "tokens"}

__all__ = ["Blocks", "MaskWords", "Pad", "Tokenize"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
