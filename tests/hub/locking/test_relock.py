"""Writing names into a lock, and comparing it with the registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import IntegrityError, NotFoundError, TrustError
from numzoo.hub.locking.relock import differences, lock_names, unlock_names

QUIET = Fetch(progress=False)


@pytest.fixture
def lock(project: Path, site: Any) -> Path:
    path = project / "models.lock"
    lock_names(path, ["net", "data:digits"], site.registry(), QUIET)
    return path


def test_a_lock_names_entries_files_digests_and_sources(lock: Path, site: Any) -> None:
    document = json.loads(lock.read_bytes())
    weights = site.document["models"]["net.old"]
    assert document["schema"] == 1
    assert list(document["entries"]) == ["data:digits", "net.old"]
    assert document["entries"]["net.old"] == {
        "names": ["net"],
        "registry": "site.json",
        "license": weights["license"],
        "files": [{field: weights["files"][0][field] for field in ("name", "sha256", "bytes", "sources")}],
    }
    assert [file["name"] for file in document["entries"]["data:digits"]["files"]] == ["test.bin", "train.bin"]


def test_locking_again_changes_nothing(lock: Path, site: Any) -> None:
    before = lock.read_bytes()
    assert lock_names(lock, ["net", "net.old", "data:digits", "data:digits/test.bin"], site.registry(), QUIET) == []
    assert lock_names(lock, [], site.registry(), QUIET) == []
    assert lock.read_bytes() == before


def test_sources_that_moved_are_written_anew_and_fields_of_others_stay(lock: Path, site: Any, becomes: Any) -> None:
    document = json.loads(lock.read_bytes())
    document["entries"]["net.old"] |= {"reviewed-by": "Ada"}
    document["entries"]["net.old"]["files"][0]["note"] = "kept"
    lock.write_text(json.dumps(document))
    moved = site.registry(becomes("models", "net.old", sources=["https://example.org/x"]))
    assert lock_names(lock, [], moved, QUIET) == ["net.old"]
    entry = json.loads(lock.read_bytes())["entries"]["net.old"]
    assert entry["reviewed-by"] == "Ada"
    assert entry["files"][0]["note"] == "kept"
    assert entry["files"][0]["sources"] == ["https://example.org/x"]


def test_other_bytes_are_refused_until_an_upgrade(lock: Path, site: Any, becomes: Any) -> None:
    before = lock.read_bytes()
    changed = site.registry(becomes("data", "digits", 1, sha256="1" * 64))
    for names in (["data:digits"], [], ["net", "data:digits"]):
        with pytest.raises(IntegrityError, match="--upgrade"):
            lock_names(lock, names, changed, QUIET)
    assert lock.read_bytes() == before
    assert lock_names(lock, ["data:digits"], changed, QUIET, upgrade=True) == ["data:digits"]
    assert '"1111' in lock.read_text()


def default_moves(known: dict[str, Any]) -> None:
    known["defaults"]["net"] = "new"


def test_an_upgrade_of_a_bare_name_takes_the_present_default(lock: Path, site: Any) -> None:
    moved = site.registry(default_moves)
    assert lock_names(lock, ["net"], moved, QUIET) == []
    assert lock_names(lock, ["net"], moved, QUIET, upgrade=True) == ["net.new"]
    assert list(json.loads(lock.read_bytes())["entries"]) == ["data:digits", "net.new"]


def test_a_dry_run_writes_nothing(lock: Path, site: Any) -> None:
    before = lock.read_bytes()
    assert lock_names(lock, ["sample:dot"], site.registry(), QUIET, dry_run=True) == ["sample:dot"]
    assert unlock_names(lock, ["net"], dry_run=True) == ["net.old"]
    assert lock.read_bytes() == before


def test_names_are_taken_out(lock: Path) -> None:
    with pytest.raises(NotFoundError, match=r"does not lock 'nett'; it locks data:digits, net\.old"):
        unlock_names(lock, ["net", "nett"])
    assert unlock_names(lock, ["net"]) == ["net.old"]
    assert unlock_names(lock, ["data:digits"]) == ["data:digits"]
    assert json.loads(lock.read_bytes()) == {"schema": 1}


def test_half_a_digest_is_locked_after_the_file_was_trusted(project: Path, site: Any) -> None:
    def halve(document: dict[str, Any]) -> None:
        file = document["samples"]["dot"]["files"][0]
        file["sha256_prefix"] = file.pop("sha256")[:8]

    lock = project / "models.lock"
    with pytest.raises(TrustError):
        lock_names(lock, ["sample:dot"], site.registry(halve), QUIET)
    assert not lock.exists()
    lock_names(lock, ["sample:dot"], site.registry(halve), Fetch(progress=False, trust_first_use=True))
    file = json.loads(lock.read_bytes())["entries"]["sample:dot"]["files"][0]
    assert file["sha256"] == site.document["samples"]["dot"]["files"][0]["sha256"]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str, bool]] = {
    "a digest": (
        lambda known: known["models"]["net.old"]["files"][0].update(sha256="1" * 64),
        "has sha256 1111",
        True,
    ),
    "a licence": (lambda known: known["data"]["digits"].update(license="CC-BY-4.0"), "stands under CC-BY-4.0", True),
    "a file less": (lambda known: known["data"]["digits"]["files"].pop(), "test.bin is gone from the registry", True),
    "a file more": (
        lambda known: known["data"]["digits"]["files"].append(known["samples"]["dot"]["files"][0]),
        "dot.png is new in the registry",
        True,
    ),
    "an entry less": (lambda known: known["data"].pop("digits"), "is not in the registry any more", False),
    "a default": (default_moves, "means net.new in the registry, net.old here", False),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_check_finds_what_the_registry_says_otherwise(lock: Path, site: Any, what: str) -> None:
    change, said, grave = CHANGES[what]
    before = lock.read_bytes()
    (found,) = differences(lock, [], site.registry(change))
    assert said in found.what
    assert found.grave is grave
    assert lock.read_bytes() == before


def test_a_check_of_what_is_not_locked_says_so(lock: Path, site: Any) -> None:
    assert differences(lock, ["net", "net.old", "data:digits"], site.registry()) == []
    (found,) = differences(lock, ["sample:dot"], site.registry())
    assert (found.name, found.grave) == ("sample:dot", False)
    lock.unlink()
    with pytest.raises(NotFoundError, match="no lock"):
        differences(lock, [], site.registry())
