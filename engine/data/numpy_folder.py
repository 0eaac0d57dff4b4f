"""Arrays in files: folders of NumPy's .npy and .npz."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .dataset import Dataset, position
from .errors import DataError, MissingDataError

SUFFIXES = (".npy", ".npz")


class NumpyFolder(Dataset[Any]):
    """A folder of .npy and .npz files, an item each, sorted by path: an array, or of an .npz a dict of its arrays.

    Where the files lie in subfolders, each subfolder is a class, as in an image folder: items are (array, label), and
    ``classes`` and ``labels`` name them. Hidden files and other suffixes are passed over. ``transform`` is given the
    array or the dict. ``mapped`` opens .npy files without reading them, for transforms that use a part of each.

    Nothing in a file is run: arrays of Python objects are refused. Raises MissingDataError for a missing folder,
    DataError for an empty one, one that mixes both layouts, and for files that are damaged.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        transform: Callable[[Any], Any] | None = None,
        mapped: bool = False,
    ) -> None:
        self.folder = Path(folder)
        if transform is not None and not callable(transform):
            raise ArgumentError(f"NumpyFolder: transform must be a function, not {transform!r:.60}")
        self.transform, self.mapped = transform, mapped
        if not self.folder.is_dir():
            state = "is a file" if self.folder.exists() else "does not exist"
            raise MissingDataError(f"NumpyFolder: {str(self.folder)!r} {state}; give the folder that holds the arrays")
        loose = _arrays(self.folder, "*")
        self.classes = tuple(sorted(p.name for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith(".")))
        grouped = {name: _arrays(self.folder / name, "**/*") for name in self.classes}
        if loose and any(grouped.values()):
            raise DataError(
                f"NumpyFolder: {str(self.folder)!r} holds {len(loose)} arrays itself and others in subfolders; give one layout: "
                "a subfolder for each class, or no subfolders"
            )
        empty = [name for name, found in grouped.items() if not found]
        if not loose and empty:
            raise DataError(
                f"NumpyFolder: no {' or '.join(SUFFIXES)} file in {', '.join(map(repr, empty[:5]))} of {str(self.folder)!r}"
            )
        if not loose and not grouped:
            raise DataError(f"NumpyFolder: {str(self.folder)!r} holds no {' or '.join(SUFFIXES)} file")
        self.paths = loose or [path for name in self.classes for path in grouped[name]]
        self.labels: Any = None
        if loose:
            self.classes = ()
        else:
            self.labels = np.repeat(np.arange(len(self.classes)), [len(grouped[name]) for name in self.classes])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        place = position(index, len(self), "NumpyFolder")
        value = read_arrays(self.paths[place], mapped=self.mapped)
        if self.transform is not None:
            value = self.transform(value)
        return value if self.labels is None else (value, int(self.labels[place]))

    def __repr__(self) -> str:
        return f"NumpyFolder({str(self.folder)!r}, {len(self)} files, {len(self.classes)} classes)"


def read_arrays(path: str | os.PathLike[str], *, mapped: bool = False) -> Any:
    """The array in an .npy file, or a dict of those in an .npz file; writable, in memory unless ``mapped`` (.npy only)."""
    name = os.fspath(path)
    try:
        if mapped and not name.lower().endswith(".npz"):
            return np.load(name, mmap_mode="c", allow_pickle=False)
        with open(name, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except FileNotFoundError as error:
        raise MissingDataError(f"there is no file {name!r}; check the path") from error
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        said = str(error).partition("allow_pickle")[0].strip() or type(error).__name__
        raise DataError(
            f"{name!r} cannot be read as NumPy arrays ({said[:160]}); arrays of Python objects are refused, a damaged file "
            "must be made again"
        ) from error


def _arrays(folder: Path, pattern: str) -> list[Path]:
    return sorted(
        path
        for path in folder.glob(pattern)
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
