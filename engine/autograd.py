"""Gradients under the name of PyTorch's module; functions that make gradients of functions are in ``engine.func``."""

from .check import gradients as _differences
from .debug.anomaly import detect_anomaly
from .function import Function
from .gradient import backward, grad
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


def gradcheck(function: object, inputs: object, *, eps: float = 1e-6, tolerance: float = 1e-5) -> bool:
    """True if the gradients of ``function`` at ``inputs`` agree with differences, else a GradientError (``engine.check.gradients``)."""
    given = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    _differences(function, *given, order=1, epsilon=eps, tolerance=tolerance)  # type: ignore[arg-type]
    return True
