"""What dead processes left in `parts/`: whose it is, who may have it, and what may be swept away.

A part's name is `<key>.<owner>.<id>.part` (parts.py says what that means). Whoever renames a leftover to a name of its
own has it alone, since a rename succeeds for one only. If it cannot be known whether an owner lives (another machine on
a shared disk), a part that has lain still for a while is copied, so that two processes never write the same inode.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from numzoo.hub.store.cache import Cache, storage
from numzoo.hub.store.ownership import alive, owner

__all__ = ["FREE", "claim", "delete", "fresh_name", "note_of", "set_free", "work_folder"]

FREE = "free"
"""The owner of a part that its owner has let go."""

_STILL_SECONDS = 15 * 60  # longer than any stall that a living transfer would sit out
_WEEK_SECONDS = 7 * 24 * 3600


@contextlib.contextmanager
def work_folder(cache: Cache) -> Iterator[Path]:
    """A folder of one's own on the store's disk, which is gone afterwards, whatever happened in between."""
    folder = cache.parts / f"work.{owner()}.{os.urandom(6).hex()}.tmp"
    with storage(f"make {folder}"):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_name(folder: Path, key: str) -> Path:
    """A name for a new part of this process."""
    return folder / f"{key}.{owner()}.{os.urandom(6).hex()}.part"


def set_free(path: Path) -> None:
    """Let go of a part, for the next process that wants it."""
    key, _, rest = path.name.split(".", 2)
    os.rename(path, path.with_name(f"{key}.{FREE}.{rest}"))


def claim(folder: Path, key: str) -> Iterator[Path]:
    """Rename the leftovers of `key` to names of our own; sweep away what nobody will come back for."""
    now = time.time()
    for path in sorted(folder.iterdir()):
        fields = path.name.split(".")
        with contextlib.suppress(FileNotFoundError):  # Somebody else was faster.
            age = now - path.stat().st_mtime
            living = alive(fields[1]) if len(fields) == 4 and fields[1] != FREE else False
            if len(fields) == 4 and fields[3] == "part" and fields[0] == key and living is not True:
                if living is False:
                    mine = folder / f"{key}.{owner()}.{fields[2]}.part"
                    os.rename(path, mine)
                    yield mine
                elif age > _STILL_SECONDS:
                    mine = fresh_name(folder, key)
                    shutil.copyfile(path, mine)
                    delete(path)
                    yield mine
            elif path.is_dir():
                if living is False or age > _WEEK_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
            elif age > _WEEK_SECONDS and living is not True:
                delete(path)


def note_of(part: Path) -> Path:
    """Where the note of a part lies: it goes by the part's id, which stays when the owner changes."""
    return part.with_name(f"{part.name.split('.')[2]}.json") if part.name.count(".") == 3 else part


def delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        note_of(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
