"""Activations, and the softmax."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, Dtype, accumulator, float32
from ...modes import modes
from ...node import Node
from ...op import floating, op
from ...tensor import Tensor
from ..elementwise.arithmetic import abs, sign, where
from ..elementwise.elementary import erf, error_function, exp, sigmoid, tanh
from ..reductions.reduction import normal_axes

__all__ = [
    "gelu",
    "gelu_tanh",
    "hardsigmoid",
    "hardswish",
    "log_softmax",
    "logsigmoid",
    "mish",
    "relu",
    "relu_input",
    "silu",
    "softmax",
    "softplus",
    "softsign",
]

SQRT_HALF = 0.7071067811865476
ONE_OVER_SQRT_TWO_PI = 0.3989422804014327
SQRT_TWO_OVER_PI = 0.7978845608028654


def _relu_flow(grad: Tensor, result: Tensor) -> Tensor:
    return relu_input(grad, result)


@lru_cache(32)
def _zero(xp: Any, dtype: Dtype) -> Any:
    """Zero as an array without axes, which NumPy takes faster than a number."""
    return xp.zeros((), dtype)


@op(flow=_relu_flow)
def relu_input(xp: Any, flow: Array, result: Array) -> Array:
    """The gradient of relu: what flows back passes where the result was above 0."""
    zero = _zero(xp, flow.dtype)
    return xp.where(result > zero, flow, zero)


@floating(x=lambda grad, out: relu_input(grad, out))
def relu(xp: Any, x: Array) -> Array:
    """max(x, 0); its slope at 0 is 0."""
    return xp.maximum(x, _zero(xp, x.dtype))


@relu.directly
def _relu_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    out, flow = node.outs[0], arrived.array  # type: ignore[index]
    if flow.size < 4096 and type(flow) is np.ndarray:
        return [relu_input.body(np, flow, out)]
    return [relu_input.compute(flow, out)]


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


@gelu.directly
def _gelu_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    return [gelu_input.compute(arrived.array, node.kept(0))]


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


def _hardsigmoid_flow(grad: Tensor, x: Tensor) -> Tensor:
    return hardsigmoid_input(grad, x)


@op(flow=_hardsigmoid_flow)
def hardsigmoid_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of hardsigmoid: a sixth of what flows back between -3 and 3."""
    return flow * (xp.abs(x) < 3) * flow.dtype.type(1 / 6)


@floating(x=lambda grad, x: hardsigmoid_input(grad, x))
def hardsigmoid(xp: Any, x: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6."""
    number = x.dtype.type
    return xp.minimum(xp.maximum(x + number(3), number(0)), number(6)) * number(1 / 6)


def _softplus_curve(grad: Tensor, flow: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
    gate = sigmoid(x * beta)
    return grad * flow * where(x * beta > threshold, 0.0, gate * (1.0 - gate) * beta)


def _softplus_flow(grad: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
    return softplus_input(grad, x, beta=beta, threshold=threshold)


@op(flow=_softplus_flow, x=_softplus_curve)
def softplus_input(xp: Any, flow: Array, x: Array, *, beta: float, threshold: float) -> Array:
    """The gradient of softplus: flow sigmoid(beta x), and flow itself where softplus is the straight line."""
    half = x.dtype.type(0.5)
    scaled = x * x.dtype.type(beta)
    return xp.where(scaled > threshold, flow, flow * (half * (xp.tanh(half * scaled) + x.dtype.type(1))))


@floating(x=lambda grad, x, beta, threshold: softplus_input(grad, x, beta=beta, threshold=threshold))
def softplus(xp: Any, x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above ``threshold`` (Dugas et al., 2001)."""
    number = x.dtype.type
    scaled = x * number(beta)
    bent = xp.maximum(scaled, number(0)) + xp.log1p(xp.exp(-xp.abs(scaled)))
    return xp.where(scaled > threshold, x, bent / number(beta))


def _softsign_curve(grad: Tensor, flow: Tensor, x: Tensor) -> Tensor:
    width = abs(x) + 1.0
    return grad * flow * sign(x) * -2.0 / (width * width * width)


def _softsign_flow(grad: Tensor, x: Tensor) -> Tensor:
    return softsign_input(grad, x)


@op(flow=_softsign_flow, x=_softsign_curve)
def softsign_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of softsign: flow / (1 + |x|)^2."""
    width = xp.abs(x) + x.dtype.type(1)
    return flow / (width * width)


@floating(x=lambda grad, x: softsign_input(grad, x))
def softsign(xp: Any, x: Array) -> Array:
    """x / (1 + |x|)."""
    return x / (xp.abs(x) + x.dtype.type(1))


def _logsigmoid_curve(grad: Tensor, flow: Tensor, x: Tensor) -> Tensor:
    gate = sigmoid(x)
    return grad * flow * gate * (gate - 1.0)


def _logsigmoid_flow(grad: Tensor, x: Tensor) -> Tensor:
    return logsigmoid_input(grad, x)


@op(flow=_logsigmoid_flow, x=_logsigmoid_curve)
def logsigmoid_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of logsigmoid: flow sigmoid(-x)."""
    half = x.dtype.type(0.5)
    return flow * (half * (x.dtype.type(1) - xp.tanh(half * x)))


@floating(x=lambda grad, x: logsigmoid_input(grad, x))
def logsigmoid(xp: Any, x: Array) -> Array:
    """log(sigmoid(x)), without overflow."""
    return xp.minimum(x, x.dtype.type(0)) - xp.log1p(xp.exp(-xp.abs(x)))


def _mish_curve(grad: Tensor, flow: Tensor, x: Tensor) -> Tensor:
    bent, gate = tanh(softplus(x)), sigmoid(x)
    fall = 1.0 - bent * bent
    return grad * flow * fall * gate * (x * (1.0 - gate) - x * bent * gate * 2.0 + 2.0)


def _mish_flow(grad: Tensor, x: Tensor) -> Tensor:
    return mish_input(grad, x)


@op(flow=_mish_flow, x=_mish_curve)
def mish_input(xp: Any, flow: Array, x: Array) -> Array:
    """The gradient of mish: flow (tanh(s) + x (1 - tanh(s)^2) sigmoid(x)), s = softplus(x)."""
    half, one = x.dtype.type(0.5), x.dtype.type(1)
    bent = xp.tanh(softplus.body(xp, x))
    gate = half * (xp.tanh(half * x) + one)
    return flow * (bent + x * (one - bent * bent) * gate)


@floating(x=lambda grad, x: mish_input(grad, x))
def mish(xp: Any, x: Array) -> Array:
    """x tanh(softplus(x)) (Misra, 2019)."""
    return x * xp.tanh(softplus.body(xp, x))


@op()
def softmax_input(xp: Any, flow: Array, result: Array, *, axis: int) -> Array:
    """The gradient of softmax in one pass, for where none of it is recorded."""
    wide = accumulator(result.dtype)
    arrived, made = flow.astype(wide, copy=False), result.astype(wide, copy=False)
    weighted = arrived * made
    return (weighted - made * weighted.sum(axis, keepdims=True)).astype(result.dtype, copy=False)


def _softmax_x(grad: Tensor, out: Tensor, axis: int) -> Tensor:
    if not modes.recording:
        return softmax_input(grad, out, axis=axis)
    weighted = grad * out
    return weighted - out * weighted.sum(axis, True)


@op(x=_softmax_x)
def softmax(xp: Any, x: Array, *, axis: int = -1) -> Array:
    """exp(x) over its sum along ``axis``: positive numbers that add up to 1."""
    values = _floats(xp, x)
    with np.errstate(over="ignore", invalid="ignore"):
        powers = xp.exp(values - _peak(xp, "softmax", values, axis))
        return (powers / powers.sum(axis, keepdims=True)).astype(_result(x), copy=False)


@op()
def log_softmax_input(xp: Any, flow: Array, result: Array, *, axis: int) -> Array:
    """The gradient of log_softmax in one pass, for where none of it is recorded."""
    wide = accumulator(result.dtype)
    arrived, made = flow.astype(wide, copy=False), result.astype(wide, copy=False)
    return (arrived - xp.exp(made) * arrived.sum(axis, keepdims=True)).astype(result.dtype, copy=False)


def _log_softmax_x(grad: Tensor, out: Tensor, axis: int) -> Tensor:
    if not modes.recording:
        return log_softmax_input(grad, out, axis=axis)
    return grad - exp(out) * grad.sum(axis, True)


@op(x=_log_softmax_x)
def log_softmax(xp: Any, x: Array, *, axis: int = -1) -> Array:
    """The logarithm of softmax, computed as x minus log-sum-exp."""
    values = _floats(xp, x)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
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
