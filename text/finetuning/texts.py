"""Which texts are there to train on, and which to check with: files in class folders, or rows of tables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from numzoo.finetuning.folders import class_files, class_folders
from numzoo.finetuning.samples import TRAINING, VALIDATION, Samples, check_classes, put_aside, within
from numzoo.text.errors import DatasetError, MissingDatasetError
from numzoo.text.finetuning.tables import SUFFIXES, read_table, read_text

__all__ = ["Texts", "find_texts"]

_FILES = (".txt", ".text")

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Texts(Samples):
    """The classes' names, and (text, class number) for every text. All are in memory."""

    noun: ClassVar[str] = "texts"

    tops: frozenset[str] = field(default=frozenset())
    """The folders, right below the given one, that hold the files."""

    def digest(self) -> str:
        found = hashlib.sha256()
        for part in (self.train, self.validation):
            for text, label in part:
                found.update(f"{label} {len(text)} ".encode())
                found.update(text.encode("utf-8"))
            found.update(b"\n")
        return found.hexdigest()

    def would_hold(self, path: Path) -> bool:
        return self.folder.is_dir() and within(path, self.folder, set(self.tops), self.classes) and bool(self.tops)

    def check(self) -> None:
        """Nothing: they were read to be found."""

    def notes(self) -> list[str]:
        known = {text for text, _ in self.train}
        both = sum(text in known for text, _ in self.validation)
        said = f"{both} of the texts to check with stand among those to train on too, word for word; the accuracy will flatter"
        return [*super().notes(), *([said] if both else [])]


def find_texts(
    place: str | os.PathLike[str], *, val_fraction: float = 0.2, seed: int = 0, text: str | None = None, label: str | None = None
) -> Texts:  # fmt: skip
    """The texts of `place`: a table (.csv, .tsv, .jsonl), or a folder CLASS/*.txt, train/CLASS/*.txt and val/CLASS/*.txt, or train.csv and val.csv.

    `text` and `label` name a table's columns. Without a part to check with, `val_fraction` of each class (at least one text) is put aside,
    chosen by `seed`. Raises MissingDatasetError for what is not there; DatasetError for a place without texts or with a single class, for
    parts that differ in their classes, and for a file that cannot be read.
    """
    root = Path(place)
    if root.is_file():
        if root.suffix.lower() not in SUFFIXES:
            raise DatasetError(
                f"{root} is no table by its name; wanted {', '.join(SUFFIXES)}, or a folder with a folder for each class"
            )
        return _divided(root, read_table(root, text, label), val_fraction, seed, (), "line")
    if not root.is_dir():
        raise MissingDatasetError(
            f"{root} does not exist; wanted a folder with a folder of texts for each class, or a table of texts"
        )
    tables = [_table(root, names) for names in (TRAINING, VALIDATION)]
    if tables[0] is not None:
        rows = read_table(tables[0], text, label)
        if tables[1] is None:
            return _divided(root, rows, val_fraction, seed, (), "line")
        return _parts(root, rows, read_table(tables[1], text, label), f"{tables[0].name} and {tables[1].name}", (), ())
    folders = [
        next((root / name for name in names if class_folders(root / name)), None) for names in (TRAINING, VALIDATION)
    ]
    if folders[0] is None or folders[1] is None:
        base = folders[0] or root
        rows, other = _files(base)
        return _divided(root, rows, val_fraction, seed, other, "class folder", base)
    (rows, other), (held, more) = _files(folders[0]), _files(folders[1])
    tops = (folders[0].name, folders[1].name)
    return _parts(root, rows, held, f"{tops[0]} and {tops[1]}", (*other, *more), tops)


def _divided(
    root: Path, rows: Rows, fraction: float, seed: int, other: tuple[Path, ...], what: str, base: Path | None = None
) -> Texts:
    classes = _checked(root, rows, what)
    labels = [classes.index(name) for _, name in rows]
    lone = next((name for place, name in enumerate(classes) if labels.count(place) < 2), None)
    if lone is not None:
        raise DatasetError(
            f"{str(root)!r}: the class {lone!r} has one text; one to train on and one to check with are the least"
        )
    chosen = put_aside(labels, fraction, seed)
    samples = [(text, label) for (text, _), label in zip(rows, labels, strict=True)]
    train = tuple(sample for place, sample in enumerate(samples) if place not in chosen)
    validation = tuple(sample for place, sample in enumerate(samples) if place in chosen)
    tops = () if base is None else classes if base == root else (base.name,)
    return Texts(
        root,
        classes,
        train,
        validation,
        f"{fraction:.0%} of each class put aside by seed {seed}",
        other,
        frozenset(tops),
    )


def _parts(root: Path, rows: Rows, held: Rows, split: str, other: tuple[Path, ...], tops: Sequence[str]) -> Texts:
    what = "class folder" if tops else "line"
    classes = _checked(root, rows, what)
    if strange := sorted({name for _, name in held} - set(classes)):
        raise DatasetError(
            f"{str(root)!r}: the class {strange[0]!r} is only among the texts to check with; both parts need the same classes"
        )
    number = {name: place for place, name in enumerate(classes)}
    train, validation = (tuple((text, number[name]) for text, name in part) for part in (rows, held))
    return Texts(root, classes, train, validation, split, other, frozenset(tops))


def _checked(root: Path, rows: Rows, what: str) -> tuple[str, ...]:
    classes = tuple(sorted({name for _, name in rows}))
    check_classes(repr(str(root)), classes, what, DatasetError)
    return classes


def _files(base: Path) -> tuple[Rows, tuple[Path, ...]]:
    """(text, class) for every text file below the class folders of `base`, and the files that are none by their names."""
    if not class_folders(base):
        raise DatasetError(
            f"{str(base)!r} must hold a subfolder for each class, with a text a file (.txt), or a table train.csv; it has neither"
        )
    found, other = class_files(base, _FILES, "text", DatasetError)
    return [(read_text(path), name) for path, name in found], other


def _table(root: Path, names: Sequence[str]) -> Path | None:
    return next(
        (root / f"{name}{suffix}" for name in names for suffix in SUFFIXES if (root / f"{name}{suffix}").is_file()),
        None,
    )
