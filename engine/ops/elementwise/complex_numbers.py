"""Complex numbers: their parts, their conjugates, and how they are made of real ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import Array, Dtype, complex64, complex128, float32, float64, kind
from ...errors import DtypeError, ShapeError
from ...op import elementwise, floating, op
from ...tensor import Tensor, tensor_like

__all__ = [
    "adjoint",
    "angle",
    "complex",
    "conj",
    "imag",
    "is_complex",
    "is_floating_point",
    "is_tensor",
    "isreal",
    "numel",
    "polar",
    "real",
    "sgn",
    "view_as_complex",
    "view_as_real",
]

_COMPLEX: dict[Dtype, Dtype] = {float32: complex64, float64: complex128}
_REAL: dict[Dtype, Dtype] = {complex64: float32, complex128: float64}


def complex_dtype(name: str, dtype: Dtype) -> Dtype:
    """The complex dtype with parts of ``dtype``; itself if it is complex."""
    if dtype in _REAL:
        return dtype
    if dtype not in _COMPLEX:
        raise DtypeError(f"{name}: complex numbers are made of float32 or float64, not {dtype}; convert with .float()")
    return _COMPLEX[dtype]


def real_dtype(dtype: Dtype) -> Dtype:
    """The dtype of a complex dtype's parts; itself if it is real."""
    return _REAL.get(dtype, dtype)


def is_complex(x: Tensor) -> bool:
    """Whether a tensor's dtype is complex."""
    return kind(tensor_like("is_complex", x).dtype) == 3


def is_floating_point(x: Tensor) -> bool:
    """Whether a tensor's dtype is one of real floating-point numbers."""
    return kind(tensor_like("is_floating_point", x).dtype) == 2


def is_tensor(x: Any) -> bool:
    """Whether something is a tensor."""
    return isinstance(x, Tensor)


def numel(x: Tensor) -> int:
    """The number of elements."""
    return tensor_like("numel", x).numel()


@op(x=lambda grad: conj(grad), holomorphic=False)
def conjugate(xp: Any, x: Array) -> Array:
    """a - ib of a + ib."""
    return xp.conj(x)


def conj(x: Tensor) -> Tensor:
    """The complex conjugate; a real tensor is its own."""
    x = tensor_like("conj", x)
    return conjugate(x) if x.array.dtype.kind == "c" else x


@op(x=lambda grad: grad)
def real_part(xp: Any, x: Array) -> Array:
    """a of a + ib; a view."""
    return x.real


@op(x=lambda grad: grad * 1j)
def imaginary_part(xp: Any, x: Array) -> Array:
    """b of a + ib; a view."""
    return x.imag


def adjoint(x: Tensor) -> Tensor:
    """The conjugate transpose of the last two axes."""
    x = tensor_like("adjoint", x)
    if x.ndim < 2:
        raise ShapeError(f"adjoint: wants matrices, (..., rows, columns), not shape {tuple(x.shape)}")
    return conj(x.mT)


def real(x: Tensor) -> Tensor:
    """The real part; a view. A real tensor is its own."""
    x = tensor_like("real", x)
    return real_part(x) if x.array.dtype.kind == "c" else x


def imag(x: Tensor) -> Tensor:
    """The imaginary part of a complex tensor; a view."""
    x = tensor_like("imag", x)
    if x.array.dtype.kind != "c":
        raise DtypeError(f"imag: a tensor of {x.dtype} has no imaginary part; use zeros_like(x) where zeros are meant")
    return imaginary_part(x)


def _sgn_x(grad: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """The gradient across the circle is lost, that along it shrinks by |x|."""
    from .arithmetic import abs, where

    if x.array.dtype.kind != "c":
        return grad * 0.0
    size = abs(x)
    along = grad - out * real(grad * conj(out))
    return where(size == 0, 0.0, along / where(size == 0, 1.0, size))


@elementwise(x=_sgn_x, holomorphic=False)
def sgn(xp: Any, x: Array) -> Array:
    """x / |x|, and 0 at 0: the sign of a real number, the direction of a complex one."""
    if x.dtype.kind != "c":
        return xp.sign(x)
    size = xp.abs(x)
    return x / xp.where(size == 0, size.dtype.type(1), size)


def _angle_x(grad: Tensor, x: Tensor) -> Tensor:
    from .arithmetic import where

    if x.array.dtype.kind != "c":
        return grad * 0.0
    square = real(x * conj(x))
    return where(square == 0, 0.0, grad * (x * 1j) / where(square == 0, 1.0, square))


@floating(x=_angle_x)
def angle(xp: Any, x: Array) -> Array:
    """The angle of a + ib from the positive real axis in radians, in (-pi, pi]; 0 or pi for real numbers."""
    if x.dtype.kind == "c":
        return xp.angle(x)
    turned = xp.where(x < 0, x.dtype.type(math.pi), x.dtype.type(0))
    return xp.where(x != x, x, turned)


def _parts(name: str, first: Array, second: Array) -> Dtype:
    if first.dtype != second.dtype or kind(first.dtype) != 2:
        raise DtypeError(f"{name}: both parts must be of one real dtype, not {first.dtype} and {second.dtype}")
    return complex_dtype(name, first.dtype)


@op(real=lambda grad: grad, imag=lambda grad: grad * 1j)
def complex(xp: Any, real: Array, imag: Array) -> Array:
    """a + ib of the real tensors a and b."""
    dtype = _parts("complex", real, imag)
    out = xp.empty(np.broadcast_shapes(real.shape, imag.shape), dtype)
    out.real = real
    out.imag = imag
    return out


def _polar_abs(grad: Tensor, angle: Tensor) -> Tensor:
    from .elementary import cos, sin

    return grad * complex(cos(angle), sin(angle))


@op(abs=_polar_abs, angle=lambda grad, out: grad * out * 1j)
def polar(xp: Any, abs: Array, angle: Array) -> Array:
    """The complex number of size ``abs`` at ``angle`` radians."""
    dtype = _parts("polar", abs, angle)
    out = xp.empty(np.broadcast_shapes(abs.shape, angle.shape), dtype)
    out.real = abs * xp.cos(angle)
    out.imag = abs * xp.sin(angle)
    return out


@op(x=lambda grad: view_as_complex(grad))
def pairs(xp: Any, x: Array) -> Array:
    """(..., 2): the parts of each complex number side by side; a view."""
    part = x.real
    return xp.lib.stride_tricks.as_strided(part, (*x.shape, 2), (*x.strides, part.itemsize))


def view_as_real(x: Tensor) -> Tensor:
    """(...) complex to (..., 2) real: the real and the imaginary part of each number; a view."""
    x = tensor_like("view_as_real", x)
    if x.array.dtype.kind != "c":
        raise DtypeError(f"view_as_real: wants a complex tensor, not one of {x.dtype}")
    return pairs(x)


@op(x=lambda grad: pairs(grad), holomorphic=False)
def of_pairs(xp: Any, x: Array) -> Array:
    """(..., 2) real to (...) complex; a view where the pairs lie side by side."""
    if x.strides[-1] != x.itemsize or any(step % (2 * x.itemsize) for step in x.strides[:-1]):
        x = xp.ascontiguousarray(x)
    return x.view(_COMPLEX[x.dtype])[..., 0]


def view_as_complex(x: Tensor) -> Tensor:
    """(..., 2) real to (...) complex: the last axis holds real and imaginary part. A view where they lie side by side."""
    x = tensor_like("view_as_complex", x)
    if not x.ndim or x.shape[-1] != 2:
        raise ShapeError(f"view_as_complex: the last axis must have size 2, but the shape is {tuple(x.shape)}")
    if x.array.dtype.kind == "c":
        raise DtypeError("view_as_complex: the tensor is complex already")
    complex_dtype("view_as_complex", x.dtype)
    return of_pairs(x)


@elementwise()
def isreal(xp: Any, x: Array) -> Array:
    """Whether the imaginary part is 0."""
    return x.imag == 0 if x.dtype.kind == "c" else xp.ones(x.shape, bool)
