"""Data types, and which type two of them make: PyTorch's promotion table.

Three ranks of operand decide the result: tensors with dimensions first, then 0-dimensional tensors, then Python numbers.
A lower rank changes the result only when its category (bool < integer < float < complex) is higher.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from .errors import DtypeError

Array: TypeAlias = Any
"""A raw array: ``numpy.ndarray`` on the CPU, ``cupy.ndarray`` on a GPU."""

Dtype: TypeAlias = "np.dtype[Any]"
DtypeLike: TypeAlias = "np.dtype[Any] | str | type[Any]"

bool_ = np.dtype(np.bool_)
uint8 = np.dtype(np.uint8)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
float16 = np.dtype(np.float16)
bfloat16 = np.dtype(ml_dtypes.bfloat16)
float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
complex64 = np.dtype(np.complex64)
complex128 = np.dtype(np.complex128)
NARROW = (float16, bfloat16)
"""The floating types of half the width."""

_NAMES: dict[str, Dtype] = {
    "bool": bool_, "uint8": uint8, "int8": int8, "int16": int16, "int32": int32, "int64": int64,
    "float16": float16, "bfloat16": bfloat16, "float32": float32, "float64": float64,
    "complex64": complex64, "complex128": complex128,
    "bf16": bfloat16, "fp16": float16, "f16": float16, "f32": float32, "f64": float64,  # "f16" would be NumPy's 16 bytes
    "half": float16, "float": float32, "double": float64, "int": int32, "long": int64,
}  # fmt: skip
_BY_NUMPY_KIND = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2, "c": 3}
_PYTHON_KIND = {bool: 0, int: 1, float: 2, complex: 3}
_KIND_DEFAULT = (bool_, int64, float32, complex64)


def as_dtype(given: DtypeLike) -> Dtype:
    """The dtype that a name, a NumPy type, a Python type or a dtype stands for."""
    if isinstance(given, np.dtype):
        made: Dtype = given
    elif isinstance(given, str) and given in _NAMES:
        return _NAMES[given]
    elif isinstance(given, type) and given in _PYTHON_KIND:
        return _KIND_DEFAULT[_PYTHON_KIND[given]]
    else:
        made = _numpy_dtype(given)
    kind(made)
    return made if made.isnative else made.newbyteorder("=")


def _numpy_dtype(given: Any) -> Dtype:
    try:
        if given is None:  # NumPy would take it for float64
            raise TypeError
        made: Dtype = np.dtype(given)
    except (TypeError, ValueError, SyntaxError):
        known = ", ".join(sorted(_NAMES))
        raise DtypeError(f"{given!r:.60} is no dtype; give one of {known}, or a NumPy dtype") from None
    return made


def kind(dtype: Dtype) -> int:
    """The category of a dtype: 0 bool, 1 integer, 2 float, 3 complex."""
    found = _BY_NUMPY_KIND.get(dtype.kind)
    # Past NumPy's own types there are structures, and formats that nothing here computes in (long doubles); bfloat16 alone is known.
    if found is None or dtype.char in "gG" or ((dtype.kind == "V" or dtype.num > 255) and dtype != bfloat16):
        raise DtypeError(
            f"numzoo does not compute in {dtype}; give numbers or booleans of an ordinary type, such as float32"
        )
    return found


def is_floating(dtype: Dtype) -> bool:
    """Whether values of this dtype are real floating-point numbers (bfloat16 too)."""
    return kind(dtype) == 2


def is_differentiable(dtype: Dtype) -> bool:
    """Whether a tensor of this dtype can have a gradient."""
    return dtype is float32 or kind(dtype) >= 2


@lru_cache(maxsize=1024)
def promote(a: Dtype, b: Dtype) -> Dtype:
    """The dtype that operands of equal rank make together."""
    if a == b:
        return a
    low, high = sorted((a, b), key=kind)
    if kind(low) == kind(high):
        return float32 if {a, b} == {float16, bfloat16} else _same_kind(a, b)
    if kind(high) == 3 and kind(low) == 2:
        return complex128 if complex128 in (a, b) or low == float64 else complex64
    return high


def _same_kind(a: Dtype, b: Dtype) -> Dtype:
    if bfloat16 in (a, b):
        return a if b == bfloat16 else b
    return np.promote_types(a, b)


@lru_cache(maxsize=16)
def _ends(dtype: Dtype) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def number_array(value: Any, dtype: Dtype) -> Array:
    """A Python number as an array without axes; an OverflowError where a whole number does not fit, which older NumPy would wrap."""
    if dtype.kind in "iu" and type(value) is int:
        least, most = _ends(dtype)
        if not least <= value <= most:
            raise OverflowError(f"{value} does not fit {dtype}")
    with np.errstate(over="ignore"):
        return np.asarray(value, dtype)


def accumulator(dtype: Dtype) -> Dtype:
    """The dtype in which sums over many values of ``dtype`` are kept: float32 for the half-precision types."""
    return float32 if dtype in (float16, bfloat16) else dtype


def result_type(*operands: Any) -> Dtype:
    """The dtype that arrays and Python numbers make together."""
    ranks: list[Dtype | None] = [None, None, None]
    for operand in operands:
        # NumPy's own numbers count as Python's.
        dtype = None if isinstance(operand, np.generic) else getattr(operand, "dtype", None)
        if dtype is None:
            rank, dtype = 2, _KIND_DEFAULT[_number_kind(operand)]
        else:
            rank = 0 if operand.ndim else 1
        held = ranks[rank]
        ranks[rank] = dtype if held is None else promote(held, dtype)
    result: Dtype | None = None
    for candidate in ranks:
        if candidate is None:
            continue
        if result is None:
            result = candidate
        elif kind(candidate) > kind(result):
            # A complex number beside floats keeps their width; beside integers it brings its own.
            wide = complex128 if result == float64 else complex64
            result = wide if kind(candidate) == 3 and kind(result) == 2 else candidate
    assert result is not None
    return result


def _number_kind(value: Any) -> int:
    if isinstance(value, np.generic):
        return kind(value.dtype)
    for python, category in _PYTHON_KIND.items():
        if type(value) is python:
            return category
    raise DtypeError(f"an operand must be a tensor, an array or a number, not {type(value).__name__} ({value!r:.60})")
