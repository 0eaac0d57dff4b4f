"""Activations, and the softmax.

``inplace`` is taken for PyTorch's sake and changes nothing: the graph needs what an activation would overwrite.
"""

from __future__ import annotations

import numpy as np

from ... import ops
from ...device import CPU, namespace
from ...dtype import DtypeLike, float32, float64, is_differentiable
from ...errors import DtypeError, SettingError, ShapeError
from ...modes import is_narrowing
from ...ops import gelu_tanh, logsigmoid, sigmoid, softsign, tanh
from ...random import default_generator, rand
from ...tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "celu",
    "elu",
    "gelu",
    "gelu_tanh",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return ops.relu(x)


def relu6(x: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return ops.hardtanh(x, low=0.0, high=6.0)


def leaky_relu(x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x above 0, negative_slope x below."""
    return ops.leaky_relu(x, negative_slope=finite("leaky_relu", negative_slope=negative_slope))


def rrelu(
    x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """leaky_relu whose slope is drawn between ``lower`` and ``upper`` for each number in training, else their mean (Xu et al., 2015)."""
    x = tensor_like("rrelu", x)
    slopes(lower, upper)
    if not training:
        return ops.leaky_relu(x, negative_slope=(lower + upper) / 2)
    if not is_differentiable(x.dtype):
        raise DtypeError(f"rrelu: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    drawn = rand(x.shape, dtype=float64 if x.dtype == float64 else float32, device=x.device)
    return ops.prelu(x, (drawn * (upper - lower) + lower).to(dtype=x.dtype))


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x above 0, weight x below: one weight for all, or one for each channel (axis 1)."""
    x, weight = tensor_like("prelu", x), tensor_like("prelu", weight)
    if weight.ndim > 1 or (weight.numel() != 1 and (x.ndim < 2 or weight.shape[0] != x.shape[1])):
        channels = x.shape[1] if x.ndim > 1 else 1
        raise ShapeError(
            f"prelu: weight {tuple(weight.shape)} must hold one number, or one for each of the {channels} channels of x {tuple(x.shape)}"
        )
    if weight.dtype != x.dtype and is_narrowing():  # what products gave is narrow there
        weight = weight.to(dtype=x.dtype)
    if weight.dtype != x.dtype:
        raise DtypeError(f"prelu: x is {x.dtype} but weight {weight.dtype}; convert one with .to(dtype)")
    if x.ndim < 2:
        return ops.prelu(x, weight.reshape(()))
    return ops.prelu(x, weight.reshape((weight.numel(),) + (1,) * (x.ndim - 2)))


def elu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x above 0, alpha (exp(x) - 1) below."""
    return ops.elu(x, alpha=finite("elu", alpha=alpha))


def selu(x: Tensor, inplace: bool = False) -> Tensor:
    """elu scaled so that deep networks keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return ops.elu(x, alpha=SELU_ALPHA, scale=SELU_SCALE)


def celu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0): elu with slope 1 at 0 for every alpha (Barron, 2017)."""
    if finite("celu", alpha=alpha) == 0:
        raise SettingError("celu: alpha divides x, so it cannot be 0")
    return ops.elu(x, alpha=alpha, stretch=1 / alpha)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """gelu by erf, or by its tanh approximation."""
    if approximate == "none":
        return ops.gelu.one(x)
    if approximate != "tanh":
        raise SettingError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return gelu_tanh(x)


def silu(x: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x)."""
    return ops.silu(x)


def mish(x: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x))."""
    return ops.mish(x)


def hardswish(x: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6."""
    return ops.hardswish(x)


def hardsigmoid(x: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return ops.hardsigmoid(x)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """min(max(x, min_val), max_val)."""
    finite("hardtanh", infinite=True, min_val=min_val, max_val=max_val)
    if min_val > max_val:
        raise SettingError(f"hardtanh: min_val ({min_val}) must not lie above max_val ({max_val})")
    return ops.hardtanh(x, low=min_val, high=max_val)


def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x, and 0 within [-lambd, lambd]."""
    return ops.hardshrink(x, width=finite("hardshrink", lambd=lambd))


def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x brought nearer to 0 by lambd, and 0 within [-lambd, lambd]."""
    if finite("softshrink", lambd=lambd) < 0:
        raise SettingError(f"softshrink: lambd must be at least 0, not {lambd}")
    return ops.softshrink(x, width=lambd)


def tanhshrink(x: Tensor) -> Tensor:
    """x - tanh(x)."""
    x = tensor_like("tanhshrink", x)
    return x - tanh(x)


def threshold(x: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x above the threshold, else ``value``."""
    finite("threshold", infinite=True, threshold=threshold, value=value)
    return ops.threshold(x, least=threshold, value=value)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    finite("softplus", infinite=True, threshold=threshold)
    if finite("softplus", beta=beta) == 0:
        raise SettingError("softplus: beta divides the result, so it cannot be 0")
    return ops.softplus(x, beta=beta, threshold=threshold)


def glu(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The first half of an axis times the sigmoid of the second (Dauphin et al., 2017)."""
    x, axis = tensor_like("glu", x), axis if dim is None else dim
    place = ops.reductions.reduction.one_axis("glu", axis, x.ndim)
    if not x.ndim or x.shape[place] % 2:
        raise ShapeError(f"glu: axis {axis} of x {tuple(x.shape)} is cut in two, so its size must be even")
    half = x.shape[place] // 2
    first, second = x.split(half, place) if half else (x, x)
    return first * sigmoid(second)


def softmax(x: Tensor, axis: int = -1, *, dim: int | None = None, dtype: DtypeLike | None = None) -> Tensor:
    """exp(x) over its sum along an axis; ``dtype`` is what x is brought to before."""
    return ops.softmax(_in_dtype("softmax", x, dtype), axis=axis if dim is None else dim)


def softmin(x: Tensor, axis: int = -1, *, dim: int | None = None, dtype: DtypeLike | None = None) -> Tensor:
    """softmax of -x."""
    return softmax(-tensor_like("softmin", x), axis, dim=dim, dtype=dtype)


def log_softmax(x: Tensor, axis: int = -1, *, dim: int | None = None, dtype: DtypeLike | None = None) -> Tensor:
    """The logarithm of softmax."""
    return ops.log_softmax(_in_dtype("log_softmax", x, dtype), axis=axis if dim is None else dim)


def _in_dtype(who: str, x: Tensor, dtype: DtypeLike | None) -> Tensor:
    return x if dtype is None else tensor_like(who, x).to(dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1, *, axis: int | None = None
) -> Tensor:
    """A random class of softmax(logits), made differentiable: softmax((logits + Gumbel noise) / tau) (Jang et al., 2017).

    ``hard`` gives the chosen class alone, as 0 and 1, with the gradient of the soft choice. ``eps`` does nothing, as in PyTorch.
    """
    logits, axis = tensor_like("gumbel_softmax", logits), dim if axis is None else axis
    if not finite("gumbel_softmax", tau=tau) > 0:
        raise SettingError(f"gumbel_softmax: tau must be above 0, not {tau}")
    if not is_differentiable(logits.dtype):
        raise DtypeError(f"gumbel_softmax: wants floating-point logits, not {logits.dtype}; convert with .float()")
    if logits.device == CPU:
        noise = tensor_of(np.asarray(default_generator().numpy.gumbel(size=logits.shape)).astype(logits.dtype))
    else:
        share = rand(logits.shape, dtype=float64, device=logits.device).clip(1e-300)
        noise = (-ops.log(-ops.log(share))).to(dtype=logits.dtype)
    soft = ops.softmax((logits + noise) * (1.0 / tau), axis=axis)
    if not hard:
        return soft
    xp = namespace(soft.array)
    chosen = xp.zeros_like(soft.array)
    if chosen.size:
        xp.put_along_axis(chosen, xp.expand_dims(soft.array.argmax(axis), axis), chosen.dtype.type(1), axis)
    return tensor_of(chosen) - soft.detach() + soft


def slopes(lower: float, upper: float) -> None:
    """Refuse limits of a random slope that are out of order."""
    finite("rrelu", lower=lower, upper=upper)
    if lower > upper:
        raise SettingError(f"rrelu: lower ({lower}) must not lie above upper ({upper})")


def finite(who: str, infinite: bool = False, **values: float) -> float:
    """Refuse settings that are no numbers; gives the last one."""
    for name, value in values.items():
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not number or np.isnan(value) or (np.isinf(value) and not infinite):
            raise SettingError(f"{who}: {name} must be a {'' if infinite else 'finite '}number, not {value!r:.60}")
    return value
