"""Which images are there to train on, and which to check with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from numzoo.finetuning.samples import TRAINING, VALIDATION, FileSamples, check_classes, put_aside
from numzoo.vision.datasets import ImageFolder
from numzoo.vision.errors import DatasetError

__all__ = ["Images", "find_images"]


@dataclass(frozen=True)
class Images(FileSamples):
    """The classes' names, and (path, class number) for every image. `split` says how the two parts came about."""

    noun: ClassVar[str] = "images"

    def check(self) -> None:
        """Read every image once; a DatasetError names those that cannot be read."""
        whole = Listed(self.train + self.validation, self.folder)
        whole.check()


class Listed(ImageFolder):
    """Images that are listed already."""

    def __init__(
        self, samples: tuple[tuple[Path, int], ...], folder: Path, transform: Callable[[Any], Any] | None = None
    ) -> None:
        self.folder, self.transform, self.mode = folder, transform, "RGB"
        self.samples = list(samples)


def find_images(folder: str | os.PathLike[str], *, val_fraction: float = 0.2, seed: int = 0) -> Images:
    """The images of `folder`: CLASS/IMAGE, or train/CLASS/IMAGE and val/CLASS/IMAGE.

    Without a folder to check with, `val_fraction` of each class (at least one image) is put aside, chosen by `seed`. Raises MissingDatasetError for a
    missing folder; DatasetError for one without images, with a single class, or whose parts differ in their classes.
    """
    root = Path(folder)
    train = next((root / name for name in TRAINING if _holds_classes(root / name)), None)
    if train is None:
        found = ImageFolder(root)
        return _divided(root, found, val_fraction, seed, (root,))
    validation = next((root / name for name in VALIDATION if _holds_classes(root / name)), None)
    found = ImageFolder(train)
    if validation is None:
        return _divided(root, found, val_fraction, seed, (train,))
    held_out = ImageFolder(validation)
    if held_out.classes != found.classes:
        only = sorted(set(held_out.classes) ^ set(found.classes))
        place = train if only[0] in found.classes else validation
        raise DatasetError(
            f"{str(root)!r}: the class {only[0]!r} is only in {str(place)!r}; both parts need the same class folders"
        )
    _check_classes(root, found)
    return Images(
        root,
        found.classes,
        tuple(found.samples),
        tuple(held_out.samples),
        f"{train.name} and {validation.name}",
        _others((train, validation), found, held_out),
    )


def _divided(root: Path, found: ImageFolder, fraction: float, seed: int, places: tuple[Path, ...]) -> Images:
    """Each class in two, by chance that the seed and the class alone decide."""
    _check_classes(root, found)
    for label, name in enumerate(found.classes):
        own = [path for path, number in found.samples if number == label]
        if len(own) < 2:
            raise DatasetError(
                f"{str(root)!r}: the class {name!r} has one image, {own[0].name!r}; one to train on and one to check with are the least"
            )
    chosen = put_aside([label for _, label in found.samples], fraction, seed)
    train = tuple(sample for place, sample in enumerate(found.samples) if place not in chosen)
    validation = tuple(sample for place, sample in enumerate(found.samples) if place in chosen)
    split = f"{fraction:.0%} of each class put aside by seed {seed}"
    return Images(root, found.classes, train, validation, split, _others(places, found))


def _check_classes(root: Path, found: ImageFolder) -> None:
    check_classes(repr(str(root)), found.classes, "class folder", DatasetError)


def _holds_classes(folder: Path) -> bool:
    return folder.is_dir() and any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())


def _others(places: tuple[Path, ...], *found: ImageFolder) -> tuple[Path, ...]:
    """Visible files in the class folders that are no images by their names."""
    known = {path for folder in found for path, _ in folder.samples}
    return tuple(
        Path(place, name)
        for root in places
        for place, _, names in sorted(os.walk(root))
        for name in sorted(names)
        if Path(place) != root and not name.startswith(".") and Path(place, name) not in known
    )
