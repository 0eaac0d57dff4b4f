"""Activations, and the softmax."""

from __future__ import annotations

from typing import Any

from ..dtype import Array, accumulator, float32
from ..modes import modes
from ..op import floating, op
from ..tensor import Tensor
from .arithmetic import where
from .elementary import erf, error_function, exp, sigmoid, tanh
from .reduction import normal_axes

__all__ = [
    "gelu",
    "gelu_tanh",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "log_softmax",
    "relu",
    "relu_input",
    "silu",
    "softmax",
]

SQRT_HALF = 0.7071067811865476
ONE_OVER_SQRT_TWO_PI = 0.3989422804014327
SQRT_TWO_OVER_PI = 0.7978845608028654


def _relu_flow(grad: Tensor, result: Tensor) -> Tensor:
    return relu_input(grad, result)


@op(flow=_relu_flow)
def relu_input(xp: Any, flow: Array, result: Array) -> Array:
    """The gradient of relu: what flows back passes where the result was above 0."""
    return xp.where(result > 0, flow, flow.dtype.type(0))


@floating(x=lambda grad, out: relu_input(grad, out))
def relu(xp: Any, x: Array) -> Array:
    """max(x, 0); its slope at 0 is 0."""
    return xp.maximum(x, x.dtype.type(0))


@op()
def gelu_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of gelu in one pass, for where none of it is recorded."""
    number = x.dtype.type
    cumulative = (error_function(xp, x * number(SQRT_HALF)) + number(1)) * number(0.5)
    return flow * (cumulative + x * xp.exp(x * x * number(-0.5)) * number(ONE_OVER_SQRT_TWO_PI))


def _gelu_x(grad: Tensor, x: Tensor) -> Tensor:
    if not modes.recording:
        return gelu_input(grad, x)
    cumulative = (erf(x * SQRT_HALF) + 1.0) * 0.5
    density = exp(x * x * -0.5) * ONE_OVER_SQRT_TWO_PI
    return grad * (cumulative + x * density)


@floating(x=_gelu_x)
def gelu(xp: Any, x: Array) -> Array:
    """x times the normal distribution's cumulative probability at x, by erf (Hendrycks and Gimpel, 2016)."""
    half = x.dtype.type(0.5)
    return half * x * (error_function(xp, x * x.dtype.type(SQRT_HALF)) + x.dtype.type(1))


@op()
def gelu_tanh_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of gelu_tanh in one pass, for where none of it is recorded."""
    number = x.dtype.type
    bent = xp.tanh(number(SQRT_TWO_OVER_PI) * (x + number(0.044715) * x * x * x))
    slope = (number(1) - bent * bent) * (number(1) + number(3 * 0.044715) * x * x) * number(SQRT_TWO_OVER_PI)
    return flow * ((bent + number(1)) * number(0.5) + x * slope * number(0.5))


def _gelu_tanh_x(grad: Tensor, x: Tensor) -> Tensor:
    if not modes.recording:
        return gelu_tanh_input(grad, x)
    inner = (x + x * x * x * 0.044715) * SQRT_TWO_OVER_PI
    bent = tanh(inner)
    slope = (1.0 - bent * bent) * (1.0 + x * x * (3 * 0.044715)) * SQRT_TWO_OVER_PI
    return grad * ((bent + 1.0) * 0.5 + x * slope * 0.5)


@floating(x=_gelu_tanh_x)
def gelu_tanh(xp: Any, x: Array) -> Array:
    """The tanh approximation of gelu: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    number = x.dtype.type
    return number(0.5) * x * (number(1) + xp.tanh(number(SQRT_TWO_OVER_PI) * (x + number(0.044715) * x * x * x)))


@op()
def silu_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of silu in one pass, for where none of it is recorded."""
    number = x.dtype.type
    gate = number(0.5) * (xp.tanh(number(0.5) * x) + number(1))
    return flow * gate * (x * (number(1) - gate) + number(1))


def _silu_x(grad: Tensor, x: Tensor) -> Tensor:
    if not modes.recording:
        return silu_input(grad, x)
    gate = sigmoid(x)
    return grad * gate * (x * (1.0 - gate) + 1.0)


@floating(x=_silu_x)
def silu(xp: Any, x: Array) -> Array:
    """x sigmoid(x), also called swish."""
    half = x.dtype.type(0.5)
    return x * (half * (xp.tanh(half * x) + x.dtype.type(1)))


@op()
def hardswish_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of hardswish in one pass, for where none of it is recorded."""
    number = x.dtype.type
    middle = xp.where(x < number(3), x / number(3) + number(0.5), number(1))
    return flow * xp.where(x <= number(-3), number(0), middle)


def _hardswish_x(grad: Tensor, x: Tensor) -> Tensor:
    if not modes.recording:
        return hardswish_input(grad, x)
    return grad * where(x <= -3, 0.0, where(x < 3, x / 3.0 + 0.5, 1.0))


@floating(x=_hardswish_x)
def hardswish(xp: Any, x: Array) -> Array:
    """x times hardsigmoid(x) (Howard et al., 2019)."""
    return x * hardsigmoid.body(xp, x)


@floating(x=lambda grad, x: grad * ((x > -3) & (x < 3)).to(dtype=grad.dtype) * (1 / 6))
def hardsigmoid(xp: Any, x: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6."""
    number = x.dtype.type
    return xp.minimum(xp.maximum(x + number(3), number(0)), number(6)) * number(1 / 6)


def _leaky_relu_x(grad: Tensor, x: Tensor, negative_slope: float) -> Tensor:
    return where(x > 0, grad, grad * negative_slope)


@floating(x=_leaky_relu_x)
def leaky_relu(xp: Any, x: Array, *, negative_slope: float = 0.01) -> Array:
    """x above 0, negative_slope x below."""
    return xp.where(x > 0, x, x * x.dtype.type(negative_slope))


def _softmax_x(grad: Tensor, out: Tensor, axis: int) -> Tensor:
    weighted = grad * out
    return weighted - out * weighted.sum(axis, True)


@op(x=_softmax_x)
def softmax(xp: Any, x: Array, *, axis: int = -1) -> Array:
    """exp(x) over its sum along ``axis``: positive numbers that add up to 1."""
    values = _floats(xp, x)
    with xp.errstate(over="ignore", invalid="ignore"):
        powers = xp.exp(values - _peak(xp, "softmax", values, axis))
        return (powers / powers.sum(axis, keepdims=True)).astype(_result(x), copy=False)


def _log_softmax_x(grad: Tensor, out: Tensor, axis: int) -> Tensor:
    return grad - exp(out) * grad.sum(axis, True)


@op(x=_log_softmax_x)
def log_softmax(xp: Any, x: Array, *, axis: int = -1) -> Array:
    """The logarithm of softmax, computed as x minus log-sum-exp."""
    values = _floats(xp, x)
    with xp.errstate(over="ignore", invalid="ignore", divide="ignore"):
        values = values - _peak(xp, "log_softmax", values, axis)
        return (values - xp.log(xp.exp(values).sum(axis, keepdims=True))).astype(_result(x), copy=False)


def _floats(xp: Any, x: Array) -> Array:
    return x.astype(accumulator(_result(x)), copy=False)


def _result(x: Array) -> Any:
    return x.dtype if x.dtype.kind in "fVc" else float32


def _peak(xp: Any, name: str, x: Array, axis: int) -> Array:
    normal_axes(name, (axis,), x.ndim)
    if x.shape and x.shape[axis] == 0:
        return xp.zeros((), x.dtype)
    # An infinite peak makes its whole row NaN, by inf - inf; so it is in PyTorch.
    return x.max(axis, keepdims=True)
