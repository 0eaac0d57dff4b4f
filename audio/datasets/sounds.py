"""Sounds that are not speech: ESC-50's noises of every day, GTZAN's music."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import AudioDataset, Recording

if TYPE_CHECKING:
    from numzoo.hub.published import Fetch


COLUMNS = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]


class ESC50(AudioDataset):
    """2,000 recordings of five seconds in 50 classes, 44.1 kHz, from dogs to chainsaws. Piczak, doi.org/10.1145/2733373.2806390

    The target is the number of the class. The data set comes in five folds that share no source: "test" is fold `fold`,
    "train" the other four, "all" is all. `ten` keeps only the ten classes of ESC-10, with their numbers in ESC-50.
    """

    resource: ClassVar[str] = "data:esc-50"
    splits: ClassVar[tuple[str, ...]] = ("train", "test", "all")
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("ESC-50-master.zip",)}
    fields: ClassVar[tuple[str, ...]] = ("fold", "category", "esc10", "source", "take")

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        fold: int = 5,
        ten: bool = False,
        transform: Callable[[Any, int], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        if fold not in (1, 2, 3, 4, 5):
            raise ValueError(f"{self.who}: fold is {fold!r} but must be a number from 1 to 5")
        self.fold, self.ten = fold, ten
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)

    def _recordings(self) -> list[Recording]:
        listing = self._find("meta/esc50.csv", "esc50.csv")
        sounds = self._find("audio")
        found, classes = [], {}
        rows = csv.reader(self._lines(listing))
        if (header := next(rows, [])) != COLUMNS:
            raise DatasetError(f"{self.who}: esc50.csv has the columns {header}, where {COLUMNS} belong")
        for row in rows:
            if len(row) != len(COLUMNS) or not row[2].isdigit() or row[1] not in "12345":
                raise DatasetError(f"{self.who}: esc50.csv has the row {row}, which is no recording")
            name, fold, target, category, ten, source, take = row
            classes[int(target)] = category
            wanted = self.split == "all" or (int(fold) == self.fold) == (self.split == "test")
            if wanted and (ten == "True" or not self.ten):
                path = self._sound(sounds, name, listing.name)
                found.append(Recording(path, int(target), (int(fold), category, ten == "True", source, take)))
        self.classes = tuple(classes.get(number, str(number)) for number in range(max(classes, default=-1) + 1))
        return found


class GTZAN(AudioDataset):
    """1,000 half-minutes of music in ten genres, 22.05 kHz. Tzanetakis, Cook, doi.org/10.1109/TSA.2002.800560

    The target is the number of the genre. Its server has long been silent: a person has to find the archive.
    """

    resource: ClassVar[str] = "data:gtzan"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[dict[str, tuple[str, ...]]] = {"": ("genres.tar.gz",)}
    classes = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")

    def _recordings(self) -> list[Recording]:
        top = self._find("blues").parent
        return [
            Recording(str(path), number)
            for number, genre in enumerate(self.classes)
            for path in sorted(top.glob(f"{genre}/{genre}.*"))
            if path.suffix in (".wav", ".au")
        ]
