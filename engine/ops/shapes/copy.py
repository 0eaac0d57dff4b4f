"""The same values in another dtype, place or memory order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import device as devices
from ...device import Device
from ...dtype import Array, Dtype, kind
from ...errors import DtypeError
from ...op import op
from ...tensor import Tensor, tensor_like

__all__ = [
    "cast",
    "clone",
    "contiguous",
    "move",
]


@op(x=lambda grad: grad)
def cast(xp: Any, x: Array, *, dtype: Dtype) -> Array:
    """The values in another dtype; what does not fit wraps or is rounded, as in NumPy."""
    if x.dtype.kind == "c" and kind(dtype) in (1, 2):
        raise DtypeError(f"cast: {x.dtype} values do not fit {dtype}; take .real, .imag, .abs() or view_as_real")
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(dtype)


def _move_x(grad: Tensor, source: Device) -> Tensor:
    return move_from(grad, device=source, source=grad.device)


@op(x=_move_x)
def move_from(xp: Any, x: Array, *, device: Device, source: Device) -> Array:
    """The values on another device."""
    return devices.move(x, device)


def move(x: Tensor, *, device: Device) -> Tensor:
    """The values on another device; the gradient travels back."""
    return move_from(x, device=device, source=x.device)


@op(x=lambda grad: grad)
def clone(xp: Any, x: Array) -> Array:
    """A copy, in the same memory order."""
    return x.copy(order="K")


def contiguous(x: Tensor) -> Tensor:
    """The values in row order: the tensor itself where they are already."""
    x = tensor_like("contiguous", x)
    return x if x.array.flags.c_contiguous else _rows(x)


@op(x=lambda grad: grad)
def _rows(xp: Any, x: Array) -> Array:
    """A copy in row order."""
    return xp.ascontiguousarray(x)
