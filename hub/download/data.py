"""Data sets: from a name to verified, unpacked files on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from numzoo.hub.download.embedded import embedded_path
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.hub.registry.names import Registry, open_registry

if TYPE_CHECKING:
    from numzoo.hub.download.progress import Progress
    from numzoo.hub.registry.manifest import Resource
    from numzoo.hub.registry.record import FileRecord

__all__ = ["data_files", "pull_data", "where"]


def pull_data(
    name: str,
    *,
    split: str | None = None,
    trust_first_use: bool = False,
    offline: bool | None = None,
    registry: Registry | str | os.PathLike[str] | None = None,
    progress: Progress | Literal[False] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> dict[str, Path]:
    """The files of a data set, fetched where they are not here, verified and unpacked: file name -> path.

    `name` is that of a data set ("cifar10"), or of one of its files ("cifar10/cifar-10-binary.tar.gz"); with `split` only
    the files that this split needs. The path of an archive is the folder that its members lie in, that of a file that is
    not unpacked the file's own in the store. Files of these names in `folder` are taken from there, which is how data
    that only a person can download gets in.

    Raises NotFoundError for an unknown name or split, and where a person must act (the message says how), LicenseError
    where the licence was not accepted, and what fetching and unpacking raise.

    >>> from numzoo import hub
    >>> hub.pull_data("flowers102", split="train")["102flowers.tgz"]  # a folder in the cache  # doctest: +SKIP
    """
    from numzoo.hub.licensing.acceptance import require_acceptance_of_files

    resource, files = data_files(open_registry(registry), name, split)
    require_acceptance_of_files(files)  # before the first byte of any
    fetch = Fetch(offline, trust_first_use, progress, None if folder is None else Path(folder))
    for file in files:
        _ask_the_person(resource, file, fetch)
    fetch.paths([file for file in files if where(file) is None])
    return {file.name: _ready(fetch, file) for file in files}


def data_files(registry: Registry, name: str, split: str | None = None) -> tuple[Resource, tuple[FileRecord, ...]]:
    """The data set that `name` means (with "data:" before it or not), and its files: all, a split's, or the one named."""
    if not isinstance(name, str):
        raise UsageError(f"A data set's name is a text such as 'cifar10', but {name!r} was given.")
    full = name if name.startswith("data:") else f"data:{name}"
    owner, slash, _ = full.partition("/")
    resource = registry.resource(owner)
    files = registry.files(full)
    if split is None:
        return resource, files
    if slash:
        raise UsageError(f"{name!r} is one file; a split is chosen of a whole data set.")
    if split not in resource.splits:
        known = ", ".join(resource.splits) or "none that could be fetched apart"
        raise NotFoundError(f"{owner} has no split {split!r}; it has {known}.")
    wanted = resource.splits[split]
    return resource, tuple(file for file in files if file.name in wanted)


def where(file: FileRecord, *, use: bool = False) -> Path | None:
    """Where a file of a data set lies, unpacked if it is to be; None if it is not here. Nothing is fetched or hashed.

    With `use` this process goes on to read it, so that what was unpacked is not evicted.
    """
    inside = embedded_path(file)
    if inside is not None:
        return inside
    from numzoo.hub.registry import trust
    from numzoo.hub.store import unpacked
    from numzoo.hub.store.cache import Cache

    cache = Cache()
    known = trust.locked(file, cache.root)
    if known.sha256 is None:
        return None
    if known.unpack is not None:
        return unpacked.use(cache, known) if use else unpacked.find(cache, known)
    return cache.path(known.sha256) if cache.has(known.sha256) else None


def _ready(fetch: Fetch, file: FileRecord) -> Path:
    if file.unpack is None:
        return fetch.path(file)
    from numzoo.hub.store import unpacked
    from numzoo.hub.store.cache import Cache

    # An unpacked tree serves without the archive that it came from, which may be gone from the store by now.
    if (found := where(file, use=True)) is not None:
        return found
    packed, sha256 = fetch.open(file)
    with packed:
        return unpacked.make(Cache(), replace(file, sha256=sha256), packed)


def _ask_the_person(resource: Resource, file: FileRecord, fetch: Fetch) -> None:
    """Say what to do where a file has no source and is neither here nor in the folder."""
    if file.sources or where(file) is not None or fetch.beside_path(file) is not None or _is_stored(file):
        return
    short = resource.name.partition(":")[2]
    looked = f" It is not in {fetch.beside} either." if fetch.beside is not None else ""
    raise NotFoundError(
        f"{file.name} of {resource.name} has to be fetched by a person.{looked} {resource.manual} Then: numzoo data pull "
        f"{short} --from FOLDER (hub.pull_data({short!r}, folder=...)). More: {resource.source}"
    )


def _is_stored(file: FileRecord) -> bool:
    from numzoo.hub.registry import trust
    from numzoo.hub.store.cache import Cache

    cache = Cache()
    sha256 = trust.locked(file, cache.root).sha256
    return sha256 is not None and cache.has(sha256)
