"""A tensor's operators, and the methods that only name an operation of ``engine.ops``: see there for what each computes."""

from __future__ import annotations

from typing import Any

from . import complex_numbers, elementwise, gradient, operators, reduction, shape


class Methods(
    operators.Operators,
    gradient.GradientMethods,
    shape.ShapeMethods,
    reduction.ReductionMethods,
    elementwise.ElementwiseMethods,
    complex_numbers.ComplexMethods,
):
    """What ``Tensor`` inherits."""

    __slots__ = ()


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    for family in (operators, shape, reduction, elementwise, complex_numbers):
        family.bind(operations)
