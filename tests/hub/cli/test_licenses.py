"""``numzoo licenses`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def manifest(manifest: Path) -> Path:
    known = json.loads(manifest.read_bytes())
    known["models"]["bound.here"] = {**known["models"]["lenet.here"], "license": "CC-BY-NC-4.0"}
    manifest.write_text(json.dumps(known))
    return manifest


def test_a_table_of_terms(numzoo: Run, manifest: Path) -> None:
    shown = numzoo("licenses", "lenet", "bound", "sample:noise", "--registry", manifest)
    assert [line.split()[:5] for line in shown.out.splitlines()[1:]] == [
        ["lenet.here", "Apache-2.0", "yes", "needed", "https://example.org/lenet"],
        ["bound.here", "CC-BY-NC-4.0", "no", "needed", "to"],
        ["sample:noise", "CC0-1.0", "yes", "no", "https://example.org/"],
    ]
    (row,) = numzoo("licenses", "bound", "--json", "--registry", manifest).json["licenses"]
    assert (row["commercial_use"], row["attribution"], row["to_accept"]) == ("no", True, ["CC-BY-NC-4.0"])


def test_all_or_only_what_is_cached(numzoo: Run, manifest: Path) -> None:
    everything = numzoo("licenses", "--json", "--registry", manifest).json["licenses"]
    assert len(everything) == 7
    assert numzoo("licenses", "--cached", "--json", "--registry", manifest).json["licenses"] == []
    numzoo("pull", "sample:noise", "--registry", manifest)
    cached = numzoo("licenses", "--cached", "--json", "--registry", manifest).json["licenses"]
    assert [row["name"] for row in cached] == ["sample:noise"]


def test_a_violated_policy_lists_all_violations_and_ends_with_seven(
    numzoo: Run, manifest: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('allow = ["permissive"]\n[exceptions]\n"lenet.*" = "ours"')
    ended = numzoo("licenses", "--policy", policy, "--registry", manifest)
    assert ended.code == 7
    assert "2 things violate the policy" in ended.err
    assert "bound.here: CC-BY-NC-4.0 (noncommercial) is not among" in ended.err
    assert "sample:noise: CC0-1.0 (public-domain) is not among" in ended.err
    assert "lenet.here is excepted: ours" in ended.err
    listed = numzoo("licenses", "--policy", policy, "--json", "--registry", manifest).json["violations"]
    assert [each["name"] for each in listed] == ["bound.here", "sample:noise"]
    assert numzoo("licenses", "lenet", "--policy", policy, "--registry", manifest).code == 0
    assert numzoo("licenses", "--policy", tmp_path / "none.toml").code == 3


def test_a_bill_of_materials_is_one_json_document_and_the_policy_still_counts(
    numzoo: Run, manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "policy.toml").write_text('deny = ["noncommercial"]')
    ended = numzoo(
        "licenses", "bound", "--sbom", "cyclonedx", "--policy", tmp_path / "policy.toml", "--registry", manifest
    )
    assert ended.code == 7
    assert ended.json["specVersion"] == "1.6"
    assert numzoo("licenses", "lenet", "--sbom", "cyclonedx", "--json", "--registry", manifest).json["components"]
