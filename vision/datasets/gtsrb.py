"""GTSRB: German traffic signs. Stallkamp and others, Man vs. computer, Neural Networks 32, 2012."""

from __future__ import annotations

from typing import ClassVar

from .base import FileDataset, fields_of, read_lines, safe_join, whole

_CLASSES = 43


class GTSRB(FileDataset):
    """Photographs of traffic signs in 43 classes, of many sizes: 26,640 in "train", 12,630 in "test".

    The classes are called by their numbers, "00" to "42", as the folders are.
    """

    resource: ClassVar[str] = "data:gtsrb"
    below: ClassVar[tuple[str, ...]] = ("gtsrb",)
    classes: tuple[str, ...] = tuple(f"{number:02}" for number in range(_CLASSES))

    def _read(self) -> None:
        if self.split == "train":
            root = self._path("GTSRB-Training_fixed.zip", "GTSRB/Training")
            self.paths = sorted(root.glob("*/*.ppm"))
            self.labels = self._labelled([whole(path.parent.name, self.who, root) for path in self.paths], root)
            return
        path = self._path("GTSRB_Final_Test_GT.zip", "GT-final_test.csv")
        root = self._path("GTSRB_Final_Test_Images.zip", "GTSRB/Final_Test/Images")
        header, *lines = read_lines(path, self.who) or [""]
        columns = list(fields_of(header, 8, self.who, path, ";"))
        name, label = columns.index("Filename"), columns.index("ClassId")
        rows = [fields_of(line, len(columns), self.who, path, ";") for line in lines]
        self.paths = [safe_join(root, row[name], self.who, path) for row in rows]
        self.labels = self._labelled([whole(row[label], self.who, path) for row in rows], path)
