"""The kinds of inert objects that stand for what a checkpoint's pickle names, and what its functions ask of their arguments."""

from __future__ import annotations

from collections.abc import Callable

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.dtypes import DataType
from numzoo.hub.checkpoint.pytorch.run_values import RecordType
from numzoo.hub.checkpoint.tensors import Tensor
from numzoo.hub.errors import FormatError

__all__ = [
    "CounterMapping",
    "Function",
    "LateTensor",
    "Opaque",
    "OrderedMapping",
    "StorageType",
    "TensorType",
    "integers",
    "kind_of",
    "wants",
]


class OrderedMapping(dict[object, object]):
    """What collections.OrderedDict becomes."""

    __slots__ = ()


class CounterMapping(dict[object, object]):
    """What collections.Counter becomes."""

    __slots__ = ()


class LateTensor:
    """A Parameter or an old tensor: an object that a later BUILD fills or decorates."""

    __slots__ = ("name", "tensor")

    def __init__(self, name: str, tensor: Tensor | None = None) -> None:
        self.name = name
        self.tensor = tensor


class StorageType:
    """A storage class; without a dtype it counts bytes."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str, dtype: DataType) -> None:
        self.name = name
        self.dtype = dtype


class TensorType:
    """A tensor class: torch.Tensor, torch.FloatTensor, torch.nn.Parameter."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Opaque:
    """A value that means nothing outside PyTorch (a device, a layout, a quantisation scheme), kept as text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Function:
    """A global that may be applied to arguments: `apply` is one of the functions below."""

    __slots__ = ("apply", "name")

    def __init__(self, name: str, apply: Callable[[tuple[object, ...]], object]) -> None:
        self.name = name
        self.apply = apply


def kind_of(value: object) -> str:
    if type(value) in (Function, RecordType, StorageType, TensorType):
        return f"the global {value.name}"  # type: ignore[attr-defined]
    names = {Tensor: "a tensor", LateTensor: "a tensor", OrderedMapping: "an OrderedDict", CounterMapping: "a Counter"}
    return names.get(type(value)) or f"a value of the type {type(value).__name__}"


def wants(name: str, arguments: tuple[object, ...], *counts: int) -> None:
    if len(arguments) not in counts:
        raise FormatError(f"{name} was given {len(arguments)} arguments; wanted {' or '.join(map(str, counts))}")


def integers(name: str, values: object) -> tuple[int, ...]:
    if type(values) is not tuple or len(values) > limits.DIMENSIONS or any(type(value) is not int for value in values):
        raise FormatError(f"{name} is not a tuple of at most {limits.DIMENSIONS} integers")
    return values
