"""USPS: handwritten digits from envelopes. Hull, A database for handwritten text recognition research, 1994."""

from __future__ import annotations

import bz2
from typing import ClassVar

from ..errors import DatasetError, MissingDatasetError
from .base import MAX_LIST_BYTES, ArrayDataset


class USPS(ArrayDataset):
    """Digits, 16 x 16, grey: 7,291 in "train", 2,007 in "test"; 0 the paper, 255 the ink.

    The files are lists in libsvm's form: a label from 1 to 10 and 256 numbers `place:value` from -1 to 1.
    """

    resource: ClassVar[str] = "data:usps"
    classes: tuple[str, ...] = tuple("0123456789")
    files: ClassVar[dict[str, str]] = {"train": "usps.bz2", "test": "usps.t.bz2"}

    def _read(self) -> None:
        import numpy

        path = self._path(self.files[self.split])
        try:
            with bz2.open(path) as file:
                content = file.read(MAX_LIST_BYTES + 1)
        except FileNotFoundError as error:
            raise MissingDatasetError(f"USPS: there is no file {str(path)!r}") from error
        except (OSError, EOFError) as error:
            raise DatasetError(
                f"USPS: {str(path)!r} is damaged inside its bzip2 packing ({error}); get it again"
            ) from None
        if len(content) > MAX_LIST_BYTES:
            raise DatasetError(
                f"USPS: {str(path)!r} unpacks to more than the {MAX_LIST_BYTES:,} bytes that are read here"
            )
        labels, rows = [], []
        try:
            for line in content.decode("ascii").splitlines():
                label, *fields = line.split()
                places, values = zip(*(field.split(":") for field in fields), strict=True)
                if tuple(map(int, places)) != tuple(range(1, 257)):
                    raise ValueError(f"places {places[:3]}...")
                labels.append(int(label) - 1)
                rows.append([float(value) for value in values])
            pixels = numpy.array(rows, numpy.float64).reshape(-1, 16, 16)
            if not (numpy.abs(pixels) <= 1).all():
                raise ValueError("a number beyond 1")
        except ValueError as error:
            raise DatasetError(
                f"USPS: {str(path)!r} is not the list that was expected ({error}); get it again"
            ) from None
        self.images = ((pixels + 1) / 2 * 255).astype(numpy.uint8)
        self.labels = self._labelled(labels, path)
