"""What a lock does to a load: the locked entry, the locked digests, and an alarm where the registry says otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo import hub
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import IntegrityError, LockWarning, NotFoundError
from numzoo.hub.locking.relock import lock_names
from numzoo.hub.registry.names import Registry

QUIET = Fetch(progress=False)
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def lock(project: Path, site: Any) -> Path:
    path = project / "models.lock"
    lock_names(path, ["net", "data:digits", "sample:dot"], site.registry(), QUIET)
    return path


def default_moves(known: dict[str, Any]) -> None:
    known["defaults"]["net"] = "new"


def tag_goes(known: dict[str, Any]) -> None:
    del known["models"]["net.old"], known["defaults"]


def body_of(registry: Registry, name: str) -> bytes:
    return hub.pull(name, registry=registry, progress=False).read_bytes()


def test_a_bare_name_keeps_its_entry_when_the_default_moves(lock: Path, site: Any) -> None:
    moved = site.registry(default_moves)
    with pytest.warns(LockWarning, match=r"locks net to net\.old; the registry's default is net\.new by now"):
        assert body_of(moved, "net") == b"old weights"
    assert moved.full_name("net", locked=False) == "net.new"
    assert body_of(moved, "net.new") == b"new weights"
    lock.unlink()
    assert body_of(moved, "net") == b"new weights"


def test_an_entry_that_the_registry_lost_is_not_replaced_by_another(lock: Path, site: Any) -> None:
    with pytest.raises(NotFoundError, match=r"locks net to net\.old, which the registry does not have any more"):
        hub.pull("net", registry=site.registry(tag_goes))


def entry_is_renamed(known: dict[str, Any]) -> None:
    known["models"]["network.old"] = known["models"].pop("net.old")
    known["aliases"] = {"net.old": "network.old"}
    del known["defaults"]


def model_is_renamed(known: dict[str, Any]) -> None:
    for tag in ("old", "new"):
        known["models"][f"network.{tag}"] = known["models"].pop(f"net.{tag}")
    known["aliases"] = {"net": "network"}
    known["defaults"] = {"network": "new"}


RENAMED: list[tuple[Change, str]] = [
    (entry_is_renamed, "net"),
    (entry_is_renamed, "net.old"),
    (model_is_renamed, "net"),
    (model_is_renamed, "net.old"),
]


@pytest.mark.parametrize(("change", "name"), RENAMED)
def test_a_locked_entry_keeps_its_bytes_when_the_registry_renames_it(
    lock: Path, site: Any, becomes: Any, change: Change, name: str
) -> None:
    with pytest.warns(LockWarning, match=r"locks .* to net\.old, which the registry calls network\.old by now"):
        assert body_of(site.registry(change), name) == b"old weights"

    def also_other_bytes(known: dict[str, Any]) -> None:
        change(known)
        becomes("models", "network.old", sha256="1" * 64)(known)

    with pytest.raises(IntegrityError, match="with other files"):
        body_of(site.registry(also_other_bytes), name)


OPENINGS: dict[str, Callable[[Registry], object]] = {
    "pull": lambda known: hub.pull("net.old", registry=known, progress=False),
    "load": lambda known: hub.load("net.old", registry=known, progress=False),
    "open": lambda known: QUIET.open(known.files("net.old")[0]),
    "verify": lambda known: QUIET.verify(known.files("net.old")[0]),
}


@pytest.mark.parametrize("way", OPENINGS)
def test_another_digest_under_a_locked_name_is_an_alarm_before_anything_is_fetched(
    lock: Path, site: Any, becomes: Any, cache: Any, way: str
) -> None:
    other = hashlib.sha256(b"new weights").hexdigest()
    changed = site.registry(becomes("models", "net.old", sha256=other, sources=["file:new.st"]))
    with pytest.raises(IntegrityError, match=f"has sha256 {other} .* locks sha256 .*Somebody has changed") as caught:
        OPENINGS[way](changed)
    assert caught.value.exit_code == 5
    assert "numzoo lock net.old --upgrade" in str(caught.value)
    assert list(cache.entries()) == []


ALARMS: dict[str, Change] = {
    "another size": lambda known: known["data"]["digits"]["files"][0].update(bytes=99),
    "another beginning": lambda known: known["data"]["digits"]["files"][0].update(sha256_prefix="0" * 8) or known["data"]["digits"]["files"][0].pop("sha256"),
    "a file more": lambda known: known["data"]["digits"]["files"].insert(0, {**known["samples"]["dot"]["files"][0], "name": "more"}),
    "another name": lambda known: known["data"]["digits"]["files"][0].update(name="renamed"),
}  # fmt: skip


@pytest.mark.parametrize("what", ALARMS)
def test_the_registry_may_not_change_what_is_locked_in_other_ways(lock: Path, site: Any, what: str) -> None:
    changed = site.registry(ALARMS[what])
    with pytest.raises(IntegrityError, match="Somebody has changed what data:digits means"):
        hub.pull_files("data:digits", registry=changed, progress=False)


def test_what_ships_inside_the_package_is_held_to_the_lock_too(project: Path) -> None:
    (project / "models.lock").write_text(
        json.dumps(
            {"schema": 1, "entries": {"lenet.mnist": {"files": [{"name": "lenet.safetensors", "sha256": "0" * 64}]}}}
        )
    )
    for use in (lambda: hub.load("lenet"), lambda: Fetch().verify(hub.Registry.files(known(), "lenet")[0])):
        with pytest.raises(IntegrityError, match="locks sha256 0000"):
            use()


def known() -> Registry:
    from numzoo.hub.registry.names import default_registry

    return default_registry()


def test_a_file_moves_and_its_locked_source_still_serves(lock: Path, site: Any, becomes: Any, server: Any) -> None:
    content = json.loads(lock.read_bytes())
    content["entries"]["sample:dot"]["files"][0]["sources"] = ["pypi:evil==1!x", server.add("/dot", b"dot")]
    lock.write_text(json.dumps(content))
    moved = site.registry(becomes("samples", "dot", sources=["file:gone.png"]))
    record = moved.files("sample:dot")[0]
    from numzoo.hub.locking.pins import pinned

    assert pinned(record).sources == ("file:gone.png", server.root + "/dot")
    assert body_of(moved, "sample:dot") == b"dot"


def test_a_full_digest_in_the_lock_makes_half_a_digest_whole(lock: Path, site: Any) -> None:
    def halve(document: dict[str, Any]) -> None:
        file = document["samples"]["dot"]["files"][0]
        file["sha256_prefix"] = file.pop("sha256")[:8]

    assert body_of(site.registry(halve), "sample:dot") == b"dot"


def test_what_is_not_locked_is_free(lock: Path, site: Any) -> None:
    assert body_of(site.registry(), "net.new") == b"new weights"
