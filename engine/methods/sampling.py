"""The methods that draw random numbers: into a tensor, under the rule of assignment, or with its elements as parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SettingError

if TYPE_CHECKING:
    from ..random import Generator
    from ..tensor import Tensor


class SamplingMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Normal numbers written into the tensor."""
        if not 0 <= std < math.inf:
            raise SettingError(f"normal_: std must be at least 0 and finite, not {std}")
        return _fill(
            "normal_", self, lambda stream, shape: stream.normal(mean, std, shape),
            lambda stream, shape, dtype: stream.normal(shape, dtype, mean, std), generator,
        )  # fmt: skip

    def uniform_(self: Any, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Numbers spread evenly over [a, b), written into the tensor."""
        if not -math.inf < a <= b < math.inf:
            raise SettingError(f"uniform_: a ({a}) must not lie above b ({b}), and both must be finite")
        return _fill(
            "uniform_", self, lambda stream, shape: stream.uniform(a, b, shape),
            lambda stream, shape, dtype: stream.uniform(shape, dtype, a, b), generator,
        )  # fmt: skip

    def exponential_(self: Any, rate: float = 1.0, *, generator: Generator | None = None) -> Tensor:
        """Waiting times of events of a rate, written into the tensor."""
        if not 0 < rate < math.inf:
            raise SettingError(f"exponential_: the rate must lie above 0, not {rate}")
        from ..sampling import waiting_times

        return _fill(
            "exponential_", self, lambda stream, shape: stream.standard_exponential(shape) / rate,
            lambda stream, shape, dtype: waiting_times(stream, shape, dtype) / rate, generator,
        )  # fmt: skip

    def bernoulli_(self: Any, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
        """1 with probability p, else 0, written into the tensor."""
        if not 0 <= p <= 1:
            raise SettingError(f"bernoulli_: the probability must lie between 0 and 1, not {p}")
        return _fill(
            "bernoulli_", self, lambda stream, shape: stream.random(shape) < p,
            lambda stream, shape, _: stream.bernoulli(shape, np.dtype(bool), p), generator,
        )  # fmt: skip

    def random_(self: Any, low: int, high: int | None = None, *, generator: Generator | None = None) -> Tensor:
        """Whole numbers from ``low`` up to but not including ``high`` (from 0 to ``low`` if one is given), written into the tensor."""
        first, last = (0, low) if high is None else (low, high)
        if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) for v in (first, last)) or last <= first:
            raise SettingError(f"random_: wants whole numbers, high above low, not {first!r:.40} and {last!r:.40}")
        return _fill(
            "random_", self, lambda stream, shape: stream.integers(first, last, shape),
            lambda stream, shape, _: stream.integers(shape, np.dtype(np.int64), int(first), int(last)), generator,
        )  # fmt: skip

    def bernoulli(self: Any, *, generator: Generator | None = None) -> Tensor:
        """1 with the probability that each element says, else 0."""
        from ..sampling import bernoulli_of

        return bernoulli_of(self, generator=generator)

    def multinomial(
        self: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
    ) -> Tensor:
        """Indices drawn with these weights. See ``engine.multinomial``."""
        from ..sampling import multinomial

        return multinomial(self, num_samples, replacement, generator=generator)


def _fill(name: str, x: Tensor, draw: Any, there: Any, generator: Generator | None) -> Tensor:
    from ..sampling import fill

    return fill(name, x, draw, there, generator)
