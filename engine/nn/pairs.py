"""A batch normalisation and the activation behind it as one operation, which reads and writes the images once for both; in use the convolution before it, too.

Only where nobody could tell but by the clock: for the engine's own layers themselves, not for classes made of them, without hooks on either
and while nobody watches all modules or operations. Whoever watches sees one layer after the other, as they stand in the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import ops
from ..debug.watch import watchers
from ..modes import modes
from ..ops.layers.batching import CURVES
from ..tensor import Tensor
from . import functional as F
from .activation import Hardswish, ReLU, ReLU6, SiLU
from .conv import Conv2d
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .plain import is_plain

__all__ = ["in_a_row", "is_norm", "together"]

ndarray = np.ndarray
Activation = Callable[[Any], Any]

# The classes with the forward that they have here: somebody may have put another in its place.
_NORMS: dict[type, Any] = {kind: kind.forward for kind in (BatchNorm1d, BatchNorm2d, BatchNorm3d)}
_LAYERS: dict[type, tuple[str, Any]] = {
    ReLU: ("relu", ReLU.forward), ReLU6: ("relu6", ReLU6.forward), SiLU: ("silu", SiLU.forward), Hardswish: ("hardswish", Hardswish.forward),
}  # fmt: skip
_CONVOLVE: Any = Conv2d.forward
_FUNCTIONS: tuple[tuple[Any, str], ...] = ((F.relu, "relu"), (F.relu6, "relu6"), (ops.relu, "relu"))


def in_a_row(modules: Iterable[Any], x: Any) -> Any:
    """``x`` through those of ``modules`` that are modules, one after another, each normalisation together with what stands around it."""
    convolution: Module | None = None
    norm: Module | None = None  # neither is called yet, since what follows may be computed with them
    for module in modules:
        kind = type(module)
        if norm is not None:
            known = kind in _LAYERS
            x = together(norm, x, module if known else None, None, convolution)
            convolution = norm = None
            if known:
                continue
        if kind in _NORMS:
            norm = module
            continue
        if convolution is not None:
            x, convolution = convolution(x), None
        if kind is Conv2d:
            convolution = module
        elif isinstance(module, Module):
            x = module(x)
    if norm is not None:
        return together(norm, x, None, None, convolution)
    return x if convolution is None else convolution(x)


def together(
    norm: Module, x: Any, activation: Activation | None = None, residual: Any = None, convolution: Module | None = None
) -> Any:
    """activation(norm(convolution(x)) + residual), in one operation where that can be, or in two."""
    name = _name(activation)
    can = (
        name is not NotImplemented
        and is_norm(norm)
        and is_plain(norm, type(norm))
        and (not watchers or not any(watcher.tells for watcher in watchers))
    )
    if convolution is not None:
        seen = not can or not is_plain(convolution, Conv2d)
        residual = residual if seen else _now(residual)
        if not seen and _can_be_one(convolution, norm, x, residual):
            layer: Any = convolution
            held: Any = norm
            apart = residual is not None and name in CURVES
            given = x, layer.weight, layer.bias, held.weight, held.bias, held.running_mean, held.running_var
            settings = {**layer._settings, "epsilon": float(held.eps), "activation": None if apart else name}
            x = ops.conv2d_norm.run(given if residual is None else (*given, residual), settings)
            return activation(x) if apart and activation is not None else x
        x = convolution(x)
    if can:
        residual = _now(residual)
        if isinstance(x, Tensor) and (residual is None or _is_alike(residual, x)):
            return norm.followed(x, residual, name)
    x = norm(x)
    residual = _now(residual)
    if residual is not None:
        x = x + residual
    return x if activation is None else activation(x)


def _now(residual: Any) -> Any:
    """What is added; where it is a function, what that gives: whoever watches the layers then sees its own behind those before the sum."""
    return residual() if callable(residual) else residual


def _can_be_one(convolution: Any, norm: Any, x: Any, residual: Any) -> bool:
    """Whether a convolution, too, is computed with what follows: in use on the CPU, where no gradient is wanted and nothing is refused."""
    if modes.precision is not None or norm.training or not isinstance(x, Tensor):
        return False
    if not is_plain(convolution, Conv2d) or Conv2d.forward is not _CONVOLVE or convolution._settings is None:
        return False
    if modes.recording:
        for value in (
            x,
            convolution.weight,
            convolution.bias,
            norm.weight,
            norm.bias,
            norm.running_mean,
            norm.running_var,
            residual,
        ):
            if isinstance(value, Tensor) and value.requires_grad:
                return False
    image, mean, variance = x.array, norm.running_mean, norm.running_var
    if mean is None or variance is None or type(image) is not ndarray or image.ndim != 4:
        return False
    weight = convolution.weight.array
    if weight.dtype != image.dtype or image.shape[1] != convolution.in_channels or mean.shape[0] != weight.shape[0]:
        return False
    shape = image.shape[0], weight.shape[0], *(
        (size + 2 * margin - step * (window - 1) - 1) // stride + 1
        for size, margin, step, window, stride in zip(
            image.shape[2:], convolution.padding, convolution.dilation, convolution.kernel_size, convolution.stride, strict=True
        )
    )  # fmt: skip
    if min(shape) < 1:
        return False
    return residual is None or (isinstance(residual, Tensor) and _is_of(residual.array, shape, image))


def is_norm(module: Module) -> bool:
    """Whether this is a batch normalisation as it stands here, and none of a class made of it."""
    return _NORMS.get(type(module)) is type(module).forward


def _name(activation: Activation | None) -> Any:
    """What the operation calls an activation, None for none; NotImplemented for what it does not know, or what somebody watches."""
    if activation is None:
        return None
    known = _LAYERS.get(type(activation))
    if known is not None:
        name, forward = known
        kind: Any = type(activation)
        return name if kind.forward is forward and is_plain(activation, kind) else NotImplemented  # type: ignore[arg-type]
    return next((name for function, name in _FUNCTIONS if activation is function), NotImplemented)


def _is_alike(residual: Any, x: Tensor) -> bool:
    """Whether adding the one to what is made of the other needs no thought: no broadcasting, no promotion, no other device."""
    return isinstance(residual, Tensor) and _is_of(residual.array, x.array.shape, x.array)


def _is_of(array: Any, shape: tuple[int, ...], other: Any) -> bool:
    return bool(array.shape == shape and array.dtype == other.dtype and type(array) is type(other))
