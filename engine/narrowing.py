"""Operations in the precision of the mode: their operands narrowed, their results widened again where the operation says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import device
from .dtype import float16, float32
from .modes import TF32, modes
from .tensor import Tensor

__all__ = ["run_narrow"]


def run_narrow(
    op: Any, implementation: Callable[..., Any], inputs: tuple[Any, ...], arrays: list[Any], settings: dict[str, Any], record: bool
) -> Any:  # fmt: skip
    """Run on operands narrowed to the mode's precision, and widen the result to float32 again if the op says so."""
    narrow = modes.precision
    if op.keeps:
        settings = {**settings, "keep": record}
    if narrow is None or narrow is TF32:
        return implementation(*arrays, **settings)
    own = None if record else op.narrow_implementations.get(type(arrays[0]))
    if own is not None and arrays[0].dtype == float32:
        result = own(*arrays, dtype=narrow, **settings)
        if result is not NotImplemented:
            return result
    dtypes = {array.dtype for array in arrays if array is not None}
    # Weights of 16 bits of another kind may stand beside float32, or beside what was narrowed before.
    mixed = len(dtypes) > 1 and dtypes <= {float32, float16, narrow}
    if not mixed and dtypes != {float32}:
        return implementation(*arrays, **settings)
    # A parameter comes again and again: its narrow form is kept until it changes.
    operands = [
        array
        if array is None or array.dtype == narrow
        else device.convert(array, narrow, keep=type(value) is not Tensor)
        for value, array in zip(inputs, arrays, strict=True)
    ]
    if not op.widens:
        return implementation(*operands, **settings)
    modes.wide = True
    try:
        result = implementation(*operands, **settings)
    finally:
        modes.wide = False
    if isinstance(result, tuple):  # residuals stay as they are
        outs = (array if array.dtype == float32 else device.convert(array, float32) for array in result[: op.outputs])
        return (*outs, *result[op.outputs :])
    return result if result.dtype == float32 else device.convert(result, float32)
