"""What is left out at random in training."""

from __future__ import annotations

import numpy as np

from ...device import move
from ...dtype import is_differentiable
from ...errors import DtypeError, SettingError
from ...random import default_generator
from ...tensor import Tensor, tensor_like, tensor_of
from ..settings import probability

__all__ = [
    "dropout",
    "stochastic_depth",
]


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Elements set to 0 with probability p, the others scaled by 1 / (1 - p), in training."""
    x = tensor_like("dropout", x)
    return _drop(x, x.shape, p, training, "dropout")


def stochastic_depth(x: Tensor, p: float, mode: str = "row", training: bool = True) -> Tensor:
    """Whole examples (``mode`` "row") or the whole batch set to 0 with probability p (Huang et al., 2016)."""
    x = tensor_like("stochastic_depth", x)
    if mode not in ("row", "batch"):
        raise SettingError(f"stochastic_depth: mode must be 'row' or 'batch', not {mode!r}")
    lead = x.shape[:1] if mode == "row" else (1,)
    return _drop(x, lead + (1,) * (x.ndim - 1), p, training, "stochastic_depth")


def _drop(x: Tensor, shape: tuple[int, ...], p: float, training: bool, name: str) -> Tensor:
    probability(name, p)
    if not training or p == 0.0:
        return x
    if not is_differentiable(x.dtype):
        raise DtypeError(f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    if p == 1.0:
        return x * 0.0
    keep = default_generator().numpy.random(shape, dtype=np.float32) >= p
    mask = np.asarray(keep * np.float32(1 / (1 - p))).astype(x.dtype)
    return x * tensor_of(move(mask, x.device))
