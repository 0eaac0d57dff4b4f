"""The tensor: an array, whether it wants a gradient, and the node that made it.

Methods and operators only name operations of ``engine.ops``; see there for what each computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import device as devices
from . import dtype as dtypes
from .device import CPU, Device, DeviceLike
from .dtype import Array, Dtype, DtypeLike
from .errors import DeviceError, GradientError, ShapeError

new_tensor = object.__new__

Axis = Any
"""An axis, a tuple of axes, or None for all."""


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    ``array`` is the raw array, ``requires_grad`` whether a gradient is wanted, ``grad`` the gradient that ``backward``
    added up (a leaf's only), ``node`` the operation that made it (None for a leaf).
    """

    __slots__ = ("__weakref__", "array", "grad", "node", "requires_grad")
    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy arrays on the left of an operator leave it to us

    array: Array
    grad: Tensor | None
    node: Any
    requires_grad: bool

    def __init__(self, data: Any, *, requires_grad: bool = False) -> None:
        self.array = _as_array(data)
        self.node = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_(True)

    def __getattr__(self, name: str) -> Any:
        # A slot that was never filled: most tensors never have a gradient, and making them is to stay cheap.
        if name == "grad":
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
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.node is None

    @property
    def data(self) -> Tensor:
        """The same memory without the graph (as ``detach``)."""
        return self.detach()

    def size(self, axis: int | None = None) -> Any:
        """The shape, or the length of one axis."""
        return self.shape if axis is None else self.shape[axis]

    def numel(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

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

    def __iter__(self) -> Iterator[Tensor]:
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

    def numpy(self) -> np.ndarray[Any, Any]:
        """A NumPy array of the values: on the CPU the same memory, read-only (write with ``tensor[...] = value``)."""
        array = devices.move(self.array, CPU)
        view: np.ndarray[Any, Any] = array.view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def item(self) -> Any:
        """The number that a tensor of one element holds."""
        if self.numel() != 1:
            raise ShapeError(
                f"item: needs a tensor of one element, not of shape {tuple(self.shape)}; use .numpy() or .tolist()"
            )
        return self.array.reshape(()).item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.numpy().tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"the truth of a tensor of shape {tuple(self.shape)} is ambiguous; use .any() or .all()")
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if dtypes.kind(self.dtype) > 1:
            raise TypeError(f"only an integer tensor can be an index, not {self.dtype}")
        return int(self.item())

    # ---- gradients ------------------------------------------------------------------------------------------------

    def backward(self, gradient: Any = None, *, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add this tensor's gradient to ``.grad`` of the leaves it was computed from. See ``engine.gradient``."""
        from .gradient import backward

        backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient, or stop asking; gives the tensor itself."""
        if requires_grad and not dtypes.is_differentiable(self.dtype):
            raise GradientError(
                f"requires_grad: only floating-point and complex tensors have gradients, not {self.dtype}"
            )
        if not requires_grad and self.node is not None:
            raise GradientError("requires_grad: a computed tensor always takes part in its graph; use .detach()")
        self.requires_grad = requires_grad
        return self

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
        if dtype is not None and dtypes.as_dtype(dtype) != self.dtype:
            result = ops.cast(result, dtype=dtypes.as_dtype(dtype))
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

    # ---- operators ------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return _add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.div(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __neg__(self) -> Tensor:
        return _neg(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return _abs(self)

    def __invert__(self) -> Tensor:
        return ops.bitwise_not(self)

    def __and__(self, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.eq(self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.ne(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ops.lt(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.le(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.gt(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.ge(self, other)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        ops.assign(self, index, value)

    # ---- shape ----------------------------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        return ops.reshape(self, _unpack(shape))

    view = reshape

    def permute(self, *axes: Any) -> Tensor:
        return ops.permute(self, _unpack(axes))

    def transpose(self, first: Any, second: Any) -> Tensor:
        return ops.transpose(self, first, second)

    def expand(self, *shape: Any) -> Tensor:
        return ops.expand(self, _unpack(shape))

    def flatten(self, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
        return ops.flatten(self, start_dim, end_dim)

    def squeeze(self, axis: Axis = None) -> Tensor:
        return ops.squeeze(self, axis)

    def unsqueeze(self, axis: Any) -> Tensor:
        return ops.unsqueeze(self, axis)

    def split(self, sizes: Any, axis: Any = 0) -> tuple[Tensor, ...]:
        return ops.split(self, sizes, axis)

    def chunk(self, chunks: Any, axis: Any = 0) -> tuple[Tensor, ...]:
        return ops.chunk(self, chunks, axis)

    def unbind(self, axis: Any = 0) -> tuple[Tensor, ...]:
        return ops.unbind(self, axis)

    def flip(self, *axes: Any) -> Tensor:
        return ops.flip(self, _unpack(axes))

    def roll(self, shifts: Any, axis: Axis = None) -> Tensor:
        return ops.roll(self, shifts, axis)

    def contiguous(self) -> Tensor:
        return ops.contiguous(self)

    @property
    def T(self) -> Tensor:  # noqa: N802 - PyTorch's and NumPy's name
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:  # noqa: N802
        return self.transpose(-1, -2)

    # ---- reductions -----------------------------------------------------------------------------------------------

    def sum(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike = None) -> Tensor:
        source = self if dtype is None else self.to(dtype=dtype)
        return ops.sum(source, axis if dim is None else dim, keepdim)

    def mean(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.mean(self, axis if dim is None else dim, keepdim)

    def var(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, correction: Any = 1) -> Tensor:
        return ops.var(self, axis if dim is None else dim, keepdim, correction)

    def std(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, correction: Any = 1) -> Tensor:
        return ops.sqrt(ops.var(self, axis if dim is None else dim, keepdim, correction))

    def prod(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.prod(self, axis if dim is None else dim, keepdim)

    def max(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.max(self, axis if dim is None else dim, keepdim)

    def min(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.min(self, axis if dim is None else dim, keepdim)

    def amax(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.amax(self, axis if dim is None else dim, keepdim)

    def amin(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.amin(self, axis if dim is None else dim, keepdim)

    def argmax(self, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argmax(self, axis if dim is None else dim, keepdim)

    def argmin(self, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argmin(self, axis if dim is None else dim, keepdim)

    def all(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.all(self, axis if dim is None else dim, keepdim)

    def any(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.any(self, axis if dim is None else dim, keepdim)

    def norm(self, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.sqrt((self * self).sum(axis if dim is None else dim, keepdim))

    def softmax(self, axis: Any = -1, *, dim: Any = None) -> Tensor:
        return ops.softmax(self, axis=axis if dim is None else dim)

    def log_softmax(self, axis: Any = -1, *, dim: Any = None) -> Tensor:
        return ops.log_softmax(self, axis=axis if dim is None else dim)

    # ---- elementwise ----------------------------------------------------------------------------------------------

    def exp(self) -> Tensor:
        return _exp(self)

    def log(self) -> Tensor:
        return _log(self)

    def sqrt(self) -> Tensor:
        return _sqrt(self)

    def rsqrt(self) -> Tensor:
        return ops.rsqrt(self)

    def abs(self) -> Tensor:
        return _abs(self)

    def pow(self, exponent: Any) -> Tensor:
        return ops.pow(self, exponent)

    def square(self) -> Tensor:
        return self * self

    def sin(self) -> Tensor:
        return _sin(self)

    def cos(self) -> Tensor:
        return _cos(self)

    def tanh(self) -> Tensor:
        return _tanh(self)

    def sigmoid(self) -> Tensor:
        return _sigmoid(self)

    def relu(self) -> Tensor:
        return _relu(self)

    def clip(self, low: Any = None, high: Any = None) -> Tensor:
        return ops.clip(self, low=low, high=high)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        return ops.clip(self, low=min, high=max)

    def masked_fill(self, mask: Tensor, value: Any) -> Tensor:
        return ops.where(mask, value, self)


def tensor_of(array: Array) -> Tensor:
    """A tensor around a raw array, without a look at it: the engine's own way to make one."""
    out = new_tensor(Tensor)
    out.array = array
    out.requires_grad = False
    out.node = None
    return out


def tensor(
    data: Any, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor with a copy of ``data``: numbers, nested lists, an array or a tensor.

    Python floats become float32, Python integers int64; arrays keep their dtype.
    """
    array = _as_array(data, dtype)
    if devices.is_array(data) or isinstance(data, Tensor):
        array = array.copy()
    if device is not None:
        array = devices.move(array, devices.as_device(device))
    return Tensor(array, requires_grad=requires_grad)


def _as_array(data: Any, dtype: DtypeLike | None = None) -> Array:
    """The raw array of anything that can be one."""
    if isinstance(data, Tensor):
        data = data.array
    if isinstance(data, np.ndarray):
        if type(data) is not np.ndarray:
            data = data.view(np.ndarray)
    elif not devices.is_array(data):
        if (
            isinstance(data, Sequence)
            and not isinstance(data, (str, bytes))
            and any(isinstance(v, Tensor) for v in data)
        ):
            data = [v.numpy() if isinstance(v, Tensor) else v for v in data]
        given = data
        try:
            data = np.asarray(given)
        except ValueError as error:
            raise ShapeError(f"tensor: the nested lists are ragged ({error}); give every row the same length") from None
        if data.dtype == dtypes.float64 and not isinstance(given, np.generic) and not hasattr(given, "__array__"):
            data = data.astype(dtypes.float32)
    dtypes.kind(data.dtype)
    if dtype is not None and data.dtype != dtypes.as_dtype(dtype):
        data = data.astype(dtypes.as_dtype(dtype))
    return data


def _unpack(values: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    return tuple(int(v) for v in values)


def same_device(name: str, *tensors: Tensor) -> None:
    """Refuse tensors that live on different devices."""
    places = {str(t.device) for t in tensors}
    if len(places) > 1:
        raise DeviceError(f"{name}: its tensors are on {' and '.join(sorted(places))}; move them with .to(device)")


# The one cycle of the engine: tensors have operations as methods, operations make tensors.
from . import ops  # noqa: E402

# Names bound once: the operators are the hottest calls there are.
_table: Any = ops
_Two = Callable[[Any, Any], Tensor]
_One = Callable[[Any], Tensor]
_add: _Two = _table.add.two
_sub: _Two = _table.sub.two
_mul: _Two = _table.mul.two
_div: _Two = _table.div.two
_pow: _Two = _table.pow.two
_neg: _One = _table.neg.one
_abs: _One = _table.abs.one
_exp: _One = _table.exp.one
_log: _One = _table.log.one
_sqrt: _One = _table.sqrt.one
_sin: _One = _table.sin.one
_cos: _One = _table.cos.one
_tanh: _One = _table.tanh.one
_sigmoid: _One = _table.sigmoid.one
_relu: _One = _table.relu.one
