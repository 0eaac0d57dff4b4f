"""Images in folders, a folder for each class: the usual layout of ImageNet and of one's own photographs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numzoo.hub.published import place_of

from ..errors import DatasetError, MissingDatasetError
from ..io import read_image

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff", ".webp",
    ".jp2", ".j2k", ".avif",
)  # fmt: skip


class ImageFolder:
    """`folder`/CLASS/.../IMAGE: every subfolder is a class, the images at any depth in it are its examples.

    `classes` are the subfolders' names, sorted; `class_index` their numbers; `samples` the (path, number) pairs, sorted
    by class and path; `labels` is int64 (n,). Files with other suffixes and hidden ones (.name) are passed over. By
    index: (image, label), the image read by numzoo.vision.read_image, then given to `transform`.

    Raises MissingDatasetError for a missing folder, DatasetError for one without classes or a class without images; an
    unreadable image raises its ImageError, which names the file, when it is asked for (`check` asks for all).
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        transform: Callable[[Any], Any] | None = None,
        mode: str = "RGB",
        suffixes: tuple[str, ...] = SUFFIXES,
    ) -> None:
        self.folder = Path(folder)
        self.transform, self.mode = transform, mode
        if not self.folder.is_dir():
            state = "is a file" if self.folder.exists() else "does not exist"
            raise MissingDatasetError(
                f"ImageFolder: {str(folder)!r} {state}; give the folder that holds the class folders"
            )
        self.classes = tuple(sorted(entry.name for entry in self.folder.iterdir() if _is_class(entry)))
        if not self.classes:
            loose = sum(entry.suffix.lower() in suffixes for entry in self.folder.iterdir())
            found = f"only {loose} images side by side" if loose else "nothing that is one"
            raise DatasetError(f"ImageFolder: {str(folder)!r} must hold a subfolder for each class, but has {found}")
        self.class_index = {name: index for index, name in enumerate(self.classes)}
        images = {name: _images(self.folder / name, suffixes) for name in self.classes}
        empty = [name for name in self.classes if not images[name]]
        if empty:
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            raise DatasetError(
                f"ImageFolder: no image in {', '.join(map(repr, empty[:5]))}{more} of {str(folder)!r}; fill or remove "
                f"the folder. Images are files ending in {' '.join(suffixes)}"
            )
        self.samples = [(path, self.class_index[name]) for name in self.classes for path in images[name]]

    @property
    def labels(self) -> NDArray[numpy.int64]:
        import numpy

        return numpy.array([label for _, label in self.samples], numpy.int64)

    def check(self) -> None:
        """Read every image once; a DatasetError lists the first ones that cannot be read."""
        bad = []
        for path, _ in self.samples:
            try:
                read_image(path, self.mode)
            except ValueError as error:
                bad.append(str(error))
        if bad:
            listing = "\n  ".join(bad[:10])
            raise DatasetError(
                f"ImageFolder: {len(bad)} of {len(self)} images in {str(self.folder)!r} cannot be read; replace or "
                f"remove them:\n  {listing}"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.samples[place_of(index, len(self), "ImageFolder", "image")]
        image = read_image(path, self.mode)
        return (image if self.transform is None else self.transform(image)), label

    def __repr__(self) -> str:
        return (
            f"ImageFolder({str(self.folder)!r}, {len(self.classes)} classes, {len(self)} images, "
            f"transform={self.transform!r})"
        )


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _images(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The images at any depth, sorted; links to folders are followed, each folder once."""
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            found += [Path(place, name) for name in names if _is_image(name, suffixes)]
        seen.add(real)
    return sorted(found)


def _is_image(name: str, suffixes: tuple[str, ...]) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes


def _refuse(error: OSError) -> None:
    raise DatasetError(
        f"ImageFolder: {error.filename!r} cannot be listed: {error.strerror}; check its rights"
    ) from error
