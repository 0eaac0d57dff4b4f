"""Shortcuts past a layer, with the normalisation that stands behind them: module by module, or in one operation where nobody could tell."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .dropout import Dropout
from .module import Module
from .norm import LayerNorm, RMSNorm
from .plain import is_plain

__all__ = ["add_and_normalise", "normalised_sum"]


def normalised_sum(x: Tensor, residual: Tensor, norm: Module, dropout: Module | None = None) -> Tensor:
    """norm(dropout(x) + residual), as where normalisation comes after the sum."""
    found = _together(x, residual, norm, dropout, False)
    if found is not None:
        return found[0]
    out: Tensor = norm((x if dropout is None else dropout(x)) + residual)
    return out


def add_and_normalise(
    x: Tensor, residual: Tensor, norm: Module, dropout: Module | None = None
) -> tuple[Tensor, Tensor]:
    """The sum dropout(x) + residual, and what norm makes of it, as where normalisation comes before the next layer."""
    found = _together(x, residual, norm, dropout, True)
    if found is not None:
        return found[1], found[0]
    total = (x if dropout is None else dropout(x)) + residual
    return total, norm(total)


def _together(x: Tensor, residual: Tensor, norm: Any, dropout: Any, both: bool) -> tuple[Tensor, Tensor] | None:
    """The normalised sum, and the sum; None where the modules are to be called, each by itself."""
    chance, training = 0.0, False
    if dropout is not None:
        if not is_plain(dropout, Dropout):
            return None
        chance, training = dropout.p, dropout.training
    if is_plain(norm, LayerNorm):
        return F.add_layer_norm(
            x, residual, norm.normalized_shape, norm.weight, norm.bias, norm.eps, p=chance, training=training, both=both
        )
    if is_plain(norm, RMSNorm):
        return F.add_rms_norm(
            x, residual, norm.normalized_shape, norm.weight, norm.eps, p=chance, training=training, both=both
        )
    return None
