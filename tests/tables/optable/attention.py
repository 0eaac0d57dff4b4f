"""The rows of ``ops/layers/attention.py`` and ``rotary.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def softmax_reference(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def reference(q: Any, k: Any, v: Any, bias: Any = 0.0, *, scale: float = 0.5, causal: bool = False) -> Any:
    scores = scale * (q @ k.swapaxes(-1, -2)) + bias
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    return softmax_reference(scores, -1) @ v


def in_rows(q: Any, k: Any, v: Any, bias: Any = 0.0, *, heads: int, **settings: Any) -> Any:
    cut = [x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2) for x in (q, k, v)]
    out = reference(*cut, bias, **settings).swapaxes(1, 2)
    return out.reshape(*out.shape[:2], -1)


def packed(x: Any, bias: Any = 0.0, **settings: Any) -> Any:
    return in_rows(*np.split(x, 3, -1), bias, **settings)


def attend_packed(x: Any, bias: Any = None, **settings: Any) -> Any:
    return ops.attend(x, None, None, bias, **settings)


def turned(x: Any, cosine: Any, sine: Any, *, interleaved: bool = False) -> Any:
    pairs = x.reshape(*x.shape[:-1], -1, 2) if interleaved else x.reshape(*x.shape[:-1], 2, -1).swapaxes(-1, -2)
    spun = (pairs[..., 0] + 1j * pairs[..., 1]) * (cosine + 1j * sine)
    both = np.stack([spun.real, spun.imag], -1 if interleaved else -2)
    return both.reshape(*both.shape[:-2], -1)


ROWS = [
    Row("rotary", ((2, 3, 5, 4), (2, 1, 5, 2), (2, 1, 5, 2)), turned),
    Row("rotary", ((2, 3, 5, 6), (5, 3), (5, 3)), turned, {"interleaved": True}, label="interleaved"),
    Row("attend", ((2, 3, 1, 4), (2, 1, 5, 4), (2, 1, 5, 3)), reference, {"scale": 0.5}, label="one query"),
    Row("scaled_dot_product_attention", ((2, 3, 4), (2, 5, 4), (2, 5, 3)), lambda q, k, v: reference(q, k, v)),
    Row("attend", ((2, 3, 4), (2, 5, 4), (2, 5, 3)), reference, {"scale": 0.5}),
    Row("attend", ((3, 4), (5, 4), (5, 3)), reference, {"scale": 0.3}, label="without heads"),
    Row("attend", ((2, 2, 6, 4), (2, 1, 6, 4), (1, 2, 6, 3), (2, 1, 1, 6)), reference, {"scale": 0.5, "causal": True}, label="causal, biased, broadcast"),
    Row("attend", ((2, 4, 6), (2, 5, 6), (2, 5, 4)), in_rows, {"scale": 0.5, "heads": 2}, label="in rows"),
    Row("attend", ((2, 5, 18),), packed, {"scale": 0.5, "heads": 3, "causal": True}, call=attend_packed, label="packed"),
    Row("attend", ((2, 5, 24), (2, 1, 1, 5)), packed, {"scale": 0.5, "heads": 2}, call=attend_packed, label="packed, biased"),
    Row("attention_in_heads", ((2, 4, 6), (2, 5, 6), (2, 5, 4)), lambda q, k, v, **_: in_rows(q, k, v, heads=2, scale=3**-0.5), {"heads": 2}),
    Row("attend", ((2, 64, 70, 8), (2, 64, 70, 8), (2, 64, 70, 8)), reference, {"scale": 0.5}, low=-1, high=1, smooth=False, label="large"),
    Row("attend", ((1, 2, 700, 8), (1, 2, 700, 8), (1, 2, 700, 8)), reference, {"scale": 0.5, "causal": True}, low=-1, high=1, smooth=False, label="long"),
]  # fmt: skip

REACHED = {"attend_backward", "attend_packed_backward"}
