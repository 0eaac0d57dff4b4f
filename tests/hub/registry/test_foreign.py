"""What a manifest from elsewhere may not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.hub.errors import FormatError, UsageError
from numzoo.hub.registry.foreign import Origin, check_foreign, check_text, inner_path

STEERING = {
    "escape": "a\x1b[2Jb",
    "bell": "\a",
    "newline": "a\nb",
    "delete": "\x7f",
    "C1": "\x9b31m",
    "line separator": "\u2028",
    "override of direction": "abc\u202etxt.exe",
    "isolate": "\u2066",
    "half a letter": "\ud800",
}


@pytest.mark.parametrize("kind", STEERING)
@pytest.mark.parametrize("place", ["value", "name", "list", "deep"])
def test_no_text_may_steer_a_terminal(kind: str, place: str) -> None:
    text = STEERING[kind]
    document = {
        "value": {"a": text},
        "name": {text: 1},
        "list": {"a": ["b", text]},
        "deep": {"a": {"b": [{"c": text}]}},
    }
    with pytest.raises(FormatError, match=r"U\+[0-9A-F]{4}, which could steer a terminal") as caught:
        check_text(document[place], who="x")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["", "Grüße", "日本語", "naïve café", "😀", "a b", "עברית"])
def test_the_words_of_all_people_may_stand(text: str) -> None:
    check_text({"a": [text]}, who="x")


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: Any = "x"
    for _ in range(100):
        value = [value]
    with pytest.raises(FormatError, match="nested more than 50 deep"):
        check_text(value, who="x")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=30))
def test_what_passes_can_be_printed(text: str) -> None:
    try:
        check_text(text, who="x")
    except FormatError:
        return
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)
    text.encode("utf-8")


OUTSIDE = [
    "",
    "/etc/passwd",
    "..",
    "a/../../b",
    "a/..",
    "./a",
    "a//b",
    "a/",
    "~/x",
    "~root",
    "C:/x",
    "a\\b",
    "//host/x",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_only_a_plain_path_stays_inside(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plain path below its own folder"):
        inner_path(text, tmp_path)


def test_a_link_cannot_lead_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "real", outside):
        folder.mkdir(parents=True)
        (folder / "x").touch()
    os.symlink(outside, inside / "out")
    os.symlink("real", inside / "in")
    os.symlink(outside / "x", inside / "x")
    for text in ("out/x", "x"):
        with pytest.raises(UsageError, match="leads out of"):
            inner_path(text, inside)
    assert inner_path("in/x", inside).is_file()
    assert inner_path("real/not-there-yet", inside) == inside / "real" / "not-there-yet"


def test_a_folder_whose_name_begins_alike_is_another(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo-private").mkdir()
    os.symlink(tmp_path / "zoo-private", tmp_path / "zoo" / "link")
    with pytest.raises(UsageError, match="leads out of"):
        inner_path("link/x", tmp_path / "zoo")


def with_source(source: object) -> dict[str, Any]:
    return {"models": {"a.v1": {"files": [{"sources": [source]}]}}}


HTTP = [
    ("http://127.0.0.1:8000/x", Origin(blobs=("http://127.0.0.1:8000/",)), True),
    ("http://127.0.0.1:8000/x", Origin(folder=Path("/zoo")), True),
    ("http://127.0.0.1:8000/x", Origin(blobs=("https://acme.example/",)), False),
    ("http://acme.example/x", Origin(folder=Path("/zoo")), False),
    ("http://acme.example/x", Origin(blobs=("http://127.0.0.1:8000/",)), False),
    ("blob:x", Origin(), False),
    ("blob:x", Origin(blobs=("https://acme.example/",)), True),
    ("ftp://acme.example/x", Origin(), False),
    ("file:x", Origin(), False),
    ("file:x", Origin(folder=Path("/zoo")), True),
    ("pypi:a==1!b", Origin(), True),
    ("hf:a/b@main/c", Origin(), True),
]


@pytest.mark.parametrize(("source", "origin", "allowed"), HTTP)
def test_sources_fit_where_the_manifest_comes_from(source: str, origin: Origin, allowed: bool) -> None:
    if allowed:
        check_foreign(with_source(source), origin, who="x")
        return
    with pytest.raises(FormatError, match=r"\$\.models\['a\.v1'\]\.files\[0\]\.sources\[0\] is"):
        check_foreign(with_source(source), origin, who="x")


@pytest.mark.parametrize(
    "entry", [3, {}, {"files": 3}, {"files": [3]}, {"files": [{"sources": 3}]}, {"files": [{"sources": [3]}]}]
)
def test_a_malformed_entry_is_left_to_its_own_check(entry: Any) -> None:
    check_foreign({"models": {"a.v1": entry}}, Origin(), who="x")
