"""The small schema checker against jsonschema, on the manifest's own schema: whatever is changed, one verdict."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.hub.errors import FormatError
from numzoo.hub.registry.schema import check

HUB = Path(__file__).parents[3] / "hub"
SCHEMA = json.loads((HUB / "registry" / "manifest_schema.json").read_bytes())
REFERENCE = jsonschema.Draft202012Validator(SCHEMA)

EXAMPLE: dict[str, Any] = {
    "schema": 1,
    "defaults": {"tiny": "v1"},
    "aliases": {"acme/old": "tiny", "older.v0": "tiny.v1"},
    "models": {
        "tiny.v1": {
            "model": "vision.models.lenet",
            "config": {"classes": 10, "widths": [1, 2], "name": None},
            "task": "image-classification",
            "files": [
                {
                    "sha256": "ab" * 32,
                    "bytes": 5,
                    "format": "safetensors",
                    "sources": ["https://example.org/a"],
                    "chunks": {"size": 5, "sha256": ["cd" * 32]},
                },
                {"sha256_prefix": "ab" * 4, "format": "torch-zip", "sources": ["file:b"], "name": "b.pth"},
            ],
            "keys": {"rename": [{"match": "a", "to": "b"}], "ignore": ["c"], "absent": ["d"]},
            "transform": {"preset": "vision.transforms.classification", "mean": [0.5]},
            "categories": ["cat", "dog"],
            "revision": 2,
            "deprecated": {"message": "old", "replaced_by": "acme/new.v1"},
            "withdrawn": "wrong",
            "parameters": 3,
            "gflops": 0.5,
            "metrics": {"mnist/top1": 99.2},
            "license": "Apache-2.0",
            "source": "https://example.org",
            "parity": {
                "input": "ramp-v1",
                "shape": [1, 2],
                "top": [[3, 1.5]],
                "stages": {"features": [1, 2]},
                "tolerance": {"f32": 1e-4},
            },
        }
    },
    "samples": {"cat": {"files": [{"sha256": "ab" * 32, "format": "png", "sources": ["pypi:a==1!b"]}],
                        "license": "CC0-1.0", "source": "https://example.org", "description": "a cat"}},
    "data": {"set": {"files": [{"md5": "ab" * 16, "format": "tar", "sources": [], "name": "a.tar", "bytes": 4,
                                "unpack": {"kind": "tar", "to": "x", "inner": {"*.tar": "tar"}}}],
                     "license": "MIT", "source": "http://example.org", "loader": "text.datasets.SQuAD",
                     "config": {"year": 2}, "splits": {"train": ["a.tar"]}, "examples": {"train": 3},
                     "tasks": ["x-y"], "classes": 3, "citation": "c", "manual": "m", "notes": "n"}},
}  # fmt: skip


def accepts(document: object) -> bool:
    try:
        check(document, SCHEMA, SCHEMA, who="test")
    except FormatError:
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def changed(path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    document = copy.deepcopy(EXAMPLE)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return document


TEXTS = ["vision.models.lenet", "os.system", "ab" * 32, "ab" * 4, "https://x", "ramp-v1"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.floats(-2, 2).filter(lambda number: not number.is_integer()),
    st.text("ab.:0/-A$ ", max_size=5),
    st.sampled_from([*TEXTS, [], {}, [[]], [1]]),
)
PLACES = st.sampled_from([place for place in places(EXAMPLE) if place])


def test_the_schema_is_a_schema_and_the_example_fits() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert REFERENCE.is_valid(EXAMPLE)
    assert accepts(EXAMPLE)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(PLACES, VALUES)
def test_a_replaced_value_gets_the_verdict_of_the_reference(path: tuple[Any, ...], value: Any) -> None:
    document = changed(path, lambda holder, key: holder.__setitem__(key, value))
    assert accepts(document) == REFERENCE.is_valid(document)


@pytest.mark.parametrize("path", [place for place in places(EXAMPLE) if place], ids=str)
def test_a_missing_value_gets_the_verdict_of_the_reference(path: tuple[Any, ...]) -> None:
    document = changed(path, lambda holder, key: holder.__delitem__(key))
    assert accepts(document) == REFERENCE.is_valid(document)


@pytest.mark.parametrize("path", [place for place in places(EXAMPLE) if place], ids=str)
def test_an_unknown_field_gets_the_verdict_of_the_reference(path: tuple[Any, ...]) -> None:
    def add(holder: Any, key: Any) -> None:
        if isinstance(holder[key], dict):
            holder[key]["surprise"] = 1

    document = changed(path, add)
    assert accepts(document) == REFERENCE.is_valid(document)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    path = ("models", "tiny.v1", "gflops")
    assert not accepts(changed(path, lambda holder, key: holder.__setitem__(key, value)))


def test_a_number_with_a_point_is_no_integer() -> None:
    path = ("models", "tiny.v1", "parameters")
    assert not accepts(changed(path, lambda holder, key: holder.__setitem__(key, 3.0)))


def test_a_digest_with_a_newline_at_its_end_is_refused() -> None:
    path = ("models", "tiny.v1", "files", 0, "sha256")
    assert not accepts(changed(path, lambda holder, key: holder.__setitem__(key, "ab" * 32 + "\n")))


MESSAGES: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "digest": (
        ("models", "tiny.v1", "files", 0, "sha256"),
        "AB" * 32,
        r"\$\.models\['tiny\.v1'\]\.files\[0\]\.sha256 is",
    ),
    "type": (("models", "tiny.v1", "parameters"), "many", r"\.parameters is 'many' \(str\); wanted integer"),
    "null": (("models", "tiny.v1", "license"), None, r"\.license is null; wanted string"),
    "scheme": (
        ("models", "tiny.v1", "files", 0, "sources", 0),
        "ftp://x",
        r"\.sources\[0\] is 'ftp://x', which does not",
    ),
    "schema": (("schema",), 2, r"\$\.schema is 2; wanted 1"),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_has_the_file_the_path_and_what_was_wanted(kind: str) -> None:
    path, value, message = MESSAGES[kind]
    document = changed(path, lambda holder, key: holder.__setitem__(key, value))
    with pytest.raises(FormatError, match=f"^my.json: .*{message}"):
        check(document, SCHEMA, SCHEMA, who="my.json")


def test_a_keyword_that_is_not_known_is_never_passed_over() -> None:
    with pytest.raises(NotImplementedError, match="uniqueItems"):
        check([1, 1], {"uniqueItems": True}, {}, who="test")
