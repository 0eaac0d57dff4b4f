"""The tensor: an array, whether it wants a gradient, and the node that made it.

Its operators and the methods that only name an operation are in ``methods``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import device as devices
from . import dtype as dtypes
from . import methods
from .device import CPU, Device, DeviceLike
from .dtype import Array, Dtype, DtypeLike
from .errors import ArgumentError, DtypeError, ShapeError

new_tensor = object.__new__
generic = np.generic


class Tensor(methods.Methods):
    """An n-dimensional array that remembers how it was computed.

    ``array`` is the raw array, ``requires_grad`` whether a gradient is wanted, ``grad`` the gradient that ``backward``
    added up (a leaf's only), ``node`` the operation that made it (None for a leaf).
    """

    __slots__ = ("__weakref__", "array", "grad", "node", "requires_grad", "twin")
    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy arrays on the left of an operator leave it to us

    array: Array
    grad: Tensor | None
    node: Any
    requires_grad: bool
    twin: Any
    """Its values in a narrower dtype, where an operation on a GPU made them (see ``twins``)."""

    def __init__(self, data: Any, *, requires_grad: bool = False) -> None:
        self.array = as_array(data)
        self.node = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_(True)

    def __getattr__(self, name: str) -> Any:
        # A slot that was never filled: most tensors never have a gradient, and making them is to stay cheap.
        if name == "grad" or name == "twin":
            return None
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # ---- what it is -----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.array.ndim  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Dtype:
        return self.array.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> Device:
        return devices.device_of(self.array)

    @property
    def data(self) -> Tensor:
        """The same memory without the graph (as ``detach``)."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        # Another memory for the same leaf; a graph that kept the old one refuses to go backward.
        self.array = tensor_like("data", value).array
        ops.touch(self)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def element_size(self) -> int:
        """The bytes of one element."""
        return self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len(): a 0-dimensional tensor has no length; use .item() for its number")
        return self.shape[0]

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __iter__(self) -> Iterator[Tensor]:
        if len(self) and self.requires_grad:
            return iter(ops.unbind(self))  # whose gradients are joined in one pass
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=200, precision=4)
        dtype = "" if self.dtype in (dtypes.float32, dtypes.int64, dtypes.bool_) else f", dtype={self.dtype}"
        device = "" if self.device == CPU else f", device={self.device}"
        made = (
            f", made by {getattr(self.node, 'node', self.node).op.name}"
            if self.node is not None
            else ", requires_grad=True"
            if self.requires_grad
            else ""
        )
        return f"tensor({text}{dtype}{device}{made})"

    __hash__ = object.__hash__

    # ---- leaving the engine ---------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = True) -> np.ndarray[Any, Any]:
        """A NumPy array of the values: on the CPU the same memory, read-only (write with ``tensor[...] = value``).

        A graph is left behind and a GPU's values are fetched without being told so (``force`` does nothing).
        """
        array = devices.move(self.array, CPU)
        view: np.ndarray[Any, Any] = array.view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        from .exchange import export

        return export(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        from .exchange import device_of_tensor

        return device_of_tensor(self)

    def item(self) -> Any:
        """The number that a tensor of one element holds."""
        if self.numel() != 1:
            raise ShapeError(
                f"item: needs a tensor of one element, not of shape {tuple(self.shape)}; use .numpy() or .tolist()"
            )
        return devices.move(self.array, CPU).reshape(()).item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.numpy().tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"the truth of a tensor of shape {tuple(self.shape)} is ambiguous; use .any() or .all()")
        return bool(devices.move(self.array, CPU))

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if dtypes.kind(self.dtype) > 1:
            raise TypeError(f"only an integer tensor can be an index, not {self.dtype}")
        return int(self.item())

    # ---- graph ----------------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """The same memory without the graph."""
        return tensor_of(self.array)

    def clone(self) -> Tensor:
        """A copy, which stays part of the graph."""
        return ops.clone(self)

    # ---- moving ---------------------------------------------------------------------------------------------------

    def to(self, *args: Any, device: DeviceLike | None = None, dtype: DtypeLike | None = None) -> Tensor:
        """This tensor in another dtype, on another device, or both; itself if nothing changes."""
        for value in args:
            if isinstance(value, Tensor):
                device, dtype = value.device, value.dtype
            elif isinstance(value, Device) or (isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda")):
                device = value
            else:
                dtype = value
        result = self
        if dtype is not None and (kind := dtypes.as_dtype(dtype)) != self.dtype:
            result = ops.cast.one(self, {"dtype": kind})
        if device is not None and devices.as_device(device) != self.device:
            result = ops.move(result, device=devices.as_device(device))
        return result

    def cpu(self) -> Tensor:
        return self.to(device=CPU)

    def cuda(self, index: int = 0) -> Tensor:
        return self.to(device=Device("cuda", index))

    def float(self) -> Tensor:
        return self.to(dtype=dtypes.float32)

    def double(self) -> Tensor:
        return self.to(dtype=dtypes.float64)

    def half(self) -> Tensor:
        return self.to(dtype=dtypes.float16)

    def bfloat16(self) -> Tensor:
        return self.to(dtype=dtypes.bfloat16)

    def long(self) -> Tensor:
        return self.to(dtype=dtypes.int64)

    def int(self) -> Tensor:
        return self.to(dtype=dtypes.int32)

    def bool(self) -> Tensor:
        return self.to(dtype=dtypes.bool_)

    def type_as(self, other: Tensor) -> Tensor:
        return self.to(dtype=other.dtype)


def tensor_of(array: Array) -> Tensor:
    """A tensor around a raw array, without a look at it: the engine's own way to make one."""
    out = new_tensor(Tensor)
    # NumPy's reductions to, and sums of, 0-dimensional arrays are plain numbers.
    out.array = np.asarray(array) if isinstance(array, generic) else array
    out.requires_grad = False
    out.node = None
    return out


def tensor(
    data: Any, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor with a copy of ``data``: numbers, nested lists, an array or a tensor.

    Python floats become float32, Python integers int64; arrays keep their dtype.
    """
    array = as_array(data, dtype)
    if devices.is_array(data) or isinstance(data, Tensor):
        array = array.copy()
    if device is not None:
        array = devices.move(array, devices.as_device(device))
    return Tensor(array, requires_grad=requires_grad)


def tensor_like(name: str, value: Any) -> Tensor:
    """An argument that is to be a tensor: itself, or one around an array, a list or a number."""
    if isinstance(value, Tensor):
        return value
    if devices.is_array(value) or isinstance(value, (bool, int, float, complex, list, tuple, np.generic)):
        return Tensor(value)
    raise ArgumentError(f"{name}: wants tensors or arrays, not {type(value).__name__} ({value!r:.60})")


def as_array(data: Any, dtype: DtypeLike | None = None) -> Array:
    """The raw array of anything that can be one."""
    if isinstance(data, Tensor):
        data = data.array
    if isinstance(data, np.ndarray):
        if type(data) is not np.ndarray:
            data = data.view(np.ndarray)
        if not data.dtype.isnative and data.dtype.kind in "biufc":
            data = data.astype(data.dtype.newbyteorder("="))
    elif not devices.is_array(data):
        if hasattr(data, "__dlpack_device__") and int(data.__dlpack_device__()[0]) == 2:  # another library's, on a GPU
            return as_array(devices.cupy().from_dlpack(data), dtype)
        if (
            isinstance(data, Sequence)
            and not isinstance(data, (str, bytes))
            and any(isinstance(v, Tensor) for v in data)
        ):
            data = [v.numpy() if isinstance(v, Tensor) else v for v in data]
        given = data
        try:
            data = np.asarray(given)
        except ValueError:
            raise ShapeError(
                f"tensor: the nested lists of {given!r:.60} are ragged; give every row the same length"
            ) from None
        if not isinstance(given, np.generic) and not hasattr(given, "__array__"):
            data = _narrowed(given, data, dtype)
    dtypes.kind(data.dtype)
    if dtype is not None and data.dtype != dtypes.as_dtype(dtype):
        data = _converted(data, dtypes.as_dtype(dtype))
    return data


def _narrowed(given: Any, data: Array, dtype: DtypeLike | None) -> Array:
    """Python numbers in the engine's default dtypes."""
    kind = data.dtype.kind
    huge = kind in "uO" or (kind == "f" and data.size > 0 and not np.abs(data).max() < 2.0**63)
    if huge and all(isinstance(v, int) for v in np.asarray(given, object).flat):
        raise DtypeError(f"tensor: {given!r:.60} holds whole numbers that do not fit int64; give floats")
    if dtype is None and data.dtype == dtypes.float64:
        return _converted(data, dtypes.float32)
    if dtype is None and data.dtype == dtypes.complex128:
        return _converted(data, dtypes.complex64)
    return data


def _converted(data: Array, dtype: Dtype) -> Array:
    if dtypes.kind(data.dtype) == 3 and dtypes.kind(dtype) < 3:
        raise DtypeError(f"tensor: complex values do not fit {dtype}")
    try:
        with np.errstate(over="ignore", invalid="raise" if dtypes.kind(dtype) < 2 else "ignore"):
            return data.astype(dtype)
    except FloatingPointError:
        raise DtypeError(f"tensor: the values do not fit {dtype}: some are NaN, infinite or too large") from None


# The one cycle of the engine: tensors have operations as methods, operations make tensors.
from . import ops  # noqa: E402

methods.bind(ops)
