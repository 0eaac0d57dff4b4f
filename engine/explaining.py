"""What went wrong in an operation, in words: who was computing, what was given, what was wanted, and the way out."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import device
from .dtype import Array
from .errors import DeviceError, DtypeError, EngineError, ShapeError
from .tensor import Tensor

__all__ = ["check_places", "describe", "explain", "lack"]


def describe(value: Any) -> str:
    """Dtype and shape in a few characters, for messages."""
    if device.is_array(value) or isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)}"
    return repr(value)[:40]


def check_places(name: str, arrays: list[Any]) -> None:
    """Refuse arrays of several devices: a kernel of one would take another's addresses for its own.

    A single number of the CPU goes with arrays of any place: it travels with the launch.
    """
    places = {str(device.device_of(a)) for a in arrays if device.is_array(a) and (a.ndim or type(a) is not np.ndarray)}
    if len(places) > 1:
        raise DeviceError(
            f"{name}: its tensors are on {' and '.join(sorted(places))}; move them to one device with .to(device)"
        )


def lack(name: str, error: MemoryError, array: Array) -> MemoryError:
    """The allocator's complaint, with who asked, what is held, and what may help."""
    from .cuda.memory import out_of_memory

    return error if isinstance(error, EngineError) else out_of_memory(name, error, device.device_of(array))


def explain(op: Any, error: Exception, arrays: list[Any]) -> Exception:
    """The array library's complaint, with who was computing and on what."""
    try:
        check_places(op.name, arrays)
    except DeviceError as places:
        return places
    if isinstance(error, EngineError):
        return error
    given = ", ".join(describe(a) for a in arrays)
    if not op.promotes:
        text = f"{op.name}: {error} (given {given})"
        return DtypeError(text) if isinstance(error, TypeError) else ShapeError(text)
    if isinstance(error, TypeError):
        return DtypeError(f"{op.name}: cannot compute on {given}; convert with .to(dtype)")
    return ShapeError(f"{op.name}: {given} do not broadcast: counted from the last axis, sizes must be equal or 1")
