"""The table of operations: a file for each file of ``engine/ops``, and a row or more for each operation.

A file's ``ROWS`` are its rows, ``REACHED`` its operations that the rows of others reach, ``STEPS`` those whose results jump, ``WIDE`` those that keep
wider results than they are given.
"""

from __future__ import annotations

import importlib
import pkgutil

from .row import Row

FILES = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
ROWS: list[Row] = [row for file in FILES for row in getattr(file, "ROWS", [])]
REACHED: set[str] = {name for file in FILES for name in getattr(file, "REACHED", ())}
STEPS: set[str] = {name for file in FILES for name in getattr(file, "STEPS", ())}
WIDE: set[str] = {name for file in FILES for name in getattr(file, "WIDE", ())}
