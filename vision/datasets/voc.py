"""PASCAL VOC: photographs with boxes and outlines of twenty kinds of things. Everingham and others, IJCV 88, 2010."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree

from ..errors import DatasetError, MissingDatasetError
from ..io import read_image, to_array
from .base import FileDataset, read_lines, safe_join

if TYPE_CHECKING:
    from numzoo.hub.published import Fetch


ARCHIVES = {
    "2007": "VOCtrainval_06-Nov-2007.tar",
    "2008": "VOCtrainval_14-Jul-2008.tar",
    "2009": "VOCtrainval_11-May-2009.tar",
    "2010": "VOCtrainval_03-May-2010.tar",
    "2011": "VOCtrainval_25-May-2011.tar",
    "2012": "VOCtrainval_11-May-2012.tar",
}
_TEST_2007 = "VOCtest_06-Nov-2007.tar"
_MAX_ANNOTATION = 4 << 20


class VOC(FileDataset):
    """Photographs of a `year` (2007 to 2012): "train", "val", "trainval", and "test" of 2007.

    `target` is "detection" or "segmentation". Next to the image, a detection is a dictionary: `boxes`, float32 (n, 4),
    left, top, right, bottom in pixels from 0, right and bottom outside of the thing; `labels`, int64 (n,), 0 to 19;
    `difficult` and `truncated`, bool (n,). A segmentation is uint8 (height, width): 0 the background, 1 to 20 the
    classes, 255 what does not count. `classes` has the background first for a segmentation.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "trainval", "test")
    below: ClassVar[tuple[str, ...]] = ("TrainVal",)
    things: ClassVar[tuple[str, ...]] = (
        "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
        "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
    )  # fmt: skip

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        year: int = 2012,
        target: str = "detection",
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if str(year) not in ARCHIVES:
            raise ValueError(f"VOC: year is {year!r} but must be one of {', '.join(ARCHIVES)}")
        if target not in ("detection", "segmentation"):
            raise ValueError(f"VOC: target is {target!r} but must be 'detection' or 'segmentation'")
        if split == "test" and str(year) != "2007":
            raise ValueError(f"VOC: the split 'test' was published of 2007 only, but the year is {year}")
        self.year, self.target = str(year), target
        self.resource = f"data:voc{year}"  # type: ignore[misc]
        self.classes = self.things if target == "detection" else ("background", *self.things)
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def __len__(self) -> int:
        return len(self.paths)

    def _read(self) -> None:
        import numpy

        archive = _TEST_2007 if self.split == "test" else ARCHIVES[self.year]
        root = f"VOCdevkit/VOC{self.year}"
        if self._folder is None and self.year == "2011":
            root = f"TrainVal/{root}"
        kind, place, suffix = {
            "detection": ("Main", "Annotations", "xml"),
            "segmentation": ("Segmentation", "SegmentationClass", "png"),
        }[self.target]
        path = self._path(archive, f"{root}/ImageSets/{kind}/{self.split}.txt")
        images, annotations = self._path(archive, f"{root}/JPEGImages"), self._path(archive, f"{root}/{place}")
        names = [line.split()[0] for line in read_lines(path, self.who)]
        self.paths = [safe_join(images, f"{name}.jpg", self.who, path) for name in names]
        self.annotations = [safe_join(annotations, f"{name}.{suffix}", self.who, path) for name in names]
        self.labels = numpy.empty(0, numpy.int64)  # An image has several; they are in the targets.

    def _target(self, place: int) -> Any:
        path = self.annotations[place]
        return to_array(read_image(path, None)) if self.target == "segmentation" else self._boxes(path)

    def _boxes(self, path: Path) -> dict[str, Any]:
        import numpy

        things = list(_parsed(path).iterfind("object"))
        try:
            sides = [
                [float(_text(each, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")] for each in things
            ]
            labels = [self.things.index(_text(each, "name")) for each in things]
            flags = {
                name: numpy.array([_text(each, name, "0") == "1" for each in things], bool)
                for name in ("difficult", "truncated")
            }
        except ValueError as error:
            raise DatasetError(
                f"VOC: {str(path)!r} is not the description of an image ({error}); get it again"
            ) from None
        boxes = numpy.array(sides, numpy.float32).reshape(-1, 4)
        boxes[:, :2] -= 1  # The files count pixels from 1, and the last one is inside.
        return {"boxes": boxes, "labels": numpy.array(labels, numpy.int64), **flags}


def _parsed(path: Path) -> ElementTree.Element:
    """The root of a small XML file without declarations, which could define entities that grow or read other files."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_ANNOTATION + 1)
        if len(content) > _MAX_ANNOTATION or b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\0" in content:
            raise DatasetError(
                f"VOC: {str(path)!r} is too large, or declares a document type; it is none of VOC's files"
            )
        return ElementTree.fromstring(content)
    except FileNotFoundError:
        raise MissingDatasetError(f"VOC: there is no file {str(path)!r}; get the data set again") from None
    except (ElementTree.ParseError, OSError, LookupError, RecursionError) as error:
        raise DatasetError(f"VOC: {str(path)!r} cannot be read: {error}; get it again") from None


def _text(element: ElementTree.Element, place: str, otherwise: str | None = None) -> str:
    found = element.findtext(place, otherwise)
    if found is None:
        raise ValueError(f"it has no {place}")
    return found.strip()
