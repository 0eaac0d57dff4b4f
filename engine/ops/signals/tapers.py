"""Window functions: the weights that fade a stretch of signal in and out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import DtypeLike, as_dtype, float32, is_floating
from ...errors import DtypeError, SettingError
from ...tensor import Tensor

__all__ = [
    "bartlett_window",
    "blackman_window",
    "hamming_window",
    "hann_window",
    "kaiser_window",
]


def _window(
    name: str, length: int, periodic: bool, dtype: DtypeLike, requires_grad: bool, shape: Any
) -> Tensor:  # fmt: skip
    """``shape`` at the places 0 to 1 of a window; a periodic one leaves the last place to the next period."""
    if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 0:
        raise SettingError(f"{name}: the length is a whole number from 0, not {length!r:.40}")
    wanted = as_dtype(dtype)
    if not is_floating(wanted):
        raise DtypeError(f"{name}: a window is of a floating-point dtype, not {wanted}")
    steps = length if periodic else length - 1
    values = shape(np.arange(length) / steps) if length > 1 else np.ones(length)
    return Tensor(values.astype(wanted), requires_grad=requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: DtypeLike = float32, requires_grad: bool = False
) -> Tensor:
    """sin^2(pi t)."""
    return _window("hann_window", window_length, periodic, dtype, requires_grad, lambda t: np.sin(np.pi * t) ** 2)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: DtypeLike = float32, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """alpha - beta cos(2 pi t)."""
    return _window(
        "hamming_window", window_length, periodic, dtype, requires_grad, lambda t: alpha - beta * np.cos(2 * np.pi * t)
    )


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: DtypeLike = float32, requires_grad: bool = False
) -> Tensor:
    """0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t)."""

    def shape(t: Any) -> Any:
        return 0.42 - 0.5 * np.cos(2 * np.pi * t) + 0.08 * np.cos(4 * np.pi * t)

    return _window("blackman_window", window_length, periodic, dtype, requires_grad, shape)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: DtypeLike = float32, requires_grad: bool = False
) -> Tensor:
    """1 - |2 t - 1|: a triangle."""
    return _window("bartlett_window", window_length, periodic, dtype, requires_grad, lambda t: 1 - np.abs(2 * t - 1))


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: DtypeLike = float32, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - (2 t - 1)^2)) / I0(beta), I0 being the modified Bessel function."""

    def shape(t: Any) -> Any:
        return np.i0(beta * np.sqrt(np.maximum(1 - (2 * t - 1) ** 2, 0))) / np.i0(beta)

    return _window("kaiser_window", window_length, periodic, dtype, requires_grad, shape)
