"""What all data sets of images share: where their files lie, the index, and the errors that say which file is wrong."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numzoo.hub.published import Fetch, PublishedDataset

from ..errors import DatasetError, MissingDatasetError
from ..io import read_image

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image

MAX_LIST_BYTES = 1 << 28
MAX_JSON_BYTES = 1 << 30


class ImageDataset(PublishedDataset):
    """Images of one split, each with a label.

    `folder` holds what the archives of the data set unpack to (torchvision's folders fit). Without it `fetch` gets each
    file: called with its name in the hub, such as "data:dtd/dtd-r1.0.1.tar.gz", it returns the path of the verified file,
    or of the folder that it was unpacked to; left out, that is numzoo.hub.pull_data.

    `classes` are the names of the classes, `labels` is int64 (n,). By index: (image, label), the image a Pillow image, or
    what `transform` makes of it. Raises MissingDatasetError, DatasetError; ValueError for a split that there is not.
    """

    item = "image"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    below: ClassVar[tuple[str, ...]] = ()
    """Folders below the one that is given in which the files may lie, as torchvision leaves them."""
    classes: tuple[str, ...]
    labels: NDArray[numpy.int64]

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str | None = None,
        *,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        super().__init__(folder, split, transform=transform, fetch=fetch)
        self._read()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        place = self._place(index)
        image = self._image(place)
        return (image if self.transform is None else self.transform(image)), self._target(place)

    def __repr__(self) -> str:
        return f"{self.who}(split={self.split!r}, {len(self)} images, transform={self.transform!r})"

    @abstractmethod
    def _read(self) -> None:
        """Learn what there is; called once, with `split` set."""

    @abstractmethod
    def _image(self, place: int) -> Any:
        """The image at a place from 0; an array, where examples are sequences of images."""

    def _target(self, place: int) -> Any:
        return int(self.labels[place])

    def _path(self, file: str, inside: str = "") -> Path:
        """Where `inside` lies, of what `file` is unpacked to; the file itself where it is not unpacked."""
        if self._folder is None:
            path = self._fetched(file) / inside
            if not path.exists():
                raise DatasetError(f"{self.who}: {file} does not hold {inside!r}; it is another archive than expected")
            return path
        wanted = inside or file
        for place in (self._folder, *(self._folder / part for part in self.below)):
            if (place / wanted).exists():
                return place / wanted
        state = f"it does not hold {wanted}" if self._folder.is_dir() else "there is no such folder"
        packed = " (it does hold the archive: unpack it, or `numzoo data pull` it with --from)"
        raise MissingDatasetError(
            f"{self.who} was looked for in {str(self._folder)!r}, but {state}"
            f"{packed if inside and (self._folder / file).exists() else ''}. Leave folder out, and the hub fetches the files."
        )

    def _labelled(self, labels: Any, where: Path, classes: int | None = None) -> NDArray[numpy.int64]:
        """`labels` as int64, each one of the `classes` (as many as have a name, if that is not said)."""
        import numpy

        count = len(self.classes) if classes is None else classes
        array = numpy.asarray(labels).reshape(-1).astype(numpy.int64)
        if len(array) and not 0 <= array.min() <= array.max() < count:
            wrong = array.min() if array.min() < 0 else array.max()
            raise DatasetError(f"{self.who}: {str(where)!r} holds a label {wrong}, where classes are 0 to {count - 1}")
        return array


class ArrayDataset(ImageDataset):
    """Images that are held as one array: `images` is uint8, (n, height, width) or (n, height, width, 3)."""

    images: NDArray[numpy.uint8]

    def _image(self, place: int) -> Image:
        import numpy
        from PIL.Image import fromarray

        return fromarray(numpy.ascontiguousarray(self.images[place]))

    def _same_length(self, images: Path, labels: Path) -> None:
        if len(self.images) != len(self.labels):
            raise DatasetError(
                f"{self.who}: {str(images)!r} holds {len(self.images)} images but {str(labels)!r} {len(self.labels)} "
                "labels; they do not belong together: get both again"
            )


class FileDataset(ImageDataset):
    """Images that are files of their own: `paths` lists them, in the order of `labels`; read as `mode`."""

    paths: list[Path]
    mode: ClassVar[str] = "RGB"

    def _image(self, place: int) -> Image:
        return read_image(self.paths[place], self.mode)


def read_lines(path: Path, who: str) -> list[str]:
    """The lines of a small text file that are not empty, without the blanks around them."""
    return [line for line in (line.strip() for line in _text(path, who, MAX_LIST_BYTES).splitlines()) if line]


def read_json(path: Path, who: str) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(_text(path, who, MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{who}: {str(path)!r} is not JSON ({error}); get it again") from None


def safe_join(folder: Path, name: str, who: str, where: Path) -> Path:
    """`folder`/`name` for a name from a list that came with the data, which may not lead elsewhere."""
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith("/") or ".." in parts or "\0" in name or ":" in parts[0]:
        raise DatasetError(f"{who}: {str(where)!r} lists the file {name!r}, which leads out of the data set")
    return folder / name


def fields_of(line: str, count: int, who: str, where: Path, separator: str | None = None) -> Sequence[str]:
    """The fields of a list's line; DatasetError unless there are at least `count`."""
    fields = line.split(separator)
    if len(fields) < count:
        raise DatasetError(f"{who}: {str(where)!r} has the line {line[:80]!r}, where {count} fields were expected")
    return fields


def whole(text: str, who: str, where: Path) -> int:
    """A whole number of a list."""
    try:
        return int(text)
    except ValueError:
        raise DatasetError(f"{who}: {str(where)!r} holds {text[:40]!r}, where a whole number was expected") from None


def _text(path: Path, who: str, limit: int) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise MissingDatasetError(f"{who}: there is no file {str(path)!r}; get the data set again") from None
    except OSError as error:
        raise DatasetError(f"{who}: {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise DatasetError(f"{who}: {str(path)!r} is larger than the {limit:,} bytes that are read of a list")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{who}: {str(path)!r} is not text in UTF-8; get it again") from None
