"""Patterns of a manifest's keys: what is read means what Python means, and none can be slow."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numzoo import hub
from numzoo.hub.errors import FormatError
from numzoo.hub.registry import patterns
from numzoo.hub.registry.manifest import parse_keys
from numzoo.hub.registry.names import shipped_registry
from numzoo.hub.registry.patterns import Stopwatch, compile_pattern

READ = [
    r"a", r".*", r"(?!model_state\.).*", r"(\w+)/layer_(\d+)/(weight|bias)", r"(?:bert\.)?((?:embeddings|encoder)\.(?:.+\.)?LayerNorm)\.gamma",
    r"[a-z_]+\d?", r"[^.]+\.x{2,3}", r"a+?b", r"(a|b|)c", r"\[\d\]", r"onnx::.*", r"/.*", r"(en|de)coder",
]  # fmt: skip

NEVER_ENDS = [
    r"(a+)+b", r"(a*)*b", r"(a|a)*b", r"(a|aa)+b", r"(?:a+)*b", r"((a+)b?)+c", r"(.*a){20}", r"(?:a?){30}a{30}", "a?" * 40 + "a" * 40,
    "(a|a)" * 30 + "b", ".*" * 20 + "b", ".*.*.*.*=", r"(?=(a+)+b)a", "a{0,99}" * 9, "(|a)" * 40 + "c", "(a|b|ab)" * 25 + "c",
]  # fmt: skip

OTHERS = [
    r"(?P<name>a)", r"(?i)a", r"(?<=a)b", r"(a)\1", r"a++", r"a*+", r"^a$", r"(?>a)", r"(?#x)", r"\Aa", r"\b", r"[[a]", r"[a&&b]", r"[a--b]", r"[]]",
    r"(", r")",
    r"a)", r"[", r"[]", r"*", r"a**", r"a{2}{3}", r"(a)*", r"\p{L}", r"a|*", "a\\", r"(?:a)+", r"(a)??", r"(?=a)*", r"(?(1)a|b)", r"{", r"a{1",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_what_is_read_means_what_python_means(text: str) -> None:
    pattern = compile_pattern(text, Stopwatch())
    assert pattern.groups == re.compile(text).groups
    for name in (
        "a",
        "",
        "ab",
        "model_state.x",
        "x/layer_3/bias",
        "encoder.block.LayerNorm.gamma",
        "abc.xx",
        "[3]",
        "onnx::1",
        "decoder",
    ):
        ours, theirs = pattern.fullmatch(name), re.fullmatch(text, name)
        assert (ours and ours.groups()) == (theirs and theirs.groups())


@pytest.mark.parametrize("text", NEVER_ENDS)
def test_what_could_take_for_ever_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"ways to match|group is repeated"):
        compile_pattern(text, Stopwatch())


@pytest.mark.parametrize("text", OTHERS)
def test_the_rest_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each has another reason)
        compile_pattern(text, Stopwatch())


ALPHABET = st.sampled_from(
    [".", "*", "+", "?", "|", "(", ")", "(?:", "(?!", "a", "b", "ab", "[ab]", r"\d", r"\.", "{2,}", r"\w"]
)


@given(st.lists(ALPHABET, min_size=1, max_size=24))
def test_whatever_is_read_is_quick_over_the_worst_name(pieces: list[str]) -> None:
    try:
        pattern = compile_pattern("".join(pieces), Stopwatch())
    except ValueError:
        return
    start = time.perf_counter()
    for name in ("a" * 80, "ab" * 40, "a" * 79 + "!"):
        pattern.fullmatch(name)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("text", [r".*.*.*=", r"(?:a|b|c|d)(?:a|b|c|d).*.*a.*=", r"\w*\w*\w*!"])
def test_the_slowest_that_is_read_takes_no_second(text: str) -> None:
    pattern = compile_pattern(text, Stopwatch())
    start = time.perf_counter()
    assert pattern.fullmatch("a" * 256) is None
    assert time.perf_counter() - start < 2


def test_a_name_of_endless_length_fits_nothing() -> None:
    assert compile_pattern(".*", Stopwatch()).fullmatch("a" * 257) is None


def test_all_patterns_of_an_entry_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 0.2)
    keys = parse_keys({"ignore": [r"\w*\w*\w*!", r"\w*\w*\w*\?"]}, who="mine")
    start = time.perf_counter()
    names = [f"{'a' * 250}{number}" for number in range(10_000)]
    with pytest.raises(FormatError, match=r"took more than .* over the names of the file"):
        assert not any(map(keys.ignores, names))
    assert time.perf_counter() - start < 5


def test_every_pattern_that_ships_is_read() -> None:
    document = json.loads((Path(hub.__file__).parents[1] / "weights_manifest.json").read_bytes())
    assert sum("keys" in entry for entry in document["models"].values()) > 100
    for name in document["models"]:
        shipped_registry().entry(name)
