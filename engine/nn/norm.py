"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtype import DtypeLike, float32, int64
from ..errors import SettingError, ShapeError
from ..ops import zeros
from ..tensor import Tensor, tensor_of
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .settings import whole

__all__ = [
    "BatchNorm2d",
    "LayerNorm",
]


class BatchNorm2d(Module):
    """Each channel brought to mean 0 and variance 1 over batch and image, then scaled and shifted.

    In training by the batch's statistics, which move ``running_mean`` and ``running_var`` by ``momentum`` (None: the plain
    average of all batches); in use by the running ones. Ioffe and Szegedy, 2015.
    """

    # None where the layer was made without them; said to be there, since nearly all are.
    weight: Parameter
    bias: Parameter
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True,
        *, dtype: DtypeLike = float32,
    ) -> None:  # fmt: skip
        super().__init__()
        whole("BatchNorm2d", 1, num_features=num_features)
        if not isinstance(eps, (int, float)) or not eps >= 0:
            raise SettingError(f"BatchNorm2d: eps must be a number of at least 0, not {eps!r:.60}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter.of(num_features, dtype=dtype) if affine else None  # type: ignore[assignment]
        self.bias = Parameter.of(num_features, dtype=dtype) if affine else None  # type: ignore[assignment]
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, zeros(num_features, dtype=dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=int64) if track_running_stats else None)
        if self.running_var is not None:
            self.running_var.array += 1
        if affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ShapeError(f"BatchNorm2d: wants (batch, channels, height, width), not {tuple(x.shape)}")
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            seen = int(self.num_batches_tracked) + 1
            momentum = 1.0 / seen if momentum is None else momentum
        out = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum or 0.0, self.eps
        )
        if self.training and self.num_batches_tracked is not None:
            # A new array in the same tensor: the old one may belong to a file.
            self.num_batches_tracked.array = tensor_of(self.num_batches_tracked.array + 1).array
        return out

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class LayerNorm(Module):
    """The last axes of each example brought to mean 0 and variance 1, then scaled and shifted (Ba et al., 2016)."""

    # None where the layer was made without them; said to be there, since nearly all are.
    weight: Parameter
    bias: Parameter

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DtypeLike = float32,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        for size in sizes:
            whole("LayerNorm", 0, normalized_shape=size)
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.weight = Parameter.of(*self.normalized_shape, dtype=dtype) if elementwise_affine else None  # type: ignore[assignment]
        self.bias = Parameter.of(*self.normalized_shape, dtype=dtype) if elementwise_affine and bias else None  # type: ignore[assignment]
        if elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"
