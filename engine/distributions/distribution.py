"""What every distribution has: shapes, sampling, densities; and how arguments and values are checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..bounds import LARGEST, SMALLEST, left_to_gpu
from ..device import CPU, convert, move, namespace
from ..dtype import float32, float64, is_floating, result_type
from ..errors import ArgumentError, EngineError, SettingError, ShapeError
from ..modes import Recording
from ..ops import broadcast_to
from ..random import default_generator
from ..tensor import Tensor, tensor_like, tensor_of

Shape = tuple[int, ...]
Self = TypeVar("Self", bound="Distribution")

# What may be asked of arguments and values: a test of each element, and its words. NaN passes none.
RULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "real": (lambda x: x == x, "be a number"),
    "finite": (np.isfinite, "be finite"),
    "positive": (lambda x: x > 0, "be above 0"),
    "not_negative": (lambda x: x >= 0, "be at least 0"),
    "probability": (lambda x: (x >= 0) & (x <= 1), "lie between 0 and 1"),
    "boolean": (lambda x: (x == 0) | (x == 1), "be 0 or 1"),
    "count": (lambda x: (x >= 0) & (x == np.floor(x)), "be a whole number from 0"),
}


BOUNDS = {
    "real": (-math.inf, math.inf), "finite": (-LARGEST, LARGEST), "positive": (SMALLEST, math.inf), "not_negative": (0.0, math.inf),
    "probability": (0.0, 1.0),
}  # fmt: skip
"""The same as bounds, where they are some."""


class Distribution:
    """Independent draws of ``event_shape``, with parameters of ``batch_shape``.

    ``sample(shape)`` gives a tensor of shape + batch_shape + event_shape without a graph; ``rsample`` one that leads back to the parameters,
    where ``has_rsample``. ``log_prob(value)`` has no event axes.
    """

    has_rsample: ClassVar[bool] = False
    rules: ClassVar[dict[str, str]] = {}
    """The parameters, and what each must be."""
    support: ClassVar[str] = "real"
    validates: ClassVar[bool] = True
    batch_shape: Shape = ()
    event_shape: Shape = ()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether arguments and values are checked where ``validate_args`` is not given."""
        Distribution.validates = bool(value)

    def _take(self, validate_args: bool | None, **values: Any) -> None:
        """Keep the parameters, brought to one shape and dtype and checked."""
        if validate_args is not None:
            self.__dict__["validates"] = bool(validate_args)
        tensors = common(self.who, **values)
        for name, tensor in zip(values, tensors, strict=True):
            if self.validates:
                check(self.who, name, tensor, self.rules[name])
            setattr(self, name, tensor)
        self.batch_shape = tuple(tensors[0].shape)

    @property
    def who(self) -> str:
        """The name in messages."""
        return type(self).__name__

    # ---- what a kind of distribution says -------------------------------------------------------------------------

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """A draw that gradients pass through to the parameters."""
        raise self._missing("rsample")

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the density, or of the probability, at a value."""
        raise self._missing("log_prob")

    def entropy(self) -> Tensor:
        """-E[log p], in nats."""
        raise self._missing("entropy")

    def cdf(self, value: Any) -> Tensor:
        """The probability of at most this value."""
        raise self._missing("cdf")

    def icdf(self, value: Any) -> Tensor:
        """The value below which the distribution lies with this probability."""
        raise self._missing("icdf")

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        raise self._missing("mean")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean."""
        raise self._missing("variance")

    # ---- what follows from it -------------------------------------------------------------------------------------

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A draw without a graph."""
        with Recording(False):
            return self.rsample(sample_shape).detach()

    def perplexity(self) -> Tensor:
        """exp of the entropy."""
        return self.entropy().exp()

    def expand(self: Self, batch_shape: Any) -> Self:
        """The same distribution with its parameters repeated to a larger batch shape."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        own = len(self.batch_shape)
        wanted = tuple(batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor):
                made.__dict__[name] = broadcast_to(value, (*wanted, *value.shape[own:]))
            elif isinstance(value, Distribution):
                made.__dict__[name] = value.expand((*wanted, *value.batch_shape[own:]))
        made.batch_shape = wanted
        return made

    def __repr__(self) -> str:
        shown = [
            f"{name}={value.item():g}" if value.numel() == 1 else f"{name}: {tuple(value.shape)}"
            for name, value in self.__dict__.items()
            if isinstance(value, Tensor) and not name.startswith("_")
        ]
        return f"{self.who}({', '.join(shown)})"

    # ---- tools ----------------------------------------------------------------------------------------------------

    def _missing(self, what: str) -> EngineError:
        return ArgumentError(f"{self.who}: has no {what}")

    def _shape(self, sample_shape: Any) -> Shape:
        """The shape of a draw."""
        return (*sizes(self.who, sample_shape), *self.batch_shape, *self.event_shape)

    def _value(self, value: Any) -> Tensor:
        """A value as a tensor, checked to lie in the support and to fit the shapes."""
        tensor = tensor_like(self.who, value)
        try:
            np.broadcast_shapes(tensor.shape, (*self.batch_shape, *self.event_shape))
        except ValueError:
            raise ShapeError(
                f"{self.who}: a value of shape {tuple(tensor.shape)} does not fit batch shape {self.batch_shape} and event shape {self.event_shape}"
            ) from None
        if self.validates:
            self._check_value(tensor)
        return tensor

    def _check_value(self, value: Tensor) -> None:
        check(self.who, "the value", value, self.support)


def common(who: str, **values: Any) -> list[Tensor]:
    """Parameters as floating-point tensors of one shape and dtype; numbers take the dtype of the tensors."""
    tensors = [tensor_like(who, value) for value in values.values()]
    held = [t for t, v in zip(tensors, values.values(), strict=True) if isinstance(v, Tensor)] or tensors
    dtype = result_type(*[t.array for t in held])
    dtype = dtype if is_floating(dtype) else float32
    try:
        shape = np.broadcast_shapes(*[t.shape for t in tensors])
    except ValueError:
        shown = ", ".join(f"{name} {tuple(t.shape)}" for name, t in zip(values, tensors, strict=True))
        raise ShapeError(f"{who}: the shapes of its parameters do not broadcast ({shown})") from None
    tensors = [t.to(dtype=dtype) for t in tensors]
    return [t if t.shape == shape else broadcast_to(t, shape) for t in tensors]


def check(who: str, name: str, tensor: Tensor, rule: str) -> None:
    """Refuse a tensor if one of its elements breaks a rule; one on a GPU later, since nobody waits for it."""
    test, words = RULES[rule]
    if tensor.device != CPU:
        values = convert(tensor.array, float64)
        bounds = BOUNDS.get(rule)
        if bounds is None:  # what is right counts as 0, which all else is not
            values, bounds = namespace(values).where(test(values), 0.0, values), (0.0, 0.0)
        left_to_gpu(values, *bounds, f"{who}: {name} must {words}, but holds {{0:g}}", SettingError)
        return
    array = move(tensor.array, CPU)
    good = np.asarray(test(array if array.dtype.kind in "biuf" else array.astype(np.float32)))
    if not good.all():
        wrong = array[~good].reshape(-1)[0] if array.ndim else array
        raise SettingError(f"{who}: {name} must {words}, but holds {float(wrong):g}")


def one_of(who: str, **values: Any) -> str:
    """The name of the one argument that is given."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) != 1:
        raise ArgumentError(f"{who}: give exactly one of {' and '.join(values)}, not {len(given)}")
    return given[0]


def sizes(who: str, shape: Any) -> Shape:
    """A sample shape, checked."""
    given = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < 0 for v in given):
        raise ShapeError(f"{who}: a sample shape is made of whole numbers from 0, not {shape!r:.60}")
    return tuple(int(v) for v in given)


def stream() -> np.random.Generator:
    """The engine's stream of random numbers."""
    return default_generator().numpy


def stream_of(like: Tensor) -> Any:
    """The stream of the GPU that a parameter is on; None on the CPU."""
    return None if like.device == CPU else default_generator().on(like.device)


def drawn(values: Any, like: Tensor) -> Tensor:
    """Random numbers as a tensor of a parameter's dtype and device."""
    return tensor_of(move(np.asarray(values).astype(like.dtype, copy=False), like.device))


def uniform(shape: Shape, like: Tensor) -> Tensor:
    """Numbers in (0, 1): neither end, so that logarithms are finite."""
    kind = float64 if like.dtype == float64 else float32
    tiny, limit = np.finfo(kind).tiny, 1 - np.finfo(kind).eps / 2
    there = stream_of(like)
    if there is not None:
        return tensor_of(there.uniform(shape, kind)).clip(low=float(tiny), high=float(limit)).to(dtype=like.dtype)
    return drawn(np.clip(stream().random(shape, kind.type), tiny, limit), like)


def normal(shape: Shape, like: Tensor) -> Tensor:
    """Standard normal numbers."""
    there = stream_of(like)
    if there is not None:
        return tensor_of(there.normal(shape, float64 if like.dtype == float64 else float32)).to(dtype=like.dtype)
    return drawn(stream().standard_normal(shape, (float64 if like.dtype == float64 else float32).type), like)


def host(tensor: Tensor) -> Any:
    """A parameter's numbers in float64 on the CPU, for NumPy's generators."""
    return move(tensor.array, CPU).astype(np.float64)


def sum_last(tensor: Tensor, axes: int) -> Tensor:
    """The sum over the last axes."""
    return tensor.sum(tuple(range(-axes, 0))) if axes else tensor


LOG_TWO_PI = math.log(2 * math.pi)
EULER = 0.5772156649015329
