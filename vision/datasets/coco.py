"""COCO: photographs of everyday scenes with boxes, outlines and captions. Lin and others, arXiv:1405.0312."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DatasetError
from .base import FileDataset, read_json, safe_join
from .masks import mask_of

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from numzoo.hub.published import Fetch


TARGETS = {"detection": "instances", "masks": "instances", "captions": "captions"}


class COCO(FileDataset):
    """Photographs of 2017 (or 2014): 118,287 in "train", 5,000 in "val" (2014: 82,783 and 40,504).

    `target` says what stands next to the image:
    "detection": a dictionary of `boxes`, float32 (n, 4), left, top, right, bottom in pixels; `labels`, int64 (n,), 0 to 79,
    places in `classes`; `crowd`, bool (n,), where one box is around many; `area`, float64 (n,), of the outlines in pixels;
    `image_id`, COCO's number of the image.
    "masks": the same, with `masks`, uint8 (n, height, width).
    "captions": a list of texts.

    Images are in the order of their numbers. `category_ids` are COCO's own numbers of the classes, which have gaps.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val")
    category_ids: tuple[int, ...] = ()

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        year: int = 2017,
        target: str = "detection",
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        if str(year) not in ("2014", "2017"):
            raise ValueError(f"COCO: year is {year!r} but must be 2014 or 2017")
        if target not in TARGETS:
            raise ValueError(f"COCO: target is {target!r} but must be one of {', '.join(map(repr, TARGETS))}")
        self.year, self.target = str(year), target
        self.resource = f"data:coco{year}"  # type: ignore[misc]
        super().__init__(folder, split, transform=transform, fetch=fetch)

    def __len__(self) -> int:
        return len(self.paths)

    def _read(self) -> None:
        import numpy

        cut = f"{self.split}{self.year}"
        path = self._path(f"annotations_trainval{self.year}.zip", f"annotations/{TARGETS[self.target]}_{cut}.json")
        folder = self._path(f"{cut}.zip", cut)
        held = read_json(path, self.who)
        try:
            self._take(held, folder, path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(
                f"COCO: {str(path)!r} is not laid out as COCO's annotations are ({type(error).__name__}: {error}); get it again"
            ) from None
        self.labels = numpy.empty(0, numpy.int64)  # An image has several; they are in the targets.

    def _take(self, held: Any, folder: Path, path: Path) -> None:
        images = sorted(held["images"], key=lambda each: int(each["id"]))
        self.ids = [int(each["id"]) for each in images]
        self.sizes = [(int(each["height"]), int(each["width"])) for each in images]
        self.paths = [safe_join(folder, each["file_name"], self.who, path) for each in images]
        categories = sorted(held.get("categories", ()), key=lambda each: int(each["id"]))
        self.category_ids = tuple(int(each["id"]) for each in categories)
        self.classes = tuple(str(each["name"]) for each in categories)
        self._class_of = {number: label for label, number in enumerate(self.category_ids)}
        self._annotations: dict[int, list[dict[str, Any]]] = {number: [] for number in self.ids}
        for each in held["annotations"]:
            self._annotations[int(each["image_id"])].append(each)

    def _target(self, place: int) -> Any:
        listed = self._annotations[self.ids[place]]
        try:
            if self.target == "captions":
                return [str(each["caption"]) for each in listed]
            return self._things(listed, place)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"COCO: an annotation of {self.paths[place].name} is not as it should be ({type(error).__name__}: {error}); "
                "get the data set again"
            ) from None

    def _things(self, listed: list[dict[str, Any]], place: int) -> dict[str, Any]:
        import numpy

        boxes: NDArray[numpy.float32] = numpy.array([each["bbox"] for each in listed], numpy.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]  # from left, top, width, height
        found: dict[str, Any] = {
            "boxes": boxes,
            "labels": numpy.array([self._class_of[each["category_id"]] for each in listed], numpy.int64),
            "crowd": numpy.array([bool(each.get("iscrowd")) for each in listed], bool),
            "area": numpy.array([each["area"] for each in listed], numpy.float64),
            "image_id": self.ids[place],
        }
        if self.target == "masks":
            height, width = self.sizes[place]
            masks = [mask_of(each["segmentation"], height, width) for each in listed]
            found["masks"] = numpy.stack(masks) if masks else numpy.zeros((0, height, width), numpy.uint8)
        return found
