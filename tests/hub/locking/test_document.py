"""A lock as a file: what is no lock is refused with a way out, whatever it is; comments are named."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numzoo.hub.errors import FormatError, NotFoundError, StorageError
from numzoo.hub.locking.document import entries, read

GOOD: dict[str, Any] = {"name": "a.bin", "sha256": "0" * 64, "bytes": 3, "sources": ["https://x/a"]}

BAD: dict[str, Any] = {
    "no object": [],
    "another schema": {"schema": 2},
    "no schema": {"entries": {}},
    "a digest that climbs": {"schema": 1, "entries": {"a": {"files": [{**GOOD, "sha256": "../" + "0" * 61}]}}},
    "a digest in capitals": {"schema": 1, "entries": {"a": {"files": [{**GOOD, "sha256": "A" * 64}]}}},
    "a digest with a newline": {"schema": 1, "entries": {"a": {"files": [{**GOOD, "sha256": "0" * 64 + "\n"}]}}},
    "a negative size": {"schema": 1, "entries": {"a": {"files": [{**GOOD, "bytes": -1}]}}},
    "no files": {"schema": 1, "entries": {"a": {"files": []}}},
    "an entry of nothing": {"schema": 1, "entries": {"a": {}}},
    "entries as a list": {"schema": 1, "entries": [1]},
    "trusted files as a list": {"schema": 1, "files": []},
    "a name of nothing": {"schema": 1, "entries": {"": {"files": [GOOD]}}},
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_lock_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "models.lock").write_text(json.dumps(BAD[what]))
    with pytest.raises(FormatError, match="Mend it, take it from version control") as caught:
        read(tmp_path / "models.lock")
    assert str(tmp_path / "models.lock") in str(caught.value)


TEXTS = {
    "a comment": ('{"schema": 1, // mine\n"entries": {}}', "JSON has no comments"),
    "a name twice": ('{"schema": 1, "entries": {}, "entries": {}}', "stands twice"),
    "a merge": ('{"schema": 1,\n<<<<<<< ours\n"entries": {}}', "not valid JSON"),
    "no text": ("\x00", "not valid JSON"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_text_that_is_no_json_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "models.lock").write_text(TEXTS[what][0])
    with pytest.raises(FormatError, match=TEXTS[what][1]):
        read(tmp_path / "models.lock")


def test_a_lock_beyond_reason_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "models.lock", "wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(FormatError, match="16 MiB"):
        read(tmp_path / "models.lock")


def test_no_lock_locks_nothing_unless_it_is_needed(tmp_path: Path) -> None:
    assert entries(tmp_path / "models.lock") == {}
    with pytest.raises(NotFoundError, match="numzoo lock NAME"):
        entries(tmp_path / "models.lock", needed=True)
    with pytest.raises(StorageError):
        read(tmp_path)


def test_a_lock_that_changed_is_read_again(tmp_path: Path) -> None:
    lock = tmp_path / "models.lock"
    for name in ("a", "b"):
        lock.write_text(json.dumps({"schema": 1, "entries": {name: {"files": [GOOD]}}}))
        assert list(entries(lock)) == [name]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["files", "name", "sha256", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["schema", "entries", "files", "x"]), _VALUES | st.just(1)) | _VALUES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_json_is_read_or_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "models.lock").write_text(json.dumps(content))
    with contextlib.suppress(FormatError):
        entries(tmp_path / "models.lock")
