"""The folder of a registry: blobs that are what their names say, and a pointer that changes at once."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from numzoo.hub.errors import FormatError, NotFoundError, StorageError, UsageError
from numzoo.hub.registry.static import layout
from numzoo.hub.registry.static.layout import CHUNK, POINTER, Folder, blob_name


@pytest.mark.parametrize("length", [0, 5, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
def test_an_added_file_has_its_digests(length: int, tmp_path: Path) -> None:
    body = os.urandom(length)
    (tmp_path / "file").write_bytes(body)
    folder = Folder(tmp_path / "registry")
    added = folder.add(tmp_path / "file")
    assert (added.sha256, added.bytes) == (hashlib.sha256(body).hexdigest(), length)
    pieces = [hashlib.sha256(body[at : at + CHUNK]).hexdigest() for at in range(0, length, CHUNK)]
    assert (list(added.chunks.sha256) if added.chunks else []) == (pieces if len(pieces) > 1 else [])
    assert folder.path(added.sha256).read_bytes() == body
    assert [path.name for path in (tmp_path / "registry" / "blobs").iterdir()] == ["sha256"]


def test_adding_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    folder = Folder(tmp_path / "registry")
    before = folder.path(folder.add(tmp_path / "file").sha256).stat()
    assert folder.path(folder.add(tmp_path / "file").sha256).stat() == before
    assert folder.add_bytes(b"x") == hashlib.sha256(b"x").hexdigest()
    assert [sha256 for sha256, _ in folder.blobs()] == [hashlib.sha256(b"x").hexdigest()]


@pytest.mark.parametrize("digest", ["../" * 20 + "x", "ab" * 31 + "/x", "AB" * 32, "ab" * 32 + "\n", ""])
def test_only_a_digest_becomes_a_path(digest: str) -> None:
    with pytest.raises(UsageError, match="64 lower-case hex digits"):
        blob_name(digest)


def test_a_file_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        Folder(tmp_path / "registry").add(tmp_path / "gone")
    assert list((tmp_path / "registry" / "blobs").iterdir()) == []


def test_what_is_missing_and_what_is_too_large_are_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.pointer() is None
    with pytest.raises(NotFoundError, match="lacks its file blobs/sha256/ab/"):
        folder.read("ab" * 32, 10)
    folder.point(b" " * (layout.LARGEST_POINTER + 1))
    with pytest.raises(FormatError, match="larger than 65536 bytes"):
        folder.pointer()


def test_a_reader_sees_the_old_pointer_or_the_new_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    texts = [bytes([letter]) * 20_000 for letter in b"ab"]
    folder.point(texts[0])
    done = threading.Event()

    def publish() -> None:
        for round in range(200):
            folder.point(texts[round % 2])
        done.set()

    writer = threading.Thread(target=publish)
    writer.start()
    while not done.is_set():
        assert folder.pointer() in texts
    writer.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == [POINTER]


def test_a_pointer_that_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.point(b"one")
    folder.point(b"two", instead_of=b"one")
    with pytest.raises(StorageError, match="Somebody else has published"):
        folder.point(b"three", instead_of=b"one")
    assert folder.pointer() == b"two"


def test_publishers_go_one_after_the_other(tmp_path: Path) -> None:
    folder = Folder(tmp_path)

    def count() -> None:
        for _ in range(20):
            with folder.changing():
                folder.point(b"%d" % (int(folder.pointer() or b"0") + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.pointer() == b"80"


def test_the_mark_of_a_dead_publisher_is_taken_over(tmp_path: Path) -> None:
    mark = tmp_path / f".{POINTER}.changing"
    mark.touch()
    os.utime(mark, (time.time() - 60,) * 2)
    with Folder(tmp_path).changing():
        assert mark.exists()
    assert not mark.exists()


def test_the_mark_of_a_living_publisher_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_PATIENCE_SECONDS", 0.2)
    mark = tmp_path / f".{POINTER}.changing"
    mark.touch()
    os.utime(mark, (time.time() + 60,) * 2)
    with pytest.raises(StorageError, match="somebody seems to be publishing"), Folder(tmp_path).changing():
        pass
    assert mark.exists()
