"""What other disks and other people make of the store: permissions, read-only folders, network file systems."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import StorageError
from numzoo.hub.store import cache as cache_module
from numzoo.hub.store.cache import Cache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")


def _by_web(record_of: Any, body: bytes, server: Any, tmp_path: Path) -> Any:
    return record_of(body, server.add("/weights.bin", body))


def _by_chunks(record_of: Any, body: bytes, server: Any, tmp_path: Path) -> Any:
    return record_of(body, server.add("/weights.bin", body), chunk=50_000)


def _by_copy(record_of: Any, body: bytes, server: Any, tmp_path: Path) -> Any:
    (tmp_path / "mine").write_bytes(body)
    (tmp_path / "mine").chmod(0o600)
    return record_of(body, f"file:{tmp_path / 'mine'}")


def _by_neighbour(record_of: Any, body: bytes, server: Any, tmp_path: Path) -> Any:
    place = tmp_path / "torch-home" / "hub" / "checkpoints" / "weights.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(body)
    place.chmod(0o600)
    return record_of(body)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
@pytest.mark.parametrize("way", [_by_web, _by_chunks, _by_copy, _by_neighbour], ids=lambda way: way.__name__[4:])
def test_permissions_are_those_that_the_umask_leaves(
    umask: int,
    way: Callable[..., Any],
    record_of: Any,
    body: bytes,
    server: Any,
    tmp_path: Path,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_module, "_SETTLED_SECONDS", -3600.0)
    record = way(record_of, body, server, tmp_path)
    before = os.umask(umask)
    try:
        Fetch(progress=False).open(record)[0].close()
    finally:
        os.umask(before)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [cache.root, *cache.root.rglob("*")]}
    assert {path.name for path in found} >= {record.sha256, "verified", "used"}
    wanted = {path: (0o777 if path.is_dir() else 0o666) & ~umask for path in found}
    note = cache.refs / "verified" / str(record.sha256)
    wanted[note] = 0o644 & ~umask  # it is believed, so only its owner may write it
    assert found == wanted


def test_a_read_only_cache_serves_what_it_has(
    record_of: Any,
    body: bytes,
    tmp_path: Path,
    cache: Cache,
    read_only: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mine").write_bytes(body)
    record = record_of(body, f"file:{tmp_path / 'mine'}")
    Fetch(progress=False).path(record)
    read_only(cache.root)
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "1kB")
    for _ in range(2):
        stream, _ = Fetch(progress=False).open(record)
        with stream:
            assert stream.read() == body
    assert not (cache.refs / "verified").exists()


def test_a_read_only_cache_says_so_when_something_must_be_written(
    record_of: Any, body: bytes, tmp_path: Path, cache: Cache, read_only: Callable[[Path], None]
) -> None:
    (tmp_path / "mine").write_bytes(body)
    (tmp_path / "other").write_bytes(body[:1000])
    there = record_of(body, f"file:{tmp_path / 'mine'}")
    Fetch(progress=False).path(there)
    read_only(cache.root)
    missing = record_of(body[:1000], f"file:{tmp_path / 'other'}")
    for refused in (lambda: Fetch(progress=False).open(missing), lambda: cache.remove(there.sha256)):
        with pytest.raises(StorageError, match=r"Set NUMZOO_HOME to a folder that you may write\.") as caught:
            refused()
        assert caught.value.exit_code == 8
    assert cache.has(there.sha256)


def _published(cache: Cache, tmp_path: Path, body: bytes) -> tuple[Path, str]:
    (tmp_path / "finished").write_bytes(body)
    return tmp_path / "finished", hashlib.sha256(body).hexdigest()


def test_a_rename_whose_answer_was_lost_is_a_rename(
    cache: Cache, tmp_path: Path, body: bytes, contents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, sha256 = _published(cache, tmp_path, body)
    rename = os.replace

    def repeated(source: Any, target: Any) -> None:
        rename(source, target)
        rename(source, target)

    monkeypatch.setattr("os.replace", repeated)
    cache.publish(temporary, sha256)
    assert contents(sha256) == body


def test_a_part_that_somebody_else_took_is_no_success(
    cache: Cache, tmp_path: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, sha256 = _published(cache, tmp_path, body)
    rename = os.replace
    monkeypatch.setattr("os.replace", lambda source, target: (os.unlink(source), rename(source, target)))
    with pytest.raises(StorageError, match="publish"):
        cache.publish(temporary, sha256)


def test_a_replaced_file_that_a_network_disk_still_shows_is_opened_again(
    cache: Cache, tmp_path: Path, body: bytes, contents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = _published(cache, tmp_path, body)[1]
    cache.publish(tmp_path / "finished", sha256)
    whole, failed = os.open, []

    def stale(path: Any, *given: Any, **settings: Any) -> int:
        if str(path).endswith(sha256) and not failed:
            failed.append(path)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return whole(path, *given, **settings)

    monkeypatch.setattr("os.open", stale)
    assert contents(sha256) == body
    assert failed


def test_a_folder_in_a_blobs_place_is_set_aside_whole(cache: Cache, tmp_path: Path, body: bytes, contents: Any) -> None:
    temporary, sha256 = _published(cache, tmp_path, body)
    (cache.path(sha256) / "mine").mkdir(parents=True)
    cache.set_aside(sha256)
    cache.publish(temporary, sha256)
    assert contents(sha256) == body
    assert [path.name for path in cache.parts.glob("work.free.*.tmp/*")] == ["mine"]
