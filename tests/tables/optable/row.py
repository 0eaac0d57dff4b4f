"""What a row of the table says of an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.op import TABLE

F64 = np.float64


@dataclass(frozen=True)
class Row:
    """An operation, the shapes and ranges of its inputs, its settings, and what it should give in float64."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    reference: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)
    low: float = -2.0
    high: float = 2.0
    smooth: bool = True  # whether it has a gradient to check
    order: int = 2
    elementwise: bool = False
    call: Callable[..., Any] | None = None
    integers: tuple[int, ...] = ()  # which inputs are indices below ``limit``
    limit: int = 3
    label: str = ""

    def run(self, *inputs: Any) -> Any:
        # What the public functions are made of is in the table alone.
        return (self.call or getattr(ops, self.name, None) or TABLE[self.name])(*inputs, **self.settings)


def flat(name: str, reference: Any, *, count: int = 1, low: float = -2.0, high: float = 2.0, **more: Any) -> Row:
    return Row(name, ((3, 4),) * count, reference, low=low, high=high, elementwise=True, **more)


def beside(x: Any, values: Any) -> Any:
    """A tensor of values on the device of another."""
    return engine.tensor(values).to(device=x.device)
