"""A project in a folder of its own, and registries that say one thing today and another tomorrow."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry

_SHIPPED = Path(__file__).parents[3] / "weights_manifest.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder: empty, below another empty one."""
    folder = tmp_path / "work" / "project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


class Site:
    """A manifest with files beside it: two tags of one model, a data set of two files, a photograph."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        lenet = json.loads(_SHIPPED.read_bytes())["models"]["lenet.mnist"]
        old = {**lenet, "files": [self.file("old.st", b"old weights", "safetensors")]}
        new = {**lenet, "files": [self.file("new.st", b"new weights", "safetensors")]}
        digits = [self.file("train.bin", b"train digits", "idx"), self.file("test.bin", b"test digits", "idx")]
        about = {"license": "MIT", "source": "https://example.org/"}
        self.document: dict[str, Any] = {
            "schema": 1,
            "defaults": {"net": "old"},
            "models": {"net.old": old, "net.new": new},
            "data": {"digits": {**about, "files": digits}},
            "samples": {"dot": {**about, "files": [self.file("dot.png", b"dot", "png")]}},
        }

    def file(self, name: str, body: bytes, format: str) -> dict[str, Any]:
        (self.folder / name).write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        return {"name": name, "sha256": digest, "bytes": len(body), "format": format, "sources": [f"file:{name}"]}

    def registry(self, change: Callable[[dict[str, Any]], object] = lambda known: None) -> Registry:
        """The registry, or what it has become by `change`."""
        known = copy.deepcopy(self.document)
        change(known)
        return Registry(Manifest(known, who="site.json", base=str(self.folder)))

    def write(self, change: Callable[[dict[str, Any]], object] = lambda known: None) -> Path:
        """The same as a file, for the command line."""
        known = copy.deepcopy(self.document)
        change(known)
        (self.folder / "site.json").write_text(json.dumps(known))
        return self.folder / "site.json"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def becomes(section: str, name: str, index: int = 0, **fields: Any) -> Callable[[dict[str, Any]], object]:
    """A change of a registry: other fields of one file."""
    return lambda known: known[section][name]["files"][index].update(fields)


@pytest.fixture(name="becomes")
def _becomes() -> Callable[..., Callable[[dict[str, Any]], object]]:
    return becomes
