"""A repository of the Hugging Face hub as a place of files: asked for once, locked by commit and digest, read from the store.

The first use needs somebody's word (`trust_first_use`), since nothing else says which bytes are the right ones. From then on the lock
does, and the network is needed only for what was not fetched yet. What Hugging Face's own client has fetched already is found and used.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from numzoo.hub import settings
from numzoo.hub.download.repositories import (
    Listing,
    RemoteFile,
    RepositoryName,
    blob_sha1,
    fetch_small,
    list_repository,
)
from numzoo.hub.errors import HubError, NotFoundError, OfflineError, TrustError
from numzoo.hub.foreign.places import POOLING, Place
from numzoo.hub.licensing.acceptance import require_acceptance
from numzoo.hub.locking.document import Locked, LockedFile
from numzoo.hub.locking.place import lock_path
from numzoo.hub.registry.names import near
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.registry.repositories import recall, remember_file

if TYPE_CHECKING:
    from numzoo.hub.download.fetch import Fetch
    from numzoo.hub.registry.names import Registry

__all__ = ["Repository", "files_named", "open_repository", "repository_entry", "spdx_of"]


def open_repository(name: str, fetch: Fetch) -> Repository:
    """The repository at the commit that its name was locked to, or else that it means now.

    Raises TrustError where it was never used and nobody has said that it may be trusted, and OfflineError where it would
    have to be asked for and the network is switched off.
    """
    return Repository(RepositoryName.of(name), fetch)


def files_named(name: str, registry: Registry, fetch: Fetch, *, lock: bool = True) -> tuple[FileRecord, ...]:
    """The files that a name means: a registry's, or those of a repository that a load would read.

    Without `lock` nothing of a repository is fetched or written down; its small files then have no sha256 yet.
    """
    if not isinstance(name, str) or not name.startswith("hf:"):
        return tuple(registry.files(name))
    repository = open_repository(name, fetch)
    return tuple(repository.record(each, lock=lock) for each in repository.wanted())


def repository_entry(key: str, fetch: Fetch, *, dry_run: bool = False) -> Locked:
    """What the name of a repository means now, as a lock holds it, whatever it was locked to before."""
    return Repository(RepositoryName.of(key), fetch, anew=True).entry(dry_run=dry_run)


class Repository(Place):
    """The top files of a repository. A name with a file in it is a place of that file alone."""

    verified = True

    def __init__(self, asked: RepositoryName, fetch: Fetch, *, anew: bool = False) -> None:
        self.asked, self.fetch = asked, fetch
        self.name = asked.key
        self._listing: Listing | None = None
        self._locked = None if anew else recall(asked.key)
        self._enough: list[str] = []
        if self._locked is None:
            if not fetch.trust_first_use:
                raise TrustError(
                    f"{asked.key} was not used here before, so nothing says which files are the right ones. To take what it holds now and lock "
                    f"it in {lock_path()}, say --trust-first-use (trust_first_use=True)."
                )
            self._listing = self._list(asked)
            self.commit = self._listing.commit
        else:
            self.commit = self._locked.commit
            self._settle_for([name for name in self._locked.files if _is_near(name)])

    @property
    def license(self) -> str:
        """The licence that the repository's card states, as an SPDX expression; LicenseRef-none-stated where it states none."""
        if self._locked is not None and self._locked.license:
            return self._locked.license
        return spdx_of(self._listing.license) if self._listing is not None else "LicenseRef-none-stated"

    def names(self) -> list[str]:
        if self.asked.file:
            return [self.asked.file.rpartition("/")[2]]
        if self._enough:
            return self._enough
        return sorted(name for name in self._all().files if _is_near(name))

    def open(self, name: str) -> tuple[BinaryIO, str]:
        return self.fetch.open(self.record(name))

    def path(self, name: str) -> Path:
        """Where the verified file lies."""
        return self.fetch.path(self.record(name))

    def wanted(self) -> list[str]:
        """The names of the files that a load reads: the configuration, and the weights with their index."""
        if self.asked.file:
            return self.names()
        from numzoo.hub.foreign import weights
        from numzoo.hub.foreign.translation import EXTRAS

        names, chosen = self.names(), weights.choose(self)
        index = [chosen.listed_in] if chosen.listed_in else []
        return [*(name for name in ("config.json", *EXTRAS) if name in names), *index, *chosen.files]

    def record(self, name: str, *, lock: bool = True) -> FileRecord:
        """What is known of a file, with its full sha256; a small file is fetched for it, unless nothing is to be locked."""
        full = self.asked.file or name
        locked: tuple[str | None, int | None] | None
        locked = None if self._locked is None else self._locked.files.get(full)
        if locked is None and not lock:
            file = self._remote(full)
            locked = (file.sha256 or None, file.bytes)
        if locked is None:
            file = self._remote(full)
            require_acceptance(f"hf:{self.asked.repository}", self.license, self.page)
            sha256 = file.sha256 or self._store_small(file)
            remember_file(self.name, self.commit, self.license, full, sha256, file.bytes)
            locked = (sha256, file.bytes)
        digest, size = locked
        source = f"hf:{self.asked.repository}@{self.commit}/{full}"
        return FileRecord(
            digest,
            bytes=size,
            sources=(source,),
            name=full.rpartition("/")[2],
            owner=f"hf:{self.asked.repository}",
            license=self.license,
            origin=self.page,
        )

    def label(self, name: str) -> str:
        return f"{self.name}/{self.asked.file or name}"

    def entry(self, *, dry_run: bool = False) -> Locked:
        """What a lock would hold of it; with `dry_run` nothing is fetched, and the digests of small files are left empty."""
        require_acceptance(f"hf:{self.asked.repository}", self.license, self.page)
        files = []
        for name in self.wanted():
            file = self._remote(name)
            sha256 = file.sha256 or ("" if dry_run else self._store_small(file))
            files.append(LockedFile(name, sha256, file.bytes, (f"hf:{self.asked.repository}@{self.commit}/{name}",)))
        return Locked(self.name, tuple(files), revision=self.commit, license=self.license)

    def _settle_for(self, known: list[str]) -> None:
        """Ask nobody where the locked files are all that a load needs, or where nobody may be asked."""
        from numzoo.hub.foreign import weights

        self._enough = sorted(known)
        if self._offline() or self.asked.file:
            return
        try:
            weights.choose(self)
        except HubError:  # it was interrupted before it had all of them
            self._enough = []
        if "config.json" not in known:
            self._enough = []

    @property
    def page(self) -> str:
        """Where its authors tell about it."""
        return f"https://huggingface.co/{self.asked.repository}"

    def _remote(self, full: str) -> RemoteFile:
        file = self._all().files.get(full)
        if file is None:
            guesses = near(full, self._all().files)
            meant = f" Did you mean {guesses[0]}?" if guesses else ""
            raise NotFoundError(f"{self.name} has no file {full} at commit {self.commit}.{meant}")
        return file

    def _all(self) -> Listing:
        if self._listing is None:
            self._listing = self._list(RepositoryName(self.asked.repository, self.commit))
        return self._listing

    def _offline(self) -> bool:
        return settings.offline() if self.fetch.offline is None else self.fetch.offline

    def _list(self, name: RepositoryName) -> Listing:
        if self._offline():
            neighbour = _neighbour(name)
            if neighbour is not None:
                return neighbour
            raise OfflineError(
                f"What {self.name} holds is not known on this machine, and the network is switched off: use it once with the network on."
            )
        return list_repository(name)

    def _store_small(self, file: RemoteFile) -> str:
        """Fetch a small file, hold it to git's digest, put it into the store; its sha256."""
        content = _from_neighbour(self.asked.repository, file)
        if content is None:
            if self._offline():
                raise OfflineError(f"{self.name}/{file.name} is not on this machine, and the network is switched off.")
            content = fetch_small(self.asked, self.commit, file)
        return _publish(content)


def _is_near(name: str) -> bool:
    """Whether a file lies right in the repository, or is the one below that may be read."""
    return "/" not in name or name == POOLING


def spdx_of(said: str) -> str:
    """What a repository's card calls its licence ("apache-2.0", "cc-by-nc-4.0", "llama2") as an SPDX identifier."""
    from numzoo.hub.licensing.expressions import listed

    known = {name.lower(): name for name in listed()[0]}
    if not said or said in ("unknown", "other"):
        return "LicenseRef-none-stated" if said != "other" else "LicenseRef-other"
    return known.get(said.lower()) or "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", said)[:80].strip("-")


def _publish(content: bytes) -> str:
    import hashlib

    from numzoo.hub.store.cache import Cache, storage

    cache, sha256 = Cache(), hashlib.sha256(content).hexdigest()
    temporary = cache.parts / f"{sha256}.small.{os.urandom(6).hex()}.part"
    with storage(f"write {temporary}"):
        cache.parts.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            cache.publish(temporary, sha256)
        finally:
            temporary.unlink(missing_ok=True)
    return sha256


def _neighbour_folder(repository: str) -> Path:
    return settings.huggingface_cache() / f"models--{repository.replace('/', '--')}"


def _neighbour(name: RepositoryName) -> Listing | None:
    """What Hugging Face's own cache has of a repository: the files of a snapshot, each called by its digest."""
    root = _neighbour_folder(name.repository)
    try:
        reference = root / "refs" / name.revision
        commit = reference.read_text("ascii").strip() if reference.is_file() else name.revision
        if len(commit) != 40 or not set(commit) <= set("0123456789abcdef"):
            return None
        snapshot = root / "snapshots" / commit
        files = {}
        for path in (*snapshot.iterdir(), snapshot / POOLING):
            if not path.is_file():
                continue
            digest, size = path.resolve().name, path.stat().st_size
            if len(digest) in (40, 64) and set(digest) <= set("0123456789abcdef"):
                sha256, sha1 = (digest, "") if len(digest) == 64 else ("", digest)
                name_within = path.relative_to(snapshot).as_posix()
                files[name_within] = RemoteFile(name_within, size, sha256, sha1)
    except (OSError, ValueError):
        return None
    return Listing(commit, files) if files else None


def _from_neighbour(repository: str, file: RemoteFile) -> bytes | None:
    """A small file out of Hugging Face's own cache, if it is there and right."""
    try:
        path = _neighbour_folder(repository) / "blobs" / file.git_sha1
        if not file.git_sha1 or path.stat().st_size != file.bytes:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    return content if blob_sha1(content) == file.git_sha1 else None
