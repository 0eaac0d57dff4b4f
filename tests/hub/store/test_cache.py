"""The store gives the very bytes that were hashed, or an error."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.errors import IntegrityError, NotFoundError, StorageError, UsageError
from numzoo.hub.store import cache as cache_module
from numzoo.hub.store.cache import Cache

_BODY = b"weights" * 1000
_SHA256 = hashlib.sha256(_BODY).hexdigest()


@pytest.fixture
def blob(cache: Cache, tmp_path: Path) -> Path:
    """The path of a published blob."""
    temporary = tmp_path / "finished"
    temporary.write_bytes(_BODY)
    return cache.publish(temporary, _SHA256)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files as old that were written just now."""
    monkeypatch.setattr(cache_module, "_SETTLED_SECONDS", -3600.0)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from now on."""
    names: list[str] = []
    whole = cache_module.digest_of

    def counting(file: Any) -> str:
        names.append(file.name)
        return whole(file)

    monkeypatch.setattr(cache_module, "digest_of", counting)
    return names


def _read(cache: Cache, **settings: Any) -> bytes:
    with cache.open_verified(_SHA256, **settings) as file:
        assert file.tell() == 0
        return file.read()


def test_a_blob_lies_under_its_digest_and_is_read_back(cache: Cache, blob: Path, tmp_path: Path) -> None:
    assert blob == cache.root / "blobs" / "sha256" / _SHA256[:2] / _SHA256 == cache.path(_SHA256)
    assert not (tmp_path / "finished").exists()
    assert cache.has(_SHA256)
    assert _read(cache, bytes=len(_BODY)) == _BODY
    [entry] = cache.entries()
    assert (entry.sha256, entry.bytes, entry.path) == (_SHA256, len(_BODY), blob)
    assert cache.size() == len(_BODY)


def test_an_empty_store_answers_without_being_made(cache: Cache) -> None:
    assert not cache.has(_SHA256)
    assert list(cache.entries()) == []
    assert cache.size() == cache.remove(_SHA256) == 0
    with pytest.raises(NotFoundError):
        cache.open_verified(_SHA256)
    assert not cache.root.exists()


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "A" * 64, "a" * 63, ""])
def test_a_digest_that_is_none_never_becomes_a_path(cache: Cache, digest: str) -> None:
    for use in (cache.path, cache.has, cache.open_verified, cache.remove):
        with pytest.raises(UsageError):
            use(digest)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_permissions_are_those_of_the_umask(cache: Cache, server: Any, body: bytes, record_of: Any) -> None:
    from numzoo.hub.download.obtain import obtain

    before = os.umask(0o027)
    try:
        sha256 = obtain(record_of(body, server.add("/file", body)), cache=cache)
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.path(sha256).stat().st_mode) == 0o640
    assert stat.S_IMODE(cache.path(sha256).parent.stat().st_mode) == 0o750


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("restore_times", [False, True])
def test_one_changed_byte_fails_every_later_load(cache: Cache, blob: Path, restore_times: bool) -> None:
    assert _read(cache) == _BODY
    status = blob.stat()
    with open(blob, "r+b") as file:
        file.seek(100)
        file.write(b"!")
    if restore_times:
        os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
    for _ in range(3):
        with pytest.raises(IntegrityError, match="changed or damaged") as caught:
            cache.open_verified(_SHA256, len(_BODY))
        assert caught.value.exit_code == 5
        assert str(blob) in str(caught.value)


@pytest.mark.usefixtures("settled")
def test_a_file_that_has_not_moved_is_hashed_once(cache: Cache, blob: Path, hashes: list[str]) -> None:
    for _ in range(3):
        assert _read(cache) == _BODY
    assert hashes == [str(blob)]
    assert _read(cache, remember=False) == _BODY
    assert hashes == [str(blob)] * 2


def test_a_file_that_changed_a_moment_ago_is_not_remembered(cache: Cache, blob: Path, hashes: list[str]) -> None:
    for _ in range(2):
        assert _read(cache) == _BODY
    assert hashes == [str(blob)] * 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("note", [b"", b"{}", b"[1, 2]", b"\xff", b'"x"', b"[" * 4000, b"[1" + b"0" * 9000 + b"]"])
def test_a_damaged_note_costs_a_hash_and_nothing_else(cache: Cache, blob: Path, hashes: list[str], note: bytes) -> None:
    assert _read(cache) == _BODY
    [path] = (cache.refs / "verified").iterdir()
    path.write_bytes(note)
    assert _read(cache) == _BODY
    assert hashes == [str(blob)] * 2


@pytest.mark.usefixtures("settled")
@pytest.mark.skipif(os.name != "posix", reason="owners and permissions are POSIX's")
@pytest.mark.parametrize("whose", ["the group may write it", "another user's"])
def test_a_note_that_somebody_else_can_have_written_is_not_believed(
    cache: Cache, blob: Path, hashes: list[str], whose: str
) -> None:
    before = os.umask(0o002)
    try:
        _read(cache)
    finally:
        os.umask(before)
    _read(cache)
    assert hashes == [str(blob)]  # the note was believed: a umask that lets the group write does not reach it
    [note] = (cache.refs / "verified").iterdir()
    if whose == "another user's":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(note, 65534, -1)
    else:
        note.chmod(0o664)
    _read(cache)
    assert hashes == [str(blob)] * 2


def test_a_wrong_size_is_told_without_hashing(cache: Cache, blob: Path, hashes: list[str]) -> None:
    with pytest.raises(IntegrityError, match="has 7000 bytes, but 6999 were expected"):
        cache.open_verified(_SHA256, 6999)
    assert hashes == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and symbolic links")
@pytest.mark.parametrize(
    ("place", "phrase"),
    [
        (lambda path, other: path.symlink_to(other), "symbolic link"),
        (lambda path, other: path.mkdir(), "folder|not a regular file"),
        (lambda path, other: os.mkfifo(path), "not a regular file"),
    ],
)
def test_what_is_not_a_regular_file_is_refused(
    cache: Cache, blob: Path, tmp_path: Path, place: Callable[[Path, Path], None], phrase: str
) -> None:
    other = tmp_path / "other"
    other.write_bytes(_BODY)
    blob.unlink()
    place(blob, other)
    with pytest.raises(IntegrityError, match=phrase):
        cache.open_verified(_SHA256)


def test_exchanging_the_path_after_the_check_changes_nothing(cache: Cache, blob: Path) -> None:
    with cache.open_verified(_SHA256) as file:
        blob.unlink()
        blob.write_bytes(b"evil" * 1750)
        assert file.read() == _BODY


def test_removing_frees_the_bytes_and_forgets_the_note(cache: Cache, blob: Path, settled: None) -> None:
    _read(cache)
    assert cache.remove(_SHA256) == len(_BODY)
    assert not cache.has(_SHA256)
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


def test_files_that_are_no_blobs_are_passed_over(cache: Cache, blob: Path) -> None:
    (blob.parent / "notes.txt").write_text("mine")
    (blob.parent / ("f" * 64)).mkdir()
    assert [entry.sha256 for entry in cache.entries()] == [_SHA256]


@pytest.mark.parametrize(
    ("number", "phrase"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "may write"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "NUMZOO_HOME"),
    ],
)
def test_a_disk_that_refuses_is_a_storage_error_with_a_way_out(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, phrase: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "finished").write_bytes(_BODY)
    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(StorageError, match=phrase) as caught:
        cache.publish(tmp_path / "finished", _SHA256)
    assert caught.value.exit_code == 8
    assert not cache.has(_SHA256)


def test_memory_stays_at_a_block_while_hashing(cache: Cache, tmp_path: Path) -> None:
    import tracemalloc

    big = tmp_path / "big"
    big.write_bytes(bytes(20_000_000))
    digest = hashlib.sha256(bytes(20_000_000)).hexdigest()
    cache.publish(big, digest)
    tracemalloc.start()
    cache.open_verified(digest, 20_000_000).close()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
