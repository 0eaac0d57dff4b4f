"""Gradients under the name of PyTorch's module; functions that make gradients of functions are in ``engine.func``."""

from typing import Any

from .check import gradients as _differences
from .debug.anomaly import detect_anomaly
from .function import Function
from .gradient import backward as _backward
from .gradient import grad
from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add the gradients of a tensor, or of several together, to the leaves; ``grad_tensors`` is what each begins with (None: 1)."""
    many = list(tensors) if isinstance(tensors, (tuple, list)) else [tensors]
    weights = list(grad_tensors) if isinstance(grad_tensors, (tuple, list)) else [grad_tensors] * len(many)
    parts = [value if weight is None else (value * weight).sum() for value, weight in zip(many, weights, strict=True)]
    _backward(sum(parts[1:], parts[0]), retain_graph=retain_graph, create_graph=create_graph)


def gradcheck(function: object, inputs: object, *, eps: float = 1e-6, tolerance: float = 1e-5) -> bool:
    """True if the gradients of ``function`` at ``inputs`` agree with differences, else a GradientError (``engine.check.gradients``)."""
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    _differences(function, *given, order=1, epsilon=eps, tolerance=tolerance)  # type: ignore[arg-type]
    return True
