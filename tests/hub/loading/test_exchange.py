"""Load = verify: what is hashed is what is mapped, whatever happens to the path in between, at every way in."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.checkpoint import read_checkpoint, source, write_safetensors
from numzoo.hub.download import embedded
from numzoo.hub.errors import HubError, IntegrityError
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry
from numzoo.hub.store import cache as cache_module
from numzoo.hub.store.cache import Cache
from numzoo.vision import models

pytestmark = pytest.mark.skipif(os.name != "posix", reason="an open file cannot be exchanged elsewhere")

Way = Callable[[], Any]


def _arrays(seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    state = models.lenet().state_dict()
    return {
        name: np.asarray(generator.normal(size=tensor.shape) * 9).astype(tensor.dtype) for name, tensor in state.items()
    }


@pytest.fixture
def good() -> dict[str, Any]:
    """The weights that are asked for."""
    return _arrays(1)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A file of the same form and size with other weights."""
    write_safetensors(tmp_path / "evil.safetensors", _arrays(2))
    return tmp_path / "evil.safetensors"


def _manifest(tmp_path: Path, file: Path, address: str) -> Path:
    body = file.read_bytes()
    record = {
        "name": file.name,
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "format": "safetensors",
        "sources": [address],
    }
    entry = {
        "model": "vision.models.lenet",
        "config": {"classes": 10},
        "task": "image-classification",
        "files": [record],
        "transform": {"preset": "vision.transforms.classification", "resize": 28, "crop": 28, "mean": [0], "std": [1]},
        "categories": "mnist",
        "license": "MIT",
        "source": "https://example.org/",
    }
    document = {"schema": 1, "defaults": {"lenet": "here"}, "models": {"lenet.here": entry}}
    (tmp_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path / "manifest.json"


def _entry(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A name of the registry: the blob."""
    write_safetensors(tmp_path / "good.safetensors", good)
    manifest = _manifest(tmp_path, tmp_path / "good.safetensors", "file:good.safetensors")
    path = hub.pull("lenet", registry=manifest)
    return path, lambda: hub.load("lenet", registry=manifest)


def _pipeline(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """The same through a pipeline, as the command line uses it."""
    path, _ = _entry(tmp_path, good, monkeypatch)
    return path, lambda: hub.pipeline("lenet", registry=tmp_path / "manifest.json").model


def _remembered(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A blob that is not hashed again, because it is as it was."""
    path, way = _entry(tmp_path, good, monkeypatch)
    monkeypatch.setattr(cache_module, "_SETTLED_SECONDS", -3600.0)
    way()
    assert (Cache().refs / "verified" / path.name).exists()
    return path, way


def _package(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A file that ships inside the package."""
    (tmp_path / "vision").mkdir()
    path = tmp_path / "vision" / "good.safetensors"
    write_safetensors(path, good)
    monkeypatch.setattr(embedded, "_ROOT", tmp_path)
    own = Registry(Manifest.read(_manifest(tmp_path, path, "package:vision/good.safetensors"), own=True))
    return path, lambda: hub.load("lenet", registry=own)


def _own_file(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A file of one's own, whose digest goes into the report."""
    path = tmp_path / "mine.safetensors"
    write_safetensors(path, good)
    return path, lambda: hub.load(path, model="lenet")


def _folder(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A folder that holds one checkpoint."""
    path = tmp_path / "folder" / "model.safetensors"
    path.parent.mkdir()
    write_safetensors(path, good)
    return path, lambda: hub.load(path.parent, model="lenet")


def _saved_folder(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A folder whose checkpoint says itself what model it is for."""
    path, _ = _folder(tmp_path, good, monkeypatch)
    hub.save(hub.load(path, model="lenet"), path)
    return path, lambda: hub.load(path.parent)


def _shards(tmp_path: Path, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Way]:
    """A folder with an index that names one shard."""
    path, load = _folder(tmp_path, good, monkeypatch)
    index = {"weight_map": dict.fromkeys(good, "model-00001-of-00001.safetensors")}
    (path.parent / "model.safetensors.index.json").write_text(json.dumps(index))
    return path.rename(path.parent / "model-00001-of-00001.safetensors"), load


WAYS = [_entry, _pipeline, _remembered, _package, _own_file, _folder, _saved_folder, _shards]


def _swap(path: Path, evil: Path) -> None:
    os.replace(evil, path)


def _link(path: Path, evil: Path) -> None:
    path.unlink()
    path.symlink_to(evil)


def _delete(path: Path, evil: Path) -> None:
    path.unlink()


def _rewrite(path: Path, evil: Path) -> None:
    with open(path, "r+b") as file:
        file.write(evil.read_bytes())


def _cut(path: Path, evil: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _rewrite_and_restore_the_time(path: Path, evil: Path) -> None:
    status = path.stat()
    _rewrite(path, evil)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _happens_before_mapping(monkeypatch: pytest.MonkeyPatch, what: Callable[[Path, Path], None], *given: Path) -> None:
    """Let something happen once, after the hash and before the descriptor is mapped."""
    whole = source.map_descriptor

    def late(descriptor: int, name: str, **how: bool) -> Any:
        monkeypatch.setattr(source, "map_descriptor", whole)
        what(*given)
        return whole(descriptor, name, **how)

    monkeypatch.setattr(source, "map_descriptor", late)


def _weights(model: Any) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("what", [_swap, _link, _delete], ids=lambda what: what.__name__[1:])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__[1:])
def test_another_file_in_the_paths_place_changes_nothing(
    way: Any, what: Any, good: dict[str, Any], evil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = way(tmp_path, good, monkeypatch)
    _happens_before_mapping(monkeypatch, what, path, evil)
    found = _weights(load())
    assert all(np.array_equal(found[name], good[name]) for name in good)


@pytest.mark.parametrize("what", [_rewrite, _cut, _rewrite_and_restore_the_time], ids=lambda what: what.__name__[1:])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__[1:])
def test_a_file_that_is_rewritten_in_between_is_refused(
    way: Any, what: Any, good: dict[str, Any], evil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = way(tmp_path, good, monkeypatch)
    _happens_before_mapping(monkeypatch, what, path, evil)
    with pytest.raises(HubError) as caught:
        load()
    assert caught.value.exit_code == 5
    if what is not _cut and way is not _saved_folder:  # where the evil file's size is not that of the good one
        assert isinstance(caught.value, IntegrityError)
        assert "was changed while it was read" in str(caught.value)


def test_a_blob_that_is_evicted_while_it_is_read_is_read_to_its_end(
    good: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = _remembered(tmp_path, good, monkeypatch)
    _happens_before_mapping(monkeypatch, lambda *_: Cache().remove(path.name), path, path)
    found = _weights(load())
    assert all(np.array_equal(found[name], good[name]) for name in good)
    assert not Cache().has(path.name)


def test_a_checkpoint_is_read_through_the_descriptor_that_is_given(
    good: dict[str, Any], evil: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    write_safetensors(path, good)
    with open(path, "rb") as file:
        os.replace(evil, path)
        assert all(np.array_equal(array, good[name]) for name, array in read_checkpoint(file).items())
