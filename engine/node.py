"""The record of one operation: what backward needs to walk from its result to its inputs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any

from .dtype import Dtype
from .modes import Precision

if TYPE_CHECKING:
    from .op import Op

_sequence = itertools.count()
next_sequence = _sequence.__next__


class Node:
    """One operation in the graph. ``edges`` lead to the nodes of its inputs, or to leaf tensors."""

    __slots__ = (
        "__weakref__", "code", "dtype", "edges", "instruction", "op", "outs", "plan", "residuals", "saved", "sequence",
        "settings", "shape",
    )  # fmt: skip

    precision: Precision | None = None

    sequence: int
    op: Op[Any, Any]
    edges: list[Any]
    settings: dict[str, Any]
    saved: Sequence[Any] | None
    plan: Any
    """What is kept of the inputs, results and residuals (a ``Plan``); None once freed; a segment to compute again (``checkpoint``)."""
    residuals: Sequence[Any] | None
    outs: list[Any] | None
    code: CodeType
    instruction: int
    shape: tuple[int, ...] | None
    dtype: Dtype | None

    # Filled by Op._record, which also leaves ``saved``, ``residuals`` and ``outs`` out where the plan names none.

    def __repr__(self) -> str:
        return f"<{self.op.name} from {self.origin()}>"

    def origin(self) -> str:
        """The line of the program that made this node, outside the engine."""
        return line_of(self.code, self.instruction)

    def kept(self, position: int) -> Any:
        """The raw array that was kept of an input."""
        value = self.saved[self.plan.inputs.index(position)]  # type: ignore[index]
        return getattr(value, "array", value)

    def release(self) -> None:
        """Let go of every array that was kept for backward."""
        if self.plan is not None and self.plan.keeps:
            self.saved = self.outs = self.residuals = self.plan = None

    def adopt(self, other: Node) -> None:
        """Take over what another node of the same operation keeps for backward."""
        self.plan, self.settings = other.plan, other.settings
        for name in ("saved", "outs", "residuals"):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))


class ReducedNode(Node):
    """A node whose operation ran on narrowed operands; its backward does too."""

    __slots__ = ("precision",)

    precision: Precision | None


class Output:
    """One of several results of a node."""

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, node: Node, index: int, shape: tuple[int, ...], dtype: Dtype) -> None:
        self.node = node
        self.index = index
        self.shape = shape
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"<result {self.index} of {self.node!r}>"


def dtype_of(edge: Any) -> Dtype:
    """The dtype of the gradient that is wanted at the end of an edge."""
    # That of a leaf past its property, which takes longer.
    found: Any = edge.dtype if isinstance(edge, (Node, Output)) else edge.array.dtype
    return found  # type: ignore[no-any-return]


def line_of(code: CodeType, instruction: int) -> str:
    """File, line and function of an instruction."""
    line: int | None = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end:
            line = number
            break
    return f"{code.co_filename}:{line} in {code.co_name}"
