"""Aliases, deprecation, withdrawal, and several manifests as one."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from numzoo import hub
from numzoo.hub.errors import FormatError, HubWarning, NotFoundError, UsageError
from numzoo.hub.registry.layered import Layered
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry, open_registry

FILE = {"sha256": "ab" * 32, "bytes": 5, "format": "safetensors", "sources": ["https://example.org/a.safetensors"]}
ENTRY: dict[str, Any] = {
    "model": "vision.models.lenet",
    "task": "image-classification",
    "files": [FILE],
    "license": "Apache-2.0",
    "source": "https://example.org",
}


def manifest(names: str, who: str = "my.json", **sections: Any) -> Manifest:
    """A manifest with these entries (names with spaces between them); the first tag of a model is its default."""
    entries = names.split()
    models = {name: {**ENTRY, **sections.pop(name, {})} for name in entries}
    defaults: dict[str, str] = {}
    for name in entries:
        defaults.setdefault(*name.split("."))
    return Manifest({"schema": 1, "models": models, "defaults": defaults, **sections}, who=who)


ALIASES = {"old": "acme/net", "older": "old", "one": "acme/net.v1", "acme/net.first": "acme/net.v1", "old.x": "one"}
MEANT = {
    "acme/net": "acme/net.v2",
    "old": "acme/net.v2",
    "old.v1": "acme/net.v1",
    "older": "acme/net.v2",
    "older.v1": "acme/net.v1",
    "one": "acme/net.v1",
    "acme/net.first": "acme/net.v1",
    "old.x": "acme/net.v1",
}


@pytest.mark.parametrize("name", MEANT)
def test_an_alias_leads_on(name: str) -> None:
    registry = Registry(manifest("acme/net.v2 acme/net.v1", aliases=ALIASES))
    assert registry.full_name(name) == MEANT[name]
    assert registry.entry(name).name == MEANT[name]
    assert name in registry


def test_a_description_lists_the_other_names() -> None:
    described = Registry(manifest("acme/net.v2 acme/net.v1", aliases=ALIASES)).describe("one")
    assert described["aliases"] == ["one", "acme/net.first", "old.x"]
    assert described["registry"] == "my.json"


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "to nothing": ({"old": "gone"}, r"\$\.aliases\['old'\] leads to gone, which is not there"),
    "to no tag": ({"old": "net.v9"}, "leads to net.v9"),
    "circle": ({"a": "b", "b": "c", "c": "a"}, "leads in a circle: a -> b -> c -> a"),
    "itself": ({"a": "a"}, "leads in a circle: a -> a"),
    "hides a model": ({"net": "other"}, "which an alias may not hide"),
    "hides an entry": ({"net.v1": "other"}, "which an alias may not hide"),
    "a circle through a tag": ({"a": "b", "b": "a.v1"}, "leads in a circle|leads to"),
    "no name": ({"../a": "net"}, "does not match"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_alias_that_leads_nowhere_is_refused(kind: str) -> None:
    aliases, message = REFUSED[kind]
    with pytest.raises(FormatError, match=message):
        manifest("net.v1 other.v1", aliases=aliases)


def deprecated(successor: str | None = None) -> dict[str, Any]:
    return {
        "deprecated": {
            "message": "It was trained on the wrong labels",
            **({"replaced_by": successor} if successor else {}),
        }
    }


def test_a_deprecated_entry_is_warned_of_once() -> None:
    registry = Registry(manifest("dep-once.v1 good.v1", **{"dep-once.v1": deprecated("good")}))
    with pytest.warns(
        HubWarning, match=r"^dep-once\.v1 is deprecated: It was trained on the wrong labels\. Use good\.$"
    ):
        assert registry.entry("dep-once").name == "dep-once.v1"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.entry("dep-once")


def test_looking_at_a_deprecated_entry_warns_of_nothing() -> None:
    registry = Registry(manifest("dep-look.v1 good.v1", **{"dep-look.v1": deprecated("good")}))
    assert registry.describe("dep-look")["deprecated"]["replaced_by"] == "good"
    assert registry.records("dep-look")


def test_a_withdrawn_entry_is_refused_with_its_reason() -> None:
    fields = {"withdrawn": "It leaks its training data.", **deprecated("good.v1")}
    registry = Registry(manifest("bad.v1 good.v1", **{"bad.v1": fields}))
    for use in (registry.entry, registry.files):
        with pytest.raises(
            NotFoundError, match=r"was withdrawn by its publisher: It leaks its training data\. Use good\.v1"
        ):
            use("bad")
    assert registry.describe("bad")["withdrawn"] == "It leaks its training data."
    assert registry.records("bad")


SUCCESSORS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"a.v1": deprecated("gone")}, r"\['a\.v1'\]\.deprecated\.replaced_by is gone, which is not there"),
    "itself": ({"a.v1": deprecated("a")}, r"leads in a circle: a\.v1 -> a\.v1"),
    "circle": ({"a.v1": deprecated("b"), "b.v1": deprecated("a.v1")}, "leads in a circle"),
    "circle further on": (
        {"a.v1": deprecated("b"), "b.v1": deprecated("c"), "c.v1": deprecated("b")},
        "leads in a circle",
    ),
}


@pytest.mark.parametrize("kind", SUCCESSORS)
def test_a_successor_is_there_and_leads_in_no_circle(kind: str) -> None:
    fields, message = SUCCESSORS[kind]
    with pytest.raises(FormatError, match=message):
        manifest("a.v1 b.v1 c.v1", **fields)


def test_a_malformed_deprecation_is_named_when_the_entry_is_read() -> None:
    made = manifest("a.v1", **{"a.v1": {"deprecated": {"replaced_by": 3}}})
    with pytest.raises(FormatError, match=r"\.deprecated lacks the field 'message'"):
        made.entry("a.v1")


def layered(*manifests: Manifest) -> Registry:
    return Registry(Layered(manifests))


def test_the_first_manifest_that_knows_a_name_decides() -> None:
    first = manifest("net.v2 acme/own.v1", "first", **{"net.v2": {"license": "MIT"}})
    second = manifest("net.v1 net.v2 far.v1", "second")
    registry = layered(first, second)
    assert registry.full_name("net") == "net.v2"
    assert [registry.entry(name).registry for name in ("net", "net.v1", "far", "acme/own")] == [
        "first",
        "second",
        "second",
        "first",
    ]
    assert registry.entry("net.v2").license == "MIT"
    assert registry.names() == ["acme/own.v1", "far.v1", "net.v1", "net.v2"]
    assert registry.describe("net")["tags"] == ["v2", "v1"]


def test_a_later_manifest_cannot_hide_an_earlier_name_by_an_alias() -> None:
    first, second = (
        manifest("net.v1", "first"),
        manifest("evil.v1", "second", aliases={"net": "evil", "net.v9": "evil.v1"}),
    )
    registry = layered(first, second)
    assert registry.entry("net").registry == "first"
    assert registry.full_name("net.v9") == "evil.v1"
    assert layered(second, first).full_name("net") == "evil.v1"


def test_samples_and_data_come_from_all_manifests() -> None:
    sample = {"files": [{**FILE, "name": "x"}], "license": "CC0-1.0", "source": "https://example.org"}
    one = manifest("a.v1", samples={"cat": {**sample, "description": "one"}})
    two = manifest("b.v1", samples={"cat": {**sample, "description": "two"}, "dog": sample})
    registry = layered(one, two)
    assert registry.manifest.samples == ["cat", "dog"]
    assert registry.resource("sample:cat").description == "one"
    assert registry.resource("sample:dog").name == "sample:dog"
    with pytest.raises(NotFoundError, match="There is no sample named 'cow'"):
        registry.resource("sample:cow")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two manifest files, both with ``net``."""
    places = tmp_path / "one.json", tmp_path / "two.json"
    for place, tag in zip(places, "ab", strict=True):
        place.write_text(json.dumps({"schema": 1, "models": {f"net.{tag}": ENTRY, f"{tag}.v1": ENTRY}}))
    return places


def test_several_registries_are_asked_in_their_order(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_registry(files).full_name("net") == "net.a"
    assert open_registry([str(files[1]), files[0]]).full_name("net") == "net.b"
    assert "lenet" not in open_registry(files)
    assert open_registry([files[0], "numzoo"]).entry("lenet").registry == "numzoo"
    monkeypatch.setenv("NUMZOO_REGISTRY", f"{files[1]} numzoo")
    assert hub.describe("net")["name"] == "net.b"
    assert hub.list("lenet*") == ["lenet.mnist"]


def test_the_configured_registries_come_before_ours(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "config.toml"
    monkeypatch.setenv("NUMZOO_CONFIG", str(place))
    place.write_text("".join(f'[[registry]]\nname = "{f.stem}"\naddress = "{f}"\n' for f in files))
    assert hub.describe("net")["name"] == "net.a"
    assert hub.describe("lenet")["registry"] == "numzoo"
    assert open_registry("two").full_name("net") == "net.b"
    monkeypatch.setenv("NUMZOO_REGISTRY", "two")
    assert hub.list() == ["b.v1", "net.b"]
    assert open_registry("one").full_name("net") == "net.a"


@pytest.mark.parametrize("given", [[], 3, [3], [""]])
def test_what_is_no_registry_is_told(given: Any) -> None:
    with pytest.raises(UsageError, match="registr"):
        open_registry(given)
