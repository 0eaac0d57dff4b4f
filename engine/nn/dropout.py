"""Layers that drop at random in training, and do nothing in use."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module
from .settings import probability

__all__ = [
    "Dropout",
    "StochasticDepth",
]


class Dropout(Module):
    """Elements set to 0 with probability p, the others scaled by 1 / (1 - p) (Srivastava et al., 2014)."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        probability(type(self).__name__, p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class StochasticDepth(Dropout):
    """Whole examples (``mode`` "row") or the whole batch set to 0 with probability p (Huang et al., 2016)."""

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__(p)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return F.stochastic_depth(x, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode!r}"
