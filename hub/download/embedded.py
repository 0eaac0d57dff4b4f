"""Files that ship inside the package: `package:` sources, verified like any other, with no cache and no network."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import BinaryIO

from numzoo.hub.errors import IntegrityError, NotFoundError, UsageError
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import digest_of, storage
from numzoo.hub.store.opened import VerifiedFile

__all__ = ["embedded_path", "open_embedded"]

_ROOT = Path(__file__).resolve().parent.parent.parent
_SCHEME = "package:"
_MEMBER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def embedded_path(file: FileRecord) -> Path | None:
    """Where the package holds `file`, or None when no source of it is the package or the package lacks it."""
    for source in file.sources:
        if source.startswith(_SCHEME):
            member = source[len(_SCHEME) :]
            if _MEMBER.fullmatch(member) is None:
                raise UsageError(
                    f"{source!r} is no source in the package; wanted package:FOLDER/FILE, as in "
                    "package:vision/weights/lenet.safetensors."
                )
            path = _ROOT / member
            if path.is_file():
                return path
    return None


def open_embedded(file: FileRecord, path: Path) -> BinaryIO:
    """Open `path` once, hash what was opened and give it at position 0. Raises IntegrityError unless it is `file`."""
    if file.sha256 is None:
        raise UsageError(f"{file.label} ships inside the package, so its entry must give the full sha256.")
    with storage(f"open {path}"):
        try:
            raw = io.FileIO(path, "rb")
        except FileNotFoundError:
            raise NotFoundError(f"The package lacks {path}. {_WAY_OUT}") from None
    try:
        before = os.fstat(raw.fileno())
        if file.bytes is not None and before.st_size != file.bytes:
            raise IntegrityError(f"{path} has {before.st_size} bytes, but {file.bytes} were expected. {_WAY_OUT}")
        found = digest_of(raw)
        if found != file.sha256:
            raise IntegrityError(f"{path} has sha256 {found}, but {file.sha256} was expected. {_WAY_OUT}")
        raw.seek(0)
        return VerifiedFile(raw, before)
    except BaseException:
        raw.close()
        raise


_WAY_OUT = "The installation is damaged: install numzoo again."
