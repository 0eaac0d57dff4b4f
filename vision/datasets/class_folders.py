"""Data sets whose archives hold a folder for each class: facts about where the folders are and what the classes are called."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import FileDataset
from .folder import SUFFIXES


class ClassFolders(FileDataset):
    """Images in folders, one for each class; `archives` says per split which file of the hub holds which folder.

    Classes are the folders' names, sorted, as `named` spells them; folders in `passed_over` are none.
    """

    archives: ClassVar[dict[str, tuple[str, str]]]
    passed_over: ClassVar[frozenset[str]] = frozenset()
    count: ClassVar[int]
    """How many classes there must be."""

    def __init_subclass__(cls) -> None:
        cls.splits = tuple(cls.archives)

    @staticmethod
    def named(folder: str) -> str:
        """What the class of a folder is called."""
        return folder

    def _read(self) -> None:
        root = self._path(*self.archives[self.split])
        folders = sorted(
            each
            for each in root.iterdir()
            if each.is_dir() and each.name[0] != "." and each.name not in self.passed_over
        )
        if len(folders) != self.count:
            raise DatasetError(
                f"{self.who}: {str(root)!r} holds {len(folders)} class folders, where {self.count} belong; get it again"
            )
        self.classes = tuple(self.named(folder.name) for folder in folders)
        self.paths, labels = [], []
        for label, folder in enumerate(folders):
            found = sorted(each for each in folder.iterdir() if _is_image(each))
            if not found:
                raise MissingDatasetError(f"{self.who}: no image in {str(folder)!r}; get the data set again")
            self.paths += found
            labels += [label] * len(found)
        self.labels = self._labelled(labels, root)


class EuroSAT(ClassFolders):
    """27,000 images of land by the Sentinel-2 satellite, 64 x 64, in ten classes; one split, "all".

    Helber and others, EuroSAT, arXiv:1709.00029.
    """

    resource: ClassVar[str] = "data:eurosat"
    archives: ClassVar[dict[str, tuple[str, str]]] = {"all": ("EuroSAT.zip", "2750")}
    below: ClassVar[tuple[str, ...]] = ("eurosat",)
    count: ClassVar[int] = 10


class Country211(ClassFolders):
    """Photographs from 211 countries and territories, by their ISO codes: 150 + 50 + 100 of each.

    Radford and others, CLIP, arXiv:2103.00020.
    """

    resource: ClassVar[str] = "data:country211"
    archives: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("country211.tgz", "country211/train"),
        "val": ("country211.tgz", "country211/valid"),
        "test": ("country211.tgz", "country211/test"),
    }
    count: ClassVar[int] = 211


class RenderedSST2(ClassFolders):
    """Sentences of film reviews as images, negative and positive: 6,920 + 872 + 1,821.

    Radford and others, CLIP, arXiv:2103.00020, from the Stanford Sentiment Treebank.
    """

    resource: ClassVar[str] = "data:rendered-sst2"
    archives: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("rendered-sst2.tgz", "rendered-sst2/train"),
        "val": ("rendered-sst2.tgz", "rendered-sst2/valid"),
        "test": ("rendered-sst2.tgz", "rendered-sst2/test"),
    }
    count: ClassVar[int] = 2


class Imagenette(ClassFolders):
    """Ten easy classes of ImageNet: 9,469 images in "train", 3,925 in "val". https://github.com/fastai/imagenette."""

    resource: ClassVar[str] = "data:imagenette"
    archives: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("imagenette2.tgz", "imagenette2/train"),
        "val": ("imagenette2.tgz", "imagenette2/val"),
    }
    count: ClassVar[int] = 10
    names: ClassVar[dict[str, str]] = {
        "n01440764": "tench",
        "n02102040": "English springer",
        "n02979186": "cassette player",
        "n03000684": "chain saw",
        "n03028079": "church",
        "n03394916": "French horn",
        "n03417042": "garbage truck",
        "n03425413": "gas pump",
        "n03445777": "golf ball",
        "n03888257": "parachute",
    }

    @staticmethod
    def named(folder: str) -> str:
        return Imagenette.names.get(folder, folder)


class Imagenette320(Imagenette):
    """Imagenette with the shorter side at 320 pixels."""

    resource: ClassVar[str] = "data:imagenette-320"
    archives: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("imagenette2-320.tgz", "imagenette2-320/train"),
        "val": ("imagenette2-320.tgz", "imagenette2-320/val"),
    }


class Imagenette160(Imagenette):
    """Imagenette with the shorter side at 160 pixels."""

    resource: ClassVar[str] = "data:imagenette-160"
    archives: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("imagenette2-160.tgz", "imagenette2-160/train"),
        "val": ("imagenette2-160.tgz", "imagenette2-160/val"),
    }


class Caltech101(ClassFolders):
    """8,677 images of 101 kinds of objects (the clutter folder is left out); one split, "all".

    Fei-Fei, Fergus, Perona, CVPR workshop 2004.
    """

    resource: ClassVar[str] = "data:caltech101"
    archives: ClassVar[dict[str, tuple[str, str]]] = {
        "all": ("caltech-101.zip", "caltech-101/101_ObjectCategories/101_ObjectCategories")
    }
    below: ClassVar[tuple[str, ...]] = ("caltech101",)
    passed_over: ClassVar[frozenset[str]] = frozenset({"BACKGROUND_Google"})
    count: ClassVar[int] = 101

    def _path(self, file: str, inside: str = "") -> Path:
        try:
            return super()._path(file, inside)
        except MissingDatasetError:  # In a folder of one's own the inner archive may lie where it was unpacked.
            return super()._path(file, "101_ObjectCategories")


class Caltech256(ClassFolders):
    """30,607 images of 256 kinds of objects and of clutter (the last class); one split, "all".

    Griffin, Holub, Perona, technical report, 2007.
    """

    resource: ClassVar[str] = "data:caltech256"
    archives: ClassVar[dict[str, tuple[str, str]]] = {"all": ("256_ObjectCategories.tar", "256_ObjectCategories")}
    below: ClassVar[tuple[str, ...]] = ("caltech256",)
    count: ClassVar[int] = 257

    @staticmethod
    def named(folder: str) -> str:
        return folder.partition(".")[2] or folder


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
