"""What a pipeline refuses of its input or its settings is the caller's to put right, not a bug."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from numzoo.hub.errors import UsageError

__all__ = ["refusals"]


@contextmanager
def refusals() -> Iterator[None]:
    """A TypeError or ValueError of a pipeline becomes a UsageError; one of the hub's or the engine's stays as it is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if hasattr(error, "exit_code") or any(
            kind.__module__.endswith("engine.errors") for kind in type(error).__mro__
        ):
            raise
        raise UsageError(str(error)) from error
