"""Small files that are written whole or not at all: a reader sees the old bytes or the new ones, after a crash too."""

from __future__ import annotations

import os
from pathlib import Path

from numzoo.hub.store.cache import storage

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, and its folder if need be. Raises StorageError where the disk refuses."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    with storage(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
