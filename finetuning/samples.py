"""What there is to train on and to check with, and how one becomes both."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy

__all__ = ["TRAINING", "VALIDATION", "FileSamples", "Samples", "check_classes", "put_aside"]

TRAINING = ("train", "training")
VALIDATION = ("val", "valid", "validation", "test")
"""What folders and files of the two parts are called."""


@dataclass(frozen=True)
class Samples(ABC):
    """The classes' names, and (what, class number) for every sample. `split` says how the two parts came about.

    `noun` is what a report calls them; `passed_over` are files that are none by their names.
    """

    noun: ClassVar[str]

    folder: Path
    classes: tuple[str, ...]
    train: tuple[tuple[Any, int], ...]
    validation: tuple[tuple[Any, int], ...]
    split: str
    passed_over: tuple[Path, ...]

    def counts(self) -> list[tuple[str, int, int]]:
        """Class, samples to train on, samples to check with."""
        both = [
            numpy.bincount([label for _, label in part], minlength=len(self.classes))
            for part in (self.train, self.validation)
        ]
        return [(name, int(a), int(b)) for name, a, b in zip(self.classes, *both, strict=True)]

    def notes(self) -> list[str]:
        """What a person should know of the samples before they are trained on."""
        said = []
        if self.passed_over:
            first = ", ".join(str(path) for path in self.passed_over[:3])
            more = f" and {len(self.passed_over) - 3} more" if len(self.passed_over) > 3 else ""
            said.append(f"passed over, being no {self.noun} by their names: {first}{more}")
        least = min(count for _, count, _ in self.counts())
        if least < 5:
            said.append(f"the smallest class has {least} to train on; expect little of so few")
        return said

    @abstractmethod
    def digest(self) -> str:
        """What changes when a sample is added, removed, changed, or moves to the other part."""

    @abstractmethod
    def would_hold(self, path: Path) -> bool:
        """Whether what is written to `path` would be found among the samples next time."""

    @abstractmethod
    def check(self) -> None:
        """Read every sample once; an error names those that cannot be read."""


@dataclass(frozen=True)
class FileSamples(Samples):
    """Samples that are files in class folders: (path, class number)."""

    def digest(self) -> str:
        lines = [
            f"{part} {path.relative_to(self.folder).as_posix()}"
            for part in ("train", "validation")
            for path, _ in getattr(self, part)
        ]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def would_hold(self, path: Path) -> bool:
        return within(
            path,
            self.folder,
            {each.relative_to(self.folder).parts[0] for each, _ in self.train + self.validation},
            self.classes,
        )


def within(path: Path, folder: Path, tops: set[str], classes: Sequence[str]) -> bool:
    """Whether `path` lies where the class folders of `folder` are; `tops` are the folders in it that hold samples."""
    root, place = folder.resolve(), path.resolve()
    if not place.is_relative_to(root):
        return False
    first = (*place.relative_to(root).parts, "")[0]
    return first in tops or (tops == set(classes) and not first.startswith("."))


def put_aside(labels: Sequence[int], fraction: float, seed: int) -> set[int]:
    """The places of the samples to check with: of each class `fraction` (at least one), by chance that the seed and the class alone decide."""
    given = numpy.asarray(labels)
    chosen: set[int] = set()
    for label in range(int(given.max()) + 1 if given.size else 0):
        own = numpy.flatnonzero(given == label)
        count = min(max(1, round(fraction * len(own))), len(own) - 1)
        order = numpy.random.default_rng([seed, label]).permutation(len(own))
        chosen.update(own[order[:count]].tolist())
    return chosen


def check_classes(where: str, classes: Sequence[str], what: str, error: type[Exception]) -> None:
    """Refuse names that cannot stand in a file or on a terminal, and a single class; `what` is what carries a class's name."""
    for name in classes:
        if any(ord(letter) < 32 or 127 <= ord(letter) < 160 or 0xD800 <= ord(letter) < 0xE000 for letter in name):
            raise error(
                f"{where}: the {what} {name!r} has control characters or bytes that are no UTF-8 in its name, which becomes a category; rename it"
            )
    if len(classes) < 2:
        raise error(
            f"{where} holds a single class, {classes[0]!r}; a classifier needs a {what} for each of two classes or more"
        )
