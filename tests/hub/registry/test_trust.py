"""A file of which only the beginning of the digest is known: refused, then trusted once, then bound for good."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import FormatError, IntegrityError, TrustError
from numzoo.hub.registry import trust
from numzoo.hub.registry.record import FileRecord


def _prefix_record(body: bytes, *sources: str, prefix: int = 8) -> FileRecord:
    digest = hashlib.sha256(body).hexdigest()
    return FileRecord(None, digest[:prefix], len(body), sources=sources, name="weights.pth")


def test_without_a_word_it_is_refused_before_any_request(server: Any, body: bytes, tmp_path: Path) -> None:
    record = _prefix_record(body, server.add("/file", body))
    with pytest.raises(TrustError, match="--trust-first-use") as caught:
        obtain(record)
    assert caught.value.exit_code == 5
    assert server.files["/file"].requests == []


def test_the_first_use_is_locked_and_later_honoured(server: Any, body: bytes, contents: Any, cache: Any) -> None:
    record = _prefix_record(body, server.add("/file", body))
    sha256 = obtain(record, trust_first_use=True)
    assert contents(sha256) == body
    lock = json.loads((cache.root / "models.lock").read_bytes())
    assert lock == {
        "schema": 1,
        "files": {f"{sha256[:8]}-{len(body)}": {"name": "weights.pth", "sha256": sha256, "bytes": len(body)}},
    }
    assert obtain(record) == sha256
    assert len(server.files["/file"].requests) == 1
    cache.remove(sha256)
    assert obtain(record) == sha256


def test_another_file_of_the_same_prefix_is_refused_later(server: Any, body: bytes, cache: Any) -> None:
    record = _prefix_record(body, server.add("/file", body))
    other = record.sha256_prefix + "f" * 56
    trust.remember(record, other, len(body))
    with pytest.raises(IntegrityError, match=other):
        obtain(record, trust_first_use=True)
    assert list(cache.entries()) == []


@pytest.mark.parametrize("behaviour", ["lie", "longer", "shorter"])
def test_trust_does_not_reach_to_another_prefix_or_size(server: Any, body: bytes, cache: Any, behaviour: str) -> None:
    record = _prefix_record(body, server.add("/file", body, behaviour))
    with pytest.raises(IntegrityError):
        obtain(record, trust_first_use=True)
    assert list(cache.entries()) == []
    assert not (cache.root / "models.lock").exists()


def test_a_project_has_a_lock_of_its_own(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Any
) -> None:
    record = _prefix_record(body)
    digest = hashlib.sha256(body).hexdigest()
    monkeypatch.chdir(tmp_path)
    assert trust.lock_path() == cache.root / "models.lock"
    (tmp_path / "models.lock").write_text('{"schema": 1, "files": {}, "data": {"kept": true}}')
    assert trust.remember(record, digest, len(body)) == tmp_path / "models.lock"
    assert json.loads((tmp_path / "models.lock").read_text())["data"] == {"kept": True}
    assert not (cache.root / "models.lock").exists()
    assert trust.locked(record).sha256 == digest


_DAMAGED = [b"", b"[]", b"{", b'{"schema": 2, "files": {}}', b'{"schema": 1, "files": []}', b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("content", _DAMAGED)
def test_a_damaged_lock_is_an_error_and_stays_as_it_is(body: bytes, cache: Any, content: bytes) -> None:
    cache.root.mkdir(parents=True)
    lock = cache.root / "models.lock"
    lock.write_bytes(content)
    record = _prefix_record(body)
    for use in (
        lambda: trust.locked(record),
        lambda: trust.remember(record, hashlib.sha256(body).hexdigest(), len(body)),
    ):
        with pytest.raises(FormatError, match=r"models\.lock"):
            use()
    assert lock.read_bytes() == content
    assert list(cache.root.iterdir()) == [lock]


@pytest.mark.parametrize("entry", [None, 5, {}, {"sha256": "../x", "bytes": 3}, {"sha256": "0" * 64}])
def test_a_damaged_entry_is_an_error(body: bytes, cache: Any, entry: Any) -> None:
    record = _prefix_record(body)
    cache.root.mkdir(parents=True)
    key = f"{record.sha256_prefix}-{record.bytes}"
    (cache.root / "models.lock").write_text(json.dumps({"schema": 1, "files": {key: entry or "x"}}))
    with pytest.raises(FormatError, match="damaged entry"):
        trust.locked(record)


def test_an_entry_that_contradicts_the_manifest_is_an_error(body: bytes, cache: Any) -> None:
    record = _prefix_record(body)
    cache.root.mkdir(parents=True)
    files = {f"{record.sha256_prefix}-{record.bytes}": {"sha256": "0" * 64, "bytes": record.bytes}}
    (cache.root / "models.lock").write_text(json.dumps({"schema": 1, "files": files}))
    with pytest.raises(IntegrityError, match="but in the manifest"):
        trust.locked(record)


def test_many_writers_lose_no_entry(cache: Any) -> None:
    bodies = [random.Random(number).randbytes(10) for number in range(12)]
    records = [(_prefix_record(body), hashlib.sha256(body).hexdigest()) for body in bodies]
    threads = [threading.Thread(target=trust.remember, args=(*pair, 10)) for pair in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trust.locked(record).sha256 for record, _ in records] == [digest for _, digest in records]


def test_what_a_dead_writer_left_is_cleared_away_and_stops_nobody(body: bytes, cache: Any) -> None:
    cache.root.mkdir(parents=True)
    old, new = cache.root / ".models.lock.0123456789ab", cache.root / ".models.lock.ba9876543210"
    for left in (old, new):
        left.write_bytes(b"{")
    os.utime(old, (1, 1))
    trust.remember(_prefix_record(body), hashlib.sha256(body).hexdigest(), len(body))
    assert not old.exists()
    assert new.exists()


def test_a_prefix_without_a_size_is_locked_with_the_size_that_came(server: Any, body: bytes, cache: Any) -> None:
    digest = hashlib.sha256(body).hexdigest()
    record = FileRecord(None, digest[:8], sources=(server.add("/file", body, "cut_once"),), name="weights.pth")
    assert obtain(record, trust_first_use=True) == digest
    locked = trust.locked(record)
    assert (locked.sha256, locked.bytes) == (digest, len(body))
