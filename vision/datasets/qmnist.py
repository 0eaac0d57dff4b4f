"""QMNIST: MNIST rebuilt from its source, with 50,000 test digits that MNIST lost. Yadav, Bottou, arXiv:1905.10498."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import ArrayDataset
from .idx import read_idx

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_FILES = {
    "train": ("qmnist-train-images-idx3-ubyte.gz", "qmnist-train-labels-idx2-int.gz"),
    "test": ("qmnist-test-images-idx3-ubyte.gz", "qmnist-test-labels-idx2-int.gz"),
    "nist": ("xnist-images-idx3-ubyte.xz", "xnist-labels-idx2-int.xz"),
}
_LOST = 10_000  # from this one on, the test digits are those that MNIST has not


class QMNIST(ArrayDataset):
    """Digits, 28 x 28, grey: "train" and "test" (60,000 each), "test10k" (those of MNIST), "test50k" (the others), and
    "nist" (all 402,953 of NIST's Special Database 19).

    `details` is int32 (n, 8): the digit, the series, the writer, the digit's number among the writer's, NIST's class, the
    digit's number in all, whether it is there twice, and 0.
    """

    resource: ClassVar[str] = "data:qmnist"
    splits: ClassVar[tuple[str, ...]] = ("train", "test", "test10k", "test50k", "nist")
    below: ClassVar[tuple[str, ...]] = ("raw", "QMNIST/raw")
    classes: tuple[str, ...] = tuple("0123456789")
    details: NDArray[Any]

    def _read(self) -> None:
        images, labels = (self._file(name) for name in _FILES[self.split if self.split in _FILES else "test"])
        self.images, self.details = read_idx(images), read_idx(labels)
        if self.images.dtype != "uint8" or self.images.shape[1:] != (28, 28) or self.details.shape[1:] != (8,):
            raise DatasetError(
                f"QMNIST: {str(images)!r} holds {self.images.dtype} {self.images.shape} and {str(labels)!r} "
                f"{self.details.shape}, where uint8 (n, 28, 28) and (n, 8) belong; get them again"
            )
        self.labels = self._labelled(self.details[:, 0], labels)
        self._same_length(images, labels)
        part = {"test10k": slice(_LOST), "test50k": slice(_LOST, None)}.get(self.split, slice(None))
        self.images, self.labels, self.details = self.images[part], self.labels[part], self.details[part]

    def _file(self, name: str) -> Path:
        """From the hub under its name (there .xz is unpacked); in a folder unpacked, or packed by gzip."""
        if self._folder is None:
            return self._path(name)
        try:
            return self._path(name, name.rpartition(".")[0])
        except MissingDatasetError:
            return self._path(name)
