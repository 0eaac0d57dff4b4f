"""Checking gradients against differences, along one random direction (an idea of HIPS autograd).

The slope along a direction is one number, whatever the size of the input: cheap, and wrong everywhere if the gradient is
wrong anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .dtype import float64, is_floating
from .errors import GradientError
from .gradient import grad
from .tensor import Tensor, tensor_of


def gradients(
    function: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    epsilon: float = 1e-6,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Compare the gradients of ``function`` at ``inputs`` with central differences, up to ``order``; a GradientError if they differ.

    Floating-point tensors among the inputs are checked, in float64; everything else is passed as it is. The function gives a
    tensor or several. It must be smooth at the inputs.
    """
    generator = np.random.default_rng(seed)
    held = [_double(value) for value in inputs]
    places = [i for i, value in enumerate(held) if isinstance(value, Tensor) and is_floating(value.dtype)]
    if not places:
        raise GradientError("check.gradients: none of the inputs is a floating-point tensor")

    def projected(*moving: Tensor) -> Tensor:
        arguments = list(held)
        for place, value in zip(places, moving, strict=True):
            arguments[place] = value
        return _project(function(*arguments), np.random.default_rng(seed + 1))

    _compare(projected, [held[i].array for i in places], generator, order, 1, epsilon, tolerance)


def _compare(
    function: Callable[..., Tensor],
    arrays: list[Any],
    generator: Any,
    order: int,
    level: int,
    epsilon: float,
    tolerance: float,
) -> None:
    directions = [generator.standard_normal(a.shape) for a in arrays]

    def slope(*moving: Tensor) -> Tensor:
        """The gradient along the directions, itself differentiable."""
        value = function(*moving)
        # A gradient that depends on nothing has the slope 0, and differences must agree.
        results = grad(value, moving, create_graph=True, allow_unused=True) if value.requires_grad or level == 1 else ()
        total: Any = None
        for result, direction in zip(results, directions, strict=False):
            if result is not None:
                part = (result * tensor_of(direction)).sum()
                total = part if total is None else total + part
        return tensor_of(np.zeros(())) if total is None else total

    def moved(step: float) -> float:
        leaves = [Tensor(a + step * d, requires_grad=True) for a, d in zip(arrays, directions, strict=True)]
        return float(function(*leaves).item())

    leaves = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    given = float(slope(*leaves).item())
    wanted = (moved(epsilon) - moved(-epsilon)) / (2 * epsilon)
    scale = max(1.0, abs(wanted), abs(given))
    if not abs(given - wanted) <= tolerance * scale:
        raise GradientError(
            f"check.gradients: order {level}: the gradient gives a slope of {given:.9g}, differences give {wanted:.9g}"
        )
    if level < order:
        _compare(slope, arrays, generator, order, level + 1, epsilon, tolerance * 10)


def _project(results: Any, generator: Any) -> Tensor:
    """One number: the results times fixed random weights."""
    total: Any = None
    for result in results if isinstance(results, (tuple, list)) else [results]:
        if isinstance(result, Tensor) and is_floating(result.dtype):
            part = (result * tensor_of(generator.standard_normal(result.shape))).sum()
            total = part if total is None else total + part
    if total is None:
        raise GradientError("check.gradients: the function gives no floating-point tensor")
    return total  # type: ignore[no-any-return]


def _double(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = Tensor(value)
    if isinstance(value, Tensor) and is_floating(value.dtype):
        return tensor_of(value.array.astype(float64))
    return value
