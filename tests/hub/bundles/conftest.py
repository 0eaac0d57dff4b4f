"""A small registry to make bundles of, with a real network, and homes to carry them to."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.bundles.contents import gather
from numzoo.hub.bundles.writing import write_bundle
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.registry.names import Registry, open_registry

ROOT = Path(__file__).parents[3]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """``net.small`` and ``net.bound`` (LeNet), ``data:digits`` of two files, ``sample:dot``."""
    folder = tmp_path / "site"
    folder.mkdir()
    lenet = json.loads((ROOT / "weights_manifest.json").read_bytes())["models"]["lenet.mnist"]
    shutil.copy(ROOT / "vision" / "weights" / "lenet.safetensors", folder / "net.safetensors")

    def file(name: str, body: bytes | None, format: str) -> dict[str, Any]:
        if body is not None:
            (folder / name).write_bytes(body)
        data = (folder / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        return {"name": name, "sha256": digest, "bytes": len(data), "format": format, "sources": [f"file:{name}"]}

    about = {"license": "MIT", "source": "https://example.org/"}
    net = {**lenet, "files": [file("net.safetensors", None, "safetensors")]}
    digits = [file("train.bin", b"train" * 1000, "idx"), file("test.bin", b"test" * 1000, "idx")]
    document = {
        "schema": 1,
        "defaults": {"net": "small"},
        "models": {"net.small": net, "net.bound": {**net, "license": "CC-BY-NC-4.0"}},
        "data": {"digits": {**about, "files": digits}},
        "samples": {"dot": {**about, "files": [file("dot.png", b"a dot", "png")]}},
    }
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder / "manifest.json"


@pytest.fixture
def registry(manifest: Path) -> Registry:
    return open_registry(manifest)


NAMES = ("net", "data:digits", "sample:dot")


@pytest.fixture
def make(registry: Registry, tmp_path: Path) -> Callable[..., Path]:
    """Make a bundle: `make("b.tar", *names, keys=())`."""

    def run(out: str, *names: str, keys: Any = ()) -> Path:
        path = tmp_path / out
        write_bundle(path, gather(names or NAMES, registry, Fetch(progress=False), locked={}, keys=keys))
        return path

    return run


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Another machine: an empty home and folder, without the site. Gives the home."""

    def go() -> Path:
        home, folder = tmp_path / "other-home", tmp_path / "other"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("NUMZOO_HOME", str(home))
        monkeypatch.chdir(folder)
        return home

    return go


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """A copy of a tar, rewritten: `changed(path, lambda members: ...)`, which works on name -> bytes."""

    def run(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
        with tarfile.open(path) as tar:
            members = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
        change(members)
        out = tmp_path / "changed.tar"
        with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
            for name, data in members.items():
                header = tarfile.TarInfo(name)
                header.size = len(data)
                tar.addfile(header, BytesIO(data))
        return out

    return run


@pytest.fixture
def without_entry(manifest: Path) -> Callable[[Callable[[dict[str, Any]], object]], Registry]:
    """The registry as it has become by a change."""

    def run(change: Callable[[dict[str, Any]], object]) -> Registry:
        document = copy.deepcopy(json.loads(manifest.read_bytes()))
        change(document)
        other = manifest.with_name("other.json")
        other.write_text(json.dumps(document))
        return open_registry(other)

    return run
