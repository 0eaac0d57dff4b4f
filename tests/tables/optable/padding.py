"""The rows of ``ops/shapes/padding.py``."""

from __future__ import annotations

import numpy as np

from numzoo.engine import ops

from .row import Row

ROWS = [
    Row("padded", ((2, 3),), lambda x: np.pad(x, ((1, 0), (2, 1)), constant_values=0.5), call=lambda x: ops.pad(x, (2, 1, 1, 0), value=0.5)),
    Row("unpadded", ((4, 5),), lambda x: x[1:, 2:4], call=lambda x: ops.pad(x, (-2, -1, -1, 0))),
    *(Row("bordered", ((3, 4),), lambda x, n=numpy: np.pad(x, ((1, 2), (2, 1)), mode=n), call=lambda x, m=mode: ops.pad(x, (2, 1, 1, 2), mode=m), label=mode)
      for mode, numpy in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"))),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"unbordered"}
