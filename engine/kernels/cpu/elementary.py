"""Elementary functions by oneDNN. Its exp answers NaN with infinity, so exp stays NumPy's."""

from __future__ import annotations

from .elementwise import LOGISTIC, LOGISTIC_FROM_RESULT, TANH, TANH_FROM_RESULT, backward, forward
from .memory import Array, Result

FEWEST = 1 << 14


def sigmoid(x: Array) -> Result:
    """1 / (1 + exp(-x))."""
    return forward(LOGISTIC, x, FEWEST)


def sigmoid_input(flow: Array, result: Array) -> Result:
    """What flows back through sigmoid, from its result."""
    return backward(LOGISTIC_FROM_RESULT, flow, result, FEWEST)


def tanh(x: Array) -> Result:
    """The hyperbolic tangent."""
    return forward(TANH, x, FEWEST)


def tanh_input(flow: Array, result: Array) -> Result:
    """What flows back through tanh, from its result."""
    return backward(TANH_FROM_RESULT, flow, result, FEWEST)
