"""Fuzzing what data sets bring along: archives, single packed files, MATLAB files, packed masks."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from numzoo.hub.errors import HubError
from numzoo.hub.registry.record import Unpack
from numzoo.hub.store.archives.limits import Limits
from numzoo.hub.store.archives.unpacking import unpack
from numzoo.vision.datasets.masks import mask_of
from numzoo.vision.datasets.mat import _Reader
from numzoo.vision.errors import DatasetError

sys.path.append(str(Path(__file__).resolve().parents[1] / "tables"))

from made_archives import tar_of, zip_of

for _encoding in ("cp437", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
    codecs.lookup(_encoding)  # Python imports these when they are first asked for.

MEMBERS: dict[str, bytes | None] = {"d": None, "d/a": b"a" * 700, "b" * 120: b"b", "ü/c": b""}
TOTAL = 1 << 22


class InMemory:
    """A tree that keeps only what it was told, and holds every name against the rules once more."""

    def __init__(self) -> None:
        self.folders: set[tuple[str, ...]] = {()}
        self.files: set[tuple[str, ...]] = set()
        self.bytes = 0

    def room(self, size: int) -> None:
        assert size >= 0

    def folder(self, parts: tuple[str, ...]) -> None:
        for end in range(len(parts) + 1):
            assert parts[:end] not in self.files
            self.folders.add(parts[:end])
        for part in parts:
            assert part
            assert part not in (".", "..")
            assert not set(part) & set("/\\:\0\n")
            assert not part.endswith((".", " "))

    def file(self, parts: tuple[str, ...], blocks: Iterable[bytes]) -> None:
        assert parts not in self.folders
        assert parts not in self.files
        self.folder(parts[:-1])
        self.folder(parts[-1:])
        self.folders.discard(parts[-1:])
        self.files.add(parts)
        self.bytes += sum(len(block) for block in blocks)
        assert self.bytes <= TOTAL


class Named(io.BytesIO):
    """Bytes that call themselves a file."""

    name = "packed"


def _unpacking(kind: str) -> Callable[[bytes], None]:
    def attempt(content: bytes) -> None:
        with suppress(HubError):
            unpack(
                Named(content),
                Unpack(kind),
                InMemory(),
                name="x.gz",
                scratch=Path(),
                limits=Limits(free=TOTAL, total=TOTAL),
            )

    return attempt


def _mat(content: bytes) -> None:
    with suppress(DatasetError):
        _Reader("x", content).variables()


def _mask(content: bytes) -> None:
    with suppress(DatasetError):
        assert mask_of({"size": [9, 12], "counts": content.decode("latin-1")}, 9, 12).shape == (9, 12)


ATTEMPTS: dict[str, Callable[[bytes], None]] = {
    "tar": _unpacking("tar"),
    "zip": _unpacking("zip"),
    "gzip": _unpacking("gzip"),
    "bzip2": _unpacking("bzip2"),
    "xz": _unpacking("xz"),
    "mat": _mat,
    "mask": _mask,
}


def seeds() -> dict[str, list[bytes]]:
    """Small whole files by reader."""
    import numpy
    import scipy.io

    held = []
    for packed in (False, True):
        scipy.io.savemat(
            file := io.BytesIO(),
            {"x": numpy.arange(6, dtype=numpy.uint8).reshape(2, 3), "t": "ab", "s": {"i": 1, "n": "a"}},
            do_compression=packed,
        )
        held.append(file.getvalue())
    return {
        "tar": [
            tar_of(MEMBERS, mode, form) for mode in ("w", "w:gz") for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
        ],
        "zip": [zip_of(MEMBERS), zip_of(MEMBERS, zipfile.ZIP_STORED), zip_of(MEMBERS, zipfile.ZIP_BZIP2)],
        "gzip": [gzip.compress(b"a" * 700)],
        "bzip2": [bz2.compress(b"a" * 700)],
        "xz": [lzma.compress(b"a" * 700)],
        "mat": held,
        "mask": [b"Q1b03_1O1O4", b"99jo000O1O1O1O1O"],
    }
