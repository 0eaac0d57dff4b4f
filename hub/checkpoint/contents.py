"""What a checkpoint holds, before any array is built: the one result that every reader gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.dtypes import DataType
from numzoo.hub.checkpoint.pytorch.kinds import LateTensor, Opaque
from numzoo.hub.checkpoint.tensors import Decoded, StorageView, Tensor
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["CheckpointMetadata", "Contents", "TensorInfo", "check_name", "flatten"]

# The name of a tensor that is the whole file: torch.save(tensor), numpy.save(array).
ALONE = "tensor"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file: its dotted name, shape, NumPy (or ml_dtypes) dtype name and the bytes of its elements.

    `stored` is the type that it has in the file, the dtype's name again unless it is decoded on reading (`Q4_0`).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    stored: str


@dataclass(frozen=True, slots=True)
class CheckpointMetadata:
    """What is inside a file. `format` is one of FORMATS; `tensors` keeps the file's order.

    `values` are the leaves that are no tensors, by dotted name: numbers, texts, booleans, None, and in words anything
    else (a dtype, a device); for GGUF its metadata, lists included. `notes` is the `__metadata__` of safetensors.
    """

    format: str
    tensors: tuple[TensorInfo, ...]
    values: dict[str, Any]
    notes: dict[str, str]

    @property
    def bytes(self) -> int:
        """The bytes of all tensors' elements, tensors of one storage counted each."""
        return sum(tensor.bytes for tensor in self.tensors)


@dataclass(slots=True)
class Contents:
    """The named tensors of a file, checked and not yet built."""

    format: str
    tensors: Mapping[str, Tensor | Decoded]
    values: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def describe(self) -> CheckpointMetadata:
        """Give the public description."""
        tensors = tuple(
            TensorInfo(
                name, tensor.shape, tensor.dtype.name, tensor.bytes, getattr(tensor, "stored", tensor.dtype.name)
            )
            for name, tensor in self.tensors.items()
        )
        return CheckpointMetadata(self.format, tensors, self.values, self.notes)


def check_name(name: str) -> str:
    """Give `name` back if a tensor may be called so; names with NUL or a step up a path raise UnsafeFileError."""
    if "\x00" in name:
        raise UnsafeFileError(f"The tensor name {_shown(name)} holds a NUL character.")
    if ".." in name and any(step in name for step in ("../", "..\\", "/..", "\\..")):
        raise UnsafeFileError(f"The tensor name {_shown(name)} holds '..' as part of a path.")
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise FormatError(f"The tensor name {_shown(name)} is not valid Unicode.") from None
    return name


def flatten(root: object) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Walk dictionaries and lists into {dotted name: tensor} and {dotted name: value}.

    The walk is a loop, and bounded: a container that holds itself, or doubles itself, raises FormatError.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    if not isinstance(root, (dict, list, tuple)):
        _put(ALONE, root, tensors, values)
        return tensors, values
    open_containers: list[tuple[str, Iterator[tuple[object, object]]]] = [("", _items(root))]
    leaves = characters = 0
    while open_containers:
        prefix, items = open_containers[-1]
        for key, value in items:
            name = prefix + _spell(key)
            leaves += 1
            characters += len(name)
            if len(name) > limits.NAME or characters > limits.NAMES_TOTAL:
                raise FormatError(f"The names in the file are too long, such as {_shown(name)}.")
            if leaves > limits.LEAVES:
                raise FormatError(f"The file holds more than {limits.LEAVES} values.")
            if isinstance(value, (dict, list, tuple)):
                if len(open_containers) >= limits.DEPTH:
                    raise FormatError(
                        f"The file's dictionaries and lists nest more than {limits.DEPTH} deep, or hold themselves: "
                        f"{_shown(name)}."
                    )
                open_containers.append((name + ".", _items(value)))
                break
            _put(name, value, tensors, values)
        else:
            open_containers.pop()
    return tensors, values


def _items(container: Iterable[object]) -> Iterator[tuple[object, object]]:
    if isinstance(container, dict):
        return iter(container.items())
    return enumerate(container)


def _spell(key: object) -> str:
    return key if type(key) is str else str(key)


def _put(name: str, value: object, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    if name in tensors or name in values:
        raise FormatError(f"Two values of the file come to the one name {_shown(name)}.")
    if type(value) is LateTensor:
        value = value.tensor
        if value is None:
            raise FormatError(f"The tensor {_shown(name)} was begun but never given values.")
    if type(value) is Tensor:
        tensors[check_name(name)] = value
    else:
        values[name] = _plain(value)


def _plain(value: object) -> object:
    """Give a leaf as something that JSON knows."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is DataType:
        return f"torch.{value.name}"
    if type(value) is Opaque:
        return value.text
    if type(value) is bytes:
        return f"{len(value)} bytes"
    if type(value) is frozenset:
        return f"a set of {len(value)}"
    if type(value) is complex:
        return str(value)
    if type(value) is StorageView:
        return f"a storage of {value.size} bytes"
    return f"torch.{getattr(value, 'name', type(value).__name__)}"


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 100 else name[:100] + "...")
