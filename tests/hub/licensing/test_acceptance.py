"""The licence gate: nothing is fetched or loaded before a licence that is not for every use was accepted by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo import hub
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import LicenseError, StorageError, UsageError
from numzoo.hub.licensing.acceptance import accepted, require_acceptance
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry


@pytest.fixture
def registry(server: Any, body: bytes) -> Registry:
    """Data under a licence that must be accepted, on the loopback server, and a network of the package under another."""
    file = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body), "format": "png", "name": "a.png"}
    bound = {"license": "CC-BY-NC-4.0", "source": "https://example.org/about"}
    shipped = json.loads((Path(__file__).parents[3] / "weights_manifest.json").read_bytes())["models"]["lenet.mnist"]
    return Registry(
        Manifest(
            {
                "schema": 1,
                "models": {"lenet.bound": {**shipped, "license": "LicenseRef-Shy"}},
                "data": {"bound": {**bound, "files": [{**file, "sources": [server.add("/a.png", body)]}]}},
            }
        )
    )


OPENINGS: dict[str, Callable[[Registry], object]] = {
    "pull": lambda known: hub.pull("data:bound", registry=known, progress=False),
    "pull_files": lambda known: hub.pull_files("data:bound", registry=known, progress=False),
    "open": lambda known: Fetch(progress=False).open(known.files("data:bound")[0]),
    "verify": lambda known: Fetch(progress=False).verify(known.files("data:bound")[0]),
}


@pytest.mark.parametrize("way", OPENINGS)
def test_without_acceptance_no_request_is_made(registry: Registry, server: Any, way: str) -> None:
    with pytest.raises(LicenseError) as caught:
        OPENINGS[way](registry)
    assert caught.value.exit_code == 7
    for said in (
        "data:bound",
        "CC-BY-NC-4.0 (not for commercial use)",
        "https://spdx.org/licenses/CC-BY-NC-4.0.html and https://example.org/about",
        "--accept-license CC-BY-NC-4.0",
        'hub.accept_license("CC-BY-NC-4.0")',
        "NUMZOO_ACCEPT_LICENSE=CC-BY-NC-4.0",
    ):
        assert said in str(caught.value)
    assert server.files["/a.png"].requests == []


def test_of_several_files_none_is_fetched_before_all_licences_are_accepted(
    registry: Registry, record_of: Any, server: Any, body: bytes
) -> None:
    free = record_of(b"free", server.add("/free", b"free"), name="free")
    with pytest.raises(LicenseError):
        Fetch(progress=False).paths([free, *registry.files("data:bound")])
    assert server.files["/free"].requests == []


def test_what_ships_inside_the_package_passes_the_gate_too(registry: Registry) -> None:
    with pytest.raises(LicenseError, match="LicenseRef-Shy"):
        hub.load("lenet", registry=registry)
    with pytest.raises(LicenseError, match="LicenseRef-Shy"):
        Fetch().verify(registry.files("lenet")[0])
    hub.accept_license("LicenseRef-Shy")
    assert hub.load("lenet", registry=registry).load_report.name == "lenet.bound"


def test_a_blob_that_is_here_already_is_not_handed_out_either(registry: Registry, cache: Any, body: bytes) -> None:
    path = cache.root / "incoming"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    cache.publish(path, hashlib.sha256(body).hexdigest())
    with pytest.raises(LicenseError):
        hub.pull("data:bound", registry=registry)


def test_an_acceptance_is_remembered_with_its_date(registry: Registry, cache: Any, body: bytes) -> None:
    hub.accept_license("CC-BY-NC-4.0")
    note = json.loads((cache.refs / "licenses" / "CC-BY-NC-4.0.json").read_bytes())
    assert note["license"] == "CC-BY-NC-4.0"
    assert note["accepted"].endswith("+00:00")
    hub.accept_license("CC-BY-NC-4.0")
    assert json.loads((cache.refs / "licenses" / "CC-BY-NC-4.0.json").read_bytes()) == note
    assert hub.pull("data:bound", registry=registry, progress=False).read_bytes() == body
    assert not accepted("CC-BY-NC-SA-4.0")


def test_the_environment_accepts_without_writing(
    registry: Registry, cache: Any, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_ACCEPT_LICENSE", "LicenseRef-x, CC-BY-NC-4.0")
    assert hub.pull("data:bound", registry=registry, progress=False).read_bytes() == body
    assert not (cache.refs / "licenses").exists()


def test_a_misspelt_licence_is_not_accepted(cache: Any) -> None:
    with pytest.raises(UsageError, match=r"Did you mean CC-BY-NC-4\.0"):
        hub.accept_license("cc-by-nc-4.0")
    with pytest.raises(UsageError, match="no licence"):
        hub.accept_license("LicenseRef-/../../x")
    assert not cache.refs.exists()


def test_a_store_that_cannot_be_written_says_so(cache: Any) -> None:
    cache.root.mkdir(parents=True)
    cache.refs.write_text("in the way")
    with pytest.raises(StorageError, match="licenses"):
        hub.accept_license("CC-BY-NC-4.0")


def test_terms_for_every_use_need_no_word() -> None:
    require_acceptance("data:mnist", "CC-BY-SA-3.0")
    require_acceptance("data:x", "MIT OR CC-BY-NC-4.0")
