"""Compiled sources on the disk, so that only the first run on a machine compiles.

They lie in the folder that ``NUMZOO_KERNEL_CACHE`` names, else in ``numzoo/kernels`` of the platform's cache folder. A
file's name is the digest of everything that its contents depend on; it is written beside and renamed, and one that is
cut short or altered is compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path

from . import nvrtc

__all__ = ["compiled", "folder", "read", "write"]


def folder() -> Path:
    """Where compiled sources and plans are kept."""
    named = os.environ.get("NUMZOO_KERNEL_CACHE")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "numzoo" / "kernels"


def read(key: str) -> bytes | None:
    """What was kept under a key, if it is whole."""
    try:
        kept = (folder() / key).read_bytes()
    except OSError:
        return None
    digest, contents = kept[:32], kept[32:]
    return contents if hashlib.sha256(contents).digest() == digest else None


def write(key: str, contents: bytes) -> None:
    """Keep it; a disk that is full or read-only only means that it is made again next time."""
    with contextlib.suppress(OSError):
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        beside = place / f"{key}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        try:
            beside.write_bytes(hashlib.sha256(contents).digest() + contents)
            beside.replace(place / key)
        finally:
            beside.unlink(missing_ok=True)


def compiled(source: str, name: str, headers: dict[str, str], options: tuple[str, ...], architecture: str) -> bytes:
    """The machine code of a source for an architecture, from the disk if it is there."""
    parts = [source, *headers, *headers.values(), *options, architecture, repr(nvrtc.version())]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".cubin"
    code = read(key)
    if code is None:
        code = nvrtc.compile_source(source, name, headers, options, architecture)
        write(key, code)
    return code
