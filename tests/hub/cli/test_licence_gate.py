"""``--accept-license``: refused with exit code 7 before anything is fetched, accepted once, remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def manifest(manifest: Path) -> Path:
    """The manifest of the other tests, with an entry more that is not for commercial use."""
    known = json.loads(manifest.read_bytes())
    known["models"]["bound.here"] = {**known["models"]["lenet.here"], "license": "CC-BY-NC-4.0"}
    manifest.write_text(json.dumps(known))
    return manifest


@pytest.fixture
def home() -> Path:
    from numzoo.hub import settings

    return settings.home()


@pytest.mark.parametrize("command", [("pull", "bound"), ("verify", "bound"), ("predict", "bound", "sample:noise")])
def test_a_bound_entry_is_refused_until_its_licence_is_accepted(
    numzoo: Run, manifest: Path, home: Path, command: tuple[str, ...]
) -> None:
    refused = numzoo(*command, "--registry", manifest)
    assert refused.code == 7
    assert "--accept-license CC-BY-NC-4.0" in refused.err
    assert not home.exists()
    taken = numzoo(*command, "--accept-license", "CC-BY-NC-4.0", "--registry", manifest)
    assert taken.code == 0
    assert "accepted CC-BY-NC-4.0" in taken.err
    again = numzoo(*command, "--registry", manifest)
    assert again.code == 0


def test_pull_looks_at_all_licences_before_it_fetches_anything(numzoo: Run, manifest: Path, home: Path) -> None:
    assert numzoo("pull", "sample:noise", "bound", "--registry", manifest).code == 7
    assert not home.exists()


def test_a_dry_run_and_a_misspelt_name_accept_nothing(numzoo: Run, manifest: Path, home: Path) -> None:
    assert numzoo("pull", "bound", "--accept-license", "CC-BY-NC-4.0", "--dry-run", "--registry", manifest).code == 0
    misspelt = ("--accept-license", "CC-BY-NC-4.0", "--accept-license", "CC-NC")
    ended = numzoo("pull", "bound", *misspelt, "--registry", manifest)
    assert ended.code == 2
    assert not home.exists()
