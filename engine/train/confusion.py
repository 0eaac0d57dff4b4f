"""What was taken for what: the confusion matrix, and what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SettingError, ShapeError
from .errors import TrainingError
from .metrics import Metric, scored

__all__ = ["F1", "ConfusionMatrix", "Precision", "Recall"]

AVERAGES = ("macro", "micro", "weighted", "none")


class ConfusionMatrix(Metric):
    """counts[i, j]: how many of class i were taken for class j, int64 (classes, classes). Inputs as for Accuracy.

    Targets below 0 (such as -100) do not count.
    """

    name = "confusion"
    counts = ("table",)

    def __init__(self, classes: int) -> None:
        if isinstance(classes, bool) or not isinstance(classes, (int, np.integer)) or classes < 1:
            raise SettingError(f"{self.who}: classes must be a whole number of at least 1, not {classes!r:.60}")
        self.classes = int(classes)
        super().__init__()

    def reset(self) -> None:
        self.table = np.zeros((self.classes, self.classes), np.int64)

    def update(self, outputs: Any, targets: Any) -> None:
        scores, wanted = scored(self.who, outputs, targets)
        if scores.shape[1] != self.classes or (wanted.size and wanted.max() >= self.classes):
            raise ShapeError(
                f"{self.who}: is for {self.classes} classes, but there are scores of {scores.shape[1]} and targets up to "
                f"{wanted.max(initial=0)}; make it with the right number"
            )
        counted = wanted >= 0
        places = wanted[counted].astype(np.int64) * self.classes + scores.argmax(1)[counted]
        self.table += np.bincount(places, minlength=self.classes**2).reshape(self.table.shape)

    @property
    def seen(self) -> int:  # type: ignore[override]
        return int(self.table.sum())

    def value(self) -> Any:
        return self.table.copy()

    def per_class(self) -> tuple[Any, Any, Any]:
        """Precision, recall and F1 of each class, float64 (classes,); 0 where nothing was found or nothing was there."""
        right = np.diag(self.table).astype(np.float64)
        found, there = self.table.sum(0), self.table.sum(1)
        return right / np.maximum(found, 1), right / np.maximum(there, 1), 2 * right / np.maximum(found + there, 1)

    def __repr__(self) -> str:
        return f"{self.who}({self.classes})"


class _Averaged(ConfusionMatrix):
    """One of the three, averaged over the classes that occur, as scikit-learn does.

    ``average``: "macro" (every class counts alike), "weighted" (by how often it occurs), "micro" (every example counts alike) or "none" (an array).
    """

    place = 0

    def __init__(self, classes: int, average: str = "macro") -> None:
        if average not in AVERAGES:
            raise SettingError(f"{self.who}: average must be one of {', '.join(AVERAGES)}, not {average!r:.40}")
        self.average = average
        super().__init__(classes)

    def value(self) -> Any:
        if not self.seen:
            raise TrainingError(f"{self.who}: has seen nothing since reset(); call update(outputs, targets) first")
        each = self.per_class()[self.place]
        if self.average == "none":
            return each
        there = self.table.sum(1)
        if self.average == "micro":  # of one class each, all three are the accuracy
            return float(np.trace(self.table) / there.sum())
        if self.average == "weighted":
            return float((each * there).sum() / there.sum())
        return float(each[(there + self.table.sum(0)) > 0].mean())


class Precision(_Averaged):
    """Of what was taken for a class, the share that is of it."""

    name, place = "precision", 0


class Recall(_Averaged):
    """Of what is of a class, the share that was taken for it."""

    name, place = "recall", 1


class F1(_Averaged):
    """2 precision recall / (precision + recall)."""

    name, place = "f1", 2
