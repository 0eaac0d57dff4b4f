"""Losses as modules."""

from __future__ import annotations

from typing import Any

from ..ops import cross_entropy
from ..tensor import Tensor
from .module import Module

__all__ = [
    "CrossEntropyLoss",
]


class CrossEntropyLoss(Module):
    """The cross-entropy of logits against classes; see ``engine.cross_entropy``."""

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.settings: dict[str, Any] = {
            "ignore_index": ignore_index,
            "reduction": reduction,
            "label_smoothing": label_smoothing,
        }

    def forward(self, x: Tensor, target: Any) -> Tensor:
        return cross_entropy(x, target, weight=self.weight, **self.settings)
