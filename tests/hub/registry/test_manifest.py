"""Reading a manifest: what the schema cannot say, names that stand twice, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.errors import FormatError, NotFoundError
from numzoo.hub.registry.manifest import Manifest, parse
from numzoo.hub.registry.names import Registry

FILE = {"sha256": "ab" * 32, "bytes": 5, "format": "safetensors", "sources": ["https://example.org/a.safetensors?x=1"]}
ENTRY: dict[str, Any] = {
    "model": "vision.models.lenet",
    "task": "image-classification",
    "files": [FILE],
    "license": "Apache-2.0",
    "source": "https://example.org",
}


def manifest(models: dict[str, Any], **sections: Any) -> Manifest:
    return Manifest({"schema": 1, "models": models, **sections}, who="my.json")


def test_an_entry_becomes_a_record() -> None:
    entry = manifest({"lenet.v1": ENTRY}).entry("lenet.v1")
    assert (entry.name, entry.tag, entry.bytes, entry.config) == ("lenet.v1", "v1", 5, {})
    assert entry.files[0].name == "a.safetensors"
    assert entry.files[0].sources == tuple(FILE["sources"])


def test_an_entry_is_checked_when_it_is_asked_for_and_not_before() -> None:
    known = manifest({"good.v1": ENTRY, "bad.v1": {**ENTRY, "files": []}})
    assert known.entry("good.v1").name == "good.v1"
    with pytest.raises(FormatError, match=r"\$\.models\['bad\.v1'\]\.files has 0 items"):
        known.entry("bad.v1")


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "default without an entry": ({"models": {"a.v1": ENTRY}, "defaults": {"a": "v2"}}, r"no entry a\.v2"),
    "default of no model": ({"models": {"a.v1": ENTRY}, "defaults": {"b": "v1"}}, r"no entry b\.v1"),
    "two tags, no default": ({"models": {"a.v1": ENTRY, "a.v2": ENTRY}}, r"lacks a, which has the tags v1, v2"),
    "a name without a tag": ({"models": {"a": ENTRY}}, "does not match"),
    "a name that climbs": ({"models": {"../a.v1": ENTRY}}, "does not match"),
    "an unknown section": ({"models": {}, "extras": {}}, "unknown field 'extras'"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_outline_that_cannot_be_is_refused(kind: str) -> None:
    document, message = BROKEN[kind]
    with pytest.raises(FormatError, match=message):
        Manifest({"schema": 1, **document}, who="my.json")


BROKEN_ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "pattern": ({"keys": {"ignore": ["("]}}, r"\.keys\.ignore\[0\] is no regular expression"),
    "rename pattern": ({"keys": {"rename": [{"match": "[", "to": ""}]}}, r"\.keys\.rename\[0\]\.match is no regular"),
    "group that is not there": ({"keys": {"rename": [{"match": "(a)", "to": r"\2"}]}}, r"\.keys\.rename\[0\]\.to is"),
    "escape": ({"keys": {"rename": [{"match": "(a)", "to": r"\g<x>"}]}}, r"\.keys\.rename\[0\]\.to is"),
    "chunks": ({"files": [{**FILE, "chunks": {"size": 2, "sha256": ["ab" * 32]}}]}, r"\.files\[0\] is inconsistent"),
    "prefix": ({"files": [{**FILE, "sha256_prefix": "00" * 4}]}, r"\.files\[0\] is inconsistent"),
    "no source": ({"files": [{"format": "x", "sources": []}]}, r"\.files\[0\]\.sources"),
    "foreign model": ({"model": "os.system"}, r"\.model is 'os\.system'"),
    "foreign preset": ({"transform": {"preset": "vision.io.write_image"}}, r"\.transform\.preset is"),
}


@pytest.mark.parametrize("kind", BROKEN_ENTRIES)
def test_an_entry_that_cannot_be_is_refused_with_its_path(kind: str) -> None:
    fields, message = BROKEN_ENTRIES[kind]
    with pytest.raises(FormatError, match=rf"my\.json: \$\.models\['a\.v1'\]{message}"):
        manifest({"a.v1": {**ENTRY, **fields}}).entry("a.v1")


TEXTS = {
    "not JSON": (b"{", "not valid JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "not valid JSON"),
    "twice": (b'{"a": {"b": 1, "b": 2}}', "'b' stands twice"),
    "NaN": (b'{"a": NaN}', "NaN is no JSON number"),
    "too deep": (b"[" * 200_000, "nested too deeply"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_is_no_plain_json_is_refused(kind: str) -> None:
    text, message = TEXTS[kind]
    with pytest.raises(FormatError, match=message):
        parse(text, who="my.json")


def test_a_missing_manifest_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Manifest.read(tmp_path / "none.json")


def test_a_manifest_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(FormatError, match=r"m\.json: \$ is \[\] \(list\); wanted object"):
        Manifest.read(tmp_path / "m.json")


@pytest.fixture
def registry() -> Registry:
    """Two models, one with two tags."""
    sample = {"files": [{**FILE, "name": "a"}, {**FILE, "name": "b"}], "license": "MIT", "source": "https://x"}
    return Registry(
        manifest(
            {"net18.v1": ENTRY, "net18.v2": ENTRY, "word2vec.news": {**ENTRY, "task": "embedding"}},
            defaults={"net18": "v2"},
            samples={"cat": {**sample, "files": [FILE]}},
            data={"digits": sample},
        )
    )


def test_a_bare_name_means_the_default_tag(registry: Registry) -> None:
    assert registry.full_name("net18") == "net18.v2"
    assert registry.full_name("net18.v1") == "net18.v1"
    assert registry.full_name("word2vec") == "word2vec.news"
    assert [registry.is_default(name) for name in ("net18.v1", "net18.v2")] == [False, True]


MEANT = {
    "net81": "Did you mean net18",
    "Net18": "Did you mean net18",
    "net-18": "Did you mean net18",
    "wordvec": "Did you mean word2vec",
    "net18x.v1": "Did you mean net18",
    "cat": "Did you mean sample:cat",
    "net18.v3": "tagged 'v3'. It has v2, v1",
    "net18.2": r"Did you mean net18\.v2\? It has v2, v1",
    "word": "Did you mean word2vec",
}


@pytest.mark.parametrize("name", MEANT)
def test_an_unknown_name_says_what_was_perhaps_meant(name: str, registry: Registry) -> None:
    with pytest.raises(NotFoundError, match=MEANT[name]):
        registry.entry(name)


LISTS: list[tuple[tuple[str | None, str | None], list[str]]] = [
    ((None, None), ["net18.v1", "net18.v2", "word2vec.news"]),
    (("net", None), ["net18.v1", "net18.v2"]),
    (("net18*", None), ["net18.v1", "net18.v2"]),
    (("*v1", None), ["net18.v1"]),
    (("18", None), ["net18.v1", "net18.v2"]),
    (("word2vec", "embedding"), ["word2vec.news"]),
    ((None, "embedding"), ["word2vec.news"]),
    (("nothing", None), []),
]


@pytest.mark.parametrize(("wanted", "names"), LISTS)
def test_lists_fit_their_pattern_and_task(
    wanted: tuple[str | None, str | None], names: list[str], registry: Registry
) -> None:
    assert registry.names(*wanted) == names


def test_a_data_set_has_its_files_and_each_of_them(registry: Registry) -> None:
    assert [file.name for file in registry.files("data:digits")] == ["a", "b"]
    assert [file.name for file in registry.files("data:digits/b")] == ["b"]
    with pytest.raises(NotFoundError, match="it has a, b"):
        registry.files("data:digits/c")
    with pytest.raises(NotFoundError, match="Did you mean data:digits"):
        registry.files("data:digit")


@pytest.mark.parametrize("name", ["net18", "sample:cat", "data:digits"])
def test_a_description_is_plain_json(name: str, registry: Registry) -> None:
    described = registry.describe(name)
    assert json.loads(json.dumps(described)) == described
    assert described["license"]
