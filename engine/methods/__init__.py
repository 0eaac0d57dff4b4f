"""A tensor's operators, and the methods that only name an operation of ``engine.ops``: see there for what each computes."""

from __future__ import annotations

from typing import Any

from . import arrangement, complex_numbers, elementwise, gradient, indexing, operators, reduction, shape


class Methods(
    operators.Operators,
    gradient.GradientMethods,
    shape.ShapeMethods,
    reduction.ReductionMethods,
    elementwise.ElementwiseMethods,
    complex_numbers.ComplexMethods,
    arrangement.ArrangementMethods,
    indexing.IndexMethods,
):
    """What ``Tensor`` inherits."""

    __slots__ = ()


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    for family in (operators, shape, reduction, elementwise, complex_numbers, arrangement, indexing):
        family.bind(operations)
