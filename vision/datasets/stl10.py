"""STL-10: photographs for learning with few labels. Coates, Lee, Ng, AISTATS 2011."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import ArrayDataset, read_lines, whole

if TYPE_CHECKING:
    from pathlib import Path

    import numpy
    from numpy.typing import NDArray

    from numzoo.hub.published import Fetch


_PIXELS = 3 * 96 * 96
_FOLDS = 10


class STL10(ArrayDataset):
    """Photographs, 96 x 96, in colour, of ten kinds of things: 5,000 in "train", 8,000 in "test", 100,000 in "unlabeled",
    whose labels are -1.

    `fold` (0 to 9) chooses one of the ten sets of 1,000 training images that results are reported on. The images are
    mapped from the disk, and read when they are asked for.
    """

    resource: ClassVar[str] = "data:stl10"
    splits: ClassVar[tuple[str, ...]] = ("train", "test", "unlabeled")
    classes: tuple[str, ...] = (
        "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck",
    )  # fmt: skip

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        fold: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if fold is not None and (fold not in range(_FOLDS) or split not in (None, "train")):
            raise ValueError(f"STL10: fold is {fold!r} with the split {split!r}; it must be 0 to {_FOLDS - 1} of train")
        self.fold = fold
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def _read(self) -> None:
        import numpy

        path = self._inside(f"{self.split}_X.bin")
        size = path.stat().st_size
        if size % _PIXELS or not size:
            raise DatasetError(f"STL10: {str(path)!r} has {size} bytes, no number of images of {_PIXELS}; get it again")
        images: NDArray[numpy.uint8] = numpy.memmap(path, numpy.uint8, "r").reshape(-1, 3, 96, 96)
        self.images = images.transpose(0, 3, 2, 1)  # from (n, colour, column, row)
        if self.split == "unlabeled":
            self.labels = numpy.full(len(images), -1, numpy.int64)
            return
        labels = self._inside(f"{self.split}_y.bin")
        self.labels = self._labelled(numpy.fromfile(labels, numpy.uint8).astype("int64") - 1, labels)
        self._same_length(path, labels)
        if self.fold is not None:
            chosen = self._of_fold(self._inside("fold_indices.txt"))
            self.images, self.labels = self.images[chosen], self.labels[chosen]

    def _of_fold(self, path: Path) -> list[int]:
        lines = read_lines(path, self.who)
        if len(lines) != _FOLDS:
            raise DatasetError(
                f"STL10: {str(path)!r} has {len(lines)} lines, where {_FOLDS} folds belong; get it again"
            )
        chosen = [whole(number, self.who, path) for number in lines[self.fold or 0].split()]
        if not all(0 <= number < len(self.labels) for number in chosen):
            raise DatasetError(f"STL10: {str(path)!r} chooses images that are not there; get it again")
        return chosen

    def _inside(self, name: str) -> Path:
        return self._path("stl10_binary.tar.gz", f"stl10_binary/{name}")
