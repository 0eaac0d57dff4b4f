"""Operations in the precision of the mode: their operands narrowed; on a CPU their results widened again where the operation says so.

On a GPU results stay narrow, as memory is what its elementwise operations wait for; only the gradients of float32 tensors are given in float32,
at once where a library can. What backward keeps is the narrow form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import device
from .dtype import NARROW, Dtype, float16, float32
from .modes import TF32, Precision, modes
from .tensor import Tensor
from .twins import twin_of

__all__ = ["given_arrays", "run_narrow"]

Inputs = tuple[Any, ...]


def run_narrow(
    op: Any, implementation: Callable[..., Any], inputs: Inputs, arrays: list[Any], settings: dict[str, Any], record: bool
) -> tuple[Any, Inputs]:  # fmt: skip
    """Run on operands narrowed to the mode's precision; gives the result, and the inputs as backward is to keep them."""
    narrow = modes.precision
    if op.keeps:
        settings = {**settings, "keep": record}
    if narrow is None or narrow is TF32:
        return implementation(*arrays, **settings), inputs
    on_cpu = isinstance(arrays[0], np.ndarray)
    if op.steadies:
        if not on_cpu:
            inputs = tuple([value.to(dtype=float32) if _is_narrow(value) else value for value in inputs])
            arrays = [getattr(value, "array", array) for value, array in zip(inputs, arrays, strict=True)]
        return implementation(*arrays, **settings), inputs
    own = None if record or not on_cpu else op.narrow_implementations.get(type(arrays[0]))
    if own is not None and arrays[0].dtype == float32:
        result = own(*arrays, dtype=narrow, **settings)
        if result is not NotImplemented:
            return result, inputs
    if on_cpu or not _is_usual(arrays, narrow):
        dtypes = {array.dtype for array in arrays if array is not None}
        # Weights of 16 bits of another kind may stand beside float32, or beside what was narrowed before.
        mixed = len(dtypes) > 1 and dtypes <= {float32, float16, narrow}
        if not mixed and dtypes != {float32} and (on_cpu or dtypes != {narrow}):
            return implementation(*arrays, **settings), inputs
    if on_cpu:
        # A parameter comes again and again: its narrow form is kept until it changes.
        operands = [
            array
            if array is None or array.dtype == narrow
            else device.convert(array, narrow, keep=type(value) is not Tensor)
            for value, array in zip(inputs, arrays, strict=True)
        ]
        widens = op.widens
    else:
        operands, inputs = _twins(inputs, arrays, narrow)
        widens = op.widens and modes.wanted == float32
    if not widens:
        result = op.implementations.get(type(arrays[0]), implementation)(*operands, **settings)
        return (implementation(*operands, **settings) if result is NotImplemented else result), inputs
    modes.wide = True
    try:
        result = implementation(*operands, **settings)
    finally:
        modes.wide = False
    if not on_cpu:  # what a library could not give so is widened where it is needed
        return result, inputs
    if isinstance(result, tuple):  # residuals stay as they are
        outs = (array if array.dtype == float32 else device.convert(array, float32) for array in result[: op.outputs])
        return (*outs, *result[op.outputs :]), inputs
    return (result if result.dtype == float32 else device.convert(result, float32)), inputs


def given_arrays(precision: Precision | None, *values: Tensor | None) -> list[Any] | None:
    """The arrays of operands as ``run_narrow`` gives them to a kernel where nothing is recorded; None where that needs more thought."""
    if precision is None or precision is TF32:
        return [None if value is None else value.array for value in values]
    found: list[Any] = []
    for value in values:
        if value is None or value.array.dtype is precision:
            found.append(None if value is None else value.array)
        elif value.array.dtype != float32 or type(value.array) is np.ndarray:
            return None
        else:
            found.append(twin_of(value, precision).array)
    return found


def _is_usual(arrays: list[Any], narrow: Any) -> bool:
    """Whether all are float32 or narrow already, seen without comparing dtypes one with another."""
    for array in arrays:  # noqa: SIM110 - a generator would cost more than the comparisons
        if array is not None and array.dtype is not float32 and array.dtype is not narrow:
            return False
    return True


def _is_narrow(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype in NARROW


def _twins(inputs: Inputs, arrays: list[Any], narrow: Dtype) -> tuple[list[Any], Inputs]:
    """A GPU's operands, narrowed once for all who read them, and what stands for the inputs in the graph."""
    operands, kept = list(arrays), list(inputs)
    for place, (value, array) in enumerate(zip(inputs, arrays, strict=True)):
        if array is None or array.dtype == narrow:
            continue
        if not isinstance(value, Tensor):
            operands[place] = device.convert(array, narrow)
            continue
        twin = twin_of(value, narrow)
        operands[place] = twin.array
        if twin.tensor is not None:
            kept[place] = twin.tensor
    return operands, tuple(kept)
