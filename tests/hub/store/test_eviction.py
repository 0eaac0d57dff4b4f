"""The size cap: what goes first, what never goes, and what others notice of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.errors import UsageError
from numzoo.hub.store import eviction, uses
from numzoo.hub.store.cache import Cache

Put = Callable[..., str]


@pytest.fixture
def put(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Publish 1000 bytes as another process would have done it some hours ago; give their digest."""
    monkeypatch.setattr(uses, "_HELD", set())

    def publish(letter: str, *, hours: float, mine: bool = False) -> str:
        temporary = tmp_path / "finished"
        temporary.write_bytes(letter.encode() * 1000)
        sha256 = hashlib.sha256(letter.encode() * 1000).hexdigest()
        path = cache.publish(temporary, sha256)
        if not mine:
            uses._HELD.clear()
        then = time.time() - 3600 * hours
        os.utime(path, (then, then))
        os.utime(uses.note(cache.refs, sha256), (then, then))
        return sha256

    return publish


def _here(cache: Cache) -> set[str]:
    return {entry.sha256 for entry in cache.entries()}


def test_what_was_not_used_for_longest_goes_first(cache: Cache, put: Put) -> None:
    old, older, new = put("a", hours=2), put("b", hours=3), put("c", hours=1)
    assert [entry.sha256 for entry in eviction.evict(cache, 2500)] == [older]
    assert _here(cache) == {old, new}
    assert not uses.note(cache.refs, older).exists()


def test_opening_a_blob_is_a_use_and_hashing_it_anew_is_none(cache: Cache, put: Put) -> None:
    first, second, third = put("a", hours=9), put("b", hours=8), put("c", hours=7)
    cache.open_verified(first).close()
    cache.open_verified(second, remember=False).close()
    uses._HELD.clear()
    assert [entry.sha256 for entry in eviction.evict(cache, 2000)] == [second]
    assert _here(cache) == {first, third}


def test_a_use_leaves_the_blobs_own_times_alone(cache: Cache, put: Put) -> None:
    path = cache.path(put("a", hours=9))
    before = path.stat()
    cache.open_verified(path.name).close()
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_nothing_goes_while_all_of_it_fits(cache: Cache, put: Put) -> None:
    put("a", hours=2), put("b", hours=3)
    assert eviction.evict(cache, 2000) == []


def test_what_this_process_uses_stays_whatever_the_limit(cache: Cache, put: Put) -> None:
    mine, other = put("a", hours=9, mine=True), put("b", hours=1)
    uses.mark(cache.refs, mine)
    then = time.time() - 9 * 3600
    os.utime(uses.note(cache.refs, mine), (then, then))
    assert [entry.sha256 for entry in eviction.evict(cache, 0)] == [other]
    assert _here(cache) == {mine}


def test_what_anybody_used_a_moment_ago_stays(cache: Cache, put: Put) -> None:
    sha256 = put("a", hours=0)
    assert eviction.evict(cache, 0) == []
    assert _here(cache) == {sha256}


def test_what_was_used_since_it_was_chosen_stays(cache: Cache, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = put("a", hours=3)
    chosen = eviction.excess(cache, 0)
    uses.mark(cache.refs, sha256)
    monkeypatch.setattr(eviction, "excess", lambda *_: chosen)
    assert eviction.evict(cache, 0) == []
    assert _here(cache) == {sha256}


@pytest.mark.parametrize("form", ["a list", "a key", "deep"])
def test_what_the_projects_lock_names_stays(
    cache: Cache, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    locked, other = put("a", hours=9), put("b", hours=1)
    forms = {"a list": [locked], "a key": {locked: 1}, "deep": {"files": {"x": {"sha256": locked}}}}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.lock").write_text(json.dumps(forms[form]))
    assert [entry.sha256 for entry in eviction.evict(cache, 0)] == [other]


def test_a_lock_that_cannot_be_read_keeps_everything(
    cache: Cache, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a", hours=9)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.lock").write_text("{")
    assert eviction.evict(cache, 0) == []


def test_a_publish_keeps_to_the_limit(cache: Cache, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("a", hours=3), put("b", hours=2)
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "2kB")
    kept = {hashlib.sha256(letter.encode() * 1000).hexdigest() for letter in "bc"}
    put("c", hours=0)
    assert _here(cache) == kept
    assert cache.size() <= 2000


def test_the_configuration_file_may_set_the_limit_and_the_environment_beats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub import settings

    (tmp_path / "config.toml").write_text('cache_limit = "3 GB"')
    monkeypatch.setenv("NUMZOO_CONFIG", str(tmp_path / "config.toml"))
    assert settings.cache_limit() == 3_000_000_000
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "1GiB")
    assert settings.cache_limit() == 1 << 30
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "none")
    assert settings.cache_limit() is None


def test_what_is_no_limit_is_told_before_anything_is_fetched(
    server: Any, body: bytes, record_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub.download.obtain import obtain

    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match="NUMZOO_CACHE_LIMIT is 'much'; wanted a size such as 20GB"):
        obtain(record_of(body, server.add("/file", body)))
    assert server.files["/file"].requests == []


def test_a_blob_that_is_evicted_before_it_is_opened_is_fetched_again(
    server: Any, body: bytes, record_of: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub.download.fetch import Fetch

    whole, times = Cache.open_verified, []

    def late(self: Cache, sha256: str, *given: Any, **settings: Any) -> Any:
        if len(times) < 2:
            times.append(cache.remove(sha256))
        return whole(self, sha256, *given, **settings)

    monkeypatch.setattr(Cache, "open_verified", late)
    stream, _ = Fetch(progress=False).open(record_of(body, server.add("/file", body)))
    with stream:
        assert stream.read() == body
    assert times == [len(body)] * 2


_WORKER = """
import hashlib, sys
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store import eviction, uses

eviction.GRACE_SECONDS = 0.0
records = []
for text in sys.argv[2:]:
    sha256, size, path = text.split(",")
    records.append(FileRecord(sha256, bytes=int(size), sources=(f"file:{path}",), name=sha256[:8]))
print("go", flush=True)
sys.stdin.readline()
for turn in range(15):
    record = records[(turn * 7 + int(sys.argv[1]) * 3) % len(records)]
    stream, sha256 = Fetch(progress=False).open(record)
    uses._HELD.clear()  # so that even what is open here may be evicted here
    with stream:
        assert hashlib.sha256(stream.read()).hexdigest() == record.sha256 == sha256
print("done")
"""


def test_processes_that_evict_one_anothers_files_read_right_bytes_only(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "500kB")
    records = []
    for number in range(6):
        data = bytes([number]) * 200_000
        (tmp_path / f"file{number}").write_bytes(data)
        records.append(f"{hashlib.sha256(data).hexdigest()},{len(data)},{tmp_path / f'file{number}'}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(number), *records],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "go\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        out, errors = worker.communicate(timeout=120)
        assert (worker.returncode, out, errors) == (0, "done\n", "")
    for entry in cache.entries():
        assert hashlib.sha256(entry.path.read_bytes()).hexdigest() == entry.sha256
    monkeypatch.setattr(eviction, "GRACE_SECONDS", -60.0)
    eviction.evict(cache, 500_000)
    assert 0 < cache.size() <= 500_000
    assert list(cache.parts.iterdir()) == []
