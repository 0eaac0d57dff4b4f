"""What all data sets of tables share: a small file of numbers, read whole and held to its shape."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numzoo.hub.published import Fetch, PublishedDataset

from ..errors import DatasetError, MissingDatasetError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

MAX_BYTES = 1 << 28  # of a table, unpacked


class TableDataset(PublishedDataset):
    """Rows of numbers. By index: (row, target).

    `features` is float32 (n, columns), whose names are `columns`; `targets` is int64 (n,), the numbers of `classes`, or
    float32 (n,) where there are none. `transform(row)` makes what stands in the row's place.

    `folder` holds the files, packed by gzip or not. Without it `fetch` gets each: called with its name in the hub, such as
    "data:iris/iris.csv", it returns the path of a verified file; left out, that is numzoo.hub.pull_data. `resource` is
    the name in the hub. Raises MissingDatasetError and DatasetError.
    """

    item = "row"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    files: ClassVar[tuple[str, ...]]
    columns: ClassVar[tuple[str, ...]]
    classes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        split: str = "all",
        *,
        transform: Callable[[Any], Any] | None = None,
        fetch: Fetch | None = None,
        resource: str | None = None,
    ) -> None:
        super().__init__(folder, split, transform=transform, fetch=fetch, resource=resource)
        self.features: NDArray[numpy.float32]
        self.targets: NDArray[Any]
        self.features, self.targets = self._read([self._path(file) for file in self.files])

    @property
    def labels(self) -> NDArray[numpy.int64]:
        """The numbers of the rows' classes, int64 (n,), where the targets are classes."""
        if not self.classes:
            raise AttributeError(f"{self.who} has no classes; its targets are in .targets")
        return self.targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int | float]:
        place = self._place(index)
        row = self.features[place].copy()
        return (row if self.transform is None else self.transform(row)), self.targets[place].item()

    def __repr__(self) -> str:
        return f"{self.who}({len(self)} rows of {len(self.columns)}, transform={self.transform!r})"

    def _read(self, paths: list[Path]) -> tuple[NDArray[numpy.float32], NDArray[Any]]:
        raise NotImplementedError

    def _numbers(self, path: Path, columns: int, *, skip: int = 0, separator: str | None = ",") -> NDArray[Any]:
        """The numbers of a file, float64 (n, `columns`), after `skip` lines."""
        import numpy

        lines = self._text(path).splitlines()
        rows = []
        for number, line in enumerate(lines[skip:], skip + 1):
            try:
                rows.append([float(field) for field in line.split(separator)])
            except ValueError as error:
                raise DatasetError(f"{self.who}: line {number} of {path.name} is not of numbers ({error})") from error
            if len(rows[-1]) != columns:
                raise DatasetError(f"{self.who}: line {number} of {path.name} has {len(rows[-1])} fields of {columns}")
        if not rows:
            raise DatasetError(f"{self.who}: {str(path)!r} has not one row; get it again")
        return numpy.array(rows, numpy.float64)

    def _text(self, path: Path) -> str:
        try:
            with open(path, "rb") as file:
                packed = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                content = (gzip.GzipFile(fileobj=file) if packed else file).read(MAX_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DatasetError(f"{self.who}: {str(path)!r} is damaged inside its gzip packing ({error})") from error
        except OSError as error:
            raise MissingDatasetError(f"{self.who}: {str(path)!r} cannot be read: {error.strerror}") from error
        if len(content) > MAX_BYTES:
            raise DatasetError(f"{self.who}: {str(path)!r} holds more than {MAX_BYTES:,} bytes; it is another file")
        try:
            return content.decode("ascii")
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{self.who}: {str(path)!r} is not a table of numbers ({error}); get it again"
            ) from error

    def _path(self, file: str) -> Path:
        folder = self._folder
        if folder is None:
            return self._fetched(file)
        for spelling in (file, file.removesuffix(".gz")):
            if (path := folder / spelling).is_file():
                return path
        state = f"it does not hold {file}" if folder.is_dir() else "there is no such folder"
        raise MissingDatasetError(
            f"{self.who} was looked for in {str(folder)!r}, but {state}. Leave folder out, and the hub fetches the files."
        )
