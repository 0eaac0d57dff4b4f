"""Places365: photographs of 365 kinds of places. Zhou and others, PAMI 2017."""

from __future__ import annotations

from typing import ClassVar

from .base import FileDataset, fields_of, read_lines, safe_join, whole

_LISTS = "filelist_places365-standard.tar"
_WHERE = {  # split: the archive of the images, the folder in it, the list
    "train": ("train_256_places365standard.tar", "data_256", "places365_train_standard.txt"),
    "val": ("val_256.tar", "val_256", "places365_val.txt"),
    "train-large": ("train_large_places365standard.tar", "data_large", "places365_train_standard.txt"),
    "val-large": ("val_large.tar", "val_large", "places365_val.txt"),
}


class Places365(FileDataset):
    """Places, 256 x 256: 1,803,460 in "train", 36,500 in "val"; "train-large" and "val-large" are the same, larger.

    Classes are called as their folders, "/a/airfield" for example.
    """

    resource: ClassVar[str] = "data:places365"
    splits: ClassVar[tuple[str, ...]] = tuple(_WHERE)

    def _read(self) -> None:
        archive, folder, listed = _WHERE[self.split]
        names = self._path(_LISTS, "categories_places365.txt")
        numbers = [fields_of(line, 2, self.who, names) for line in read_lines(names, self.who)]
        numbers.sort(key=lambda fields: whole(fields[1], self.who, names))
        self.classes = tuple(fields[0] for fields in numbers)
        path = self._path(_LISTS, listed)
        root = self._path(archive, folder)
        rows = [fields_of(line, 2, self.who, path) for line in read_lines(path, self.who)]
        self.paths = [safe_join(root, row[0].lstrip("/"), self.who, path) for row in rows]
        self.labels = self._labelled([whole(row[1], self.who, path) for row in rows], path)
