"""What lies in the store besides blobs: unfinished files, notes of blobs that are gone, and names that died half-way.

Whose an unfinished file is, its name tells (claims.py); a file whose name says nothing is judged by its age.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from numzoo.hub.store import unpacked, uses
from numzoo.hub.store.cache import Cache, storage
from numzoo.hub.store.claims import FREE
from numzoo.hub.store.ownership import alive

__all__ = ["Leftover", "notes", "parts", "remove", "stale"]

State = Literal["in use", "left", "unknown"]

_STILL_SECONDS = 3600.0
"""A living process that writes a file lets it lie for less."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One file or folder of the store that is no blob.

    `wanted` is the digest that it should once have had, or the beginning of one, where its name says it. `state` is "in
    use" by a living process, "left" by a dead one or for whoever comes next, or "unknown" (another machine's, perhaps).
    """

    path: Path
    wanted: str
    bytes: int
    written: float
    state: State


def parts(cache: Cache) -> Iterator[Leftover]:
    """Everything in the folder of unfinished files, in the order of the names."""
    found = [_leftover(path) for path in _inside(cache.parts)]
    states = {each.path.name.split(".")[2]: each.state for each in found if each and each.path.name.count(".") >= 3}
    for each in found:
        if each is not None:
            # A note (<id>.json) shares the fate of the part that it is about.
            about = states.get(each.path.name.split(".")[0])
            yield each if about is None else Leftover(each.path, each.wanted, each.bytes, each.written, about)


def notes(cache: Cache) -> Iterator[Leftover]:
    """The small notes: "in use" where they are about what is there, or a process that lives, else "left"."""
    now = time.time()
    trees = {tree.key for tree in unpacked.trees(cache)}
    for path in [note for folder in _inside(cache.refs) if folder.is_dir() for note in _inside(folder)]:
        with contextlib.suppress(OSError):
            status = path.lstat()
            sha256 = path.name.partition(".")[0]
            known = path.parent.name in {"verified", "used"}
            whole = path.name == sha256
            young = now - status.st_mtime < _STILL_SECONDS
            if path.parent.name == uses.USERS:
                living = alive(path.name.partition(".")[2])
                state: State = "unknown" if living is None else "in use" if living else "left"
            elif not known or (not whole and young):
                state = "unknown"
            else:
                state = "in use" if whole and (sha256 in trees or _is_blob(cache, sha256)) else "left"
            yield Leftover(path, sha256, status.st_size, status.st_mtime, state)


def stale(cache: Cache) -> list[Leftover]:
    """What nobody will come back for in a running command: what prune removes besides blobs.

    Unfinished files of living processes stay, and so do those of unknown owners that were written to in the last hour.
    """
    old = time.time() - _STILL_SECONDS
    unfinished = [
        each for each in parts(cache) if each.state == "left" or (each.state == "unknown" and each.written < old)
    ]
    return [*unfinished, *(each for each in notes(cache) if each.state == "left")]


def remove(leftover: Leftover) -> int:
    """Delete it and give the number of bytes that were freed; 0 where it is gone already."""
    path = leftover.path
    with storage(f"delete {path}"):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            return 0
    return leftover.bytes


def _leftover(path: Path) -> Leftover | None:
    try:
        status = path.lstat()
        folder = path.is_dir() and not path.is_symlink()
        sizes = [each.lstat() for each in path.rglob("*")] if folder else [status]
    except OSError:
        return None  # gone by now
    fields = path.name.split(".")
    wanted = fields[0] if len(fields) >= 4 and fields[0] != "work" else ""
    newest = max([status.st_mtime, *(each.st_mtime for each in sizes)])
    return Leftover(path, wanted, sum(each.st_size for each in sizes), newest, _state(fields))


def _state(fields: list[str]) -> State:
    if len(fields) < 4:
        return "unknown"
    if fields[1] == FREE:
        return "left"
    living = alive(fields[1])
    return "unknown" if living is None else "in use" if living else "left"


def _is_blob(cache: Cache, sha256: str) -> bool:
    try:
        return cache.has(sha256)
    except ValueError:
        return False


def _inside(folder: Path) -> list[Path]:
    with storage(f"list {folder}"):
        try:
            return sorted(folder / name for name in os.listdir(folder))
        except FileNotFoundError:
            return []
