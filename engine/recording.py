"""How an operation is remembered: the node that backward will walk through, with what its rules want kept."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from .keeping import Plan
from .modes import modes
from .node import Node, ReducedNode, next_sequence
from .operands import Operands
from .tensor import Tensor, new_tensor

# The engine's own files: the line that is blamed for a node lies outside them.
ENGINE_FILES = frozenset(str(file) for file in Path(__file__).parent.rglob("*.py"))
_get_frame = sys._getframe


class Recorder(Operands):
    """The part of an operation that makes nodes."""

    narrows: bool
    kept_outs: tuple[int, ...]
    kept_with_result: tuple[int, ...]
    keeps_result: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None
    plans: dict[Any, Plan]

    def _edges(self, inputs: tuple[Any, ...]) -> tuple[list[Any], int]:
        """Where gradients of the inputs go, None for those that want none or have no rule; and those that do, as bits."""
        rules = self.rules * len(inputs) if self.variadic else self.rules
        edges = [
            (value.node or value) if isinstance(value, Tensor) and value.requires_grad and rules[place] else None
            for place, value in enumerate(inputs)
        ]
        return edges, sum([1 << place for place, edge in enumerate(edges) if edge is not None])

    def _attach(
        self, edges: list[Any], mask: int, inputs: tuple[Any, ...], settings: dict[str, Any], out: Tensor | None, depth: int,
        residuals: tuple[Any, ...] = (), outs: tuple[Tensor, ...] = (),
    ) -> Node:  # fmt: skip
        """Make the node, with what the rules in ``mask`` want kept and the line that called, and hang ``out`` on it."""
        # How many inputs there were counts too: a later one that wants no gradient may still be needed for those of others.
        count = len(inputs)
        key = mask | 1 << count
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = Plan(self, mask, count)
        if not self.narrows or modes.precision is None:
            node = new_tensor(Node)
        else:
            node = new_tensor(ReducedNode)
            node.precision = modes.precision
        node.sequence = next_sequence()
        node.op = self  # type: ignore[assignment]
        node.edges = edges
        node.settings = settings
        node.plan = plan
        if plan.keeps:
            if plan.inputs:
                node.saved = plan.pick(inputs)
            if plan.residuals:
                node.residuals = plan.pick_residuals(residuals)
            if plan.keeps_out:
                # The array alone: the Tensor itself would make a cycle with its node.
                asked = self.keeps_result
                kept = self.kept_outs if asked is None or not asked(inputs, settings) else self.kept_with_result
                node.outs = (
                    [out.array if kept else None]
                    if out is not None
                    else [o.array if i in kept else None for i, o in enumerate(outs)]
                )
        frame = _get_frame(depth)
        code = frame.f_code
        while code.co_filename in ENGINE_FILES:
            behind = frame.f_back
            if behind is None:
                break
            frame = behind
            code = frame.f_code
        node.code = code
        node.instruction = frame.f_lasti
        if out is not None:
            array = out.array
            node.shape = array.shape
            node.dtype = array.dtype
            out.requires_grad = True
            out.node = node
        return node


def calling_line() -> tuple[CodeType, int]:
    """The innermost place outside the engine that is being run now: its code and instruction."""
    frame = _get_frame(1)
    while frame.f_code.co_filename in ENGINE_FILES and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti
