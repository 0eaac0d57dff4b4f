"""Which `models.lock` counts: the one that was named, that of the project around the present folder, or the store's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from numzoo.hub import settings

__all__ = ["NAME", "lock_path", "project_lock", "using"]

NAME = "models.lock"
_CHOSEN: list[Path] = []  # for all threads: several may fetch at once


def lock_path(home: Path | None = None) -> Path:
    """The lock that counts now; it need not be there.

    In turn: the one that `using` names (``--lock FILE``), NUMZOO_LOCK, the first `models.lock` from the present folder
    upwards, and that of the store at `home`, which holds what was trusted at first use outside of any project.
    """
    found = named_lock() or project_lock()
    return found or (settings.home() if home is None else home) / NAME


def named_lock() -> Path | None:
    """The lock that somebody named: with `using` or NUMZOO_LOCK."""
    return _CHOSEN[-1] if _CHOSEN else settings.lock()


def project_lock() -> Path | None:
    """The first lock from the present folder upwards, if there is one.

    Above the present folder, one that belongs to neither this user nor root is passed over: whoever may write into a
    folder that many share could otherwise decide what others load.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        candidate = folder / NAME
        try:
            status = candidate.stat()
        except OSError:
            continue
        if candidate.is_file() and (folder == here or os.name != "posix" or status.st_uid in {0, os.getuid()}):
            return candidate
    return None


@contextlib.contextmanager
def using(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Within this, `path` is the lock that counts, in all threads; None changes nothing."""
    if path is None:
        yield
        return
    _CHOSEN.append(Path(path).expanduser().absolute())
    try:
        yield
    finally:
        _CHOSEN.pop()
