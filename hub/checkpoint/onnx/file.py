"""The tensors of an ONNX model: its initialisers and its Constant nodes, those of inner graphs too. Nothing is computed.

A tensor of an inner graph (the branches of If, the bodies of Loop and Scan) is called `NODE.ATTRIBUTE.NAME`.
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from __future__ import annotations

from typing import Any

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.contents import Contents, check_name
from numzoo.hub.checkpoint.onnx.external import External
from numzoo.hub.checkpoint.onnx.tensor import TEXTS, read_tensor
from numzoo.hub.checkpoint.onnx.wire import LENGTH, VARINT, Wire
from numzoo.hub.checkpoint.source import Source
from numzoo.hub.checkpoint.tensors import Decoded, Tensor
from numzoo.hub.errors import FormatError, UnsafeFileError

__all__ = ["read", "recognise"]

# The fields of a model that are messages or texts, and those that are numbers.
_LENGTHS, _NUMBERS = {2, 3, 4, 6, 7, 8, 14, 20, 25, 26}, {1, 5}
_DEPTH = 16


def recognise(source: Source) -> bool:
    """Whether the bytes begin like a model: the version of the representation, then another of a model's fields."""
    if source.size < 4 or source.view[0] != 0x08 or not 0 < source.view[1] < 0x40:
        return False
    number, kind = source.view[2] >> 3, source.view[2] & 7
    return (number in _LENGTHS and kind == LENGTH) or (number in _NUMBERS and kind == VARINT)


def read(source: Source) -> Contents:
    """Describe the model. Raises FormatError or UnsafeFileError."""
    return _Model(source).read()


class _Model:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.wire = Wire(source)
        self.external = External(source)
        self.tensors: dict[str, Tensor | Decoded] = {}
        self.values: dict[str, Any] = {}
        self.nodes = self.operators = 0

    def read(self) -> Contents:
        graph: tuple[int, int] | None = None
        for number, kind, first, last in self.wire.fields(0, self.source.size):
            if number in (_NUMBERS if kind == LENGTH else _LENGTHS):
                raise FormatError(f"The ONNX file's field {number} is damaged.")
            if number == 7:
                if graph is not None:
                    raise UnsafeFileError("The ONNX file holds two graphs.")
                graph = first, last
            elif number == 1:
                self.values["onnx.ir_version"] = first
            elif number == 2:
                self.values["onnx.producer"] = self.wire.text(first, last, "a producer's name")
            elif number == 8:
                self._operators(first, last)
            elif number == 14:
                key, value = self._pair(first, last)
                self.values[f"metadata.{key}"] = value
        if graph is None or not self.operators:
            what = "graph" if graph is None else "version of its operators"
            raise FormatError(f"The ONNX file holds no {what}: cut short?")
        self._graph(*graph, "", 0)
        self.external.check_overlaps()
        return Contents("onnx", self.tensors, {**self.values, "onnx.nodes": self.nodes})

    def _graph(self, begin: int, end: int, prefix: str, depth: int) -> None:
        if depth > _DEPTH:
            raise FormatError(f"The ONNX file nests graphs more than {_DEPTH} deep.")
        for number, kind, first, last in self.wire.fields(begin, end):
            if kind != LENGTH:
                continue
            if number == 1:
                self._node(first, last, prefix, depth)
            elif number == 5:
                name, tensor = read_tensor(self.wire, self.source, self.external, first, last)
                self._put(prefix + name, tensor)
            elif number == 15:
                raise FormatError("The ONNX file holds a sparse initialiser, which is not read; make it dense.")

    def _node(self, begin: int, end: int, prefix: str, depth: int) -> None:
        """Look through one node: a Constant gives a tensor, and attributes may be graphs."""
        self.nodes += 1
        name = operator = output = ""
        attributes = []
        for number, kind, first, last in self.wire.fields(begin, end):
            if kind != LENGTH:
                continue
            if number == 2 and not output:
                output = self.wire.text(first, last, "an output's name")
            elif number == 3:
                name = self.wire.text(first, last, "a node's name")
            elif number == 4:
                operator = self.wire.text(first, last, "an operator's name")
            elif number == 5:
                attributes.append((first, last))
        for first, last in attributes:
            self._attribute(first, last, prefix, name or output, output if operator == "Constant" else "", depth)

    def _attribute(self, begin: int, end: int, prefix: str, node: str, constant: str, depth: int) -> None:
        name = ""
        tensor: tuple[int, int] | None = None
        graphs = []
        for number, kind, first, last in self.wire.fields(begin, end):
            if kind != LENGTH:
                continue
            if number == 1:
                name = self.wire.text(first, last, "an attribute's name")
            elif number == 5:
                tensor = first, last
            elif number in (6, 11):
                graphs.append((first, last))
        if constant and name == "value" and tensor is not None:
            self._put(prefix + constant, read_tensor(self.wire, self.source, self.external, *tensor)[1])
        for first, last in graphs:
            self._graph(first, last, f"{prefix}{node}.{name}.", depth + 1)

    def _put(self, name: str, tensor: Tensor | Decoded | str) -> None:
        if not name or len(name) > limits.NAME:
            raise FormatError(f"The ONNX file holds a tensor with a name of {len(name)} characters.")
        if name in self.tensors or name in self.values:
            raise FormatError(f"The ONNX file holds the tensor {name[:100]!a} twice.")
        if tensor == TEXTS:
            self.values[check_name(name)] = TEXTS
        elif not isinstance(tensor, str):
            self.tensors[check_name(name)] = tensor

    def _operators(self, begin: int, end: int) -> None:
        """Keep the version of a set of operators."""
        self.operators += 1
        domain, version = "", 0
        for number, kind, first, last in self.wire.fields(begin, end):
            if number == 1 and kind == LENGTH:
                domain = self.wire.text(first, last, "a domain")
            elif number == 2 and kind == VARINT:
                version = first
        self.values[f"onnx.opset.{domain or 'ai.onnx'}"] = version

    def _pair(self, begin: int, end: int) -> tuple[str, str]:
        pair = {1: "", 2: ""}
        for number, kind, first, last in self.wire.fields(begin, end):
            if kind == LENGTH and number in pair:
                pair[number] = self.wire.text(first, last, "metadata")
        return pair[1], pair[2]
