"""Weights in other coordinates: length and direction apart, or divided by their largest singular value."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...device import namespace
from ...dtype import Array, accumulator
from ...errors import SettingError
from ...random import default_generator
from ...tensor import Tensor, tensor_of
from .. import functional as F
from ..module import Module
from ..settings import whole
from .parametrize import register_parametrization

__all__ = [
    "spectral_norm",
    "weight_norm",
]


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g v / |v|, with a length g for each index of axis ``dim`` (None: one for all) (Salimans and Kingma, 2016).

    The state has g as ``parametrizations.NAME.original0`` and v as ``original1``.
    """
    return register_parametrization(module, name, _WeightNorm(dim))


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """The weight over its largest singular value, which power iterations in training follow (Miyato et al., 2018).

    The weight is a matrix with axis ``dim`` as its rows: 0, or 1 in transposed convolutions. The state holds both singular vectors.
    """
    whole("spectral_norm", 1, n_power_iterations=n_power_iterations)
    weight = getattr(module, name, None)
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    if not isinstance(weight, Tensor) or not -weight.ndim <= dim < weight.ndim:
        raise SettingError(f"spectral_norm: {type(module).__name__} has no parameter {name!r} with an axis {dim}")
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = None if dim is None or dim == -1 else dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        return direction * (length / self._length(direction))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The length and the direction of a weight."""
        return self._length(weight), weight.clone()

    def _length(self, weight: Tensor) -> Tensor:
        if self.dim is None:
            return ops.sqrt((weight * weight).sum())
        axes = tuple(axis for axis in range(weight.ndim) if axis != self.dim % weight.ndim)
        return ops.sqrt((weight * weight).sum(axes, True)) if axes else weight.abs()


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.iterations, self.dim, self.eps = iterations, dim % weight.ndim, eps
        if weight.ndim > 1:
            matrix = self._matrix(weight.detach()).array
            draw = default_generator().numpy.standard_normal
            for name, size in (("_u", matrix.shape[0]), ("_v", matrix.shape[1])):
                vector = draw(size).astype(weight.dtype)
                self.register_buffer(name, tensor_of(vector / max(np.linalg.norm(vector), eps)).to(dtype=weight.dtype))
            self._follow(matrix, 15)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._follow(matrix.array, self.iterations)
        largest = (tensor_of(self._u.array) * ops.matmul(matrix, tensor_of(self._v.array))).sum()
        return weight / largest

    def right_inverse(self, value: Tensor) -> Tensor:
        """Any weight is taken as it is: the division comes on top."""
        return value.clone()

    def _matrix(self, weight: Tensor) -> Tensor:
        order = (self.dim, *(axis for axis in range(weight.ndim) if axis != self.dim))
        return weight.permute(order).reshape((weight.shape[self.dim], -1))

    def _follow(self, matrix: Any, iterations: int) -> None:
        """Move both vectors towards the singular vectors; new arrays, since a graph may hold the old ones."""
        wide = matrix.astype(accumulator(matrix.dtype), copy=False)
        u, v = self._u.array, self._v.array
        for _ in range(iterations):
            u = wide @ v
            u = u / _length(u, self.eps)
            v = wide.T @ u
            v = v / _length(v, self.eps)
        self._u.array, self._v.array = u.astype(matrix.dtype), v.astype(matrix.dtype)


def _length(vector: Array, least: float) -> Any:
    """The length of a vector, or ``least`` if that is more; of one on a GPU it stays there."""
    square = (vector * vector).sum()
    if isinstance(vector, np.ndarray):
        return max(float(square) ** 0.5, least)
    xp = namespace(vector)
    return xp.maximum(xp.sqrt(square), least)
