"""What every random transform of sounds is: a draw of random numbers, and their use.

>>> import numpy
>>> from numzoo.audio.transforms import Compose, FrequencyMasking, TimeMasking
>>> augment = Compose([FrequencyMasking(27), TimeMasking(100)])
>>> augment(spectrogram, generator=numpy.random.default_rng(0))     # doctest: +SKIP
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from typing_extensions import Self

Parameters = TypeVar("Parameters")

__all__ = ["Compose", "Transform"]


class Transform(ABC, Generic[Parameters]):
    """One step from array to array, (..., samples) or (..., frequencies, frames).

    Calling it draws and applies; `draw` once and `apply` as often as needed gives several sounds the same draw. Random
    numbers come from the call's `generator`, else from the one given to `seed`, else fresh from the system.
    """

    _generator: np.random.Generator | None = None

    @abstractmethod
    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Parameters:
        """The random choice for an array of `shape`; all that is random happens here."""

    @abstractmethod
    def apply(self, values: ArrayLike, parameters: Parameters) -> NDArray[np.float32]:
        """The transformed array, by a choice that `draw` made; `values` itself is left as it was."""

    def __call__(self, values: ArrayLike, generator: np.random.Generator | None = None) -> NDArray[np.float32]:
        if generator is None:
            generator = self._generator or np.random.default_rng()
        if not isinstance(generator, np.random.Generator):
            raise TypeError(
                f"{self!r}: generator is a {type(generator).__name__} but must be a numpy.random.Generator, "
                "e.g. numpy.random.default_rng(0)"
            )
        return self.apply(values, self.draw(generator, np.shape(values)))

    def seed(self, generator: np.random.Generator | int) -> Self:
        """Draw from this generator (or a new one with this seed) when a call brings none; the transform itself."""
        self._generator = np.random.default_rng(generator)
        return self


class Compose:
    """Several steps, one after the other, as one: transforms, and whatever else takes an array and gives one."""

    def __init__(self, steps: Sequence[Any]) -> None:
        for index, step in enumerate(steps):
            if not callable(step):
                raise TypeError(
                    f"Compose: step {index} is a {type(step).__name__}, which cannot be called with a sound"
                )
        self.steps = tuple(steps)

    def __call__(self, values: ArrayLike, generator: np.random.Generator | None = None) -> Any:
        for step in self.steps:
            values = step(values, generator) if isinstance(step, (Transform, Compose)) else step(values)
        return values

    def __repr__(self) -> str:
        return f"Compose({list(self.steps)!r})"
