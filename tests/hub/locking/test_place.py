"""Which lock counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from numzoo.hub.errors import NotFoundError
from numzoo.hub.locking.pins import locked_entries
from numzoo.hub.locking.place import lock_path, using


def test_the_nearest_lock_counts_and_the_stores_where_there_is_none(
    project: Path, cache: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub import settings

    assert lock_path() == settings.home() / "models.lock"
    above = project.parent / "models.lock"
    above.write_text('{"schema": 1}')
    assert lock_path() == above
    here = project / "models.lock"
    here.write_text('{"schema": 1}')
    assert lock_path() == here
    monkeypatch.setenv("NUMZOO_LOCK", "named.lock")
    assert lock_path() == project / "named.lock"
    with using("~/other.lock"):
        assert lock_path() == Path.home() / "other.lock"
    assert lock_path() == project / "named.lock"


def test_a_named_lock_that_is_not_there_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locked_entries()[0] == {}
    monkeypatch.setenv("NUMZOO_LOCK", "misspelt.lock")
    with pytest.raises(NotFoundError, match=r"misspelt\.lock"):
        locked_entries()


@pytest.mark.skipif(os.name != "posix", reason="files have no owner here")
def test_a_strangers_lock_above_the_present_folder_is_passed_over(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = project.parent / "models.lock"
    above.write_text('{"schema": 1}')
    plain = Path.stat

    def stat(path: Path, **more: bool) -> os.stat_result:
        found = plain(path, **more)
        return os.stat_result((*found[:4], 12345, *found[5:])) if path == above else found

    monkeypatch.setattr(Path, "stat", stat)
    assert lock_path() != above
    monkeypatch.chdir(project.parent)
    assert lock_path() == above
