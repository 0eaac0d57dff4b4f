"""What came of it: figures for people and for programs, and the files that hold them."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numzoo.engine.train import ConfusionMatrix, History, plot_confusion
from numzoo.hub.errors import StorageError

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """`accuracy` and `loss` are of the best epoch's weights on what was put aside; `per_class` has precision, recall, F1 and the count of each class.

    `confusion[i][j]` counts samples of class i that were taken for class j. `files` names what was written; `notes` says what could not be.
    """

    model: str
    accuracy: float
    loss: float
    classes: tuple[str, ...]
    per_class: tuple[dict[str, Any], ...]
    confusion: tuple[tuple[int, ...], ...]
    epochs: int
    best_epoch: int
    stopped: str
    seconds: float
    parameters: int
    trained_parameters: int
    history: tuple[dict[str, float], ...]
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def mistakes(self, most: int = 5) -> list[tuple[str, str, int]]:
        """The commonest confusions: class, what it was taken for, how often."""
        found = [
            (self.classes[i], self.classes[j], count)
            for i, row in enumerate(self.confusion)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return sorted(found, key=lambda each: -each[2])[:most]


def per_class(matrix: ConfusionMatrix, classes: tuple[str, ...], noun: str) -> tuple[dict[str, Any], ...]:
    """Precision, recall (the class's own accuracy), F1 and the number of samples, which are called `noun`, for each class."""
    rows = zip(classes, *matrix.per_class(), matrix.table.sum(1), strict=True)
    return tuple(
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), noun: int(n)}
        for name, p, r, f, n in rows
    )


def write_confusion(table: Any, classes: tuple[str, ...], out: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """The matrix as a table and, where matplotlib is installed, as a picture: the files, and what is to be said of them."""
    files, notes = {"confusion": str(out / "confusion.csv")}, []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", *classes])
    writer.writerows([name, *row] for name, row in zip(classes, table.tolist(), strict=True))
    _write(text.getvalue(), out / "confusion.csv")
    try:
        plot_confusion(table, classes, out / "confusion.png")
        files["confusion_picture"] = str(out / "confusion.png")
    except ModuleNotFoundError:
        notes.append(
            f'no pictures: matplotlib is not installed (pip install "numzoo[plot]"); the confusion matrix is in {out / "confusion.csv"}'
        )
    return files, tuple(notes)


def write_curves(history: History, out: Path) -> dict[str, str]:
    """Losses and accuracies over the epochs as a picture, where matplotlib is installed."""
    try:
        history.plot(out / "history.png")
    except ModuleNotFoundError:
        return {}
    return {"history_picture": str(out / "history.png")}


def write_json(document: dict[str, Any], path: Path) -> None:
    """A JSON file, replaced whole."""
    _write(json.dumps(document, indent=2, ensure_ascii=False) + "\n", path)


def _write(text: str, path: Path) -> None:
    """A file, replaced whole. Raises StorageError."""
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="")
        os.replace(unfinished, path)
    except OSError as error:
        raise StorageError(
            f"finetune: {path} cannot be written: {error.strerror or error}; free space, then resume."
        ) from error
