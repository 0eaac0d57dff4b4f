"""The conformance table: every public function of the engine beside PyTorch's. A file for each family; ``CASES`` are its cases.

Only what compares imports PyTorch (``compare``); the table itself can be read anywhere.
"""

from __future__ import annotations

import importlib
import pkgutil

from .case import Case

_TOOLS = {"case", "compare"}
FILES = [
    importlib.import_module(f"{__name__}.{info.name}")
    for info in pkgutil.iter_modules(__path__)
    if info.name not in _TOOLS
]
CASES: list[Case] = [case for file in FILES for case in file.CASES]
