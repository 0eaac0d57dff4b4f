"""Fourier transforms of one kind each: complex, of real numbers, and to real numbers. ``engine.fft`` has them under their usual names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array, Dtype, float32, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.complex_numbers import complex_dtype, real_dtype
from ..indexing.index import items
from ..shapes.padding import padded

__all__: list[str] = []

OTHER = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The scale that the transform back has where this one is had forward, and the other way round."""


def _fourier_x(grad: Tensor, axes: tuple[int, ...], norm: str, inverse: bool) -> Tensor:
    # The matrix of the transform is symmetric, so it is its own transpose.
    return fourier(grad, axes, norm, inverse=inverse)


@op(x=_fourier_x)
def fourier(xp: Any, x: Array, axes: tuple[int, ...], norm: str, *, inverse: bool = False) -> Array:
    """sum over j of x_j exp(-2 pi i j k / n) along each of ``axes`` (+ for the ``inverse``), of real or complex numbers."""
    dtype = complex_dtype("fft", x.dtype)
    if not x.size:
        return xp.zeros(x.shape, dtype)
    transform = xp.fft.ifft if inverse else xp.fft.fft
    if x.dtype.kind != "c" and axes:
        # Half of the frequencies of real numbers say all; the last axis is halved, the other axes are transformed in between.
        half = xp.fft.rfft(x, axis=axes[-1], norm=OTHER[norm] if inverse else norm)
        half = xp.conj(half) if inverse else half
        for axis in axes[:-1]:
            half = transform(half, axis=axis, norm=norm)
        return _mirrored(xp, half.astype(dtype, copy=False), x.shape, axes)
    for axis in axes:
        x = transform(x, axis=axis, norm=norm)
    return x.astype(dtype, copy=False)  # before NumPy 2 every result is complex128


def _mirrored(xp: Any, half: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """All frequencies of real numbers from the first half along the last of ``axes``: those at -k are conjugates of those at k."""
    last = axes[-1]
    count, before = half.shape[last], (slice(None),) * last
    out = xp.empty(shape, half.dtype)
    out[(*before, slice(count))] = half
    rest = half[(*before, slice(shape[last] - count, 0, -1))]
    for axis in axes[:-1]:
        rest = xp.roll(xp.flip(rest, axis), 1, axis)
    out[(*before, slice(count, None))] = xp.conj(rest)
    return out


def _middle(count: int, size: int, weight: float, dtype: Dtype) -> Any:
    """1 for the frequencies that a real signal has once (0, and the highest if ``size`` is even), ``weight`` for those in between."""
    factors = np.full(count, weight, dtype)
    factors[0] = 1
    if size % 2 == 0:
        factors[-1] = 1
    return factors


def _along(factors: Any, like: Tensor, axis: int) -> Tensor:
    shaped = factors.reshape([-1 if i == axis else 1 for i in range(like.ndim)])
    return tensor_of(shaped).to(device=like.device)


def _of_real_x(grad: Tensor, x_shape: tuple[int, ...], axis: int, norm: str) -> Tensor:
    size = x_shape[axis]
    factors = _middle(grad.shape[axis], size, 0.5, real_dtype(grad.dtype))
    return to_real(grad * _along(factors, grad, axis), size, axis, OTHER[norm])


@op(x=_of_real_x, holomorphic=False)
def of_real(xp: Any, x: Array, axis: int, norm: str) -> Array:
    """The transform of real numbers along one axis: its first n // 2 + 1 frequencies, the others being their conjugates."""
    dtype = complex_dtype("rfft", x.dtype)
    return xp.fft.rfft(x, axis=axis, norm=norm).astype(dtype, copy=False)


def _to_real_x(grad: Tensor, x_shape: tuple[int, ...], size: int, axis: int, norm: str) -> Tensor:
    factors = _middle(x_shape[axis], size, 2.0, grad.dtype)
    return of_real(grad, axis, OTHER[norm]) * _along(factors, grad, axis)


@op(x=_to_real_x)
def to_real(xp: Any, x: Array, size: int, axis: int, norm: str) -> Array:
    """The ``size`` real numbers along one axis whose first size // 2 + 1 frequencies these are."""
    return xp.fft.irfft(x, size, axis=axis, norm=norm).astype(real_dtype(x.dtype), copy=False)


# ---- arguments ------------------------------------------------------------------------------------------------


def signal(name: str, x: Any, *, is_real: bool = False) -> Tensor:
    """A tensor that can be transformed: integers become float32, half types are refused."""
    x = tensor_like(name, x)
    if kind(x.dtype) < 2:
        x = x.to(dtype=float32)
    if is_real and kind(x.dtype) == 3:
        raise DtypeError(f"{name}: wants real numbers, not {x.dtype}; use fft or ihfft, or take .real")
    complex_dtype(name, x.dtype)
    if not x.ndim:
        raise ShapeError(f"{name}: a 0-dimensional tensor has no axis to transform; add one with .unsqueeze(0)")
    return x  # type: ignore[no-any-return]


def scale(name: str, norm: str | None) -> str:
    """The name of a scale, checked."""
    found = "backward" if norm is None else norm
    if found not in OTHER:
        raise SettingError(f"{name}: norm is 'backward', 'ortho' or 'forward', not {norm!r:.40}")
    return found


def sized(name: str, x: Tensor, size: int | None, axis: int) -> Tensor:
    """One axis cut, or filled up with zeros, to ``size``."""
    length = x.shape[axis]
    size = length if size is None else size
    if size < 1:
        raise ShapeError(f"{name}: needs at least one element along axis {axis}, but it is to have {size}")
    if size < length:
        return items(x, (slice(None),) * axis + (slice(size),))
    if size > length:
        return padded(x, tuple((0, size - length if i == axis else 0) for i in range(x.ndim)))
    return x
