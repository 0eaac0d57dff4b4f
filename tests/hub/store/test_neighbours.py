"""Files of other programs' caches become blobs that nothing done to those files can reach."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import NotFoundError, TrustError
from numzoo.hub.registry import trust
from numzoo.hub.store import cloning
from numzoo.hub.store.cache import Cache


def _torch(tmp_path: Path, body: bytes) -> Path:
    return tmp_path / "torch-home" / "hub" / "checkpoints" / "weights.bin"


def _huggingface(tmp_path: Path, body: bytes) -> Path:
    sha256 = hashlib.sha256(body).hexdigest()
    return tmp_path / "huggingface-home" / "hub" / "models--any--name" / "blobs" / sha256


@pytest.fixture(params=[True, False], ids=["as the disk can", "by copy"])
def sharing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether blocks may be shared where the disk can do so (put --basetemp on XFS or Btrfs to see it)."""
    if not request.param:
        monkeypatch.setattr(cloning, "clone", lambda *_: False)
    return bool(request.param)


@pytest.mark.usefixtures("sharing")
@pytest.mark.parametrize("place", [_torch, _huggingface], ids=lambda place: place.__name__[1:])
def test_writing_to_the_original_leaves_the_blob_alone(
    place: Callable[[Path, bytes], Path], tmp_path: Path, body: bytes, record_of: Any, cache: Cache, contents: Any
) -> None:
    path = place(tmp_path, body)
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    sha256 = obtain(record_of(body), offline=True)
    with open(path, "r+b") as file:
        file.write(b"rewritten in place")
    assert contents(sha256) == body
    assert cache.path(sha256).stat().st_nlink == 1
    assert list(cache.parts.iterdir()) == []


@pytest.mark.usefixtures("sharing")
def test_a_wrong_file_of_the_right_name_and_size_is_passed_over(
    tmp_path: Path, body: bytes, record_of: Any, cache: Cache, contents: Any, server: Any
) -> None:
    path = _torch(tmp_path, body)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(len(body)))
    assert contents(obtain(record_of(body, server.add("/weights.bin", body)))) == body
    assert list(cache.parts.iterdir()) == []


@pytest.mark.usefixtures("sharing")
def test_a_file_of_which_only_the_beginning_of_the_digest_is_known_is_taken_and_locked_if_trusted(
    tmp_path: Path, body: bytes, record_of: Any, cache: Cache, contents: Any
) -> None:
    path = _torch(tmp_path, body)
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    sha256 = hashlib.sha256(body).hexdigest()
    half = record_of(body, sha256=None, sha256_prefix=sha256[:8])
    with pytest.raises(TrustError):
        obtain(half, offline=True)
    assert contents(obtain(half, offline=True, trust_first_use=True)) == body
    assert trust.locked(half, cache.root).sha256 == sha256
    other = record_of(body, sha256=None, sha256_prefix="0" * 8)
    with pytest.raises(NotFoundError):
        obtain(other, offline=True, trust_first_use=True)


def test_a_clone_is_a_file_of_its_own_or_none(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "one").write_bytes(body)
    if cloning.clone(tmp_path / "one", tmp_path / "two"):
        assert (tmp_path / "two").read_bytes() == body
        (tmp_path / "one").write_bytes(b"changed")
        assert (tmp_path / "two").read_bytes() == body
    else:
        assert not (tmp_path / "two").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_not_cloned(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "nothing", "."):
        assert not cloning.clone(tmp_path / name, tmp_path / "two")
        assert not (tmp_path / "two").exists()


def test_a_duplicate_replaces_what_is_there_whole(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "one").write_bytes(body)
    (tmp_path / "two").write_bytes(b"old")
    cloning.duplicate(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == body
    with pytest.raises(FileNotFoundError):
        cloning.duplicate(tmp_path / "gone", tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
