"""The rows of ``ops/shapes/copy.py``."""

from __future__ import annotations

from numzoo.engine import ops

from .row import Row

ROWS = [
    Row("cast", ((3, 4),), lambda x: x, call=lambda x: ops.clone(x)),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"_rows", "clone", "move_from"}
