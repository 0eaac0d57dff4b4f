"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..device import CPU, DeviceLike
from ..dtype import DtypeLike, float32, int64
from ..errors import SettingError, ShapeError
from ..ops import zeros
from ..tensor import Tensor, tensor_like
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter
from .settings import whole

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class _Channels(Module):
    """What batch and instance normalisation share: a scale, a shift and running statistics of each channel."""

    # None where the layer was made without them; said to be there, since nearly all are.
    weight: Parameter
    bias: Parameter
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    axes: ClassVar[dict[int, str]]
    """How many axes an input may have, and what they are."""

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool, device: DeviceLike | None,
        dtype: DtypeLike | None, bias: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        who = type(self).__name__
        whole(who, 1, num_features=num_features)
        small("eps", who, eps)
        if momentum is not None and not isinstance(momentum, (int, float)):
            raise SettingError(f"{who}: momentum must be a number or None, not {momentum!r:.60}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter.of(num_features, device=device, dtype=dtype) if affine else None  # type: ignore[assignment]
        self.bias = Parameter.of(num_features, device=device, dtype=dtype) if affine and bias else None  # type: ignore[assignment]
        place, kind = device or CPU, float32 if dtype is None else dtype
        for name in ("running_mean", "running_var"):
            running = zeros(num_features, device=place, dtype=kind) if track_running_stats else None
            self.register_buffer(name, running)
        self.register_buffer(
            "num_batches_tracked", zeros((), device=place, dtype=int64) if track_running_stats else None
        )
        if self.running_var is not None:
            self.running_var.array += 1
        if affine:
            init.ones_(self.weight)

    def _checked(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):
            x = tensor_like(type(self).__name__, x)
        if x.ndim not in self.axes:
            raise ShapeError(f"{type(self).__name__}: wants {' or '.join(self.axes.values())}, not {tuple(x.shape)}")
        return x

    def extra_repr(self) -> str:
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        return text + f", affine={self.affine}, track_running_stats={self.track_running_stats}"


class _BatchNorm(_Channels):
    """Each channel brought to mean 0 and variance 1 over batch and positions, then scaled and shifted.

    In training by the batch's statistics, which move ``running_mean`` and ``running_var`` by ``momentum`` (None: the plain
    average of all batches); in use by the running ones. Ioffe and Szegedy, 2015.
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.followed(x)

    def followed(self, x: Tensor, residual: Tensor | None = None, activation: str | None = None) -> Tensor:
        """The normalisation, with a sum and an activation ("relu", "relu6") behind it in the same operation."""
        x = self._checked(x)
        momentum = self.momentum
        if momentum is None and self.training and self.num_batches_tracked is not None:
            momentum = 1.0 / (int(self.num_batches_tracked) + 1)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum or 0.0, self.eps,
            count=self.num_batches_tracked if self.training else None, residual=residual, activation=activation,
        )  # fmt: skip


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (batch, channels) or (batch, channels, length)."""

    axes: ClassVar[dict[int, str]] = {2: "(batch, channels)", 3: "(batch, channels, length)"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images, (batch, channels, height, width)."""

    axes: ClassVar[dict[int, str]] = {4: "(batch, channels, height, width)"}


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes, (batch, channels, depth, height, width)."""

    axes: ClassVar[dict[int, str]] = {5: "(batch, channels, depth, height, width)"}


class _InstanceNorm(_Channels):
    """Each channel of each example brought to mean 0 and variance 1 over its positions (Ulyanov et al., 2016).

    With ``track_running_stats`` training moves running statistics by ``momentum``, and use goes by them.
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False, track_running_stats: bool = False,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self._checked(x)
        single = x.ndim == min(self.axes)
        if x.shape[0 if single else 1] != self.num_features:
            raise ShapeError(f"{type(self).__name__}: wants {self.num_features} channels, not {tuple(x.shape)}")
        given = self.training or not self.track_running_stats
        out = F.instance_norm(
            x.unsqueeze(0) if single else x, self.running_mean, self.running_var, self.weight, self.bias, given, self.momentum or 0.0, self.eps
        )  # fmt: skip
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (batch, channels, length) or (channels, length)."""

    axes: ClassVar[dict[int, str]] = {2: "(channels, length)", 3: "(batch, channels, length)"}


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images, (batch, channels, height, width) or (channels, height, width)."""

    axes: ClassVar[dict[int, str]] = {3: "(channels, height, width)", 4: "(batch, channels, height, width)"}


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of volumes, (batch, channels, depth, height, width) or (channels, depth, height, width)."""

    axes: ClassVar[dict[int, str]] = {
        4: "(channels, depth, height, width)",
        5: "(batch, channels, depth, height, width)",
    }


class GroupNorm(Module):
    """Each example's channels, in groups, brought to mean 0 and variance 1, then scaled and shifted (Wu and He, 2018)."""

    # None where the layer was made without them.
    weight: Parameter
    bias: Parameter

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        device: DeviceLike | None = None,
        dtype: DtypeLike | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        whole("GroupNorm", 1, num_groups=num_groups, num_channels=num_channels)
        small("eps", "GroupNorm", eps)
        if num_channels % num_groups:
            raise SettingError(f"GroupNorm: num_channels {num_channels} must be a multiple of num_groups {num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter.of(num_channels, device=device, dtype=dtype) if affine else None  # type: ignore[assignment]
        self.bias = Parameter.of(num_channels, device=device, dtype=dtype) if affine and bias else None  # type: ignore[assignment]
        if affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class RMSNorm(Module):
    """The last axes of each example over the root of their mean square, then scaled (Zhang and Sennrich, 2019)."""

    weight: Parameter  # None where the layer was made without

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
        *, device: DeviceLike | None = None, dtype: DtypeLike | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        for size in sizes:
            whole("RMSNorm", 0, normalized_shape=size)
        if eps is not None:
            small("eps", "RMSNorm", eps)
        self.normalized_shape, self.eps, self.elementwise_affine = tuple(sizes), eps, elementwise_affine
        self.weight = Parameter.of(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None  # type: ignore[assignment]
        if elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Each number over a power of the mean square of its neighbours in other channels (Krizhevsky et al., 2012)."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        whole("LocalResponseNorm", 1, size=size)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


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
        device: DeviceLike | None = None,
        dtype: DtypeLike | None = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        for size in sizes:
            whole("LayerNorm", 0, normalized_shape=size)
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.weight = Parameter.of(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None  # type: ignore[assignment]
        biased = elementwise_affine and bias
        self.bias = Parameter.of(*self.normalized_shape, device=device, dtype=dtype) if biased else None  # type: ignore[assignment]
        if elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


def small(name: str, who: str, value: float) -> None:
    """Refuse what is no number of at least 0."""
    if not isinstance(value, (int, float)) or not value >= 0:
        raise SettingError(f"{who}: {name} must be a number of at least 0, not {value!r:.60}")
