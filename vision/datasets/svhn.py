"""SVHN: house numbers in Street View, single digits cut out. Netzer and others, NIPS workshop on deep learning, 2011."""

from __future__ import annotations

from typing import ClassVar

from ..errors import DatasetError
from .base import ArrayDataset
from .mat import array_of, read_mat


class SVHN(ArrayDataset):
    """Digits, 32 x 32, in colour: 73,257 in "train", 26,032 in "test", 531,131 easier ones in "extra".

    The files write 10 for the digit 0; here its label is 0.
    """

    resource: ClassVar[str] = "data:svhn"
    splits: ClassVar[tuple[str, ...]] = ("train", "test", "extra")
    below: ClassVar[tuple[str, ...]] = ("svhn", "SVHN")
    classes: tuple[str, ...] = tuple("0123456789")

    def _read(self) -> None:
        path = self._path(f"{self.split}_32x32.mat")
        held = read_mat(path)
        pixels, labels = array_of(held, "X", path), array_of(held, "y", path)
        if pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3) or pixels.dtype != "uint8":
            raise DatasetError(f"SVHN: {str(path)!r} must hold X, uint8 (32, 32, 3, n); it holds {pixels.shape}")
        self.images = pixels.transpose(3, 0, 1, 2)
        self.labels = self._labelled(labels % 10, path)
        self._same_length(path, path)
