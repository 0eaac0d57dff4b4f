"""What an operation's inputs mean: tensors, arrays, lists and numbers, brought to one dtype where the operation promotes."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import device
from .dtype import NARROW, Array, Dtype, bfloat16, float32, float64, kind, number_array, result_type
from .errors import ArgumentError, DtypeError
from .signature import Signature
from .tensor import as_array

ndarray = np.ndarray

_REAL = (float, int)
NUMBERS: tuple[Any, ...] = (bool, int, float, complex)
_FLOATS = (float32, *NARROW)
_LARGE = 60000.0  # what every floating-point dtype holds


class Operands(Signature):
    """The part of an operation that reads its inputs."""

    mixes = False
    """Whether its kernel on a GPU takes operands of float32 and of narrower types together."""

    def _operand(self, value: Any, position: int) -> Any:
        """What an input that is no Tensor means: arrays stay, lists become arrays, numbers stay where they are promoted."""
        if type(value) is ndarray:
            kind(value.dtype)
            return value
        if value is None and self.optional and self.optional[position]:
            return None
        if isinstance(value, np.generic):
            value = value.item() if self.promotes and value.dtype.itemsize <= 8 else np.asarray(value)[()]
        for python in NUMBERS:
            if isinstance(value, python):
                return python(value) if self.promotes else as_array(value)
        if isinstance(value, (list, tuple, np.generic, ndarray)):
            return as_array(value)
        if device.is_array(value):
            return value
        raise ArgumentError(
            f"{self.name}: wants tensors, arrays or numbers, not {type(value).__name__} ({value!r:.60})"
        )

    def _number(self, value: Any, beside: Any) -> Any:
        """A Python number as an array without axes, in the dtype of the floating-point array beside it; None where that needs more thought."""
        dtype = beside.dtype
        if (
            type(value) in _REAL
            and self.promotes
            and (dtype.kind == "f" or dtype is bfloat16)
            and -_LARGE < value < _LARGE
        ):
            return np.asarray(value, dtype)
        return None

    def _promote(self, arrays: list[Any]) -> list[Any]:
        """Operands of an elementwise op brought to the dtype that PyTorch's table gives them."""
        if (
            len(arrays) == 2
            and type(arrays[1]) in _REAL
            and type(arrays[0]) not in NUMBERS
            and (number := self._number(arrays[1], arrays[0])) is not None
        ):
            return [arrays[0], number]
        alike = {a.dtype for a in arrays if type(a) not in NUMBERS}
        target = (
            alike.pop() if len(alike) == 1 and all(type(a) not in NUMBERS for a in arrays) else result_type(*arrays)
        )
        if self.floating and kind(target) < 2:
            target = float32
        # A GPU's kernel reads float32 and narrower numbers side by side, and computes as if these had been widened first.
        if target == float32 and self.mixes and type(arrays[0]) is not ndarray and _are_floats_there(arrays):
            return arrays
        # Numbers become 0-dimensional arrays of the result's dtype, so that no body needs to know about them.
        try:
            out = [
                (a if a.dtype == target else _cast(a, target)) if device.is_array(a) else number_array(a, target)
                for a in arrays
            ]
        except (OverflowError, ValueError):
            if self.compares and kind(target) == 1:
                # Any integer can be compared with one that its dtype cannot hold.
                return self._promote([a.astype(float64) if device.is_array(a) else _double(a) for a in arrays])
            number = next(a for a in arrays if not device.is_array(a))
            raise DtypeError(
                f"{self.name}: the number {number!r:.40} does not fit {target}; convert the tensor first, with .to(dtype)"
            ) from None
        return out


def _are_floats_there(arrays: list[Any]) -> bool:
    """Whether these are arrays of a GPU, each with axes, and each of float32 or narrower numbers."""
    return all(
        type(array) is not ndarray and type(array) not in NUMBERS and array.ndim and array.dtype in _FLOATS
        for array in arrays
    )


def with_numbers(body: Any, xp: Any, *arrays: Any, **settings: Any) -> Any:
    """The body of arrays of a GPU, where the host's numbers among them are made anew first: a copy no captured step could have."""
    return body(*[_there(xp, a) if type(a) is ndarray and not a.ndim else a for a in arrays], **settings)


def _there(xp: Any, number: Array) -> Array:
    if number.dtype != bfloat16:
        return xp.full((), number[()], number.dtype)
    return device.convert(xp.full((), float(number), float32), bfloat16)


def _cast(array: Array, dtype: Dtype) -> Array:
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
