"""Several files are fetched a few at once; one that fails ends the others, and nothing of them is lost."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.download.together import fetch_together
from numzoo.hub.errors import NotFoundError


@pytest.fixture
def several(server: Any, body: bytes, record_of: Any) -> list[Any]:
    """Five files."""
    bodies = [body[at:] for at in range(5)]
    return [record_of(each, server.add(f"/{at}", each), name=f"file{at}") for at, each in enumerate(bodies)]


def test_the_paths_come_in_the_files_order(several: list[Any], body: bytes) -> None:
    paths = Fetch(progress=False).paths([*several, several[1]])
    assert [path.read_bytes() for path in paths] == [body[at:] for at in (0, 1, 2, 3, 4, 1)]


def test_no_file_is_fetched_twice(several: list[Any], server: Any) -> None:
    Fetch(progress=False).paths([*several, *several])
    assert [len(server.files[f"/{at}"].requests) for at in range(5)] == [1] * 5


def test_three_files_are_on_their_way_at_once(several: list[Any]) -> None:
    meeting = threading.Barrier(3, timeout=20)

    def fetch(file: Any, _: Any) -> Path:
        if file in several[:3]:
            meeting.wait()
        return Path(file.name)

    assert fetch_together(several, fetch, None) == [Path(file.name) for file in several]


def test_one_that_fails_ends_the_others_and_what_came_is_kept(
    several: list[Any], server: Any, body: bytes, record_of: Any, cache: Any
) -> None:
    begun = threading.Event()

    def pause() -> None:
        begun.set()
        server.closing.wait(0.4)  # The whole of it would take eight seconds.

    slow = record_of(body, server.add("/slow", body, watch=pause), name="slow")
    missing = record_of(b"x", server.add("/missing", b"x", "after", event=begun), name="missing")
    with pytest.raises(NotFoundError, match="missing"):
        Fetch(progress=False).paths([slow, missing, *several[1:]])
    assert not cache.has(slow.sha256)
    [left] = cache.parts.glob(f"{slow.sha256}.free.*.part")
    kept = left.stat().st_size
    assert body.startswith(left.read_bytes())
    server.files["/slow"].settings.clear()
    Fetch(progress=False).paths([slow, several[0]])
    assert cache.has(slow.sha256)
    assert server.files["/slow"].requests[-1].get("range") == f"bytes={kept}-"


def test_records_of_the_same_bytes_are_fetched_once(server: Any, body: bytes, record_of: Any) -> None:
    records = [record_of(body, server.add(f"/same/{at}", body), name=f"same{at}") for at in range(4)]
    paths = Fetch(progress=False).paths(records)
    assert [path.read_bytes() for path in paths] == [body] * 4
    assert [len(server.files[f"/same/{at}"].requests) for at in range(4)] == [1, 0, 0, 0]


def test_every_transfer_is_told_of_and_ends(several: list[Any]) -> None:
    class Told:
        def __init__(self) -> None:
            self.ended: dict[str, bool] = {}

        def start(self, name: str, total: int | None, done: int) -> Any:
            ended = self.ended

            class Row:
                def advance(self, n: int, *, fetched: bool = True) -> None:
                    pass

                def finish(self, *, whole: bool) -> None:
                    ended[name] = whole

            return Row()

    told = Told()
    Fetch(progress=told).paths(several)
    assert told.ended == {file.name: True for file in several}


def test_the_command_line_prints_a_line_for_each_file_on_stderr(
    several: list[Any], manifest_of: Any, command: Any
) -> None:
    manifest = manifest_of(*several)
    ended = command("--registry", manifest, "pull", "data:files")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 5
    lines = ended.stderr.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [file.name for file in several]
    assert command("--registry", manifest, "pull", "data:files").stderr == ""


def test_quiet_is_quiet(several: list[Any], manifest_of: Any, command: Any) -> None:
    ended = command("--quiet", "--registry", manifest_of(*several), "pull", "data:files")
    assert (ended.returncode, ended.stderr) == (0, "")
