"""New tensors: of one number, in steps, or random (see ``engine.random``)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import device as devices
from ...device import CPU, DeviceLike
from ...dtype import Dtype, DtypeLike, as_dtype, bfloat16, float32, int64, is_floating
from ...errors import ArgumentError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def zeros(
    *shape: Any, size: Any = None, dtype: DtypeLike = float32, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return _made(
        lambda xp, size, kind: xp.zeros(size, kind), shape if size is None else (size,), dtype, device, requires_grad
    )


def ones(
    *shape: Any, size: Any = None, dtype: DtypeLike = float32, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones."""
    return _made(
        lambda xp, size, kind: _filled(xp, size, 1, kind),
        shape if size is None else (size,),
        dtype,
        device,
        requires_grad,
    )


def empty(
    *shape: Any, size: Any = None, dtype: DtypeLike = float32, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:
    """A tensor whose contents are whatever the memory held."""
    return _made(
        lambda xp, size, kind: xp.empty(size, kind), shape if size is None else (size,), dtype, device, requires_grad
    )


def full(
    size: Any, fill_value: Any, *, dtype: DtypeLike | None = None, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:
    """A tensor filled with one number; its dtype follows the number unless given."""
    kind = as_dtype(type(fill_value)) if dtype is None else as_dtype(dtype)
    return _made(lambda xp, shape, _: _filled(xp, shape, fill_value, kind), (size,), kind, device, requires_grad)


def zeros_like(
    x: Tensor, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape, dtype and place of ``x``."""
    x = tensor_like("zeros_like", x)
    return zeros(x.shape, **_as(x, dtype, device, requires_grad))


def ones_like(
    x: Tensor, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape, dtype and place of ``x``."""
    x = tensor_like("ones_like", x)
    return ones(x.shape, **_as(x, dtype, device, requires_grad))


def empty_like(
    x: Tensor, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False
) -> Tensor:
    """Whatever the memory held, in the shape, dtype and place of ``x``."""
    x = tensor_like("empty_like", x)
    return empty(x.shape, **_as(x, dtype, device, requires_grad))


def full_like(
    x: Tensor,
    fill_value: Any,
    *,
    dtype: DtypeLike | None = None,
    device: DeviceLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number in the shape, dtype and place of ``x``."""
    x = tensor_like("full_like", x)
    return full(x.shape, fill_value, **_as(x, dtype, device, requires_grad))


def _as(x: Tensor, dtype: DtypeLike | None, device: DeviceLike | None, requires_grad: bool) -> dict[str, Any]:
    """The dtype and place of ``x``, where no other is given."""
    return {
        "dtype": x.dtype if dtype is None else dtype,
        "device": x.device if device is None else device,
        "requires_grad": requires_grad,
    }


def as_tensor(data: Any, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None) -> Tensor:
    """``data`` as a tensor, sharing its memory where dtype and device allow; a tensor stays what it is."""
    made = data if isinstance(data, Tensor) else Tensor(data)
    return made if dtype is None and device is None else made.to(dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"from_numpy: wants a NumPy array, not {type(array).__name__}; give tensor(...) other data")
    return Tensor(array)


def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: DtypeLike | None = None, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """The numbers from ``start`` (0 if only one is given) up to but not including ``end``."""
    start, end = (0, start) if end is None else (start, end)
    given = (start, end, step)
    if any(not isinstance(v, (int, float, np.integer, np.floating)) or not -np.inf < v < np.inf for v in given):
        raise SettingError(f"arange: wants finite numbers for start, end and step, not {given!r:.80}")
    if step == 0:
        raise SettingError(f"arange: the step from {start} to {end} must not be 0")
    whole = all(isinstance(v, (int, np.integer)) for v in given)
    kind = as_dtype(dtype) if dtype is not None else int64 if whole else float32
    return _counted(lambda xp: xp.arange(*given), kind, device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: DtypeLike = float32, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise SettingError(f"linspace: steps must be a whole number from 0, not {steps!r:.60}")
    return _counted(lambda xp: xp.linspace(start, end, steps), as_dtype(dtype), device, requires_grad)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: DtypeLike = float32, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """``base`` to the powers of ``steps`` numbers at equal distances from ``start`` to ``end``, both included."""
    exponents = linspace(start, end, steps, dtype="float64", device=device).array
    return _counted(lambda xp: float(base) ** exponents, as_dtype(dtype), device, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: DtypeLike = float32, device: DeviceLike = CPU, requires_grad: bool = False
) -> Tensor:
    """The identity matrix of n rows and m columns (None: as many)."""
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < 0 for v in (n, m or 0)):
        raise ShapeError(f"eye: rows and columns are whole numbers from 0, not {n!r:.40} and {m!r:.40}")
    kind = as_dtype(dtype)
    return _counted(lambda xp: xp.eye(n, m, dtype=float32 if kind == bfloat16 else kind), kind, device, requires_grad)


def _counted(make: Callable[[Any], Any], dtype: Dtype, device: DeviceLike, requires_grad: bool) -> Tensor:
    """What ``make`` makes on the device, in a dtype."""
    with devices.on(devices.as_device(device)) as xp:
        made = make(xp)
        if made.dtype != dtype:
            made = made.astype(dtype) if xp is np or not is_floating(dtype) else devices.convert(made, dtype)
        return Tensor(made, requires_grad=requires_grad)


def _filled(xp: Any, size: tuple[int, ...], value: Any, dtype: Dtype) -> Any:
    if xp is np:
        return np.full(size, value, dtype)
    number = np.full((), value, dtype)  # which refuses what does not fit
    if dtype != bfloat16:
        return xp.full(size, number[()], dtype)
    return devices.convert(xp.full(size, float(number), float32), dtype)


def _made(
    make: Callable[[Any, tuple[int, ...], Dtype], Any],
    shape: tuple[Any, ...],
    dtype: DtypeLike,
    device: DeviceLike,
    requires_grad: bool,
) -> Tensor:
    dtype = float32 if dtype is None else dtype
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if any(isinstance(v, Tensor) for v in size):
        size = tuple(operator.index(v) for v in size)
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < 0 for v in size):
        raise ShapeError(f"a shape is made of whole numbers from 0, not {size!r:.80}")
    if math.prod(size) >= 2**62:
        raise ShapeError(f"a tensor of shape {size!r:.80} does not fit any memory")
    place = devices.as_device(device)
    if place.type == "cpu":
        return Tensor(make(np, size, as_dtype(dtype)), requires_grad=requires_grad)
    with devices.on(place) as xp:
        return Tensor(make(xp, size, as_dtype(dtype)), requires_grad=requires_grad)
