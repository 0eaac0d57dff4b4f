"""CTranslate2's model.bin, binary versions 4 to 6: variables with names, shapes and types, then aliases of them.

A weight of 8- or 16-bit integers has its scales in a variable `NAME_scale`, one for each row or one for all; the weight
is then integer / scale. Layout: python/ctranslate2/specs/model_spec.py of CTranslate2 (Model specification, `save`).
"""

from __future__ import annotations

import re
import struct
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents, check_name
from numzoo.hub.checkpoint.dtypes import TORCH, DataType
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Builder, Decoded, Storage, StorageView, Tensor, contiguous_strides
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["read", "recognise"]

_VERSIONS = (4, 5, 6)
_TYPES: tuple[DataType, ...] = tuple(
    TORCH[name] for name in ("float32", "int8", "int16", "int32", "float16", "bfloat16")
)
_SPECIFICATION = re.compile(rb"[A-Za-z][A-Za-z0-9_]{0,60}\x00")
_SCALE = "_scale"
_SWAP = sys.byteorder == "big"


def recognise(source: Source) -> bool:
    """Whether the bytes begin like a model of CTranslate2: a small version, then the name of a specification."""
    if source.size < 16:
        return False
    version, size = struct.unpack_from("<IH", source.view)
    return 0 < version < 100 and _SPECIFICATION.fullmatch(bytes(source.view[6 : 6 + min(size, 99)])) is not None


def read(source: Source, dequantise: bool) -> Contents:
    """Describe the model; an alias is a second name for the same tensor.

    Without `dequantise` quantised weights are their integers, and `NAME_scale` a tensor of its own.
    Raises FormatError or UnsafeFileError.
    """
    cursor = _Cursor(source)
    version = cursor.number("I")
    if version not in _VERSIONS:
        raise FormatError(
            f"The CTranslate2 model has the binary version {version}; versions 4 to 6 are read: convert it again."
        )
    specification, revision, count = cursor.text(), cursor.number("I"), cursor.number("I")
    if count > limits.MEMBERS:
        raise FormatError(f"The CTranslate2 model claims {count} variables, more than {limits.MEMBERS}.")
    stored: dict[str, Tensor] = {}
    for _ in range(count):
        name = check_name(cursor.text())
        if name in stored:
            raise FormatError(f"The CTranslate2 model holds the variable {name[:100]!a} twice.")
        stored[name] = _variable(cursor, name)
    tensors: dict[str, Tensor | Decoded] = _dequantised(stored, source) if dequantise else {**stored}
    _aliases(cursor, tensors)
    if cursor.position != source.size:
        raise UnsafeFileError(
            f"The CTranslate2 model goes on for {source.size - cursor.position} bytes behind its last alias."
        )
    facts = {"version": version, "specification": specification, "revision": revision}
    return Contents("ctranslate2", tensors, {f"ctranslate2.{key}": value for key, value in facts.items()})


class _Cursor:
    """Reads numbers and texts one after another; past the end it raises FormatError."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.position = 0

    def number(self, code: str) -> int:
        try:
            (value,) = struct.unpack_from("<" + code, self.source.view, self.position)
        except struct.error:
            raise FormatError(f"The CTranslate2 model is cut short at byte {self.position}.") from None
        self.position += struct.calcsize("<" + code)
        return int(value)

    def text(self) -> str:
        """A length of 16 bits, then that many bytes, the last of them NUL."""
        size = self.number("H")
        raw = bytes(self.source.view[self.position : self.position + size])
        if len(raw) != size or not raw.endswith(b"\x00") or size > limits.NAME:
            raise FormatError(f"The CTranslate2 model has a damaged text at byte {self.position}.")
        self.position += size
        try:
            return raw[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"The CTranslate2 model has a text at byte {self.position} that is not UTF-8.") from None


def _variable(cursor: _Cursor, name: str) -> Tensor:
    rank = cursor.number("B")
    if rank > limits.DIMENSIONS:
        raise FormatError(f"The CTranslate2 variable {name!a} has {rank} dimensions, more than {limits.DIMENSIONS}.")
    shape = tuple(cursor.number("I") for _ in range(rank))
    kind, size = cursor.number("B"), cursor.number("I")
    if kind >= len(_TYPES):
        raise FormatError(f"The CTranslate2 variable {name!a} has the unknown type {kind}.")
    dtype = _TYPES[kind]
    wanted = dtype.bytes
    for length in shape:
        wanted *= length
    if wanted != size:
        raise FormatError(
            f"The CTranslate2 variable {name!a} has {size} bytes, but {dtype.name} {shape} takes {wanted}."
        )
    if cursor.position + size > cursor.source.size:
        raise FormatError(f"The CTranslate2 model is cut short inside {name!a}, which needs {size} bytes.")
    storage = Storage(repr(name), size)
    storage.place(cursor.source, cursor.position, _SWAP)
    cursor.position += size
    return Tensor(StorageView(storage, dtype, 0, size), dtype, 0, shape, contiguous_strides(shape))


def _dequantised(stored: dict[str, Tensor], source: Source) -> dict[str, Tensor | Decoded]:
    """Join each weight of integers with its scales, which then are no tensors of their own."""
    tensors: dict[str, Tensor | Decoded] = {}
    for name, tensor in stored.items():
        weight = stored.get(name.removesuffix(_SCALE)) if name.endswith(_SCALE) else None
        if weight is not None and weight.dtype.name in ("int8", "int16"):
            continue
        scale = stored.get(name + _SCALE) if tensor.dtype.name in ("int8", "int16") else None
        tensors[name] = tensor if scale is None else _join(name, tensor, scale, source.size)
    return tensors


def _join(name: str, weight: Tensor, scale: Tensor, size: int) -> Decoded:
    per_row = len(weight.shape) > 0 and scale.shape == weight.shape[:1]
    if not (per_row or scale.shape in ((), (1,))) or "float" not in scale.dtype.name:
        raise FormatError(
            f"The CTranslate2 weight {name!a} of shape {weight.shape} has {scale.dtype.name} scales of shape "
            f"{scale.shape}; wanted floating point, one for each row or one for all."
        )

    def build() -> NDArray[Any]:
        builder = Builder(size)
        integers, scales = builder.build(weight), builder.build(scale).astype(np.float32)
        column = scales.reshape(-1, *[1] * (len(weight.shape) - 1)) if per_row else scales.reshape(())
        with np.errstate(divide="ignore", invalid="ignore"):  # a damaged scale may be zero
            weights: NDArray[Any] = np.divide(integers, column, dtype=np.float32)
            return weights

    return Decoded(TORCH["float32"], weight.shape, weight.dtype.name, build)


def _aliases(cursor: _Cursor, tensors: dict[str, Tensor | Decoded]) -> None:
    count = cursor.number("I")
    if count > limits.MEMBERS:
        raise FormatError(f"The CTranslate2 model claims {count} aliases, more than {limits.MEMBERS}.")
    named = dict(tensors)
    for _ in range(count):
        alias, name = check_name(cursor.text()), cursor.text()
        if alias in tensors:
            raise FormatError(f"The CTranslate2 model holds the variable {alias[:100]!a} twice.")
        if name not in named:
            raise FormatError(f"The CTranslate2 alias {alias[:100]!a} means {name[:100]!a}, which is not in the file.")
        tensors[alias] = named[name]
