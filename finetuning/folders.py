"""Class folders: a subfolder for each class, with the samples' files at any depth in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["class_files", "class_folders"]


def class_folders(folder: Path) -> list[str]:
    """The names of the subfolders that are none of the system's, sorted."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def class_files(
    base: Path, suffixes: Sequence[str], noun: str, error: type[Exception]
) -> tuple[list[tuple[Path, str]], tuple[Path, ...]]:
    """(path, class) for every file with one of the suffixes, sorted by class and path; and the files that have another.

    `noun` is what one of them is called in an `error`, which is raised where a class has none.
    """
    found: list[tuple[Path, str]] = []
    other: list[Path] = []
    for name in class_folders(base):
        before = len(found)
        for place, folders, files in os.walk(base / name):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            for each in sorted(each for each in files if not each.startswith(".")):
                path = Path(place, each)
                if path.suffix.lower() in suffixes:
                    found.append((path, name))
                else:
                    other.append(path)
        if len(found) == before:
            raise error(
                f"{str(base / name)!r} holds no {noun}; fill or remove the folder. A {noun} is a file ending in {' '.join(suffixes)}"
            )
    return found, tuple(other)
