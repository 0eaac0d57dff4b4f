"""Whole numbers as vectors."""

from __future__ import annotations

from typing import Any

from ...bounds import left_to_gpu
from ...device import namespace
from ...dtype import kind
from ...errors import DtypeError, SettingError
from ...tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "one_hot",
]


def one_hot(x: Any, num_classes: int = -1) -> Tensor:
    """(...) classes to (..., num_classes) int64: 1 at the class, 0 elsewhere. -1 means as many classes as the largest needs."""
    array = tensor_like("one_hot", x).array
    if kind(array.dtype) != 1:
        raise DtypeError(f"one_hot: classes are integers, not {array.dtype}; convert with .long()")
    if not array.size and num_classes <= 0:
        raise SettingError("one_hot: of no classes at all num_classes cannot be found; give it")
    xp = namespace(array)
    wanted = "one_hot: class {0} is out of range for {1} classes; classes are 0 to {2}"
    if num_classes >= 0 and left_to_gpu(array, 0, num_classes - 1, wanted, SettingError):
        return tensor_of((array[..., None] == xp.arange(num_classes)).astype("int64"))
    low, high = (int(array.min()), int(array.max())) if array.size else (0, -1)
    count = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= count:
        raise SettingError(
            f"one_hot: class {low if low < 0 else high} is out of range for {count} classes; classes are 0 to {count - 1}"
        )
    return tensor_of((array[..., None] == xp.arange(count)).astype("int64"))
