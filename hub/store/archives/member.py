"""One file or folder of an archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Member"]


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the archive names it; `size` is what the archive promises, `blocks` are its bytes, once."""

    name: str
    is_folder: bool
    size: int
    blocks: Iterator[bytes]
