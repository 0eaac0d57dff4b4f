"""Rotary positions: pairs of numbers turned by angles (Su et al., arXiv:2104.09864)."""

from __future__ import annotations

from typing import Any

from ...dtype import Array
from ...errors import ShapeError
from ...op import op
from ...tensor import Tensor

__all__ = [
    "rotary",
]


def _rotary_x(grad: Tensor, cosine: Tensor, sine: Tensor, interleaved: bool) -> Tensor:
    return rotary(grad, cosine, -sine, interleaved=interleaved)


def _rotary_cosine(grad: Tensor, x: Tensor, interleaved: bool) -> Tensor:
    (a, b), (c, d) = _pairs(grad, interleaved), _pairs(x, interleaved)
    flow: Tensor = a * c + b * d
    return flow


def _rotary_sine(grad: Tensor, x: Tensor, interleaved: bool) -> Tensor:
    (a, b), (c, d) = _pairs(grad, interleaved), _pairs(x, interleaved)
    flow: Tensor = b * c - a * d
    return flow


def _pairs(x: Any, interleaved: bool) -> tuple[Any, Any]:
    """The first and the second number of each pair: neighbours, or as far apart as half of the axis."""
    half = x.shape[-1] // 2
    return (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])


@op(x=_rotary_x, cosine=_rotary_cosine, sine=_rotary_sine)
def rotary(xp: Any, x: Array, cosine: Array, sine: Array, *, interleaved: bool = False) -> Array:
    """(a cos - b sin, b cos + a sin) for each pair (a, b) of the last axis of x (..., width).

    ``cosine`` and ``sine`` (..., width / 2) broadcast. A pair is two numbers half of the axis apart, or neighbours if ``interleaved``.
    """
    if not x.ndim or x.shape[-1] % 2 or cosine.shape[-1:] != (x.shape[-1] // 2,) or cosine.shape != sine.shape:
        raise ShapeError(
            f"rotary: cosine {tuple(cosine.shape)} and sine {tuple(sine.shape)} must hold half of the numbers of x {tuple(x.shape)} in their last axis"
        )
    a, b = _pairs(x, interleaved)
    other = b * sine
    out = xp.empty((*other.shape[:-1], x.shape[-1]), other.dtype)
    first, second = _pairs(out, interleaved)
    xp.multiply(a, cosine, out=first)
    first -= other
    xp.multiply(b, cosine, out=second)
    second += a * sine
    return out
