"""The recorded graph as a picture: Graphviz's DOT text, and what its ``dot`` program makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, DeviceError, GradientError
from ..node import Node, Output
from ..tensor import Tensor

TEXT = (".dot", ".gv")
PICTURES = (".svg", ".png", ".pdf")


class Drawing:
    """A graph as DOT text (``str(drawing)``); a notebook shows it as a picture."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def _repr_svg_(self) -> str | None:
        return render(self.text, "svg").decode("utf-8") if shutil.which("dot") else None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``.dot`` or ``.gv`` text, or an ``.svg``, ``.png`` or ``.pdf`` picture."""
        file = Path(path)
        if file.suffix in TEXT:
            file.write_text(self.text, "utf-8")
        elif file.suffix in PICTURES:
            file.write_bytes(render(self.text, file.suffix[1:]))
        else:
            raise ArgumentError(
                f"graph: {str(path)!r} must end in one of {', '.join(TEXT + PICTURES)}, which says what to write"
            )


def show(
    tensor: Tensor | Iterable[Tensor], path: str | os.PathLike[str] | None = None, *, model: Any = None
) -> Drawing:
    """Draw the graph that computed a tensor (or several), into a file if ``path`` is given; ``model`` gives the leaves their names.

    Pictures need Graphviz's ``dot`` program; ``.dot`` text does not.
    """
    drawing = Drawing(dot(tensor, model=model))
    if path is not None:
        drawing.save(path)
    return drawing


def dot(tensor: Tensor | Iterable[Tensor], *, model: Any = None) -> str:
    """The graph in DOT: operations as boxes with their results' dtype and shape, leaves round, data flowing down.

    Hovering over an operation in an SVG shows the line that called it.
    """
    tensors = [tensor] if isinstance(tensor, Tensor) else list(tensor)
    for value in tensors:
        if not isinstance(value, Tensor):
            raise ArgumentError(f"graph: draws tensors, not {type(value).__name__}")
        if not value.requires_grad:
            raise GradientError(
                "graph: the tensor was computed from nothing that requires a gradient, so nothing was recorded; "
                "set requires_grad=True on an input, or compute outside no_grad"
            )
    names = {id(p): name for name, p in model.named_parameters()} if model is not None else {}
    lines = [
        "digraph numzoo {",
        '  graph [rankdir=TB, nodesep=0.25, ranksep=0.35, fontname="Helvetica"];',
        '  node [shape=box, style="rounded,filled", fillcolor="#e8f0fe", color="#5f7fbf", fontname="Helvetica", fontsize=10];',
        '  edge [color="#777777", arrowsize=0.6, fontname="Helvetica", fontsize=8];',
    ]
    seen: dict[int, str] = {}
    queue: list[Any] = []

    def place(item: Any) -> str:
        """The name of a node or leaf in the text, drawn when it is first met."""
        known = seen.get(id(item))
        if known is None:
            known = seen[id(item)] = f"n{len(seen)}"
            lines.append(f"  {known} [{_leaf(item, names) if isinstance(item, Tensor) else _node(item)}];")
            if isinstance(item, Node):
                queue.append(item)
        return known

    for number, value in enumerate(tensors):
        source, index = _source(value.node or value)
        result = f"result {number}" if len(tensors) > 1 else "result"
        label = _quoted(f"{result}\n{value.dtype} {_shape(value.shape)}")
        lines.append(f'  r{number} [label={label}, shape=note, fillcolor="#fff4d6", color="#c49a2c"];')
        lines.append(f"  {place(source)} -> r{number}{_index(index)};")
    while queue:
        node = queue.pop()
        for edge in node.edges:
            if edge is not None:
                source, index = _source(edge)
                lines.append(f"  {place(source)} -> {seen[id(node)]}{_index(index)};")
    return "\n".join([*lines, "}"]) + "\n"


def render(text: str, kind: str) -> bytes:
    """DOT text as a picture by Graphviz's ``dot``."""
    program = shutil.which("dot")
    if program is None:
        raise DeviceError(
            f"graph: a .{kind} picture needs Graphviz's 'dot' program, which is not installed (apt-get install graphviz, brew install graphviz, "
            "or graphviz.org); a .dot file can be written without it"
        )
    done = subprocess.run([program, f"-T{kind}"], input=text.encode("utf-8"), capture_output=True, check=False)
    if done.returncode:
        raise DeviceError(
            f"graph: dot failed ({done.returncode}): {done.stderr.decode('utf-8', 'replace').strip():.300}"
        )
    return done.stdout


def _source(edge: Any) -> tuple[Any, int | None]:
    """The node or leaf that an edge leads to, and which of its results."""
    return (edge.node, edge.index) if isinstance(edge, Output) else (edge, None)


def _index(index: int | None) -> str:
    return "" if index is None else f' [label="{index}"]'


def _node(node: Node) -> str:
    shape = f"\n{node.dtype} {_shape(node.shape)}" if getattr(node, "shape", None) is not None else ""
    return f"label={_quoted(node.op.name + shape)}, tooltip={_quoted(node.origin())}"


def _leaf(leaf: Tensor, names: dict[int, str]) -> str:
    name = names.get(id(leaf))
    label = f"{name or 'leaf'}\n{leaf.dtype} {_shape(leaf.shape)}"
    return f'label={_quoted(label)}, shape=ellipse, style=filled, fillcolor="{"#e2f4e2" if name else "#eeeeee"}", color="#5a9a5a"'


def _shape(shape: Any) -> str:
    return " x ".join(map(str, shape)) if shape else "scalar"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


__all__ = ["Drawing", "dot", "render", "show"]
