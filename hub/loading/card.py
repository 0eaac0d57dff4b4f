"""What a file of weights says of its own use: the task, the names of the classes, the preprocessing, what its pipeline is told.

It is kept in the notes of a safetensors file and is data like an entry's: checked, and never trusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numzoo.hub.errors import FormatError, UsageError
from numzoo.hub.registry.manifest import check_pipeline, check_transform, parse

__all__ = ["Card", "card_notes", "card_of_notes", "read_card"]

TASK_KEY, CATEGORIES_KEY, TRANSFORM_KEY = "numzoo.task", "numzoo.categories", "numzoo.transform"
PIPELINE_KEY = "numzoo.pipeline"
BESIDE_KEY = "numzoo.beside"
"""The names and sha256 of the files that a model's pipeline reads and that lie beside it, such as a tokenizer."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_PIXELS = 1 << 14
"""The longest side that a file may ask images to be resized to: it decides how much memory a picture takes."""


@dataclass(frozen=True, slots=True)
class Card:
    """A file's own words; what it does not say is empty."""

    task: str = ""
    categories: tuple[str, ...] = ()
    transform: Mapping[str, Any] | None = None
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)


def card_notes(
    *,
    categories: Sequence[str] | None,
    transform: Any,
    task: str | None,
    pipeline: Mapping[str, Any] | None = None,
    beside: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The notes that say this. `transform` is a preset (it has ``settings()``) or the object that a manifest would hold, as `pipeline` is."""
    notes = {}
    if categories is not None:
        listed = isinstance(categories, Iterable) and not isinstance(categories, (str, bytes))
        names = list(categories) if listed else categories
        _check_categories(names, who="hub.save, categories", error=UsageError)
        notes[CATEGORIES_KEY] = json.dumps(names, ensure_ascii=False)
    if transform is not None:
        settings = transform.settings() if callable(getattr(transform, "settings", None)) else transform
        if not isinstance(settings, Mapping):
            raise UsageError(
                f"hub.save: transform is a preset such as vision.transforms.classification(), or its settings, but {transform!r:.60} was given."
            )
        _check_transform(dict(settings), who="hub.save, transform")
        notes[TRANSFORM_KEY] = json.dumps(dict(settings))
    if pipeline:
        if task is None:
            raise UsageError("hub.save: pipeline was given without the task that it is for.")
        notes[PIPELINE_KEY] = json.dumps(check_pipeline(dict(pipeline), who="hub.save, pipeline"))
    if beside:
        notes[BESIDE_KEY] = json.dumps(dict(beside))
    if task is not None or notes:
        notes[TASK_KEY] = task or "image-classification"
    return notes


def read_card(path: Path) -> Card:
    """The card in a file, empty where the file has none. Raises FormatError for one that is malformed, and what reading raises."""
    from numzoo.hub.checkpoint import read_metadata

    return card_of_notes(read_metadata(path).notes, who=str(path))


def card_of_notes(notes: Mapping[str, str], *, who: str) -> Card:
    """The card in the notes of a file that messages call `who`."""
    categories: tuple[str, ...] = ()
    transform = None
    if CATEGORIES_KEY in notes:
        names = parse(notes[CATEGORIES_KEY].encode(), who=f"{who}, {CATEGORIES_KEY}")
        _check_categories(names, who=f"{who}, {CATEGORIES_KEY}", error=FormatError)
        categories = tuple(names)
    if TRANSFORM_KEY in notes:
        transform = parse(notes[TRANSFORM_KEY].encode(), who=f"{who}, {TRANSFORM_KEY}")
        _check_transform(transform, who=f"{who}, {TRANSFORM_KEY}")
    told = parse(notes.get(PIPELINE_KEY, "{}").encode(), who=f"{who}, {PIPELINE_KEY}")
    check_pipeline(told, who=f"{who}, {PIPELINE_KEY}")
    beside = parse(notes.get(BESIDE_KEY, "{}").encode(), who=f"{who}, {BESIDE_KEY}")
    if not isinstance(beside, dict) or not all(_SHA256.fullmatch(str(each)) for each in beside.values()):
        raise FormatError(
            f"{who}, {BESIDE_KEY} is {beside!r:.60}; wanted an object from the names of files to their sha256."
        )
    return Card(notes.get(TASK_KEY, ""), categories, transform, told, beside=beside)


def _check_categories(names: object, *, who: str, error: type[FormatError] | type[UsageError]) -> None:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise error(
            f"{who}: the categories are a list of names, one for each output of the model, but {names!r:.60} was given."
        )
    wrong = next((name for name in names if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name)), None)
    if wrong is not None:
        raise error(f"{who}: the category {wrong!r:.60} holds control characters, which could steer a terminal.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise error(f"{who}: two categories are called {twice!r}.")


def _check_transform(settings: Any, *, who: str) -> None:
    check_transform(settings, who=who)
    for name, value in settings.items():
        if isinstance(value, (int, float)) and abs(value) > _MOST_PIXELS:
            raise FormatError(f"{who}: {name} is {value:g}; nothing above {_MOST_PIXELS} is taken from a file.")
