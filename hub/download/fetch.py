"""From a name to verified files on this machine: fetch what is missing, check every byte, hand out the descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from numzoo.hub.download.embedded import embedded_path, open_embedded
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.hub.registry.choice import Registries
from numzoo.hub.registry.names import open_registry
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.registry.trust import locked

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress

__all__ = ["Fetch", "pull", "pull_files"]

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Fetch:
    """How files may be fetched.

    `offline` forbids the network (None: as NUMZOO_OFFLINE says); `trust_first_use` accepts a file whose full sha256 is
    not known yet and writes it down; `progress` is told how far a download is (None: a bar, where stderr is a terminal;
    False: nobody). A file that lies in the folder `beside` under its name is taken from there.
    """

    offline: bool | None = None
    trust_first_use: bool = False
    progress: Progress | Literal[False] | None = None
    beside: Path | None = None

    def open(self, file: FileRecord) -> tuple[BinaryIO, str]:
        """The verified file, open at position 0, and its sha256: the descriptor that was hashed is the one returned."""
        _check_license(file)
        file = locked(file)
        inside = embedded_path(file)
        if inside is not None:
            return open_embedded(file, inside), file.sha256 or ""
        return self._open_blob(file)

    def path(self, file: FileRecord) -> Path:
        """Where the file lies, after a look at every byte (or at the note that says when that was done)."""
        inside = embedded_path(file)
        stream, sha256 = self.open(file)
        stream.close()
        if inside is not None:
            return inside
        from numzoo.hub.store.cache import Cache

        return Cache().path(sha256)

    def paths(self, files: Sequence[FileRecord]) -> list[Path]:
        """Where the files lie, in their order; those that are not here are fetched a few at once."""
        from numzoo.hub.download.together import fetch_together
        from numzoo.hub.licensing.acceptance import require_acceptance_of_files

        require_acceptance_of_files(files)  # of all of them, before the first byte of any
        if len(set(files)) < 2:
            return [self.path(file) for file in files]
        progress = self._progress()
        return fetch_together(files, lambda file, told: replace(self, progress=told).path(file), progress)

    def verify(self, file: FileRecord, *, quick: bool = False) -> str:
        """Hash every byte of the file anew, whatever is remembered of it, and give its sha256.

        `quick` hashes only what has changed since it was last hashed. Neither counts as a use of the file.
        """
        _check_license(file)
        file = locked(file)
        inside = embedded_path(file)
        if inside is not None:
            open_embedded(file, inside).close()
            return file.sha256 or ""
        stream, sha256 = self._open_blob(file, remember=quick, use=False)
        stream.close()
        return sha256

    def repair(self, file: FileRecord) -> str:
        """Take what lies in the file's place out of the store and fetch the file again; give its sha256.

        Chunks that are right are not fetched again, where the record has their digests.
        """
        from numzoo.hub.registry import trust
        from numzoo.hub.store.cache import Cache

        cache = Cache()
        sha256 = trust.locked(file, cache.root).sha256
        if sha256 is not None:
            cache.set_aside(sha256)
        return self.verify(file)

    def _open_blob(self, file: FileRecord, *, remember: bool = True, use: bool = True) -> tuple[BinaryIO, str]:
        from numzoo.hub.store.cache import Cache

        cache = Cache()
        for attempt in range(1, _ATTEMPTS + 1):
            sha256 = self._obtain(file)
            try:
                return cache.open_verified(sha256, file.bytes, remember=remember, use=use), sha256
            except NotFoundError:
                # Another process has evicted it since: it is fetched again.
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    def _obtain(self, file: FileRecord) -> str:
        from numzoo.hub import settings
        from numzoo.hub.download.obtain import obtain

        offline = settings.offline() if self.offline is None else self.offline
        return obtain(
            file,
            offline=offline,
            progress=self._progress(),
            trust_first_use=self.trust_first_use,
            beside=self.beside_path(file),
        )

    def _progress(self) -> Progress | None:
        from numzoo.hub.download.bars import default_bar

        return default_bar() if self.progress is None else self.progress or None

    def beside_path(self, file: FileRecord) -> Path | None:
        """Where `file` lies in the folder `beside`, if it does."""
        if self.beside is None or not file.name:
            return None
        path = self.beside.absolute() / file.name
        return path if path.is_file() else None


def _check_license(file: FileRecord) -> None:
    """Stop before the first byte where the licence has to be accepted and was not."""
    if file.license:
        from numzoo.hub.licensing.acceptance import require_acceptance

        require_acceptance(file.owner, file.license, file.origin)


def pull(
    name: str,
    *,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
    progress: Progress | Literal[False] | None = None,
) -> Path:
    """The path of the one verified file that `name` means, fetched first if it is not here.

    `name` is a model's ("resnet50"), a sample's ("sample:cat"), a data set's with one of its files
    ("data:mnist/t10k-labels-idx1-ubyte") or a file's of a repository ("hf:OWNER/REPO@REVISION/FILE"); UsageError says so
    where it means several files (`pull_files` gets all).
    """
    fetch = Fetch(offline, trust_first_use, progress)
    files = _files(name, registry, fetch)
    if len(files) != 1:
        names = ", ".join(file.name for file in files)
        raise UsageError(f"{name} has {len(files)} files: ask for one as {name}/FILE ({names}), or call pull_files.")
    return fetch.path(files[0])


def pull_files(
    name: str,
    *,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registries = None,
    progress: Progress | Literal[False] | None = None,
) -> dict[str, Path]:
    """All verified files of a model, a sample, a data set or a repository, fetched where they are not here: file name -> path.

    Of a repository ("hf:OWNER/REPO@REVISION") these are the files that `load` reads.
    """
    fetch = Fetch(offline, trust_first_use, progress)
    files = _files(name, registry, fetch)
    return {file.name: path for file, path in zip(files, fetch.paths(files), strict=True)}


def _files(name: str, registry: Registries, fetch: Fetch) -> tuple[FileRecord, ...]:
    from numzoo.hub.foreign.repository import files_named

    return files_named(name, open_registry(registry, offline=fetch.offline), fetch)
