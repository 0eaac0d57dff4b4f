"""ImageNet, the 1,000 classes of ILSVRC 2012. Russakovsky and others, arXiv:1409.0575.

A person has to log in to https://image-net.org for the three files; `numzoo data show imagenet` says how.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import FileDataset, read_lines, whole
from .folder import SUFFIXES
from .mat import read_mat

_DEVKIT = "ILSVRC2012_devkit_t12"
_FOLDERS = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}


class ImageNet(FileDataset):
    """Photographs in 1,000 classes: 1,281,167 in "train", 50,000 in "val".

    `folder` is laid out as usual: train/WNID/*.JPEG and val/WNID/*.JPEG. From the hub, where the validation images lie
    in one folder, their classes are read from the development kit. `wnids` are WordNet's names of the classes, sorted;
    label i is the i-th, which is the order of all checkpoints here.
    """

    resource: ClassVar[str] = "data:imagenet"
    splits: ClassVar[tuple[str, ...]] = ("train", "val")
    wnids: tuple[str, ...]

    def _read(self) -> None:
        if self._folder is None and self.split == "val":
            self._read_flat()
        else:
            self._read_folders()
        self.classes = _class_names(self.wnids)

    def _read_folders(self) -> None:
        root = self._path(_FOLDERS[self.split], self.split if self._folder is not None else "")
        folders = sorted(each for each in root.iterdir() if each.is_dir() and each.name[0] == "n")
        self.wnids = tuple(each.name for each in folders)
        self.classes = self.wnids
        self.paths, labels = [], []
        for label, folder in enumerate(folders):
            found = sorted(each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES)
            self.paths += found
            labels += [label] * len(found)
        if not self.paths:
            raise MissingDatasetError(
                f"ImageNet: no image in {str(root)!r}; it must hold a folder for each class (n01440764)"
            )
        self.labels = self._labelled(labels, root)

    def _read_flat(self) -> None:
        kit = f"{_DEVKIT}.tar.gz"
        path = self._path(kit, f"{_DEVKIT}/data/meta.mat")
        leaves = _leaves(read_mat(path).get("synsets"))
        if not leaves:
            raise DatasetError(
                f"ImageNet: {str(path)!r} must hold the classes as synsets; get the development kit again"
            )
        self.wnids = self.classes = tuple(sorted(leaves.values()))
        numbers = {key: self.wnids.index(wnid) for key, wnid in leaves.items()}
        truth = self._path(kit, f"{_DEVKIT}/data/ILSVRC2012_validation_ground_truth.txt")
        root = self._path(_FOLDERS["val"])
        self.paths = sorted(root.glob("*.JPEG"))
        labels = [numbers.get(whole(line, self.who, truth), -1) for line in read_lines(truth, self.who)]
        if len(labels) != len(self.paths):
            raise DatasetError(
                f"ImageNet: {str(root)!r} holds {len(self.paths)} images but {str(truth)!r} {len(labels)} labels; they do "
                "not belong together: get both again"
            )
        self.labels = self._labelled(labels, truth)


def _leaves(synsets: Any) -> dict[int, str]:
    """The development kit's number of each class -> its WordNet name; groups of classes, which have children, are left out."""
    if not isinstance(synsets, list):
        return {}
    found = {}
    for each in synsets:
        number, name, children = (each.get(key) for key in ("ILSVRC2012_ID", "WNID", "num_children"))
        if getattr(number, "size", 0) == 1 and isinstance(name, str) and (children is None or not children.any()):
            found[int(number.item())] = name
    return found


def _class_names(wnids: tuple[str, ...]) -> tuple[str, ...]:
    """What people call the classes, where all of them are there; their WordNet names otherwise."""
    from numzoo.hub.registry.categories import categories

    names = tuple(categories("imagenet1k"))
    return names if len(names) == len(wnids) else wnids
