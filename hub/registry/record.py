"""What the manifest says about one file: its digest, its size and where it can be had.

Everything is checked when a record is made, because a digest becomes a path and a source becomes a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from numzoo.hub.errors import UsageError

__all__ = ["Chunks", "FileRecord", "check_sha256"]

_FULL = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{8,63}")


def check_sha256(digest: str) -> str:
    """Give `digest` back if it is 64 lower-case hex digits; raise UsageError otherwise."""
    if not isinstance(digest, str) or _FULL.fullmatch(digest) is None:
        raise UsageError(f"A sha256 is 64 lower-case hex digits, but {digest!r} was given.")
    return digest


@dataclass(frozen=True, slots=True)
class Chunks:
    """The sha256 of every `size` bytes of a file, in order; the last chunk may be shorter."""

    size: int
    sha256: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _is_count(self.size) or self.size == 0:
            raise UsageError(f"A chunk size is a positive number of bytes, but {self.size!r} was given.")
        object.__setattr__(self, "sha256", tuple(check_sha256(digest) for digest in self.sha256))


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of an entry.

    `sha256` is the full digest, or None where only `sha256_prefix` (8 to 63 hex digits) is known; `bytes` is the size
    where it is known, and is then held to.
    `sources` are tried in order. `name` is what messages, locks and other programs' caches call the file. `base` is the
    folder from which relative `file:` sources are read: the manifest's own. `owner` is the full name of the entry that the
    file belongs to, `license` the SPDX expression that it stands under, `origin` where its authors tell about it.
    """

    sha256: str | None
    sha256_prefix: str | None = None
    bytes: int | None = None
    format: str = ""
    sources: tuple[str, ...] = ()
    chunks: Chunks | None = None
    name: str = ""
    base: str = ""
    owner: str = ""
    license: str = ""
    origin: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        who = f"The file {self.name!r}" if self.name else "A file"
        if self.bytes is not None and not _is_count(self.bytes):
            raise UsageError(f"{who} has {self.bytes!r} as its size; wanted a number of bytes.")
        if self.sha256 is not None:
            check_sha256(self.sha256)
        elif self.sha256_prefix is None:
            raise UsageError(f"{who} needs its full sha256, or else at least the beginning of it (sha256_prefix).")
        if self.sha256_prefix is not None:
            if not isinstance(self.sha256_prefix, str) or _PREFIX.fullmatch(self.sha256_prefix) is None:
                raise UsageError(
                    f"{who} has the sha256_prefix {self.sha256_prefix!r}; wanted 8 to 63 lower-case hex digits."
                )
            if self.sha256 is not None and not self.sha256.startswith(self.sha256_prefix):
                raise UsageError(
                    f"{who} has a sha256_prefix {self.sha256_prefix} that does not begin its sha256 {self.sha256}."
                )
        if self.chunks is not None and self.bytes is not None:
            wanted = -(-self.bytes // self.chunks.size)
            if len(self.chunks.sha256) != wanted:
                raise UsageError(
                    f"{who} lists {len(self.chunks.sha256)} chunk digests, but {self.bytes} bytes in chunks of "
                    f"{self.chunks.size} make {wanted}."
                )

    @property
    def label(self) -> str:
        """What messages call the file: its name, or else the beginning of its digest."""
        return self.name or f"sha256:{(self.sha256 or self.sha256_prefix or '')[:12]}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
