"""Oxford-IIIT Pet: cats and dogs of 37 breeds, with their outlines. Parkhi and others, Cats and dogs, CVPR 2012."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from ..io import read_image, to_array
from .base import FileDataset, fields_of, read_lines, safe_join, whole

if TYPE_CHECKING:
    from numzoo.hub.published import Fetch


TARGETS = ("breed", "species", "mask")


class OxfordIIITPet(FileDataset):
    """Photographs of pets: 3,680 in "trainval", 3,669 in "test".

    By index, next to the image, what `target` says: "breed" (0 to 36), "species" (0 a cat, 1 a dog), or "mask", uint8
    (height, width) with 1 the animal, 2 what is around it, 3 the border between. `labels` are the breeds or the species.
    """

    resource: ClassVar[str] = "data:oxford-iiit-pet"
    splits: ClassVar[tuple[str, ...]] = ("trainval", "test")
    below: ClassVar[tuple[str, ...]] = ("oxford-iiit-pet",)

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        target: str = "breed",
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"OxfordIIITPet: target is {target!r} but must be one of {', '.join(map(repr, TARGETS))}")
        self.target = target
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def _read(self) -> None:
        path = self._path("annotations.tar.gz", f"annotations/{self.split}.txt")
        images = self._path("images.tar.gz", "images")
        rows = [fields_of(line, 4, self.who, path) for line in read_lines(path, self.who) if line[0] != "#"]
        self.paths = [safe_join(images, f"{name}.jpg", self.who, path) for name, *_ in rows]
        breeds = {whole(row[1], self.who, path): _breed(row[0]) for row in rows}
        if sorted(breeds) != list(range(1, len(breeds) + 1)):
            raise DatasetError(f"OxfordIIITPet: {str(path)!r} numbers its breeds with gaps; get it again")
        self.classes = tuple(breeds[number] for number in sorted(breeds))
        column = 1
        if self.target == "species":
            self.classes, column = ("cat", "dog"), 2
        self.labels = self._labelled([whole(row[column], self.who, path) - 1 for row in rows], path)
        self._masks: list[Path] = []
        if self.target == "mask":
            masks = self._path("annotations.tar.gz", "annotations/trimaps")
            self._masks = [masks / f"{image.stem}.png" for image in self.paths]

    def _target(self, place: int) -> Any:
        if self.target == "mask":
            return to_array(read_image(self._masks[place], None))
        return super()._target(place)


def _breed(name: str) -> str:
    """What the breed of an image is called: its name without the number, as words."""
    return name.rpartition("_")[0].replace("_", " ").title()
