"""Initial values of parameters. Each function says what a parameter will hold, and draws it at once only if it holds something already."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import SettingError, ShapeError
from ..random import default_generator, stream
from ..tensor import Tensor
from .parameter import Fill, Parameter

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights are to be larger so that variances survive a nonlinearity."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS and not nonlinearity.startswith("conv"):
        raise SettingError(
            f"calculate_gain: {nonlinearity!r} is not known; give 'leaky_relu' or one of {', '.join(_GAINS)}"
        )
    return _GAINS.get(nonlinearity, 1.0)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere."""
    return _set(tensor, lambda _, shape: np.full(shape, val, np.float32))


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return _set(tensor, lambda _, shape: np.zeros(shape, np.float32))


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """The normal distribution."""
    _check_std("normal_", std)
    return _set(
        tensor,
        lambda generator, shape: generator.standard_normal(shape, np.float32) * np.float32(std) + np.float32(mean),
    )


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Evenly spread over [a, b)."""
    if not -math.inf < a <= b < math.inf:
        raise SettingError(f"uniform_: a ({a}) must not lie above b ({b}), and both must be finite")
    return _set(
        tensor, lambda generator, shape: generator.random(shape, np.float32) * np.float32(b - a) + np.float32(a)
    )


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """The normal distribution between a and b: values outside are drawn again."""
    _check_std("trunc_normal_", std)
    low, high = (a - mean) / max(std, 1e-30), (b - mean) / max(std, 1e-30)
    if not a < b or high < -8 or low > 8:
        raise SettingError(
            f"trunc_normal_: there is next to nothing of a normal distribution of mean {mean} and std {std} between {a} and {b}"
        )

    # Where little of the distribution lies between, draw evenly over what there is, and keep each by its density.
    rare = math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)) < 0.2
    left, right = max(low, -9.0), min(high, 9.0)
    peak = min(max(0.0, left), right)

    def some(generator: np.random.Generator, count: int) -> Any:
        values: Any
        if not rare:
            values = generator.standard_normal(count, np.float32)
            return values[(values >= low) & (values <= high)]
        values = generator.uniform(left, right, count)
        return values[generator.random(count) < np.exp(0.5 * (peak * peak - values * values))]

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        missing, parts = math.prod(shape), []
        while missing > 0:
            parts.append(some(generator, missing + 16)[:missing])
            missing -= len(parts[-1])
        values = np.concatenate(parts) if parts else np.zeros(0)
        return np.clip(values.reshape(shape) * std + mean, a, b).astype(np.float32)

    return _set(tensor, draw)


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Evenly spread, with the variance that keeps that of a layer's signal (He et al., 2015, section 2.2)."""
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Normal, with the variance that keeps that of a layer's signal (He et al., 2015, section 2.2)."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Evenly spread, with a variance between those of forward and backward (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / max(sum(fans(tensor)), 1))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal, with a variance between those of forward and backward (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / max(sum(fans(tensor)), 1)))


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: wants a matrix, not shape {tuple(tensor.shape)}")
    return _set(tensor, lambda _, shape: np.eye(*shape, dtype=np.float32))


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """A random matrix whose rows, or columns if these are fewer, are at right angles and of length ``gain`` (Saxe et al., 2014).

    Of more than two axes, all but the first count as one.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: wants two axes or more, not shape {tuple(tensor.shape)}")

    def drawn(generator: Any, shape: tuple[int, ...]) -> Any:
        rows, columns = shape[0], math.prod(shape[1:])
        given = generator.standard_normal((max(rows, columns), min(rows, columns)))
        turned, upper = np.linalg.qr(given)
        turned = turned * np.sign(np.diagonal(upper))  # else not every rotation would be as likely
        return (gain * (turned.T if rows < columns else turned)).reshape(shape).astype(np.float32)

    return _set(tensor, drawn)


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each output of a weight sees, and how many outputs each input reaches."""
    if tensor.ndim < 2:
        raise ShapeError(f"init: fan-in and fan-out need at least 2 axes, not shape {tuple(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise SettingError(f"init: mode must be 'fan_in' or 'fan_out', not {mode!r}")
    return max(fans(tensor)[mode == "fan_out"], 1)


def _check_std(name: str, std: float) -> None:
    if not 0 <= std < math.inf:
        raise SettingError(f"{name}: std must be at least 0, not {std}")


def _set(tensor: Tensor, fill: Fill) -> Tensor:
    if isinstance(tensor, Parameter):
        tensor.set_fill(fill)
    else:
        from ..device import move
        from ..ops import touch

        values = np.asarray(fill(stream(default_generator().split()), tensor.shape)).astype(tensor.dtype, copy=False)
        tensor.array[...] = move(values, tensor.device)
        touch(tensor)
    return tensor
