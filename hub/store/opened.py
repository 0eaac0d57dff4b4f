"""A file whose bytes were hashed through the very descriptor that is read or mapped afterwards."""

from __future__ import annotations

import io
import os

from numzoo.hub.errors import IntegrityError

__all__ = ["VerifiedFile", "state_of"]


class VerifiedFile(io.BufferedReader):
    """An open file, and the state that it was in before it was hashed.

    Another path cannot slip in, since the descriptor is the one that was hashed. Somebody who may write to the file can
    still change it in place; `check_unchanged`, called after the bytes were used, tells.
    """

    def __init__(self, raw: io.FileIO, before: os.stat_result) -> None:
        super().__init__(raw)
        self._before = before

    def check_unchanged(self) -> None:
        """Raise IntegrityError if anything was written to the file since before it was hashed."""
        before, now = self._before, os.fstat(self.fileno())
        same = (before.st_size, before.st_mtime_ns) == (now.st_size, now.st_mtime_ns)
        # A name that is taken from the file (an eviction, a newer file renamed over it) moves its st_ctime as well.
        if same and (before.st_ctime_ns == now.st_ctime_ns or before.st_nlink != now.st_nlink):
            return
        raise IntegrityError(
            f"{self.name} was changed while it was read, so its bytes may not be the ones that were hashed. Find out "
            f"what writes there, and try again."
        )


def state_of(status: os.stat_result) -> list[int]:
    """What tells a file that was left alone from one that was changed or exchanged."""
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
