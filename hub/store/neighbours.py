"""Files that other programs have downloaded already: PyTorch's checkpoints and Hugging Face's repositories.

Only places where the wanted file might lie are named here; whether it is the right one its digest tells. A file is
never linked into the store, because the other program may yet write to it: blocks are shared where the disk can do that
safely (cloning.py), and copied elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from numzoo.hub import settings
from numzoo.hub.registry.record import FileRecord

if TYPE_CHECKING:
    from numzoo.hub.store.cache import Cache

__all__ = ["adopt", "places"]


def places(record: FileRecord) -> Iterator[Path]:
    """Paths that exist, are of the right size and may hold the file."""
    for path in dict.fromkeys([*_torch(record), *_huggingface(record)]):
        try:
            if path.is_file() and record.bytes in (None, path.stat().st_size):
                yield path
        except OSError:
            continue


def adopt(cache: Cache, record: FileRecord, path: Path) -> bool:
    """Publish the file at `path` without a copy of its bytes; False where the disk cannot, or where it is another file.

    It is hashed after it was cloned, so nothing that happens to the original counts.
    """
    if record.sha256 is None:
        return False
    from numzoo.hub.store.cache import digest_of, storage
    from numzoo.hub.store.claims import fresh_name
    from numzoo.hub.store.cloning import clone

    with storage(f"write to {cache.parts}"):
        cache.parts.mkdir(parents=True, exist_ok=True)
    temporary = fresh_name(cache.parts, record.sha256)
    if not clone(path, temporary):
        return False
    try:
        with open(temporary, "rb") as file:
            right = digest_of(file) == record.sha256
        if right:
            cache.publish(temporary, record.sha256)
        return right
    finally:
        temporary.unlink(missing_ok=True)


def _torch(record: FileRecord) -> Iterator[Path]:
    names = [urlsplit(source).path for source in record.sources if source.startswith(("https:", "http:"))]
    names += [source.rpartition("!")[2] for source in record.sources if "!" in source and " + " not in source]
    for name in [*names, record.name]:
        plain = os.path.basename(unquote(name))
        if plain not in ("", ".", "..") and "\0" not in plain:
            yield settings.torch_checkpoints() / plain


def _huggingface(record: FileRecord) -> Iterator[Path]:
    root = settings.huggingface_cache()
    if record.sha256:
        # Large files lie there under their sha256, whatever repository they came by.
        try:
            yield from (folder / "blobs" / record.sha256 for folder in sorted(root.glob("*--*")))
        except OSError:
            return
    for source in record.sources:
        if source.startswith("hf:") and " + " not in source:
            from numzoo.hub.download.sources.huggingface import parse

            try:
                repository, _, file = parse(source)
            except ValueError:
                continue
            kind = "" if repository.startswith(("datasets/", "spaces/")) else "models/"
            folder = root / (kind + repository).replace("/", "--") / "snapshots"
            yield from (snapshot.joinpath(*file.split("/")) for snapshot in sorted(folder.glob("*")))
