"""What happened, epoch by epoch: a row of numbers for each."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, SettingError
from .errors import CheckpointError

__all__ = ["History"]


class History:
    """Rows of numbers, one an epoch: ``history["val_loss"]`` is a list, ``history[-1]`` the last row, ``history.best("val_accuracy", "max")`` a row.

    ``stopped`` says why training ended before its last epoch, empty if it did not.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.stopped = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, int):
            return self.rows[key]
        if key not in self.names():
            raise ArgumentError(f"History: has no {key!r}; it has {', '.join(self.names()) or 'nothing yet'}")
        return [row.get(key, math.nan) for row in self.rows]

    def names(self) -> list[str]:
        """The names of all columns, in order of their first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def best(self, name: str, mode: str = "min") -> dict[str, float]:
        """The row with the lowest (or, with "max", the highest) number under ``name``; NaN is never best."""
        if mode not in ("min", "max"):
            raise SettingError(f"History.best: mode must be 'min' or 'max', not {mode!r:.40}")
        sign = 1.0 if mode == "min" else -1.0
        values = self[name]
        return self.rows[min(range(len(values)), key=lambda i: (math.isnan(values[i]), sign * values[i]))]

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """All rows as a table with a header, in a file that is replaced whole."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.names(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        target = Path(path)
        unfinished = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(text.getvalue(), encoding="utf-8")
            os.replace(unfinished, target)
        except OSError as error:
            raise CheckpointError(
                f"CSVLog: {target} cannot be written: {error.strerror or error}", error.errno
            ) from error

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Losses and metrics over the epochs, as a picture. Wants matplotlib: ``pip install "numzoo[plot]"``."""
        from .plots import plot_history

        plot_history(self, path)

    def __repr__(self) -> str:
        last = (
            ", ".join(f"{name} {value:.4g}" for name, value in self.rows[-1].items()) if self.rows else "no epoch yet"
        )
        return f"History({last})"
