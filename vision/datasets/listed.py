"""Data sets whose images are listed in text files that come with them: facts about the lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import FileDataset, fields_of, read_json, read_lines, safe_join

if TYPE_CHECKING:
    from numzoo.hub.published import Fetch


class Food101(FileDataset):
    """Photographs of 101 dishes: 750 of each in "train", 250 in "test". Bossard, Guillaumin, Van Gool, ECCV 2014."""

    resource: ClassVar[str] = "data:food101"

    def _read(self) -> None:
        path = self._path("food-101.tar.gz", f"food-101/meta/{self.split}.json")
        listed = read_json(path, self.who)
        if not isinstance(listed, dict) or not all(isinstance(names, list) for names in listed.values()):
            raise DatasetError(f"Food101: {str(path)!r} must hold the names of images for each class; get it again")
        self.classes = tuple(sorted(listed))
        images = self._path("food-101.tar.gz", "food-101/images")
        pairs = [(name, label) for label, dish in enumerate(self.classes) for name in listed[dish]]
        self.paths = [safe_join(images, f"{name}.jpg", self.who, path) for name, _ in pairs]
        self.labels = self._labelled([label for _, label in pairs], path)


class DTD(FileDataset):
    """Textures in 47 classes, 120 of each, in ten cuts (`partition`) of "train", "val" and "test", 1,880 images each.

    Cimpoi and others, Describing textures in the wild, CVPR 2014.
    """

    resource: ClassVar[str] = "data:dtd"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    below: ClassVar[tuple[str, ...]] = ("dtd",)

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        partition: int = 1,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if partition not in range(1, 11):
            raise ValueError(f"DTD: partition is {partition!r} but must be 1 to 10")
        self.partition = partition
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def _read(self) -> None:
        path = self._path("dtd-r1.0.1.tar.gz", f"dtd/labels/{self.split}{self.partition}.txt")
        images = self._path("dtd-r1.0.1.tar.gz", "dtd/images")
        lines = read_lines(path, self.who)
        self.paths = [safe_join(images, line, self.who, path) for line in lines]
        textures = [fields_of(line, 2, self.who, path, "/")[0] for line in lines]
        self.classes = tuple(sorted(set(textures)))
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.labels = self._labelled([numbers[name] for name in textures], path)


class FGVCAircraft(FileDataset):
    """Photographs of aircraft: 3,334 in "train", 3,333 in "val" (both are "trainval") and 3,333 in "test".

    The classes are 100 variants, 70 families or 41 manufacturers, as `level` says. Maji and others, arXiv:1306.5151.
    """

    resource: ClassVar[str] = "data:fgvc-aircraft"
    splits: ClassVar[tuple[str, ...]] = ("trainval", "train", "val", "test")
    levels: ClassVar[dict[str, str]] = {
        "variant": "variants.txt",
        "family": "families.txt",
        "manufacturer": "manufacturers.txt",
    }

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        level: str = "variant",
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if level not in self.levels:
            raise ValueError(f"FGVCAircraft: level is {level!r} but must be one of {', '.join(map(repr, self.levels))}")
        self.level = level
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def _read(self) -> None:
        archive, inside = "fgvc-aircraft-2013b.tar.gz", "fgvc-aircraft-2013b/data"
        self.classes = tuple(read_lines(self._path(archive, f"{inside}/{self.levels[self.level]}"), self.who))
        path = self._path(archive, f"{inside}/images_{self.level}_{self.split}.txt")
        images = self._path(archive, f"{inside}/images")
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.paths, labels = [], []
        for line in read_lines(path, self.who):
            name, _, kind = line.partition(" ")
            if kind not in numbers:
                raise DatasetError(
                    f"FGVCAircraft: {str(path)!r} names the {self.level} {kind!r}, which is none of them"
                )
            self.paths.append(safe_join(images, f"{name}.jpg", self.who, path))
            labels.append(numbers[kind])
        self.labels = self._labelled(labels, path)


class SUN397(FileDataset):
    """108,754 photographs of 397 kinds of places; one split, "all". Xiao and others, SUN database, CVPR 2010."""

    resource: ClassVar[str] = "data:sun397"
    splits: ClassVar[tuple[str, ...]] = ("all",)

    def _read(self) -> None:
        path = self._path("SUN397.tar.gz", "SUN397/ClassName.txt")
        folders = read_lines(path, self.who)
        self.classes = tuple(line.strip("/").partition("/")[2] for line in folders)
        root = self._path("SUN397.tar.gz", "SUN397")
        self.paths, labels = [], []
        for label, line in enumerate(folders):
            found = sorted(safe_join(root, line.strip("/"), self.who, path).glob("sun_*.jpg"))
            self.paths += found
            labels += [label] * len(found)
        self.labels = self._labelled(labels, path)


class Omniglot(FileDataset):
    """Characters of fifty alphabets, each drawn by twenty people, 105 x 105: "background" (964 characters of 30 alphabets)
    to learn how characters are learnt, "evaluation" (659 of 20). Lake, Salakhutdinov, Tenenbaum, Science 350, 2015.

    Classes are called ALPHABET/characterNN.
    """

    resource: ClassVar[str] = "data:omniglot"
    splits: ClassVar[tuple[str, ...]] = ("background", "evaluation")
    below: ClassVar[tuple[str, ...]] = ("omniglot-py",)
    mode: ClassVar[str] = "L"

    def _read(self) -> None:
        root = self._path(f"images_{self.split}.zip", f"images_{self.split}")
        characters = sorted(each for each in root.glob("*/*") if each.is_dir())
        self.classes = tuple(f"{each.parent.name}/{each.name}" for each in characters)
        self.paths, labels = [], []
        for label, folder in enumerate(characters):
            found = sorted(folder.glob("*.png"))
            self.paths += found
            labels += [label] * len(found)
        self.labels = self._labelled(labels, root)
