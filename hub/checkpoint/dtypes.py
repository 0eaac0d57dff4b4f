"""The element types of checkpoint files: what safetensors, PyTorch and NumPy call them.

`bfloat16` and the float8 kinds come from ml_dtypes, which is imported when the first array of such a kind is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from numzoo.hub.errors import FormatError

__all__ = ["NUMPY", "SAFETENSORS", "TORCH", "TORCH_STORAGE", "DataType"]


@dataclass(frozen=True, slots=True)
class DataType:
    """One element type: its NumPy (or ml_dtypes) name, its bytes, and the unit in which byte order swaps them."""

    name: str
    bytes: int
    unit: int

    def numpy(self) -> np.dtype[Any]:
        """Give the NumPy dtype in the machine's own byte order."""
        return _resolve(self.name)


_PLAIN = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
}

# PyTorch's names are NumPy's names.
TORCH: dict[str, DataType] = {
    **{name: DataType(name, size, size) for name, size in _PLAIN.items()},
    "complex64": DataType("complex64", 8, 4),
    "complex128": DataType("complex128", 16, 8),
}

TORCH_STORAGE: dict[str, DataType] = {
    "DoubleStorage": TORCH["float64"],
    "FloatStorage": TORCH["float32"],
    "HalfStorage": TORCH["float16"],
    "BFloat16Storage": TORCH["bfloat16"],
    "LongStorage": TORCH["int64"],
    "IntStorage": TORCH["int32"],
    "ShortStorage": TORCH["int16"],
    "CharStorage": TORCH["int8"],
    "ByteStorage": TORCH["uint8"],
    "BoolStorage": TORCH["bool"],
    "ComplexFloatStorage": TORCH["complex64"],
    "ComplexDoubleStorage": TORCH["complex128"],
}

SAFETENSORS: dict[str, DataType] = {
    "F64": TORCH["float64"],
    "F32": TORCH["float32"],
    "F16": TORCH["float16"],
    "BF16": TORCH["bfloat16"],
    "I64": TORCH["int64"],
    "I32": TORCH["int32"],
    "I16": TORCH["int16"],
    "I8": TORCH["int8"],
    "U64": TORCH["uint64"],
    "U32": TORCH["uint32"],
    "U16": TORCH["uint16"],
    "U8": TORCH["uint8"],
    "BOOL": TORCH["bool"],
    "C64": TORCH["complex64"],
    "F8_E4M3": TORCH["float8_e4m3fn"],
    "F8_E5M2": TORCH["float8_e5m2"],
    "F8_E4M3FNUZ": TORCH["float8_e4m3fnuz"],
    "F8_E5M2FNUZ": TORCH["float8_e5m2fnuz"],
    "F8_E8M0": TORCH["float8_e8m0fnu"],
}

# The part of a .npy type after its byte order.
NUMPY: dict[str, DataType] = {
    "b1": TORCH["bool"],
    **{f"f{size}": TORCH[f"float{8 * size}"] for size in (2, 4, 8)},
    **{f"i{size}": TORCH[f"int{8 * size}"] for size in (1, 2, 4, 8)},
    **{f"u{size}": TORCH[f"uint{8 * size}"] for size in (1, 2, 4, 8)},
    **{f"c{size}": TORCH[f"complex{8 * size}"] for size in (8, 16)},
}


@cache
def _resolve(name: str) -> np.dtype[Any]:
    if not (name.startswith("float8") or name == "bfloat16"):
        return np.dtype(name)
    import ml_dtypes

    kind = getattr(ml_dtypes, name, None)
    if kind is None:
        raise FormatError(
            f"The file holds {name} tensors, which the installed ml_dtypes {ml_dtypes.__version__} does not know; "
            "install ml_dtypes 0.5 or newer."
        )
    resolved: np.dtype[Any] = np.dtype(kind)
    return resolved
