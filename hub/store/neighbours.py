"""Files that other programs have downloaded already: PyTorch's checkpoints and Hugging Face's repositories.

Only places where the wanted file might lie are named here; whether it is the right one its digest tells.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from numzoo.hub import settings
from numzoo.hub.registry.record import FileRecord

__all__ = ["places"]


def places(record: FileRecord) -> Iterator[Path]:
    """Paths that exist, are of the right size and may hold the file."""
    for path in dict.fromkeys([*_torch(record), *_huggingface(record)]):
        try:
            if path.is_file() and record.bytes in (None, path.stat().st_size):
                yield path
        except OSError:
            continue


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
