"""A tensor's operators, and the methods that only name an operation of ``engine.ops``: see there for what each computes."""

from __future__ import annotations

from typing import Any

from . import elementwise, operators, reduction, shape


class Methods(operators.Operators, shape.ShapeMethods, reduction.ReductionMethods, elementwise.ElementwiseMethods):
    """What ``Tensor`` inherits."""

    __slots__ = ()


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    for family in (operators, shape, reduction, elementwise):
        family.bind(operations)
