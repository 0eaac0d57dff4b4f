"""Metrics: small objects that take in batch after batch and say one number.

``update(outputs, targets)`` takes tensors or arrays; ``value()`` is of everything since ``reset()``. ``state_dict`` keeps them in checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..device import CPU, is_array, move
from ..errors import ArgumentError, SettingError, ShapeError, StateError
from ..tensor import Tensor
from .errors import TrainingError

__all__ = ["Accuracy", "Mean", "MeanAbsoluteError", "MeanSquaredError", "Metric", "TopKAccuracy"]


class Metric:
    """What metrics share. A kind gives ``reset``, ``update`` and ``value``, and says in ``counts`` which attributes it adds up in."""

    name: str = ""
    higher_is_better: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = ("total", "seen")
    total: float
    seen: float

    def __init__(self) -> None:
        self.reset()

    @property
    def who(self) -> str:
        """The name in messages."""
        return type(self).__name__

    def reset(self) -> None:
        """Forget everything."""
        self.total, self.seen = 0.0, 0

    def update(self, outputs: Any, targets: Any) -> None:
        """Take in a batch; each kind says how."""
        raise ArgumentError(f"{self.who} defines no update()")

    def value(self) -> Any:
        """The number, of everything since ``reset``: by default the mean. TrainingError if that is nothing."""
        if not self.seen:
            raise TrainingError(f"{self.who}: has seen nothing since reset(); call update(outputs, targets) first")
        return self.total / self.seen

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {name: np.copy(v) if is_array(v := getattr(self, name)) else v for name in self.counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from saved counts."""
        if not isinstance(state, Mapping) or set(state) != set(self.counts):
            raise StateError(f"{self.who}: a state has {', '.join(self.counts)}, not {state!r:.80}")
        for name in self.counts:
            own, given = getattr(self, name), state[name]
            if np.shape(own) != np.shape(given):
                raise StateError(f"{self.who}: {name} of the state is of shape {np.shape(given)}, not {np.shape(own)}")
            setattr(self, name, np.copy(given) if is_array(given) else given)

    def __repr__(self) -> str:
        return f"{self.who}({self.value():.4g})" if self.seen else f"{self.who}()"


class Mean(Metric):
    """The mean of numbers, each counting ``weight`` times: ``update(loss, len(batch))``."""

    name = "mean"
    higher_is_better = False

    def update(self, outputs: Any, targets: Any = 1) -> None:
        weight = float(targets)
        if not weight >= 0:
            raise SettingError(f"Mean: a weight must be at least 0, not {targets!r:.60}")
        self.total += float(outputs) * weight
        self.seen += weight


class Accuracy(Metric):
    """The share of right classes: outputs (batch, classes, ...) of scores, targets (batch, ...) of classes, or of scores of the outputs' shape.

    Targets equal to ``ignore_index`` do not count.
    """

    name = "accuracy"

    def __init__(self, ignore_index: int = -100) -> None:
        self.ignore_index = ignore_index
        super().__init__()

    def update(self, outputs: Any, targets: Any) -> None:
        scores, classes = scored(self.who, outputs, targets)
        counted = classes != self.ignore_index
        self.total += int(((scores.argmax(1) == classes) & counted).sum())
        self.seen += int(counted.sum())


class TopKAccuracy(Metric):
    """The share of examples whose class is among the ``k`` with the highest scores; shapes as for Accuracy."""

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise SettingError(f"TopKAccuracy: k must be a whole number of at least 1, not {k!r:.60}")
        self.k, self.name = k, f"top{k}"
        super().__init__()

    def update(self, outputs: Any, targets: Any) -> None:
        scores, classes = scored(self.who, outputs, targets)
        if self.k > scores.shape[1]:
            raise SettingError(
                f"TopKAccuracy: k={self.k}, but the outputs are scores of {scores.shape[1]} classes; give a smaller k"
            )
        # How many classes are ahead: no sorting, and equal scores are to the target's good only in the classes' order.
        own = np.take_along_axis(scores, np.expand_dims(classes, 1), 1)
        order = np.arange(scores.shape[1]).reshape(1, -1, *(1,) * (scores.ndim - 2))
        ahead = (scores > own) | ((scores == own) & (order < np.expand_dims(classes, 1)))
        self.total += int((ahead.sum(1) < self.k).sum())
        self.seen += classes.size


class MeanAbsoluteError(Metric):
    """mean |output - target|, of arrays of one shape."""

    name = "mean_absolute_error"
    higher_is_better = False

    def update(self, outputs: Any, targets: Any) -> None:
        self.total += float(np.abs(_difference(self.who, outputs, targets)).sum())
        self.seen += plain(targets).size


class MeanSquaredError(Metric):
    """mean (output - target)^2, of arrays of one shape."""

    name = "mean_squared_error"
    higher_is_better = False

    def update(self, outputs: Any, targets: Any) -> None:
        self.total += float(np.square(_difference(self.who, outputs, targets)).sum())
        self.seen += plain(targets).size


def plain(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """A tensor, an array or a list as a NumPy array."""
    if isinstance(value, Tensor):
        value = value.array
    return np.asarray(move(value, CPU) if is_array(value) else value)


def scored(who: str, outputs: Any, targets: Any) -> tuple[Any, Any]:
    """Scores (batch, classes, ...) and classes (batch, ...), checked."""
    scores, classes = plain(outputs), plain(targets)
    if scores.ndim < 2 or scores.shape[1] == 1:  # of one class every example would be right
        raise ShapeError(
            f"{who}: wants scores (batch, classes, ...) of two classes or more, not {scores.shape}; for one score per example stack (-score, score) "
            "along axis 1, and give whole numbers as targets"
        )
    if classes.shape == scores.shape:
        classes = classes.argmax(1)
    if classes.shape != scores.shape[:1] + scores.shape[2:]:
        raise ShapeError(
            f"{who}: outputs {scores.shape} want targets {scores.shape[:1] + scores.shape[2:]}, not {classes.shape}"
        )
    if classes.dtype.kind not in "iu":
        raise ArgumentError(f"{who}: targets are the numbers of classes, whole numbers, not {classes.dtype}")
    return scores, classes


def _difference(who: str, outputs: Any, targets: Any) -> Any:
    given, wanted = plain(outputs), plain(targets)
    if given.shape != wanted.shape:
        raise ShapeError(
            f"{who}: outputs {given.shape} and targets {wanted.shape} must have one shape; squeeze or reshape one of them"
        )
    return given.astype(np.float64) - wanted.astype(np.float64)
