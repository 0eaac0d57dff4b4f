"""Changing a lock that others may be changing at the same time: read, write beside it, exchange, compare, try again.

Writers take turns by a lock of the system's on the folder, which ends with the process that has it, and which nobody waits for longer than
some seconds. Where there is none (Windows, some network drives), whoever displaces a version that it had not read puts that version's changes
back; only three writers at once who take lines out and put them in may then lose one. Where the system cannot exchange two files in one step,
the file is compared right before it is replaced.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numzoo.hub.errors import StorageError
from numzoo.hub.locking.document import parsed, read_bytes, written
from numzoo.hub.store.cache import storage
from numzoo.hub.store.exchange import exchange

__all__ = ["change_lock"]

Content = dict[str, Any]
_ATTEMPTS = 1000
_LEFT_SECONDS = 600.0
_TURN_SECONDS = 10.0
_MISSING = object()


def change_lock(path: Path, edit: Callable[[Content], None]) -> bool:
    """Apply `edit` to the content of the lock at `path`, and say whether that changed the file.

    `edit` may run several times, each time on a newer content; what it raises ends the change, and nothing is written
    then. Raises FormatError for a lock that cannot be read, and StorageError where it cannot be written.
    """
    path = Path(os.path.realpath(path))  # the file itself, not a link to it, is replaced
    owed: list[tuple[str, str, Any]] = []  # changes of others that we displaced and have to put back
    changed = False
    with storage(f"write {path}", elsewhere=True), contextlib.ExitStack() as turn:
        path.parent.mkdir(parents=True, exist_ok=True)
        turn.enter_context(_in_turn(path.parent))
        for _ in range(_ATTEMPTS):
            before = read_bytes(path)
            content = parsed(before, path)
            _apply(owed, content)
            failure: Exception | None = None
            try:
                mine = parsed(written(content), path)
                edit(mine)
                content = mine
            except Exception as error:
                if not owed:
                    raise
                failure = error
            after = written(content)
            displaced = before
            if parsed(after, path) != parsed(before, path):
                done, displaced = _put(path, before, after)
                if not done:
                    continue
                changed = True
            if displaced == before:
                if failure is not None:
                    raise failure
                return changed
            owed += _differences(parsed(before, path), parsed(displaced, path))
    raise StorageError(f"{path} changes faster than it can be written; other processes keep writing it. Try again.")


@contextlib.contextmanager
def _in_turn(folder: Path) -> Iterator[None]:
    """While no other writer who asks changes a lock in this folder; at once where the system has no such turns, and after some seconds anyhow."""
    try:
        import fcntl

        place = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        latest = time.monotonic() + _TURN_SECONDS
        while True:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < latest:
                    time.sleep(0.002)
                    continue
            except OSError:  # a file system without locks
                pass
            break
        yield
    finally:
        os.close(place)


def _put(path: Path, before: bytes | None, after: bytes) -> tuple[bool, bytes | None]:
    """Make `after` the content of `path`: whether that was done, and what was there at that very moment.

    It is not done where `path` turns out to have other bytes than `before` already.
    """
    new = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    _clear(path)
    try:
        with open(new, "xb") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        if before is None:
            try:
                os.link(new, path)
            except FileExistsError:
                return False, None
            except OSError:  # A file system without links: the moment between look and rename stays open.
                if path.exists():
                    return False, None
                os.replace(new, path)
            return True, None
        if read_bytes(path) != before:
            return False, None
        shutil.copymode(path, new)
        if exchange(new, path):
            return True, read_bytes(new)
        os.replace(new, path)
        return True, before
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove what writers that died have left beside the lock."""
    for left in path.parent.glob(f".{path.name}.????????????"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                left.unlink()


def _differences(old: Content, new: Content) -> list[tuple[str, str, Any]]:
    """What turns `old` into `new`: (section, key, value or _MISSING); the key is "" where a section is no object."""
    found: list[tuple[str, str, Any]] = []
    for section in dict.fromkeys([*old, *new]):
        before, after = old.get(section, _MISSING), new.get(section, _MISSING)
        if isinstance(after, dict) and (isinstance(before, dict) or before is _MISSING):
            known = before if isinstance(before, dict) else {}
            for key in dict.fromkeys([*known, *after]):
                if known.get(key, _MISSING) != after.get(key, _MISSING):
                    found.append((section, key, after.get(key, _MISSING)))
        elif before != after:
            found.append((section, "", after))
    return found


def _apply(changes: list[tuple[str, str, Any]], content: Content) -> None:
    for section, key, value in changes:
        place = content.setdefault(section, {}) if key else content
        if value is _MISSING:
            place.pop(key or section, None)
        else:
            place[key or section] = value
