"""Sums with what a layer was given, normalised: in one operation where the operands allow it, else by one after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...dtype import NARROW, float32
from ...modes import modes
from ...random import default_generator
from ...tensor import Tensor
from ..settings import Size
from .dropping import HOST, dropout
from .normalization import layer_norm, rms_norm

__all__ = ["add_layer_norm", "add_rms_norm"]


def add_layer_norm(
    x: Tensor, residual: Tensor, normalized_shape: Size, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, *,
    p: float = 0.0, training: bool = True, both: bool = True,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """layer_norm(total), and the total: dropout(x, p, training) + residual. The latter may be None unless ``both`` are wanted."""
    settings = _settings(x, residual, normalized_shape, p if training else 0.0)
    if settings is None or eps.__class__ is not float or not eps >= 0.0:
        total = dropout(x, p, training) + residual
        return layer_norm(total, normalized_shape, weight, bias, eps), total
    settings["epsilon"], settings["both"] = eps, both
    found: tuple[Tensor, Tensor] = ops.add_layer_norm.run((x, residual, weight, bias), settings)
    return found


def add_rms_norm(
    x: Tensor, residual: Tensor, normalized_shape: Size, weight: Tensor | None = None, eps: float | None = None, *, p: float = 0.0,
    training: bool = True, both: bool = True,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """rms_norm(total), and the total, likewise."""
    settings = _settings(x, residual, normalized_shape, p if training else 0.0)
    if settings is None or eps.__class__ is not float or not eps >= 0.0:
        total = dropout(x, p, training) + residual
        return rms_norm(total, normalized_shape, weight, eps), total
    settings["epsilon"], settings["both"] = eps, both
    found: tuple[Tensor, Tensor] = ops.add_rms_norm.run((x, residual, weight), settings)
    return found


def _settings(x: Any, residual: Any, shape: Any, p: Any) -> dict[str, Any] | None:
    """Those of the one operation; None for operands that it does not add, or not as they are added one after another."""
    if type(x) is not Tensor or type(residual) is not Tensor or type(shape) is not tuple:
        return None
    first, second = x.array, residual.array
    kind = second.dtype
    # What precision narrows is added narrow, and normalised wide.
    narrower = kind is float32 and first.dtype in NARROW
    alike = first.dtype is kind and kind.kind in "fV" and (kind is float32 or modes.precision is None)
    fits = (alike or narrower) and first.shape == second.shape and type(first) is type(second)
    if (
        not fits
        or not shape
        or first.shape[-len(shape) :] != shape
        or p.__class__ not in (float, int)
        or not 0 <= p < 1
    ):
        return None
    stream = None
    if p:
        stream = HOST if type(first) is np.ndarray else default_generator().on(x.device)
    return {"axes": len(shape), "p": p, "stream": stream}
