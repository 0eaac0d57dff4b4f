"""A table of a network: what each part is, what comes out of it, and how many parameters it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..modes import no_grad
from ..ops import zeros
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module


def summary(module: Module, input_shape: tuple[int, ...] = ()) -> str:
    """One line for each module: dotted name, kind, output shape (if an input's shape is given), own parameters."""
    shapes: dict[int, str] = {}
    if input_shape:
        hooks = [
            m.register_forward_hook(lambda m, _, result: shapes.setdefault(id(m), _shape(result)) and None)
            for m in module.modules()
        ]
        modes = [(m, m.training) for m in module.modules()]
        try:
            with no_grad():
                module.eval()(zeros(*input_shape))
        finally:
            for m, training in modes:
                m.training = training
            for hook in hooks:
                hook.remove()
    rows = [("module", "kind", "output", "parameters")]
    for name, part in module.named_modules():
        count = sum(p.numel() for p in part.parameters(recurse=False))
        rows.append((name or "(all)", type(part).__name__, shapes.get(id(part), ""), f"{count:,}" if count else ""))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows]
    total = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
    return "\n".join([*lines, f"{total:,} parameters, {trained:,} of them trained; {size / 2**20:.1f} MiB of state"])


def _shape(result: Any) -> str:
    if isinstance(result, Tensor):
        return str(tuple(result.shape))
    return ", ".join(_shape(r) for r in result) if isinstance(result, (tuple, list)) else type(result).__name__
