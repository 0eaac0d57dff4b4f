"""Verified files, put where PyTorch or Hugging Face's client look for what they have downloaded.

    torch         TORCH_HOME/hub/checkpoints/NAME
    huggingface   HF_HUB_CACHE/models--OWNER--NAME/blobs/<id>, snapshots/<commit>/FILE (a link to the blob), refs/main

They get files of their own (sharing blocks with the store where the disk can), because they may write to them. Both
programs trust what lies there, so it is hashed here once more on the way.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from numzoo.hub import settings
from numzoo.hub.errors import StorageError, UsageError
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.cache import Cache, storage
from numzoo.hub.store.cloning import duplicate

__all__ = ["Export", "plan", "write"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_LARGE = 10 << 20
_LARGE_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".onnx", ".msgpack", ".ckpt", ".npz", ".npy", ".gguf")


@dataclass(frozen=True, slots=True)
class Export:
    """One file for another program: `path` is what that program opens, `target` where the bytes go."""

    file: FileRecord
    path: Path
    target: Path


def plan(file: FileRecord, program: str) -> Export:
    """Where a file goes for "torch" or "huggingface". Raises UsageError where that program has no place for it."""
    return {"torch": _torch, "huggingface": _huggingface}[program](file)


def write(export: Export, cache: Cache, sha256: str) -> bool:
    """Put the file there, unless the same bytes lie there already; give whether anything was written.

    Raises IntegrityError if the blob is not right any more, and StorageError where the other cache cannot be written.
    """
    with cache.open_verified(sha256, export.file.bytes) as stream, storage(f"write {export.path}"):
        target = export.target
        if export.path != target:
            target = target.with_name(_huggingface_id(export.path.name, stream, sha256))
        fresh = not _holds(target, sha256)
        if fresh:
            duplicate(cache.path(sha256), target)
            if not _holds(target, sha256):
                target.unlink(missing_ok=True)
                raise StorageError(
                    f"{target} came out different from {export.file.label}: look at the disk, try again."
                )
        if export.path == target:
            return fresh
        linked = _link(export.path, target)
        return _name_main(export.path, target) or linked or fresh


def _torch(file: FileRecord) -> Export:
    if not file.format.startswith("torch"):
        raise UsageError(f"{file.label} is of the format {file.format or 'unknown'}, which torch.load does not read.")
    addresses = [urlsplit(source).path for source in file.sources if source.startswith("https:")]
    name = next((os.path.basename(unquote(path)) for path in addresses), file.name)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}", name):
        raise UsageError(f"{file.label} has no name under which torch.hub would look for it.")
    path = settings.torch_checkpoints() / name
    return Export(file, path, path)


def _huggingface(file: FileRecord) -> Export:
    from numzoo.hub.download.sources.huggingface import parse

    for source in file.sources:
        if source.startswith("hf:") and " + " not in source:
            repository, revision, name = parse(source)
            if _COMMIT.fullmatch(revision) is None:
                continue
            kind = "" if repository.startswith(("datasets/", "spaces/")) else "models/"
            folder = settings.huggingface_cache() / (kind + repository).replace("/", "--")
            return Export(file, folder.joinpath("snapshots", revision, *name.split("/")), folder / "blobs" / "-")
    raise UsageError(
        f"{file.label} comes from no commit of a Hugging Face repository (hf:OWNER/NAME@COMMIT/FILE), so their client "
        f"has no place for it."
    )


def _huggingface_id(name: str, stream: BinaryIO, sha256: str) -> str:
    """What the server calls these bytes: their sha256 where Git LFS keeps them, else Git's own digest of them."""
    size = os.fstat(stream.fileno()).st_size
    if size >= _LARGE or name.endswith(_LARGE_SUFFIXES):
        return sha256
    return hashlib.sha1(b"blob %d\0" % size + stream.read(), usedforsecurity=False).hexdigest()


def _holds(path: Path, sha256: str) -> bool:
    try:
        with open(path, "rb") as file:
            hasher = hashlib.sha256()
            while block := file.read(1 << 20):
                hasher.update(block)
            return hasher.hexdigest() == sha256
    except OSError:
        return False


def _name_main(path: Path, target: Path) -> bool:
    """Let the branch `main`, which is what their client asks for by default, mean this commit, if it means none yet."""
    folder = target.parent.parent
    commit = path.relative_to(folder / "snapshots").parts[0]
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    try:
        with open(folder / "refs" / "main", "x", encoding="ascii") as file:
            file.write(commit)
    except FileExistsError:
        return False
    return True


def _link(path: Path, target: Path) -> bool:
    """Let `path` lead to `target` by a relative link, as their client makes it; give whether it did not before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = os.path.relpath(target, path.parent)
    if path.is_symlink() and os.readlink(path) == wanted:
        return False
    temporary = path.with_name(f"{path.name}.{os.urandom(6).hex()}.part")
    try:
        os.symlink(wanted, temporary)
    except OSError:  # Windows without the right to make links: their client takes a plain file too.
        duplicate(target, path)
        return True
    os.replace(temporary, path)
    return True
