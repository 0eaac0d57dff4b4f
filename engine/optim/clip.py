"""Keeping gradients within bounds, between ``backward`` and ``step``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..device import gpu_kernels, namespace
from ..dtype import Array, Dtype, accumulator, float32, float64, kind
from ..errors import ArgumentError, DtypeError, GradientError
from ..tensor import Tensor, tensor_of
from .fused import owned_on_gpu
from .norms import parts, power_sum
from .settings import Range, number, truth


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients down together so that their norm, as one long vector, is at most ``max_norm``; gives the norm before.

    ``norm_type`` is the norm's power, or ``math.inf`` for the largest number. Parameters without a gradient do not count.
    An infinite or NaN norm is a GradientError with ``error_if_nonfinite``, and no gradient changes; otherwise the gradients
    become 0 and NaN, as in PyTorch. Of gradients on a GPU the norm is there too, and nothing waits for it.
    """
    who = "clip_grad_norm_"
    limit = number(who, "max_norm", max_norm, Range(0.0, math.inf, open_high=False))
    power = number(who, "norm_type", norm_type, Range(0.0, math.inf, open_low=True, open_high=False))
    held = _with_gradients(who, parameters)
    if held and not truth(who, "error_if_nonfinite", error_if_nonfinite) and power in (2.0, math.inf):
        own = owned_on_gpu(held)
        if own is not None:
            return tensor_of(gpu_kernels("training.optimizers").clip_norm(own, limit, power, _total(held)))
    with np.errstate(all="ignore"):
        sums = [power_sum(p.grad.array, power) for p in held]  # type: ignore[union-attr]
        if math.isinf(power):
            total = next((s for s in sums if math.isnan(s)), max(sums, default=0.0))
        else:
            total = math.sqrt(sum(sums)) if power == 2.0 else sum(sums) ** (1.0 / power)
        if truth(who, "error_if_nonfinite", error_if_nonfinite) and not math.isfinite(total):
            raise GradientError(f"{who}: the norm of the gradients is {total}; {_blame(held)}")
        scale = limit / (total + 1e-6) if limit != math.inf else 1.0
        # Written so that a NaN scales too.
        if not scale >= 1.0:
            _change(held, lambda xp, grad, out: _scale(xp, grad, scale, out))
    return tensor_of(np.asarray(total, _total(held)))


def _total(held: list[Tensor]) -> Dtype:
    wide = any(dtype.itemsize // (2 if kind(dtype) == 3 else 1) == 8 for dtype in {p.array.dtype for p in held})
    return float64 if wide else float32


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, error_if_nonfinite: bool = False
) -> None:
    """Bring every number of every gradient into [-clip_value, clip_value].

    Infinities become the bounds and NaN stays NaN; with ``error_if_nonfinite`` either is a GradientError, and no gradient changes.
    """
    who = "clip_grad_value_"
    bound = number(who, "clip_value", clip_value, Range(0.0, math.inf, open_high=False))
    held = _with_gradients(who, parameters)
    for parameter in held:
        if kind(parameter.dtype) == 3:
            raise DtypeError(f"{who}: complex gradients have no order; use clip_grad_norm_")
    if truth(who, "error_if_nonfinite", error_if_nonfinite) and not all(_is_finite(p) for p in held):
        raise GradientError(f"{who}: {_blame(held)}")
    with np.errstate(all="ignore"):
        _change(held, lambda xp, grad, out: xp.clip(grad, grad.dtype.type(-bound), grad.dtype.type(bound), out=out))


def _with_gradients(who: str, parameters: Any) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if isinstance(parameters, (str, dict)) or not isinstance(parameters, Iterable):
        raise ArgumentError(f"{who}: wants parameters, not a {type(parameters).__name__}; pass model.parameters()")
    held: dict[int, Tensor] = {}
    for parameter in parameters:
        if not isinstance(parameter, Tensor):
            raise ArgumentError(f"{who}: wants parameters, and one is a {type(parameter).__name__}")
        if isinstance(parameter.grad, Tensor):
            held[id(parameter)] = parameter
        elif parameter.grad is not None:
            raise ArgumentError(f"{who}: a gradient is a dense tensor, not a {type(parameter.grad).__name__}")
    return list(held.values())


def _change(held: list[Tensor], function: Any) -> None:
    """Apply ``function(xp, gradient, out)`` to every gradient: in place where nobody else can see that memory."""
    arrays = [p.grad.array for p in held]  # type: ignore[union-attr]
    owners = Counter(id(_owner(array)) for array in arrays)
    for parameter, array in zip(held, arrays, strict=True):
        gradient = parameter.grad
        assert gradient is not None
        alone = owners[id(_owner(array))] == 1 and (not isinstance(array, np.ndarray) or array.flags.writeable)
        if alone and gradient.node is None:
            function(namespace(array), array, array)
        else:
            parameter.grad = tensor_of(function(namespace(array), array, namespace(array).empty_like(array)))


def _scale(xp: Any, gradient: Array, scale: float, out: Array) -> Array:
    if accumulator(gradient.dtype) == gradient.dtype:
        return xp.multiply(gradient, gradient.dtype.type(scale), out=out)
    # Narrow numbers times an exact scale, rounded once.
    out[...] = gradient.astype(accumulator(gradient.dtype)) * float32.type(scale)
    return out


def _is_finite(parameter: Tensor) -> bool:
    gradient = parameter.grad
    assert gradient is not None
    return all(bool(namespace(part).isfinite(part).all()) for part in parts(gradient.array))


def _blame(held: list[Tensor]) -> str:
    """Which gradients are not finite, for a message."""
    wrong = [(place, p) for place, p in enumerate(held) if not _is_finite(p)]
    if not wrong:
        return "every gradient is finite, but their norm is too large for a number; clip by value first"
    place, parameter = wrong[0]
    return (
        f"{len(wrong)} of {len(held)} gradients hold infinities or NaN, the first is number {place}, of shape {tuple(parameter.shape)}; "
        "leave this step out, or look for the loss that was not finite"
    )


def _owner(array: Array) -> Any:
    while getattr(array, "base", None) is not None:
        array = array.base
    return array
