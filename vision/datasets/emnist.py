"""EMNIST: handwritten letters and digits in MNIST's format, cut in six ways. Cohen and others, arXiv:1702.05373."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import ArrayDataset
from .idx import read_idx

if TYPE_CHECKING:
    from numzoo.hub.published import Fetch


_EVERY = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"  # the other small letters look like their capitals
SUBSETS = {
    "balanced": tuple(_MERGED),
    "byclass": tuple(_EVERY),
    "bymerge": tuple(_MERGED),
    "letters": tuple(string.ascii_lowercase),
    "digits": tuple(string.digits),
    "mnist": tuple(string.digits),
}


class EMNIST(ArrayDataset):
    """The characters of one `subset`, 28 x 28, grey, upright; splits "train" and "test".

    "balanced" (47 classes, 112,800 + 18,800 images), "byclass" (62, 697,932 + 116,323), "bymerge" (47, as many), "letters"
    (26, 124,800 + 20,800, labels from 0 for a), "digits" (10, 240,000 + 40,000), "mnist" (10, 60,000 + 10,000).

    The files hold the images with rows and columns exchanged; here they are as they were written.
    """

    resource: ClassVar[str] = "data:emnist"
    below: ClassVar[tuple[str, ...]] = ("gzip", "raw", "EMNIST/raw")

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        subset: str = "balanced",
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if subset not in SUBSETS:
            raise ValueError(f"EMNIST: subset is {subset!r} but must be one of {', '.join(map(repr, SUBSETS))}")
        self.subset, self.classes = subset, SUBSETS[subset]
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def _read(self) -> None:
        images, labels = (
            self._file(f"emnist-{self.subset}-{self.split}-{part}") for part in ("images-idx3", "labels-idx1")
        )
        pixels, numbers = read_idx(images), read_idx(labels)
        if pixels.dtype != "uint8" or pixels.shape[1:] != (28, 28) or numbers.ndim != 1:
            raise DatasetError(
                f"EMNIST: {str(images)!r} holds {pixels.dtype} {pixels.shape} and {str(labels)!r} {numbers.shape}, where "
                "uint8 (n, 28, 28) and (n,) belong; get them again"
            )
        self.images = pixels.transpose(0, 2, 1)
        self.labels = self._labelled(numbers.astype("int64") - (self.subset == "letters"), labels)
        self._same_length(images, labels)

    def _file(self, name: str) -> Path:
        try:
            return self._path("gzip.zip", f"{'gzip/' if self._folder is None else ''}{name}-ubyte.gz")
        except MissingDatasetError:
            return self._path("gzip.zip", f"{name}-ubyte")
