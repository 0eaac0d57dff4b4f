"""Arrays shared with other libraries without a copy, on the CPU and on a GPU: DLPack both ways.

    theirs = torch.from_dlpack(tensor)       # PyTorch, JAX, CuPy, NumPy ...: anything that speaks DLPack
    tensor = engine.from_dlpack(theirs)

NumPy and CuPy speak it themselves; only NumPy has no bfloat16, so capsules of it are written and read here, as the
specification lays them out (DLPack 0.8, ``DLManagedTensor``).
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import ml_dtypes
import numpy as np

from . import device as devices
from .errors import ArgumentError, DeviceError, DtypeError, ExchangeError
from .tensor import Tensor, tensor_of

__all__ = ["device_of_tensor", "export", "from_dlpack"]

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_BFLOAT, _BOOL = 4, 6
_KINDS = {(0, 8): "i1", (0, 16): "i2", (0, 32): "i4", (0, 64): "i8", (1, 8): "u1", (1, 16): "u2", (1, 32): "u4",
          (1, 64): "u8", (2, 16): "f2", (2, 32): "f4", (2, 64): "f8", (5, 64): "c8", (5, 128): "c16", (_BOOL, 8): "?"}  # fmt: skip


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64),
    )  # fmt: skip


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_NAME, _USED = b"dltensor", b"used_dltensor"
_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, _Destructor)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.restype, _rename.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, (ctypes.c_void_p, ctypes.c_char_p)
_valid_pointer = ctypes.pythonapi["PyCapsule_GetPointer"]  # another view of it, for a capsule that is being destroyed
_valid_pointer.restype, _valid_pointer.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)


def from_dlpack(value: Any) -> Tensor:
    """A tensor on the memory of another library's array, where that array lives: the CPU or an NVIDIA GPU.

    Writing to one is seen in the other. Raises ArgumentError for what does not speak DLPack, DeviceError for memory
    elsewhere, DtypeError for a dtype that the engine has not.
    """
    if isinstance(value, Tensor):
        return value.detach()
    if not hasattr(value, "__dlpack__") or not hasattr(value, "__dlpack_device__"):
        raise ArgumentError(f"from_dlpack: a {type(value).__name__} does not speak DLPack; use engine.tensor(...)")
    place = int(value.__dlpack_device__()[0])
    if place in (CUDA, CUDA_MANAGED):
        return tensor_of(devices.cupy().from_dlpack(value))
    if place not in (CPU, CUDA_HOST):
        raise DeviceError(
            f"from_dlpack: the array lives on a device of DLPack's type {place}; the engine knows 1 (CPU) and 2 (CUDA)"
        )
    if isinstance(value, np.ndarray):
        return tensor_of(value)
    return tensor_of(_imported(value.__dlpack__()))


def export(tensor: Tensor, **wishes: Any) -> Any:
    """The capsule that ``Tensor.__dlpack__`` gives; ``wishes`` are the protocol's stream, max_version, dl_device and copy."""
    if tensor.requires_grad:
        raise ExchangeError(
            "__dlpack__: a tensor that requires a gradient is not shared, since others would not see the graph; use .detach()"
        )
    array = tensor.array
    wishes = {name: wish for name, wish in wishes.items() if wish is not None}
    if not isinstance(array, np.ndarray) or array.dtype != BFLOAT16:
        return array.__dlpack__(**wishes)
    if wishes.get("dl_device", (CPU, 0))[0] != CPU:
        raise ExchangeError(
            "__dlpack__: a tensor on the CPU is shared as one on the CPU; move it with .to(device) first"
        )
    if wishes.get("copy"):
        array = array.copy()
    if not array.flags.writeable:
        raise ExchangeError(
            "__dlpack__: the tensor's memory is read-only (it belongs to a file perhaps); use .clone() first"
        )
    return _exported(array)


def device_of_tensor(tensor: Tensor) -> tuple[int, int]:
    """What ``Tensor.__dlpack_device__`` gives: DLPack's type of the device, and its number."""
    place = tensor.device
    return (CPU, 0) if place.type == "cpu" else (CUDA, place.index)


_alive: dict[int, Any] = {}
"""What exported capsules point to, until whoever took them lets go."""


def _let_go(managed: Any) -> None:
    _alive.pop(ctypes.addressof(managed.contents), None)


def _destroyed(capsule: int) -> None:
    if _is_valid(capsule, _NAME):  # nobody took it
        _alive.pop(_valid_pointer(capsule, _NAME) or 0, None)


# The interpreter calls these as long as there are capsules, so they are made once and stay.
_deleter, _destructor = _Deleter(_let_go), _Destructor(_destroyed)


def _exported(array: Any) -> Any:
    sizes = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
    steps = (ctypes.c_int64 * max(array.ndim, 1))(*(stride // array.itemsize for stride in array.strides))
    tensor = _Tensor(array.ctypes.data, CPU, 0, array.ndim, _BFLOAT, 16, 1, sizes, steps, 0)
    managed = _Managed(tensor, None, _deleter)
    address = ctypes.addressof(managed)
    _alive[address] = (managed, sizes, steps, array)
    return _new(address, _NAME, _destructor)


def _imported(capsule: Any) -> Any:
    address = _pointer(capsule, _NAME)
    managed = _Managed.from_address(address)
    tensor = managed.tensor
    kind = BFLOAT16 if (tensor.code, tensor.bits) == (_BFLOAT, 16) else _KINDS.get((tensor.code, tensor.bits))
    if kind is None or tensor.lanes != 1:
        raise DtypeError(
            f"from_dlpack: the engine has no dtype of DLPack's code {tensor.code} with {tensor.bits} bits and {tensor.lanes} lanes"
        )
    dtype = np.dtype(kind)
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = tuple(tensor.strides[axis] * dtype.itemsize for axis in range(tensor.ndim)) if tensor.strides else None
    _rename(capsule, _USED)  # from here on it is ours to let go
    if 0 in shape:
        _release(managed)
        return np.empty(shape, dtype)
    if strides is None:
        low, extent = 0, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    else:
        reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
        low, high = sum(min(r, 0) for r in reach), sum(max(r, 0) for r in reach)
        extent = high - low + dtype.itemsize
    memory: Any = (ctypes.c_char * extent).from_address(tensor.data + tensor.byte_offset + low)
    weakref.finalize(memory, _release, managed)
    return np.ndarray(shape, dtype, memory, -low, strides)


def _release(managed: Any) -> None:
    if managed.deleter:
        managed.deleter(ctypes.byref(managed))
