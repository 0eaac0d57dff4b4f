"""Digits: 1,797 handwritten digits, 8 x 8. Alpaydin, Kaynak, 1998, https://doi.org/10.24432/C50P49"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numzoo.hub.published import place_of

from ..errors import DatasetError, MissingDatasetError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

FILE = "digits.csv.gz"
MAX_BYTES = 1 << 24


class Digits:
    """The test part of the optical digits of UCI, small enough to learn from in a second.

    `folder` holds digits.csv, packed by gzip or not. Without it `fetch` gets it: called with "data:digits/digits.csv.gz"
    it returns the path of a verified file; left out, that is numzoo.hub.pull.

    `images` is uint8 (n, 8, 8), 0 the paper and 16 full ink; `labels` is int64 (n,), the digits. By index: (image, label),
    the image a grey Pillow image whose ink is 255, or what `transform` makes of it.
    """

    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    resource: ClassVar[str] = "data:digits"
    splits: ClassVar[tuple[str, ...]] = ("all",)

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str = "all",
        *,
        transform: Callable[[Any], Any] | None = None,
        fetch: Callable[[str], str | os.PathLike[str]] | None = None,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"Digits: split is {split!r} but must be 'all'")
        if folder is not None and fetch is not None:
            raise ValueError(
                "Digits: folder and fetch were both given, but the files come from one place; leave one out"
            )
        self.split, self.transform = split, transform
        table = _table(_path(folder, fetch, f"{self.resource}/{FILE}"))
        self.images: NDArray[numpy.uint8] = table[:, :64].reshape(-1, 8, 8)
        self.labels: NDArray[numpy.int64] = table[:, 64].astype("int64")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL.Image import fromarray

        place = place_of(index, len(self), "Digits", "image")
        image = fromarray((self.images[place].astype("uint16") * 255 // 16).astype("uint8"))
        return (image if self.transform is None else self.transform(image)), int(self.labels[place])

    def __repr__(self) -> str:
        return f"Digits({len(self)} images, transform={self.transform!r})"


def _path(folder: Any, fetch: Any, name: str) -> Path:
    if folder is None:
        if fetch is None:
            from numzoo.hub import pull as fetch
        return Path(fetch(name))
    for spelling in (FILE, FILE.removesuffix(".gz")):
        if (path := Path(folder, spelling)).is_file():
            return path
    raise MissingDatasetError(
        f"Digits: there is no {FILE} in {str(folder)!r}. Leave folder out, and the hub fetches it."
    )


def _table(path: Path) -> NDArray[numpy.uint8]:
    """The numbers, uint8 (n, 65): 64 of an image, and its digit."""
    import numpy

    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            content = (gzip.GzipFile(fileobj=file) if packed else file).read(MAX_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"Digits: {str(path)!r} is damaged inside its gzip packing ({error})") from error
    except OSError as error:
        raise MissingDatasetError(f"Digits: {str(path)!r} cannot be read: {error.strerror}") from error
    try:
        table = numpy.array([[int(field) for field in line.split(b",")] for line in content.splitlines()])
    except ValueError as error:
        raise DatasetError(f"Digits: {str(path)!r} is not a table of whole numbers ({error}); get it again") from error
    if table.ndim != 2 or table.shape[1] != 65 or table.min() < 0 or table[:, :64].max() > 16 or table[:, 64].max() > 9:
        raise DatasetError(f"Digits: {str(path)!r} is not rows of 64 numbers up to 16 and a digit; get it again")
    return table.astype("uint8")
