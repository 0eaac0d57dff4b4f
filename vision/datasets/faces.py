"""Faces: what people look like (CelebA) and how they feel (FER-2013). A person has to fetch both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import ArrayDataset, FileDataset, fields_of, read_lines, safe_join, whole

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_PARTS = {"train": 0, "val": 1, "test": 2}


class CelebA(FileDataset):
    """Portraits of 10,177 people, 178 x 218: 162,770 in "train", 19,867 in "val", 19,962 in "test".

    Next to the image stand its forty attributes, bool (40,), which `attributes` names; `labels` are the people, counted
    from 0. Liu, Luo, Wang, Tang, ICCV 2015.
    """

    resource: ClassVar[str] = "data:celeba"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    below: ClassVar[tuple[str, ...]] = ("celeba",)
    attributes: tuple[str, ...]

    def _read(self) -> None:
        import numpy

        path = self._path("list_eval_partition.txt")
        wanted = str(_PARTS[self.split])
        rows = [fields_of(line, 2, self.who, path) for line in read_lines(path, self.who)]
        names = [name for name, part, *_ in rows if part == wanted]
        images = self._path("img_align_celeba.zip", "img_align_celeba")
        self.paths = [safe_join(images, name, self.who, path) for name in names]
        listed = self._path("list_attr_celeba.txt")
        _, header, *lines = [*read_lines(listed, self.who), "", ""]
        self.attributes = tuple(header.split())
        marks = self._by_name(lines, listed)
        people = self._by_name(read_lines(identity := self._path("identity_CelebA.txt"), self.who), identity)
        try:
            self._marks: NDArray[numpy.bool_] = numpy.array(
                [[mark == "1" for mark in marks[name]] for name in names], bool
            )
            numbers = [whole(people[name][0], self.who, identity) - 1 for name in names]
        except KeyError as error:
            raise DatasetError(f"CelebA: {error.args[0]!r} is not in all lists; get them again") from None
        if self._marks.shape[1:] != (len(self.attributes),):
            raise DatasetError(f"CelebA: {str(listed)!r} has lines of other lengths than its header; get it again")
        self.classes = tuple(map(str, range(1, max(numbers, default=0) + 2)))
        self.labels = self._labelled(numbers, identity)

    def _by_name(self, lines: list[str], path: Path) -> dict[str, list[str]]:
        rows = (list(fields_of(line, 2, self.who, path)) for line in lines if line)
        return {name: values for name, *values in rows}

    def _target(self, place: int) -> Any:
        return self._marks[place].copy()


class FER2013(ArrayDataset):
    """Faces, 48 x 48, grey, with one of seven expressions: 28,709 in "train", 3,589 in "val", 3,589 in "test".

    Goodfellow and others, arXiv:1307.0414.
    """

    resource: ClassVar[str] = "data:fer2013"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    below: ClassVar[tuple[str, ...]] = ("fer2013",)
    classes: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    usages: ClassVar[dict[str, str]] = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}

    def _read(self) -> None:
        import numpy

        path = self._path("fer2013.csv")
        rows = [line.split(",") for line in read_lines(path, self.who)[1:]]
        try:
            chosen = [(label, pixels) for label, pixels, usage in rows if usage == self.usages[self.split]]
            values = numpy.array([[int(value) for value in pixels.split()] for _, pixels in chosen], numpy.int64)
            self.images = values.reshape(len(chosen), 48, 48).astype(numpy.uint8)
            if len(values) and not 0 <= values.min() <= values.max() <= 255:
                raise ValueError("a pixel is not in 0 to 255")
        except ValueError as error:
            raise DatasetError(
                f"FER2013: {str(path)!r} is not the list that was expected ({error}); get it again"
            ) from None
        self.labels = self._labelled([whole(label, self.who, path) for label, _ in chosen], path)
