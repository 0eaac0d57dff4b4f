"""The errors of data sets and their loading, and the one check that all of them need."""

from __future__ import annotations

from typing import Any

from ..errors import EngineError, SettingError


class DataError(EngineError, ValueError):
    """Data that cannot be used: empty, ragged, of the wrong kind, or not what was promised."""


class MissingDataError(DataError, FileNotFoundError):
    """A file or folder of data that is not there."""


class ItemError(EngineError, IndexError):
    """An item that the data set does not have."""


class WorkerError(EngineError, RuntimeError):
    """A worker process failed, or died.

    ``worker`` is its number, ``index`` the item it was at (None between items), ``traceback`` its own traceback, as text.
    Where an exception was raised, the error is also of that exception's class: ``except ValueError`` means the same for
    any number of workers.
    """

    worker: int | None = None
    index: Any = None
    traceback: str = ""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # whatever the other class would make of it


class WorkerTimeoutError(WorkerError, TimeoutError):
    """A worker process gave no batch within the timeout."""


def whole(who: str, name: str, value: Any, least: int = 0) -> int:
    """``value`` as an int of at least ``least``; a SettingError for anything else (True counts as something else)."""
    try:
        number = None if isinstance(value, bool) else value.__index__()
    except (AttributeError, TypeError):
        number = None
    if number is None or number < least:
        raise SettingError(f"{who}: {name} must be a whole number of at least {least}, not {value!r:.60}")
    return int(number)
