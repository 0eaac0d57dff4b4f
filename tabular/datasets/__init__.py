"""Data sets of tables: facts about files, and readers that give (row, target).

Every data set has a length, gives (row, target) by index, and takes a `transform` for the row; `features` and `targets`
hold all of them, as arrays.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import TableDataset
    from .classic import BreastCancer, Diabetes, Iris, Wine

_HOMES = {
    "BreastCancer": "classic",
    "Diabetes": "classic",
    "Iris": "classic",
    "TableDataset": "base",
    "Wine": "classic",
}

__all__ = ["BreastCancer", "Diabetes", "Iris", "TableDataset", "Wine"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
