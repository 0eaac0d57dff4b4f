"""Fully connected layers."""

from __future__ import annotations

import math

from .. import ops
from ..device import DeviceLike
from ..dtype import DtypeLike
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .settings import whole

__all__ = [
    "Bilinear",
    "Linear",
]


class Linear(Module):
    """x weight^T + bias: (..., in_features) to (..., out_features)."""

    bias: Parameter  # None where the layer was made without
    narrow = ("weight",)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: DeviceLike | None = None,
        dtype: DtypeLike | None = None,
    ) -> None:
        super().__init__()
        whole("Linear", 0, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter.of(out_features, in_features, device=device, dtype=dtype)
        self.bias = Parameter.of(out_features, device=device, dtype=dtype) if bias else None  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(in_features)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        return ops.linear.run((x, weight) if bias is None else (x, weight, bias), ops.linear.setting_defaults)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Bilinear(Module):
    """x1^T weight[k] x2 + bias[k]: (..., in1_features) and (..., in2_features) to (..., out_features)."""

    bias: Parameter  # None where the layer was made without

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: DeviceLike | None = None,
        dtype: DtypeLike | None = None,
    ) -> None:
        super().__init__()
        whole("Bilinear", 1, in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter.of(out_features, in1_features, in2_features, device=device, dtype=dtype)
        self.bias = Parameter.of(out_features, device=device, dtype=dtype) if bias else None  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values: evenly spread within 1 / sqrt(in1_features)."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{text}, bias={self.bias is not None}"
