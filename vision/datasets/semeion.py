"""Semeion: 1,593 handwritten digits of about 80 persons. Semeion Research Center, UCI machine learning repository."""

from __future__ import annotations

from typing import ClassVar

from ..errors import DatasetError
from .base import ArrayDataset, read_lines


class Semeion(ArrayDataset):
    """Digits, 16 x 16, 0 the paper, 255 the ink; one split, "all".

    A line of the file holds 256 numbers, 0 or 1, and ten more, of which that of the digit is 1.
    """

    resource: ClassVar[str] = "data:semeion"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    classes: tuple[str, ...] = tuple("0123456789")

    def _read(self) -> None:
        import numpy

        path = self._path("semeion.data")
        try:
            rows = [[float(field) for field in line.split()] for line in read_lines(path, self.who)]
            held = numpy.array(rows, numpy.float64).reshape(-1, 266)
            if not numpy.isin(held, (0, 1)).all() or not (held[:, 256:].sum(1) == 1).all():
                raise ValueError("other numbers than 0 and 1, or not one digit")
        except ValueError as error:
            raise DatasetError(
                f"Semeion: {str(path)!r} is not the list that was expected ({error}); get it again"
            ) from None
        self.images = (held[:, :256].reshape(-1, 16, 16) * 255).astype(numpy.uint8)
        self.labels = self._labelled(held[:, 256:].argmax(1), path)
