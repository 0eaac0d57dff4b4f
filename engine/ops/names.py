"""Operations under PyTorch's second names for them."""

from __future__ import annotations

from .elementwise.arithmetic import abs, mul, neg, sub
from .elementwise.compare import ge, gt, le, lt, ne
from .elementwise.rounding import div, trunc
from .elementwise.trigonometric import acos, acosh, asin, asinh, atan, atan2, atanh

__all__ = [
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "divide",
    "fix",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "multiply",
    "negative",
    "not_equal",
    "subtract",
    "true_divide",
]

absolute = abs
arccos, arccosh = acos, acosh
arcsin, arcsinh = asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
divide = true_divide = div
multiply, subtract, negative = mul, sub, neg
fix = trunc
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
