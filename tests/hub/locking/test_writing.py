"""Changing a lock: whole or not at all, and no writer's line is ever lost, without anybody waiting."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.errors import FormatError, StorageError
from numzoo.hub.locking import document, writing
from numzoo.hub.locking.writing import change_lock
from numzoo.hub.store.exchange import exchange

FILE = {"name": "a", "sha256": "0" * 64, "bytes": 1, "sources": []}


def adds(*names: str) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        for name in names:
            content.setdefault("entries", {})[name] = {"files": [FILE]}

    return edit


def names(path: Path) -> list[str]:
    return list(document.read(path).get("entries", {}))


def test_what_is_written_is_sorted_and_the_unknown_is_kept(tmp_path: Path) -> None:
    lock = tmp_path / "models.lock"
    entries = {"z": {"files": [FILE], "mine": "ä"}}
    lock.write_text(json.dumps({"mine": [1, 2], "schema": 1, "entries": entries}))
    assert change_lock(lock, adds("b", "a"))
    text = lock.read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["schema", "entries", "mine"]
    assert list(json.loads(text)["entries"]) == ["a", "b", "z"]
    assert json.loads(text)["mine"] == [1, 2]
    assert '"mine": "ä"' in text
    assert text.endswith("}\n")
    assert os.listdir(tmp_path) == ["models.lock"]


def test_a_change_that_changes_nothing_does_not_touch_the_file(tmp_path: Path) -> None:
    lock = tmp_path / "models.lock"
    change_lock(lock, adds("a"))
    compact = json.dumps(json.loads(lock.read_bytes())).encode()
    lock.write_bytes(compact)
    assert not change_lock(lock, adds("a"))
    assert lock.read_bytes() == compact


def test_an_edit_that_fails_writes_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "models.lock"
    change_lock(lock, adds("a"))
    before = lock.read_bytes()

    def fail(content: dict[str, Any]) -> None:
        content["entries"].clear()
        raise LookupError("no")

    with pytest.raises(LookupError):
        change_lock(lock, fail)
    assert lock.read_bytes() == before
    assert os.listdir(tmp_path) == ["models.lock"]


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"models\.lock"):
        change_lock(tmp_path / "models.lock", lambda content: content.update(entries={"a": {"files": []}}))
    assert os.listdir(tmp_path) == []


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.lock", tmp_path / "models.lock"
    change_lock(real, adds("a"))
    real.chmod(0o640)
    link.symlink_to(real)
    change_lock(link, adds("b"))
    assert link.is_symlink()
    assert names(real) == ["a", "b"]
    assert real.stat().st_mode & 0o777 == 0o640


# Where the system cannot exchange two files in one step, the moment between look and rename stays open.
_MOMENTS = [(empty, "before the look", swaps) for empty in (True, False) for swaps in (True, False)]
_MOMENTS += [(True, "after the look", True), (True, "after the look", False)]
_MOMENTS += [(False, "after the look", True)] if sys.platform in {"linux", "darwin"} else []


@pytest.mark.parametrize(("empty", "moment", "swaps"), _MOMENTS)
def test_a_writer_who_comes_in_between_keeps_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, empty: bool, swaps: bool
) -> None:
    """Another writer adds a line and takes one away after this one has read, before or after its last look."""
    lock = tmp_path / "models.lock"
    if not empty:
        change_lock(lock, adds("gone", "stays"))
    plain, plain_copymode, plain_link, done = writing.read_bytes, writing.shutil.copymode, os.link, []

    def other() -> None:
        if not done:
            done.append(True)
            change_lock(lock, adds("theirs"))
            change_lock(lock, lambda content: content["entries"].pop("gone", None) and None)

    def read(path: Path) -> bytes | None:
        data = plain(path)
        if moment == "before the look" and path == lock:
            other()
        return data

    def last(*given: Any) -> None:
        other()
        (plain_copymode if len(given) == 2 and given[0] == lock else plain_link)(*given)

    monkeypatch.setattr(writing, "_in_turn", contextlib.nullcontext)  # as on a system without turns
    monkeypatch.setattr(writing, "read_bytes", read)
    if moment == "after the look":
        monkeypatch.setattr(writing.shutil, "copymode", last)
        monkeypatch.setattr(writing.os, "link", last)
    if not swaps:
        monkeypatch.setattr(writing, "exchange", lambda new, path: False)
    change_lock(lock, adds("ours"))
    assert done
    assert names(lock) == (["ours", "theirs"] if empty else ["ours", "stays", "theirs"])
    assert [name for name in os.listdir(tmp_path) if name.startswith(".models")] == []


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="this system cannot exchange two files")
def test_two_files_exchange_their_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert exchange(one, two)
    assert (one.read_bytes(), two.read_bytes()) == (b"2", b"1")


def test_exchanging_with_a_file_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    assert not exchange(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == b"1"


_WRITER = """
import sys
from pathlib import Path
from numzoo.hub.locking.writing import change_lock
for number in range(12):
    entry = {"files": [{"name": "a", "sha256": "0" * 64}]}
    change_lock(Path(sys.argv[1]), lambda content: content.setdefault("entries", {}).update({f"{sys.argv[2]}-{number}": entry}))
"""


def test_processes_that_write_at_the_same_time_lose_no_line(tmp_path: Path) -> None:
    lock = tmp_path / "models.lock"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".dev")}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(lock), str(number)], env=environment)
        for number in range(6)
    ]
    assert [writer.wait() for writer in writers] == [0] * 6
    assert sorted(names(lock)) == sorted(f"{writer}-{number}" for writer in range(6) for number in range(12))
    assert os.listdir(tmp_path) == ["models.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="this system locks no folders")
def test_a_writer_waits_for_its_turn_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    lock = tmp_path / "models.lock"
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    waiting = threading.Thread(target=change_lock, args=(lock, adds("ours")))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    assert not lock.exists()
    os.close(other)
    waiting.join()
    assert names(lock) == ["ours"]
    monkeypatch.setattr(writing, "_TURN_SECONDS", 0.05)
    with writing._in_turn(tmp_path):  # by somebody who never ends
        change_lock(lock, adds("more"))
    assert names(lock) == ["more", "ours"]


def test_a_lock_that_never_rests_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_put", lambda path, before, after: (False, None))
    with pytest.raises(StorageError, match="changes faster"):
        change_lock(tmp_path / "models.lock", adds("a"))


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"write .*models\.lock"):
        change_lock(tmp_path / "file" / "models.lock", adds("a"))
