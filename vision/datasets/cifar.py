"""CIFAR-10 and CIFAR-100: 60,000 small photographs each. Krizhevsky, Learning multiple layers of features, 2009.

Read are the binary versions of https://www.cs.toronto.edu/~kriz/cifar.html, which hold bytes only: the Python versions
are pickles.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..errors import DatasetError
from .base import ArrayDataset, read_lines

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_PIXELS = 3 * 32 * 32


class CIFAR10(ArrayDataset):
    """Photographs, 32 x 32, in colour, of ten kinds of things: 50,000 in "train", 10,000 in "test"."""

    resource: ClassVar[str] = "data:cifar10"
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    inside: ClassVar[str] = "cifar-10-batches-bin"
    parts: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test": ("test_batch.bin",),
    }
    label_bytes: ClassVar[int] = 1
    classes: tuple[str, ...] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip

    def _read(self) -> None:
        import numpy

        paths = [self._path(self.archive, f"{self.inside}/{name}") for name in self.parts[self.split]]
        records = numpy.concatenate([self._records(path) for path in paths])
        self.images = records[:, self.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self._take_labels(records[:, : self.label_bytes], paths[0])

    def _take_labels(self, labels: NDArray[numpy.uint8], where: Path) -> None:
        self.labels = self._labelled(labels[:, -1], where)

    def _records(self, path: Path) -> NDArray[numpy.uint8]:
        import numpy

        size = self.label_bytes + _PIXELS
        content = numpy.fromfile(path, numpy.uint8)
        if len(content) % size or not len(content):
            raise DatasetError(
                f"{self.who}: {str(path)!r} has {len(content)} bytes, which is no number of records of {size}; get it again"
            )
        return content.reshape(-1, size)


class CIFAR100(CIFAR10):
    """Photographs, 32 x 32, in colour, of a hundred kinds of things: 50,000 in "train", 10,000 in "test".

    `labels` are the hundred classes; `coarse_labels` the twenty that `coarse_classes` names, each of five of them.
    """

    resource: ClassVar[str] = "data:cifar100"
    archive: ClassVar[str] = "cifar-100-binary.tar.gz"
    inside: ClassVar[str] = "cifar-100-binary"
    parts: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train.bin",), "test": ("test.bin",)}
    label_bytes: ClassVar[int] = 2
    coarse_classes: tuple[str, ...]
    coarse_labels: NDArray[numpy.int64]

    def _take_labels(self, labels: NDArray[numpy.uint8], where: Path) -> None:
        self.classes = self._names("fine_label_names.txt", 100)
        self.coarse_classes = self._names("coarse_label_names.txt", 20)
        self.labels = self._labelled(labels[:, 1], where)
        self.coarse_labels = self._labelled(labels[:, 0], where, 20)

    def _names(self, file: str, count: int) -> tuple[str, ...]:
        path = self._path(self.archive, f"{self.inside}/{file}")
        names = tuple(read_lines(path, self.who))
        if len(names) != count:
            raise DatasetError(
                f"{self.who}: {str(path)!r} names {len(names)} classes, where {count} belong; get it again"
            )
        return names
