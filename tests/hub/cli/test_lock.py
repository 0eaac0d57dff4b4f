"""``numzoo lock`` and ``numzoo sync`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.store.cache import Cache

Run = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def change(manifest: Path, edit: Callable[[Any], object]) -> None:
    known = json.loads(manifest.read_bytes())
    edit(known)
    manifest.write_text(json.dumps(known))


def digests(cache: Cache) -> list[str]:
    return [blob.sha256 for blob in cache.entries()]


def test_a_project_is_locked_checked_and_synced(numzoo: Run, manifest: Path, project: Path) -> None:
    locked = numzoo("lock", "lenet", "sample:noise", "--registry", manifest)
    assert (locked.code, locked.out) == (0, "lenet.here\nsample:noise\n")
    assert numzoo("lock", "--check", "--registry", manifest).code == 0
    assert digests(Cache()) == []
    (project / "below").mkdir()
    before = (project / "models.lock").read_bytes()
    synced = numzoo("sync", "--frozen", "--registry", manifest, "--json")
    assert [file["name"] for file in synced.json["files"]] == ["lenet.here", "sample:noise"]
    assert all(Path(file["path"]).is_file() for file in synced.json["files"])
    assert (project / "models.lock").read_bytes() == before
    assert numzoo("sync", "--frozen", "--offline", "--registry", manifest).code == 0


def test_a_check_fails_where_the_registry_says_otherwise(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("lock", "lenet", "sample:noise", "--registry", manifest)
    change(manifest, lambda known: known["defaults"].update(lenet="far"))
    moved = numzoo("lock", "--check", "--registry", manifest)
    assert (moved.code, moved.out) == (3, "lenet means lenet.far in the registry, lenet.here here\n")
    change(manifest, lambda known: known["samples"]["noise"]["files"][0].update(sha256="1" * 64))
    assert numzoo("lock", "--check", "--registry", manifest).code == 5
    assert numzoo("lock", "--check", "sample:noise", "--json", "--registry", manifest).json["differences"][0]["grave"]
    for command in (("pull", "sample:noise"), ("sync",), ("sync", "--frozen"), ("lock", "sample:noise")):
        assert numzoo(*command, "--registry", manifest).code == 5, command
    assert numzoo("lock", "sample:noise", "--upgrade", "--registry", manifest).code == 0


def test_a_moved_default_is_told_once_and_the_locked_entry_is_used(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("lock", "lenet", "--registry", manifest)
    change(manifest, lambda known: known["defaults"].update(lenet="far"))
    pulled = numzoo("pull", "lenet", "--registry", manifest)
    assert pulled.code == 0
    assert pulled.err.count("note: ") == 1
    assert "locks lenet to lenet.here" in pulled.err
    assert numzoo("pull", "lenet", "--quiet", "--registry", manifest).err == ""


def test_frozen_refuses_what_is_not_locked(numzoo: Run, manifest: Path, project: Path) -> None:
    assert numzoo("sync", "--frozen", "--registry", manifest).code == 3
    numzoo("lock", "sample:noise", "--registry", manifest)
    before = (project / "models.lock").read_bytes()
    refused = numzoo("sync", "lenet", "--frozen", "--registry", manifest)
    assert (refused.code, digests(Cache())) == (3, [])
    assert "does not lock 'lenet'" in refused.err
    assert (project / "models.lock").read_bytes() == before
    assert numzoo("sync", "lenet", "--registry", manifest).code == 0
    assert "lenet.here" in json.loads((project / "models.lock").read_bytes())["entries"]


def test_offline_names_all_that_is_missing(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("lock", "lenet", "sample:noise", "--registry", manifest)
    ended = numzoo("sync", "--offline", "--registry", manifest)
    assert ended.code == 6
    assert "2 of 2 files are not here" in ended.err


def test_prune_keeps_what_is_locked_and_a_dry_run_keeps_all(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("pull", "lenet", "sample:noise", "--registry", manifest)
    numzoo("lock", "sample:noise", "--registry", manifest)
    both = digests(Cache())
    dry = numzoo("sync", "--prune", "--dry-run", "--json", "--registry", manifest).json
    assert len(dry["pruned"]) == 1
    assert digests(Cache()) == both
    assert numzoo("sync", "--prune", "--registry", manifest).code == 0
    (kept,) = digests(Cache())
    assert kept == json.loads((project / "models.lock").read_bytes())["entries"]["sample:noise"]["files"][0]["sha256"]


def test_a_lock_can_be_named(numzoo: Run, manifest: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numzoo("lock", "lenet", "--lock", "a.lock", "--registry", manifest)
    monkeypatch.setenv("NUMZOO_LOCK", "b.lock")
    numzoo("lock", "sample:noise", "--registry", manifest)
    assert sorted(path.name for path in project.iterdir()) == ["a.lock", "b.lock"]
    missing = numzoo("pull", "lenet", "--lock", "c.lock", "--registry", manifest)
    assert missing.code == 3
    assert "c.lock" in missing.err


def test_names_are_taken_out(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("lock", "lenet", "sample:noise", "--registry", manifest)
    assert numzoo("lock", "--remove", "--registry", manifest).code == 2
    assert numzoo("lock", "--remove", "nothing").code == 3
    assert numzoo("lock", "--remove", "lenet", "--dry-run").out == "lenet.here\n"
    assert numzoo("lock", "--remove", "lenet").out == "lenet.here\n"
    assert list(json.loads((project / "models.lock").read_bytes())["entries"]) == ["sample:noise"]


def test_a_registry_that_lost_an_entry_still_syncs_from_the_lock(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("lock", "lenet", "sample:noise", "--registry", manifest)
    change(manifest, lambda known: known.pop("samples"))
    assert numzoo("lock", "--check", "--registry", manifest).code == 3
    assert numzoo("sync", "--frozen", "--registry", manifest).code == 0
    assert len(digests(Cache())) == 2


def test_a_licence_that_must_be_accepted_stops_a_sync_before_the_first_byte(
    numzoo: Run, manifest: Path, project: Path
) -> None:
    change(manifest, lambda known: known["models"]["lenet.here"].update(license="CC-BY-NC-4.0"))
    numzoo("lock", "sample:noise", "lenet", "--registry", manifest)
    assert numzoo("sync", "--registry", manifest).code == 7
    assert digests(Cache()) == []
    assert numzoo("sync", "--accept-license", "CC-BY-NC-4.0", "--registry", manifest).code == 0


def test_what_a_lock_says_steers_no_terminal(numzoo: Run, manifest: Path, project: Path) -> None:
    numzoo("lock", "lenet", "--registry", manifest)
    change(project / "models.lock", lambda known: known["entries"]["lenet.here"].update(names=["\x1b[31m\u202eold"]))
    said = numzoo("lock", "--check", "--registry", manifest)
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err
    assert r"\x1b[31m\u202eold" in said.out
