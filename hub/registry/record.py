"""What the manifest says about one file: its digest, its size, where it can be had and how it is unpacked.

Everything is checked when a record is made, because a digest becomes a path and a source becomes a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from numzoo.hub.errors import UsageError

__all__ = ["ARCHIVES", "PACKINGS", "Chunks", "FileRecord", "Unpack", "check_sha256"]

ARCHIVES = ("tar", "zip")
"""Packings of many files; a tar may itself be packed by gzip, bzip2 or xz."""
PACKINGS = (*ARCHIVES, "gzip", "bzip2", "xz")

_FULL = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{8,63}")
_MD5 = re.compile(r"[0-9a-f]{32}")


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
class Unpack:
    """How a file is unpacked: its `kind` (one of PACKINGS), and `to` which name below the file's own folder.

    Without `to`, the members of an archive lie in the folder itself, and a single packed file is called as the packed
    one without its suffix. `inner` lists (pattern, kind) pairs: members that fit a pattern are archives themselves, and
    each is unpacked to a folder beside it that is called as it is without its suffix, and takes its place.
    """

    kind: str
    to: str = ""
    inner: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in PACKINGS:
            raise UsageError(f"A file is unpacked by one of {', '.join(PACKINGS)}, but {self.kind!r} was given.")
        wrong = [kind for _, kind in self.inner if kind not in ARCHIVES]
        if wrong or (self.inner and self.kind not in ARCHIVES):
            raise UsageError(
                f"Archives inside a file are a {' or a '.join(ARCHIVES)} in another, but {self.kind!r} with "
                f"{', '.join(kind for _, kind in self.inner)} was given."
            )


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of an entry.

    `sha256` is the full digest, or None where only `sha256_prefix` (8 to 63 hex digits), an `md5` or nothing of it is
    known; `bytes` is the size where it is known, and is then held to, as is the `md5`. `sources` are tried in order.
    `name` is what messages, locks and other programs' caches call the file. `base` is the folder from which relative
    `file:` sources are read: the manifest's own. `owner` is the full name of the entry that the
    file belongs to, `license` the SPDX expression that it stands under, `origin` where its authors tell about it.
    `unpack` says how the file is unpacked, if it is. `prefix` stands before the name of every tensor in it, where several
    files make one model.
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
    md5: str | None = None
    unpack: Unpack | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        who = f"The file {self.name!r}" if self.name else "A file"
        if self.bytes is not None and not _is_count(self.bytes):
            raise UsageError(f"{who} has {self.bytes!r} as its size; wanted a number of bytes.")
        if self.sha256 is not None:
            check_sha256(self.sha256)
        elif self.sha256_prefix is None and self.md5 is None and not self.sources and not self.owner:
            raise UsageError(
                f"{who} needs its full sha256, or else at least the beginning of it (sha256_prefix), an md5, or a "
                f"source whose first answer can be trusted."
            )
        if self.md5 is not None and (not isinstance(self.md5, str) or _MD5.fullmatch(self.md5) is None):
            raise UsageError(f"{who} has the md5 {self.md5!r}; wanted 32 lower-case hex digits.")
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

    @property
    def key(self) -> str:
        """What tells this file from all others, as part of a file's name: its digest, or what is known in place of it.

        Of a file without any digest that is where it comes from, since nothing else says which file is meant.
        """
        if self.sha256 is not None:
            return self.sha256
        if self.sha256_prefix is not None:
            return f"prefix-{self.sha256_prefix}"
        if self.md5 is not None:
            return f"md5-{self.md5}"
        import hashlib

        local = [self.base] if any(source.startswith("file:") for source in self.sources) else []
        places = [*self.sources, *local] or [self.owner, self.name]
        return f"source-{hashlib.sha256(chr(10).join(places).encode()).hexdigest()[:32]}"

    @property
    def checkable(self) -> bool:
        """Whether anything is known of the bytes beyond how many they are."""
        return any((self.sha256, self.sha256_prefix, self.md5))

    @property
    def known(self) -> str:
        """What is known in place of the full sha256, for a message."""
        if self.sha256_prefix is not None:
            return f"only that it begins with {self.sha256_prefix}"
        return f"only its md5, {self.md5}, which anybody can forge" if self.md5 else "nor any other digest of it"

    def accepts(self, sha256: str, md5: str, size: int) -> bool:
        """Whether a file of these digests and this size in bytes is the one that is meant, as far as is known."""
        if self.bytes is not None and size != self.bytes:
            return False
        if self.sha256 is not None:
            return sha256 == self.sha256
        return sha256.startswith(self.sha256_prefix or "") and self.md5 in (None, md5)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
