"""What was last verified of a registry: it guards against older versions, and serves where there is no network.

It is kept in the store, below ``refs/registries/``, in a folder for each address: the pointer as it came, and the
manifest under its digest. Both are checked again whenever they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path

from numzoo.hub import settings
from numzoo.hub.errors import FormatError, StorageError
from numzoo.hub.registry.static.layout import LARGEST_MANIFEST, POINTER, read_at_most
from numzoo.hub.registry.static.statement import Pointer, read_pointer
from numzoo.hub.store.cache import storage
from numzoo.hub.store.whole import write_whole

__all__ = ["Memory"]


class Memory:
    """The memory of the registry at one address."""

    def __init__(self, address: str, home: Path | None = None) -> None:
        name = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self.folder = (settings.home() if home is None else home) / "refs" / "registries" / name
        self.address = address

    def pointer(self) -> Pointer | None:
        """The pointer that was last verified, if there was one."""
        data = self._read(self.folder / POINTER)
        if data is None:
            return None
        try:
            return read_pointer(data, who=f"what is remembered of {self.address}")
        except FormatError as problem:
            raise FormatError(f"{problem} Say `numzoo registry forget {self.address}` and open it anew.") from None

    def manifest(self, pointer: Pointer) -> bytes | None:
        """The bytes of the manifest that belongs to the pointer, if they are here and still right."""
        data = self._read(self._manifest(pointer))
        return data if data is not None and hashlib.sha256(data).hexdigest() == pointer.statement.sha256 else None

    def remember(self, data: bytes, pointer: Pointer, manifest: bytes) -> None:
        """Keep what has been verified, unless a newer version was remembered meanwhile.

        A store that cannot be written remembers nothing: what was verified is still good for now.
        """
        with contextlib.suppress(StorageError):
            before = self.pointer()
            if before is not None and before.statement.version > pointer.statement.version:
                return
            write_whole(self._manifest(pointer), manifest)
            write_whole(self.folder / POINTER, data)
            for path in self.folder.glob("manifest-*.json"):
                if path != self._manifest(pointer):
                    path.unlink(missing_ok=True)

    def forget(self) -> bool:
        """Remove what is remembered; give whether there was anything."""
        there = self.folder.is_dir()
        with storage(f"remove {self.folder}"):
            if there:
                shutil.rmtree(self.folder)
        return there

    def _manifest(self, pointer: Pointer) -> Path:
        return self.folder / f"manifest-{pointer.statement.sha256}.json"

    def _read(self, path: Path) -> bytes | None:
        try:
            with storage(f"read {path}"), open(path, "rb") as file:
                return read_at_most(file, LARGEST_MANIFEST, str(path))
        except StorageError as problem:
            if isinstance(problem.__cause__, (FileNotFoundError, NotADirectoryError)):
                return None
            raise
