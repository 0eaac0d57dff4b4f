"""Layers that drop at random in training, and do nothing in use."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module
from .settings import probability

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "StochasticDepth",
]


class Dropout(Module):
    """Elements set to 0 with probability p, the others scaled by 1 / (1 - p) (Srivastava et al., 2014).

    ``inplace`` is taken and changes nothing.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        probability(type(self).__name__, p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training and isinstance(x, Tensor):
            return x
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout1d(Dropout):
    """Whole channels of (batch, channels, length) set to 0 with probability p."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout1d(x, self.p, self.training)


class Dropout2d(Dropout):
    """Whole channels of images set to 0 with probability p (Tompson et al., 2015)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.p, self.training)


class Dropout3d(Dropout):
    """Whole channels of volumes set to 0 with probability p."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout3d(x, self.p, self.training)


class AlphaDropout(Dropout):
    """Dropout for selu, which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.alpha_dropout(x, self.p, self.training)


class FeatureAlphaDropout(Dropout):
    """AlphaDropout of whole channels."""

    def forward(self, x: Tensor) -> Tensor:
        return F.feature_alpha_dropout(x, self.p, self.training)


class StochasticDepth(Dropout):
    """Whole examples (``mode`` "row") or the whole batch set to 0 with probability p (Huang et al., 2016)."""

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__(p)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return F.stochastic_depth(x, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode!r}"
