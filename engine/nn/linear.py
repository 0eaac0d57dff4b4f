"""The fully connected layer."""

from __future__ import annotations

import math

from .. import ops
from ..dtype import DtypeLike, float32
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter
from .settings import whole

__all__ = [
    "Linear",
]


class Linear(Module):
    """x weight^T + bias: (..., in_features) to (..., out_features)."""

    bias: Parameter  # None where the layer was made without

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, dtype: DtypeLike = float32) -> None:
        super().__init__()
        whole("Linear", 0, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter.of(out_features, in_features, dtype=dtype)
        self.bias = Parameter.of(out_features, dtype=dtype) if bias else None  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(in_features)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight) if self.bias is None else ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")
