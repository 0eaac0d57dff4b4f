"""A tensor's operators, and the methods that only name an operation of ``engine.ops``: see there for what each computes."""

from __future__ import annotations

from typing import Any

from . import (
    arithmetic,
    arrangement,
    augmented,
    complex_numbers,
    creation,
    elementwise,
    facts,
    gradient,
    indexing,
    inplace,
    linear,
    operators,
    order,
    reduction,
    sampling,
    shape,
)


class Methods(
    operators.Operators,
    augmented.AugmentedOperators,
    facts.Facts,
    gradient.GradientMethods,
    shape.ShapeMethods,
    reduction.ReductionMethods,
    elementwise.ElementwiseMethods,
    arithmetic.ArithmeticMethods,
    order.OrderMethods,
    inplace.InplaceMethods,
    complex_numbers.ComplexMethods,
    arrangement.ArrangementMethods,
    indexing.IndexMethods,
    linear.LinearMethods,
    creation.CreationMethods,
    sampling.SamplingMethods,
):
    """What ``Tensor`` inherits."""

    __slots__ = ()


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    for family in (
        arithmetic,
        arrangement,
        augmented,
        complex_numbers,
        creation,
        elementwise,
        indexing,
        inplace,
        linear,
        operators,
        order,
        reduction,
        shape,
    ):
        family.bind(operations)
