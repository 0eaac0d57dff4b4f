"""What is left out at random in training.

``inplace`` is taken for PyTorch's sake and changes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from ...device import CPU
from ...dtype import Array, is_differentiable
from ...errors import DtypeError, SettingError, ShapeError
from ...ops.layers.dropping import draw_mask
from ...random import default_generator
from ...tensor import Tensor, tensor_like, tensor_of
from ..settings import probability

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "stochastic_depth",
]

SELU_FLOOR = 1.7580993408473766
"""How far below 0 selu goes: what alpha_dropout puts in the place of what it drops."""


class Host:
    """The default stream as it draws masks on the CPU."""

    def kept(self, shape: tuple[int, ...], p: float, like: Any = None) -> Array:
        """Booleans, each False with probability p."""
        return draw_mask(default_generator().numpy.bit_generator, shape, p)


HOST = Host()


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to 0 with probability p, the others scaled by 1 / (1 - p), in training (Srivastava et al., 2014)."""
    x = tensor_like("dropout", x)
    return _drop(x, x.shape, p, training, "dropout")


def dropout1d(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (batch, channels, length) or (channels, length) set to 0 with probability p (Tompson et al., 2015)."""
    x = tensor_like("dropout1d", x)
    return _drop(x, _channels("dropout1d", x, 2, 3, bare=2), p, training, "dropout1d")


def dropout2d(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (batch, channels, height, width) set to 0 with probability p; three axes are (batch, channels, length)."""
    x = tensor_like("dropout2d", x)
    return _drop(x, _channels("dropout2d", x, 3, 4), p, training, "dropout2d")


def dropout3d(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (batch, channels, depth, height, width), or of one such volume, set to 0 with probability p."""
    x = tensor_like("dropout3d", x)
    return _drop(x, _channels("dropout3d", x, 4, 5, bare=4), p, training, "dropout3d")


def alpha_dropout(x: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Elements set to selu's floor with probability p, then all brought back to mean 0 and variance 1 (Klambauer et al., 2017)."""
    x = tensor_like("alpha_dropout", x)
    return _drop_alpha(x, x.shape, p, training, "alpha_dropout")


def feature_alpha_dropout(x: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels: (batch, channels, ...)."""
    x = tensor_like("feature_alpha_dropout", x)
    return _drop_alpha(x, _channels("feature_alpha_dropout", x, 2, None), p, training, "feature_alpha_dropout")


def stochastic_depth(x: Tensor, p: float, mode: str = "row", training: bool = True) -> Tensor:
    """Whole examples (``mode`` "row") or the whole batch set to 0 with probability p (Huang et al., 2016)."""
    x = tensor_like("stochastic_depth", x)
    if mode not in ("row", "batch"):
        raise SettingError(f"stochastic_depth: mode must be 'row' or 'batch', not {mode!r}")
    lead = x.shape[:1] if mode == "row" else (1,)
    return _drop(x, lead + (1,) * (x.ndim - 1), p, training, "stochastic_depth")


def _channels(name: str, x: Tensor, least: int, most: int | None, bare: int = 0) -> tuple[int, ...]:
    """The shape of a mask of channels; x has no batch if it has ``bare`` axes."""
    if x.ndim < least or (most is not None and x.ndim > most):
        wanted = f"{least} or {most}" if most is not None else f"{least} or more"
        raise ShapeError(f"{name}: wants {wanted} axes, not {tuple(x.shape)}")
    lead = 1 if x.ndim == bare else 2
    return x.shape[:lead] + (1,) * (x.ndim - lead)


def _check(x: Tensor, p: float, training: bool, name: str) -> bool:
    """Whether there is anything to drop."""
    probability(name, p)
    if not training or p == 0.0:
        return False
    if not is_differentiable(x.dtype):
        raise DtypeError(f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    return True


def _drop(x: Tensor, shape: tuple[int, ...], p: float, training: bool, name: str) -> Tensor:
    if not _check(x, p, training, name):
        return x
    if p == 1.0:
        return x * 0.0
    if shape == x.shape and not isinstance(x.array, np.ndarray):
        return ops.drop_drawn(x, p=p, scale=1 / (1 - p), stream=default_generator().on(x.device))
    return ops.drop(x, _mask(x, shape, p), scale=1 / (1 - p))


def _drop_alpha(x: Tensor, shape: tuple[int, ...], p: float, training: bool, name: str) -> Tensor:
    if not _check(x, p, training, name):
        return x
    if p == 1.0:
        return x * 0.0
    scale = 1 / math.sqrt((SELU_FLOOR**2 * p + 1) * (1 - p))
    keep = _mask(x, shape, p)
    raised = SELU_FLOOR * scale * p
    shift = ops.where(keep, raised, raised - SELU_FLOOR * scale).to(dtype=x.dtype)
    return ops.drop(x, keep, scale=scale) + shift


def _mask(x: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    if x.device != CPU:
        return tensor_of(default_generator().on(x.device).kept(shape, p, like=x.array))
    return tensor_of(HOST.kept(shape, p))
