"""Tables in text files: comma-separated values and their like."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .errors import DataError, MissingDataError
from .table import TableDataset, aims, chosen, numbers


class CSVDataset(TableDataset):
    """The rows of a CSV file, read at once: numbers, and a target of numbers or names (see TableDataset).

    ``columns`` and ``target`` are names from the first line or places from 0 (below 0 from the end); without
    ``header`` only places. Empty lines are passed over. Raises DataError that names the line for rows of different
    lengths, missing values, text where numbers belong, NaN and infinity; MissingDataError where there is no file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | int | None = None,
        columns: Sequence[str | int] | None = None,
        *,
        classes: Sequence[str] | None = None,
        header: bool = True,
        delimiter: str = ",",
        encoding: str = "utf-8",
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        names, rows, lines = _read(self.path, header, delimiter, encoding)
        who = f"CSVDataset: {self.path!r}"
        used, aim = chosen(who, names, columns, target)
        where = [f"line {line}" for line in lines]
        features = np.empty((len(rows), len(used)), np.float32)
        for place, column in enumerate(used):
            features[:, place] = numbers(who, str(names[column]), [row[column] for row in rows], where)
        targets, found = None, None
        if aim is not None:
            targets, found = aims(who, str(names[aim]), [row[aim].strip() for row in rows], where, classes)
        super().__init__(features, targets, [str(names[column]) for column in used], found, transform)


def _read(path: str, header: bool, delimiter: str, encoding: str) -> tuple[list[Any], list[list[str]], list[int]]:
    """The columns' names, the rows, and the line that each row ends on."""
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise ArgumentError(f"CSVDataset: delimiter must be one character, not {delimiter!r:.40}")
    rows: list[list[str]] = []
    lines: list[int] = []
    names: list[Any] | None = None
    reader: Any = None
    try:
        with open(path, newline="", encoding="utf-8-sig" if encoding == "utf-8" else encoding) as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for row in reader:
                if not row or (len(row) == 1 and not row[0].strip()):
                    continue
                if names is None:
                    names = _named(path, row, reader.line_num) if header else list(range(len(row)))
                    if header:
                        continue
                if len(row) != len(names):
                    raise DataError(
                        f"CSVDataset: {path!r}, line {reader.line_num}: {len(row)} values, but the table has {len(names)} "
                        f"columns; is the delimiter really {delimiter!r}?"
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except FileNotFoundError as error:
        raise MissingDataError(f"CSVDataset: there is no file {path!r}; check the path") from error
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"CSVDataset: {path!r} cannot be read as {encoding} ({error}); give its encoding=") from error
    except csv.Error as error:
        line = reader.line_num if reader is not None else 0
        raise DataError(f"CSVDataset: {path!r}, line {line}: {error}") from error
    except OSError as error:
        raise DataError(f"CSVDataset: {path!r} cannot be read: {error.strerror}") from error
    if names is None or not rows:
        raise DataError(f"CSVDataset: {path!r} has no rows{' below its header' if names else ''}")
    return names, rows, lines


def _named(path: str, row: list[str], line: int) -> list[Any]:
    names = [name.strip() for name in row]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"CSVDataset: {path!r}, line {line}: several columns are called {', '.join(map(repr, repeated))}; rename them, or "
            "give header=False if this line is data"
        )
    return names
