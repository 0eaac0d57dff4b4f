"""The rows of ``ops/shapes/shape.py``."""

from __future__ import annotations

import numpy as np

from numzoo.engine import ops

from .row import Row

ROWS = [
    Row("reshape", ((2, 6),), lambda x: x.reshape(3, 4), call=lambda x: ops.reshape(x, (3, -1))),
    Row("permute", ((2, 3, 4),), lambda x: x.transpose(2, 0, 1), call=lambda x: ops.permute(x, (2, 0, -2))),
    Row("broadcast_to", ((3, 1),), lambda x: np.broadcast_to(x, (2, 3, 4)), call=lambda x: ops.expand(x, (2, -1, 4))),
    Row("transpose", ((2, 3, 4),), lambda x: x.swapaxes(0, 2), call=lambda x: ops.transpose(x, 0, -1)),
    Row("flatten", ((2, 3, 4),), lambda x: x.reshape(2, 12), call=lambda x: ops.flatten(x, 1)),
    Row("flip", ((2, 3),), lambda x: x[:, ::-1], call=lambda x: ops.flip(x, (1,))),
    Row("rolled", ((3, 4),), lambda x: np.roll(x, (1, -1), (0, 1)), call=lambda x: ops.roll(x, (1, -1), (0, 1))),
    Row("cat_along", ((2, 3), (2, 2)), lambda *x: np.concatenate(x, 1), call=lambda *x: ops.cat(x, 1)),
    Row("stack_along", ((2, 3), (2, 3)), lambda *x: np.stack(x, 1), call=lambda *x: ops.stack(x, 1)),
    Row("split", ((5, 2),), lambda x: x[4:], call=lambda x: ops.split(x, 2)[2]),
    Row("split", ((5, 2),), lambda x: x[:2] * x[2:4], call=lambda x: ops.split(x, 2)[0] * ops.split(x, 2)[1], label="two pieces"),
    Row("unbind", ((3, 2),), lambda x: x[0] * x[2], call=lambda x: ops.unbind(x)[0] * ops.unbind(x)[2]),
]  # fmt: skip
