"""Tables of texts and their classes: CSV, tab-separated values, and a JSON object a line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from numzoo.text.errors import DatasetError, MissingDatasetError

__all__ = ["SUFFIXES", "read_table", "read_text"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
TEXT = ("text", "sentence", "content", "review", "tweet", "message", "body")
LABEL = ("label", "class", "category", "sentiment", "target")
"""What the columns are called where nobody says which they are, in the order in which they are looked for."""

_LONGEST_FIELD = 1 << 26
_LARGEST = 1 << 30


def read_table(path: Path, text: str | None = None, label: str | None = None) -> list[tuple[str, str]]:
    """(text, class) for every row. `text` and `label` name the columns (None: those that are usually called so).

    Raises DatasetError, which names the file and the line, for what is no such table.
    """
    rows = _objects(path) if path.suffix.lower() in (".jsonl", ".ndjson") else _records(path)
    found = []
    columns: tuple[str, str] | None = None
    for line, row in rows:
        if columns is None:
            columns = (
                _chosen(path, row, text, TEXT, "--text-column"),
                _chosen(path, row, label, LABEL, "--label-column"),
            )
            if columns[0] == columns[1]:
                raise DatasetError(f"{path}: the texts and their classes are both said to be the column {columns[0]!r}")
        values = [row.get(name) for name in columns]
        if not isinstance(values[0], str) or not values[0].strip():
            raise DatasetError(
                f"{path}, line {line}: there is no text in the column {columns[0]!r}, but {values[0]!r:.40}"
            )
        name = str(values[1]) if isinstance(values[1], (str, int)) and not isinstance(values[1], bool) else ""
        if not name.strip():
            raise DatasetError(
                f"{path}, line {line}: there is no class in the column {columns[1]!r}, but {values[1]!r:.40}"
            )
        found.append((values[0], name.strip()))
    if not found:
        raise DatasetError(f"{path} holds no rows; wanted a first line with the names of the columns, and a text a row")
    return found


def read_text(path: Path) -> str:
    """A text file, whole. Raises DatasetError for bytes that are no UTF-8, or where there is nothing but white space."""
    try:
        if path.stat().st_size > _LARGEST:
            raise DatasetError(f"{path} is larger than {_LARGEST >> 20} MiB, the most that is read of a file of texts")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is no UTF-8 text: byte {error.start} does not belong there; convert it, as with iconv"
        ) from None
    except FileNotFoundError:
        raise MissingDatasetError(f"{path} does not exist") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    if not text.strip():
        raise DatasetError(f"{path} holds no text")
    return text


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a CSV or TSV file under the names in its first line, and the line that each ends in."""
    tabs = path.suffix.lower() == ".tsv"
    text = read_text(path)
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",", strict=not tabs)
        names = [name.strip() for name in next(reader, [])]
        if len(set(names)) != len(names):
            raise DatasetError(f"{path}: two columns are called {next(n for n in names if names.count(n) > 1)!r}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise DatasetError(
                    f"{path}, line {reader.line_num}: {len(row)} fields, where the first line names {len(names)} columns"
                )
            yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(before)


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{path}, line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}, line {number} is no JSON object, but {line!r:.40}")
        yield number, row


def _chosen(path: Path, row: Mapping[str, Any], given: str | None, usual: tuple[str, ...], option: str) -> str:
    if given is not None:
        if given not in row:
            raise DatasetError(f"{path} has no column {given!r}; it has {', '.join(map(repr, row))}")
        return given
    called = {str(name).lower(): name for name in row}
    found = next((called[name] for name in usual if name in called), None)
    if found is None:
        raise DatasetError(
            f"{path} has no column called {', '.join(usual)}, but {', '.join(map(repr, row))[:200]}; say which with {option}"
        )
    return found
