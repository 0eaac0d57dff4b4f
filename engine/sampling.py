"""Random numbers that follow a tensor: of its shape, or with its elements as their parameters. The plain ones are in ``random``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .bounds import LARGEST, SMALLEST, left_to_gpu
from .device import CPU, DeviceLike, convert, move, write_into
from .dtype import Dtype, DtypeLike, accumulator, as_dtype, float32, float64, is_floating, kind
from .errors import DtypeError, SettingError, ShapeError
from .modes import Recording
from .ops import log1p, topk, touch
from .ops.indexing.index import refuse_writing
from .random import Generator, default_generator, rand, randint, randn
from .tensor import Tensor, tensor_like, tensor_of

__all__ = [
    "bernoulli_of",
    "exponential",
    "fill",
    "multinomial",
    "normal_of",
    "poisson",
    "rand_like",
    "randint_like",
    "randn_like",
]


def rand_like(
    x: Any, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False, generator: Generator | None = None
) -> Tensor:  # fmt: skip
    """Numbers spread evenly over [0, 1), in the shape, dtype and place of ``x``."""
    x = tensor_like("rand_like", x)
    kind_of = x.dtype if dtype is None else dtype
    place = x.device if device is None else device
    return rand(x.shape, dtype=kind_of, device=place, requires_grad=requires_grad, generator=generator)


def randn_like(
    x: Any, *, dtype: DtypeLike | None = None, device: DeviceLike | None = None, requires_grad: bool = False, generator: Generator | None = None
) -> Tensor:  # fmt: skip
    """Standard normal numbers, in the shape, dtype and place of ``x``."""
    x = tensor_like("randn_like", x)
    kind_of = x.dtype if dtype is None else dtype
    place = x.device if device is None else device
    return randn(x.shape, dtype=kind_of, device=place, requires_grad=requires_grad, generator=generator)


def randint_like(
    x: Any, low: int, high: int | None = None, *, dtype: DtypeLike | None = None, generator: Generator | None = None
) -> Tensor:
    """Whole numbers from ``low`` up to but not including ``high`` (from 0 to ``low`` if one is given), like ``x``."""
    x = tensor_like("randint_like", x)
    first, last = (0, low) if high is None else (low, high)
    return randint(
        first, last, x.shape, dtype=x.dtype if dtype is None else dtype, device=x.device, generator=generator
    )


def bernoulli_of(probability: Any, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element says, else 0, in the dtype of the probabilities."""
    p = _floats("bernoulli", probability)
    words = "probabilities between 0 and 1"
    there = _stream_for(p, generator)
    if there is not None:
        _left("bernoulli", p, words, 0, 1)
        return tensor_of(there.uniform(p.shape, float64) < convert(p.array, float64)).to(dtype=p.dtype)
    chances = _numbers("bernoulli", p, words, lambda x: (x >= 0) & (x <= 1))
    return _like((generator or default_generator()).numpy.random(p.shape) < chances, p)


def normal_of(mean: Any, std: Any, *, generator: Generator | None = None) -> Tensor:
    """A normal number for each element of the means and standard deviations, which broadcast; without a graph."""
    own = next((v for v in (mean, std) if isinstance(v, Tensor)), mean)
    middle = _floats(
        "normal", mean if isinstance(mean, Tensor) else tensor_like("normal", mean).to(dtype=_float_of(own))
    )
    spread = _floats("normal", std if isinstance(std, Tensor) else tensor_like("normal", std).to(dtype=_float_of(own)))
    words, there = "standard deviations of at least 0", _stream_for(middle, generator)
    if there is None:
        deviations = _numbers("normal", spread, words, lambda v: (v >= 0) & (v < np.inf))
    else:
        spread = spread.to(device=middle.device)
        _left("normal", spread, words, 0, LARGEST)
    try:
        shape = np.broadcast_shapes(middle.shape, spread.shape)
    except ValueError:
        raise ShapeError(
            f"normal: means of shape {tuple(middle.shape)} and deviations of shape {tuple(spread.shape)} do not broadcast"
        ) from None
    if there is not None:
        wide = float64 if float64 in (middle.dtype, spread.dtype) else float32
        with Recording(False):
            far = tensor_of(there.normal(shape, wide)) * spread.to(dtype=wide)
            return (far + middle.to(dtype=wide)).to(dtype=middle.dtype)
    draws = (generator or default_generator()).numpy.standard_normal(shape) * deviations
    return _like(draws + move(middle.array, CPU).astype(float64), middle)


def _float_of(value: Any) -> Any:
    return value.dtype if isinstance(value, Tensor) and is_floating(value.dtype) else float32


def poisson(rate: Any, *, generator: Generator | None = None) -> Tensor:
    """How many events happen that come as often on average as each element says, in the dtype of the rates."""
    x = _floats("poisson", rate)
    rates = _numbers("poisson", x, "rates of at least 0", lambda v: (v >= 0) & (v < 1e18))
    return _like((generator or default_generator()).numpy.poisson(rates), x)


def exponential(rate: Any, *, generator: Generator | None = None) -> Tensor:
    """Waiting times of events that come as often in a unit of time as each element says, in the dtype of the rates."""
    x = _floats("exponential", rate)
    there = _stream_for(x, generator)
    if there is not None:
        _left("exponential", x, "rates above 0", SMALLEST, np.inf)
        with Recording(False):
            return (waiting_times(there, x.shape, accumulator(x.dtype)) / x.to(dtype=accumulator(x.dtype))).to(
                dtype=x.dtype
            )
    rates = _numbers("exponential", x, "rates above 0", lambda v: v > 0)
    return _like((generator or default_generator()).numpy.standard_exponential(x.shape) / rates, x)


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with the weights of a vector, or of each row of a matrix: (num_samples,) or (rows, num_samples), int64.

    Weights need not sum to 1. Without ``replacement`` no index comes twice, and what comes first is likelier.
    """
    weights = _floats("multinomial", input)
    if weights.ndim not in (1, 2) or not weights.shape[-1]:
        raise ShapeError(
            f"multinomial: wants weights of shape (classes,) or (rows, classes), not {tuple(weights.shape)}"
        )
    if isinstance(num_samples, bool) or not isinstance(num_samples, (int, np.integer)) or num_samples < 1:
        raise SettingError(f"multinomial: num_samples must be a whole number from 1, not {num_samples!r:.40}")
    words, there = "finite weights of at least 0", _stream_for(weights, generator)
    if there is not None:
        return _multinomial_there(weights, int(num_samples), replacement, there)
    chances = _numbers("multinomial", weights, words, lambda x: (x >= 0) & (x < np.inf))
    possible = (chances > 0).sum(-1)
    fewest = int(possible.min()) if possible.size else num_samples
    if fewest < (1 if replacement else num_samples):
        raise SettingError(
            f"multinomial: {num_samples} draws want {'a weight' if replacement else f'{num_samples} weights'} above 0, but a row has {fewest}"
            + ("" if replacement else "; draw with replacement=True")
        )
    stream = (generator or default_generator()).numpy
    rows = chances.reshape(-1, chances.shape[-1])
    if replacement:
        ends = np.cumsum(rows, -1)
        last = rows.shape[-1] - 1 - np.argmax(rows[:, ::-1] > 0, -1)
        draws = stream.random((len(rows), num_samples)) * ends[:, -1:]
        found = np.stack([np.searchsorted(e, d, "right") for e, d in zip(ends, draws, strict=True)] or [draws])
        found = np.minimum(found, last[:, None])
    else:
        # The first of exponential waiting times is each one's with its share (Efraimidis and Spirakis, 2006).
        with np.errstate(divide="ignore"):
            times = stream.standard_exponential(rows.shape) / rows
        found = np.argsort(times, -1, kind="stable")[:, :num_samples]
    return tensor_of(move(found.astype(np.int64).reshape(*weights.shape[:-1], num_samples), weights.device))


def _multinomial_there(weights: Tensor, count: int, replacement: bool, there: Any) -> Tensor:
    """The same on a GPU."""
    _left("multinomial", weights, "finite weights of at least 0", 0, LARGEST)
    wide = convert(weights.array, float64)
    least = 1 if replacement else count
    missing = f"multinomial: {count} draws want {least} weight(s) above 0, but a row has {{0}}"
    missing += "" if replacement else "; draw with replacement=True"
    left_to_gpu((wide > 0).sum(-1), least, weights.shape[-1], missing, SettingError)
    shape = (*weights.shape[:-1], count)
    if not replacement:
        with Recording(False):
            times = waiting_times(there, weights.shape, float64) / tensor_of(wide)
            return topk(times, min(count, weights.shape[-1]), largest=False).indices
    drawn = there.classes(wide.reshape(-1, weights.shape[-1]), count)
    return tensor_of(drawn.T.reshape(shape))


def waiting_times(there: Any, shape: tuple[int, ...], dtype: Dtype) -> Tensor:
    """How long to wait for events that come once in a unit of time, drawn on a GPU."""
    return -log1p(-tensor_of(there.uniform(shape, dtype)))


def fill(name: str, x: Tensor, draw: Any, there: Any, generator: Generator | None = None) -> Tensor:
    """Write what ``draw(stream, shape)`` gives into a tensor, under the rule of assignment; on a GPU what ``there(stream, shape, dtype)`` does."""
    refuse_writing(name, x)
    own = _stream_for(x, generator)
    if own is not None:
        with Recording(False):
            made = there(own, x.shape, x.dtype if is_floating(x.dtype) else float64)
            made = made if isinstance(made, Tensor) else tensor_of(made)
            if kind(made.dtype) == 2 and kind(x.dtype) < 2:
                raise DtypeError(f"{name}: draws floating-point numbers, which {x.dtype} cannot hold")
            write_into(x.array, made.to(dtype=x.dtype).array)
        touch(x)
        return x
    values = np.asarray(draw((generator or default_generator()).numpy, x.shape))
    if values.dtype.kind == "f" and kind(x.dtype) < 2:
        raise DtypeError(f"{name}: draws floating-point numbers, which {x.dtype} cannot hold")
    with np.errstate(over="ignore"):
        x.array[...] = move(values.astype(x.dtype, copy=False), x.device)
    touch(x)
    return x


def _floats(name: str, value: Any) -> Tensor:
    x = tensor_like(name, value)
    if not is_floating(x.dtype):
        raise DtypeError(f"{name}: wants floating-point numbers, not {as_dtype(x.dtype)}; convert with .float()")
    return x


def _numbers(name: str, x: Tensor, words: str, test: Any) -> Any:
    """The elements in float64 on the CPU, checked."""
    values = move(x.array, CPU).astype(float64)
    good = test(values)
    if not good.all():
        raise SettingError(f"{name}: wants {words}, but was given {values[~good].reshape(-1)[0]:g}")
    return values


def _stream_for(x: Tensor, generator: Generator | None) -> Any:
    """The stream of the GPU that a tensor is on; None on the CPU."""
    return None if x.device == CPU else (generator or default_generator()).on(x.device)


def _left(name: str, x: Tensor, words: str, low: float, high: float) -> None:
    """Let a GPU check the elements."""
    left_to_gpu(x.array, low, high, f"{name}: wants {words}, but was given {{0:g}}", SettingError)


def _like(values: Any, x: Tensor) -> Tensor:
    return tensor_of(move(np.asarray(values).astype(x.dtype), x.device))
