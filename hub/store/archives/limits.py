"""How much an archive may ask for before it is refused, and the count of what it has asked for so far."""

from __future__ import annotations

from dataclasses import dataclass

from numzoo.hub.errors import UnsafeFileError

__all__ = ["Budget", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one archive; the largest public data sets stay below all of them.

    `members` files and folders, `total` bytes unpacked; more than `free` bytes only up to `ratio` times the archive's
    own size. A name has `name` bytes in a part, `path` in all and `depth` parts. `directory` bounds a zip's directory
    and `xz_memory` what unpacking xz may take, in bytes.
    """

    members: int = 5_000_000
    total: int = 4 << 40
    ratio: int = 200
    free: int = 64 << 20
    name: int = 255
    path: int = 1024
    depth: int = 32
    directory: int = 64 << 20
    xz_memory: int = 192 << 20


class Budget:
    """What one archive may still unpack to."""

    def __init__(self, packed: int, limits: Limits, who: str) -> None:
        self.limits, self.who = limits, who
        self.bytes = self.members = 0
        self._limit = min(limits.total, max(limits.free, limits.ratio * packed))

    def spend(self, count: int) -> None:
        """Count bytes; raises UnsafeFileError for more than the archive's size explains."""
        self.bytes += count
        if self.bytes > self._limit:
            raise UnsafeFileError(
                f"{self.who} swells to more than {self._limit} bytes, the most that an archive of its size may. "
                f"Nothing of it was kept."
            )

    def member(self) -> None:
        """Count a member."""
        self.members += 1
        if self.members > self.limits.members:
            raise UnsafeFileError(f"{self.who} has more than {self.limits.members} members. Nothing of it was kept.")
