"""Fourier transforms under PyTorch's names: ``engine.fft.rfft``, ``engine.fft.ifft2`` and so on.

``n`` (or ``s``, one for each axis) cuts the signal or fills it up with zeros first. ``norm`` says where the scale goes: "backward" divides by n on
the way back, "forward" on the way there, "ortho" by the root of n both ways. float32 gives complex64, float64 complex128; half types are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dtype import DtypeLike, as_dtype, float32, kind
from .errors import SettingError, ShapeError
from .ops.elementwise.complex_numbers import complex_dtype, conj
from .ops.reductions.reduction import normal_axes, one_axis
from .ops.shapes.shape import roll, whole
from .ops.signals.fourier import OTHER, fourier, of_real, scale, signal, sized, to_real
from .tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Sizes = int | Sequence[int] | None
PLANE = (-2, -1)


def _size(name: str, n: int | None) -> int | None:
    return None if n is None else whole(name, n)


def fft(x: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform along one axis: out_k = sum over j of x_j exp(-2 pi i j k / n)."""
    return _complex("fft", x, n, dim, norm, False)


def ifft(x: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform back along one axis: out_j = 1 / n times the sum over k of x_k exp(2 pi i j k / n)."""
    return _complex("ifft", x, n, dim, norm, True)


def _complex(name: str, x: Tensor, n: int | None, dim: int, norm: str | None, inverse: bool) -> Tensor:
    x = signal(name, x)
    axis = one_axis(name, dim, x.ndim)
    return fourier(sized(name, x, _size(name, n), axis), (axis,), scale(name, norm), inverse=inverse)


def rfft(x: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform of real numbers: the first n // 2 + 1 frequencies, the others being their conjugates."""
    x = signal("rfft", x, is_real=True)
    axis = one_axis("rfft", dim, x.ndim)
    return of_real(sized("rfft", x, _size("rfft", n), axis), axis, scale("rfft", norm))


def irfft(x: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The n real numbers whose first n // 2 + 1 frequencies these are; n is 2 (frequencies - 1) unless given."""
    return _to_real("irfft", x, n, dim, scale("irfft", norm))


def _to_real(name: str, x: Tensor, n: int | None, dim: int, norm: str) -> Tensor:
    x = signal(name, x)
    axis = one_axis(name, dim, x.ndim)
    size = 2 * (x.shape[axis] - 1) if n is None else whole(name, n)
    if size < 1:
        raise ShapeError(f"{name}: {size} real numbers were asked for along axis {dim}; give n of at least 1")
    if kind(x.dtype) != 3:
        x = x.to(dtype=complex_dtype(name, x.dtype))
    return to_real(sized(name, x, size // 2 + 1, axis), size, axis, norm)


def hfft(x: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The n real frequencies of a signal that mirrors itself in conjugates, of which x is the first half."""
    return _to_real("hfft", conj(signal("hfft", x)), n, dim, OTHER[scale("hfft", norm)])


def ihfft(x: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first half of the signal that mirrors itself in conjugates and has these real frequencies."""
    x = signal("ihfft", x, is_real=True)
    axis = one_axis("ihfft", dim, x.ndim)
    return conj(of_real(sized("ihfft", x, _size("ihfft", n), axis), axis, OTHER[scale("ihfft", norm)]))


def _axes(name: str, x: Tensor, s: Sizes, dim: Sizes) -> tuple[tuple[int, ...], list[int | None]]:
    """The axes to transform, and the sizes that they are to have."""
    sizes = None if s is None else whole(name, s if isinstance(s, int) else list(s))
    sizes = (sizes,) if isinstance(sizes, int) else sizes
    if dim is not None:
        axes = normal_axes(name, whole(name, dim if isinstance(dim, int) else list(dim)), x.ndim)
    elif sizes is not None:
        if len(sizes) > x.ndim:
            raise ShapeError(f"{name}: {len(sizes)} sizes were given for the axes of shape {tuple(x.shape)}")
        axes = tuple(range(x.ndim - len(sizes), x.ndim))
    else:
        axes = tuple(range(x.ndim))
    if not axes:
        raise ShapeError(f"{name}: at least one axis must be transformed")
    if sizes is not None and len(sizes) != len(axes):
        raise ShapeError(f"{name}: {len(sizes)} sizes were given for {len(axes)} axes; give one for each")
    return axes, [None] * len(axes) if sizes is None else [None if size == -1 else size for size in sizes]


def _many(name: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None, inverse: bool) -> Tensor:
    x = signal(name, x)
    axes, sizes = _axes(name, x, s, dim)
    for axis, size in zip(axes, sizes, strict=True):
        x = sized(name, x, size, axis)
    return fourier(x, axes, scale(name, norm), inverse=inverse)


def fftn(x: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The transform along several axes (all if None, the last ones where only ``s`` is given)."""
    return _many("fftn", x, s, dim, norm, False)


def ifftn(x: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The transform back along several axes."""
    return _many("ifftn", x, s, dim, norm, True)


def fft2(x: Tensor, s: Sizes = None, dim: Sizes = PLANE, norm: str | None = None) -> Tensor:
    """The transform along two axes."""
    return _many("fft2", x, s, dim, norm, False)


def ifft2(x: Tensor, s: Sizes = None, dim: Sizes = PLANE, norm: str | None = None) -> Tensor:
    """The transform back along two axes."""
    return _many("ifft2", x, s, dim, norm, True)


def rfftn(x: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The transform of real numbers along several axes, of which the last keeps the first n // 2 + 1 frequencies."""
    return _real_many("rfftn", x, s, dim, norm)


def rfft2(x: Tensor, s: Sizes = None, dim: Sizes = PLANE, norm: str | None = None) -> Tensor:
    """The transform of real numbers along two axes, of which the last keeps the first n // 2 + 1 frequencies."""
    return _real_many("rfft2", x, s, dim, norm)


def _real_many(name: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None) -> Tensor:
    x = signal(name, x, is_real=True)
    axes, sizes = _axes(name, x, s, dim)
    for axis, size in zip(axes, sizes, strict=True):
        x = sized(name, x, size, axis)
    out = of_real(x, axes[-1], scale(name, norm))
    return fourier(out, axes[:-1], scale(name, norm)) if len(axes) > 1 else out


def irfftn(x: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """The real numbers whose frequencies along several axes these are, of which the last holds the first n // 2 + 1."""
    return _many_to_real("irfftn", x, s, dim, norm)


def irfft2(x: Tensor, s: Sizes = None, dim: Sizes = PLANE, norm: str | None = None) -> Tensor:
    """The real numbers whose frequencies along two axes these are, of which the last holds the first n // 2 + 1."""
    return _many_to_real("irfft2", x, s, dim, norm)


def _many_to_real(name: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None) -> Tensor:
    x = signal(name, x)
    axes, sizes = _axes(name, x, s, dim)
    for axis, size in zip(axes[:-1], sizes[:-1], strict=True):
        x = sized(name, x, size, axis)
    last = 2 * (x.shape[axes[-1]] - 1) if sizes[-1] is None else sizes[-1]
    if last >= 1:
        # What the last axis does not need is not transformed along the others.
        x = sized(name, x, last // 2 + 1, axes[-1])
    if len(axes) > 1:
        x = fourier(x, axes[:-1], scale(name, norm), inverse=True)
    return _to_real(name, x, last, axes[-1], scale(name, norm))


def hfftn(x: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """``fft`` along all axes but the last, along which ``hfft``: real frequencies."""
    return _to_real_frequencies("hfftn", x, s, dim, norm)


def hfft2(x: Tensor, s: Sizes = None, dim: Sizes = PLANE, norm: str | None = None) -> Tensor:
    """``fft`` along the first of two axes, and ``hfft`` along the second."""
    return _to_real_frequencies("hfft2", x, s, dim, norm)


def _to_real_frequencies(name: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None) -> Tensor:
    # The signal's conjugate goes the other way, with the other scale.
    return _many_to_real(name, conj(signal(name, x)), s, dim, OTHER[scale(name, norm)])


def ihfftn(x: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None) -> Tensor:
    """``hfftn`` undone: half of the signal along the last axis."""
    return conj(_real_many("ihfftn", x, s, dim, OTHER[scale("ihfftn", norm)]))


def ihfft2(x: Tensor, s: Sizes = None, dim: Sizes = PLANE, norm: str | None = None) -> Tensor:
    """``hfft2`` undone: half of the signal along the second axis."""
    return conj(_real_many("ihfft2", x, s, dim, OTHER[scale("ihfft2", norm)]))


def fftfreq(n: int, d: float = 1.0, *, dtype: DtypeLike = float32) -> Tensor:
    """The frequency of each element of ``fft``, in cycles per unit of ``d``, the distance of the samples."""
    return _frequencies("fftfreq", n, d, dtype, np.fft.fftfreq)


def rfftfreq(n: int, d: float = 1.0, *, dtype: DtypeLike = float32) -> Tensor:
    """The frequency of each element of ``rfft``, in cycles per unit of ``d``, the distance of the samples."""
    return _frequencies("rfftfreq", n, d, dtype, np.fft.rfftfreq)


def _frequencies(name: str, n: int, d: float, dtype: DtypeLike, function: Any) -> Tensor:
    count = whole(name, n)
    if count < 1 or not d:
        raise SettingError(f"{name}: wants a number of samples from 1 and a distance other than 0, not {n} and {d}")
    return tensor_of(function(count, d).astype(as_dtype(dtype)))


def fftshift(x: Tensor, dim: Sizes = None) -> Tensor:
    """Rolled so that the frequency 0 lies in the middle of each axis (all axes if None)."""
    return _shifted("fftshift", x, dim, False)


def ifftshift(x: Tensor, dim: Sizes = None) -> Tensor:
    """``fftshift`` undone."""
    return _shifted("ifftshift", x, dim, True)


def _shifted(name: str, x: Tensor, dim: Sizes, back: bool) -> Tensor:
    x = tensor_like(name, x)
    axes = normal_axes(name, None if dim is None else whole(name, dim if isinstance(dim, int) else list(dim)), x.ndim)
    return roll(x, tuple((x.shape[a] + back) // 2 for a in axes), axes) if axes else x
