"""Unpacked data sets count for the size cap: they go before blobs, but not while a process that lives reads them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from numzoo.hub.registry.record import FileRecord, Unpack
from numzoo.hub.store import eviction, leftovers, unpacked, uses
from numzoo.hub.store.cache import Cache

Unpacked = Callable[..., FileRecord]


@pytest.fixture
def make(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unpacked:
    """Publish a zip file of a letter 4000 times over and unpack it, as a process that has ended did some hours ago."""
    monkeypatch.setattr(uses, "_HELD", set())

    def made(letter: str, *, hours: float) -> FileRecord:
        temporary = tmp_path / "packed"
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(zipfile.ZipInfo("inner.txt"), letter * 4000)
        body = temporary.read_bytes()
        sha256 = hashlib.sha256(body).hexdigest()
        record = FileRecord(sha256, bytes=len(body), name=f"{letter}.zip", owner=f"data:{letter}", unpack=Unpack("zip"))
        blob = cache.publish(temporary, sha256)
        with cache.open_verified(sha256) as packed:
            path = unpacked.make(cache, record, packed)
        assert (path / "inner.txt").read_text() == letter * 4000
        folder, then = unpacked.place(cache, record), time.time() - 3600 * hours
        for each in (folder, blob, uses.note(cache.refs, sha256), uses.note(cache.refs, folder.name)):
            os.utime(each, (then, then))
        for note in (cache.refs / uses.USERS).glob(f"{folder.name}.*"):
            note.unlink()
        uses._HELD.clear()
        return record

    return made


def here(cache: Cache) -> set[str]:
    return {tree.name for tree in unpacked.trees(cache)}


def test_the_limit_is_for_blobs_and_what_was_unpacked_from_them(cache: Cache, make: Unpacked) -> None:
    record = make("a", hours=2)
    assert [(tree.name, tree.bytes, tree.sha256) for tree in unpacked.trees(cache)] == [("a", 4000, record.sha256)]
    assert eviction.size(cache) == 4000 + (record.bytes or 0)
    assert eviction.excess(cache, eviction.size(cache)) == []


def test_unpacked_data_goes_before_blobs_and_the_oldest_of_it_first(cache: Cache, make: Unpacked) -> None:
    a, b, c = make("a", hours=2), make("b", hours=3), make("c", hours=1)
    small = sum(record.bytes or 0 for record in (a, b, c))
    assert [each.sha256 for each in eviction.evict(cache, 8000 + small)] == [b.sha256]
    assert here(cache) == {"a", "c"}
    assert len(list(cache.entries())) == 3
    eviction.evict(cache, small - 1)
    assert here(cache) == set()
    assert {entry.sha256 for entry in cache.entries()} == {a.sha256, c.sha256}
    assert list(cache.parts.iterdir()) == []
    assert not (cache.root / "data" / "a").exists()


def test_what_goes_is_unpacked_again_when_it_is_asked_for(cache: Cache, make: Unpacked) -> None:
    record = make("a", hours=2)
    eviction.evict(cache, record.bytes or 0)
    assert unpacked.find(cache, record) is None
    with cache.open_verified(str(record.sha256)) as packed:
        assert (unpacked.make(cache, record, packed) / "inner.txt").read_text() == "a" * 4000


def test_what_this_process_reads_stays_whatever_the_limit(cache: Cache, make: Unpacked) -> None:
    mine, _ = make("a", hours=9), make("b", hours=1)
    assert unpacked.use(cache, mine) is not None
    then = time.time() - 9 * 3600
    os.utime(uses.note(cache.refs, unpacked.place(cache, mine).name), (then, then))
    eviction.evict(cache, 0)
    assert here(cache) == {"a"}


def test_what_anybody_used_a_moment_ago_stays(cache: Cache, make: Unpacked) -> None:
    make("a", hours=0)
    eviction.evict(cache, 0)
    assert here(cache) == {"a"}


_READER = """
import sys
from pathlib import Path
from numzoo.hub.store import uses
uses.hold(Path(sys.argv[1]), sys.argv[2])
print("reads", flush=True)
sys.stdin.read()
"""


def test_what_another_process_reads_stays_until_that_ends(cache: Cache, make: Unpacked) -> None:
    key = unpacked.place(cache, make("a", hours=9)).name
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _READER, str(cache.refs), key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reads\n"
        old(cache, key)
        eviction.evict(cache, 0)
        assert here(cache) == {"a"}
        reader.kill()
        reader.wait()
    assert {note.state for note in leftovers.notes(cache) if note.path.parent.name == uses.USERS} == {"left"}
    eviction.evict(cache, 0)
    assert here(cache) == set()
    assert not list((cache.refs / uses.USERS).iterdir())


def test_what_another_machine_reads_stays_for_a_week(cache: Cache, make: Unpacked) -> None:
    key = unpacked.place(cache, make("a", hours=9)).name
    note = cache.refs / uses.USERS / f"{key}.00000000-1-1"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.touch()
    eviction.evict(cache, 0)
    assert here(cache) == {"a"}
    week = time.time() - 8 * 24 * 3600
    os.utime(note, (week, week))
    eviction.evict(cache, 0)
    assert here(cache) == set()


def test_what_was_taken_into_use_since_it_was_chosen_stays(
    cache: Cache, make: Unpacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make("a", hours=9)
    chosen = eviction.excess(cache, 0)
    unpacked.use(cache, record)
    old(cache, unpacked.place(cache, record).name)
    monkeypatch.setattr(eviction, "excess", lambda *_: chosen)
    assert [each.sha256 for each in eviction.evict(cache, 0) if isinstance(each, unpacked.Tree)] == []
    assert here(cache) == {"a"}


def test_what_the_projects_lock_names_stays_unpacked(
    cache: Cache, make: Unpacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, _ = make("a", hours=9), make("b", hours=1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.lock").write_text(json.dumps([locked.sha256]))
    eviction.evict(cache, 0)
    assert here(cache) == {"a"}
    assert [entry.sha256 for entry in cache.entries()] == [locked.sha256]


def test_unpacking_keeps_to_the_limit(cache: Cache, make: Unpacked, monkeypatch: pytest.MonkeyPatch) -> None:
    make("a", hours=3)
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "6kB")
    make("b", hours=0)
    assert here(cache) == {"b"}


def test_a_folder_that_says_nothing_of_itself_is_none_of_ours(cache: Cache, make: Unpacked) -> None:
    make("a", hours=9)
    (cache.root / "data" / "mine" / "pictures").mkdir(parents=True)
    (cache.root / "data" / "mine" / "pictures" / "unpacked.json").write_text("[]")
    eviction.evict(cache, 0)
    assert [path.name for path in (cache.root / "data").iterdir()] == ["mine"]


def old(cache: Cache, key: str) -> None:
    then = time.time() - 9 * 3600
    os.utime(uses.note(cache.refs, key), (then, then))
