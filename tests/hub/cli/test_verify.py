"""``numzoo verify``: what is found wrong, what is repaired, and how that ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.store import cache as cache_module
from numzoo.hub.store import uses
from numzoo.hub.store.cache import Cache

Run = Callable[..., Any]
_CHUNK = 50_000


@pytest.fixture
def weights(numzoo: Run, manifest: Path) -> Path:
    """The blob of the network's weights."""
    return Path(numzoo("pull", "lenet", "--registry", manifest).out.strip())


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from now on, and files count as old that were written just now."""
    names: list[str] = []
    whole = cache_module.digest_of

    def counting(file: Any) -> str:
        names.append(Path(file.name).name)
        return whole(file)

    monkeypatch.setattr(cache_module, "digest_of", counting)
    monkeypatch.setattr(cache_module, "_SETTLED_SECONDS", -3600.0)
    return names


def _damage(path: Path, at: int = 1000) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize("names", [[], ["lenet"]])
def test_quick_hashes_only_what_has_changed(
    names: list[str], numzoo: Run, manifest: Path, weights: Path, hashes: list[str]
) -> None:
    for wanted in ([weights.name], []):
        assert numzoo("verify", *names, "--quick", "--registry", manifest).code == 0
        assert hashes == wanted
        hashes.clear()
    assert numzoo("verify", *names, "--registry", manifest).code == 0
    assert hashes == [weights.name]
    _damage(weights)
    assert numzoo("verify", *names, "--quick", "--registry", manifest).code == 5


def test_verifying_is_no_use(numzoo: Run, manifest: Path, weights: Path, cache: Cache) -> None:
    note = uses.note(cache.refs, weights.name)
    before = note.stat().st_mtime_ns
    for level in ("--quick", "--full"):
        assert numzoo("verify", "lenet", level, "--registry", manifest).code == 0
        assert numzoo("verify", level, "--registry", manifest).code == 0
    assert note.stat().st_mtime_ns == before


@pytest.mark.parametrize("names", [[], ["lenet"]])
@pytest.mark.parametrize("wrong", ["a byte", "cut", "longer", "a link", "a folder"])
def test_what_is_wrong_is_repaired(
    wrong: str, names: list[str], numzoo: Run, manifest: Path, weights: Path, tmp_path: Path
) -> None:
    body = weights.read_bytes()
    if wrong == "a byte":
        _damage(weights)
    elif wrong in ("cut", "longer"):
        weights.write_bytes(body[:-1] if wrong == "cut" else body + b"x")
    else:
        weights.rename(tmp_path / "elsewhere")
        weights.symlink_to(tmp_path / "elsewhere") if wrong == "a link" else weights.mkdir()
    assert numzoo("verify", *names, "--registry", manifest).code == 5
    ended = numzoo("verify", *names, "--repair", "--json", "--registry", manifest)
    assert (ended.code, ended.json["ok"]) == (0, True)
    found = ended.json["results"][0]["files"] if names else ended.json["blobs"]
    assert [file["state"] for file in found] == ["repaired"]
    assert (weights.is_symlink(), weights.read_bytes()) == (False, body)
    assert numzoo("verify", "--registry", manifest).code == 0


def test_only_wrong_chunks_are_fetched_again(numzoo: Run, manifest: Path, server: Any, tmp_path: Path) -> None:
    body = (manifest.parent / "lenet.safetensors").read_bytes()
    chunks = [hashlib.sha256(body[at : at + _CHUNK]).hexdigest() for at in range(0, len(body), _CHUNK)]
    document = json.loads(manifest.read_bytes())
    (file,) = document["models"]["lenet.here"]["files"]
    file.update(sources=[server.add("/weights", body)], chunks={"size": _CHUNK, "sha256": chunks})
    manifest.write_text(json.dumps(document))
    path = Path(numzoo("pull", "lenet", "--registry", manifest).out.strip())
    served = server.files["/weights"]
    served.sent = 0
    _damage(path, _CHUNK * 2 + 5)
    assert numzoo("verify", "--repair", "--registry", manifest).code == 0
    assert path.read_bytes() == body
    assert 0 < served.sent <= 2 * _CHUNK


def test_what_nothing_names_cannot_be_repaired_and_is_kept(
    numzoo: Run, manifest: Path, weights: Path, cache: Cache, tmp_path: Path
) -> None:
    (tmp_path / "orphan").write_bytes(b"nobody's" * 4000)
    orphan = cache.publish(tmp_path / "orphan", hashlib.sha256(b"nobody's" * 4000).hexdigest())
    _damage(orphan)
    _damage(weights)
    ended = numzoo("verify", "--repair", "--json", "--registry", manifest)
    assert (ended.code, ended.json["ok"]) == (5, False)
    states = {blob["sha256"]: blob["state"] for blob in ended.json["blobs"]}
    assert states == {orphan.name: "wrong", weights.name: "repaired"}
    assert "`numzoo cache rm` deletes it" in ended.err
    assert orphan.exists()


def test_a_repair_that_fails_is_told(numzoo: Run, manifest: Path, weights: Path) -> None:
    _damage(weights)
    (manifest.parent / "lenet.safetensors").unlink()
    ended = numzoo("verify", "--repair", "--json", "--registry", manifest)
    assert (ended.code, ended.json["blobs"][0]["exit_code"]) == (3, 3)


def test_offline_repairs_only_from_this_machine(numzoo: Run, manifest: Path, weights: Path, tmp_path: Path) -> None:
    body = weights.read_bytes()
    document = json.loads(manifest.read_bytes())
    document["models"]["lenet.here"]["files"][0]["sources"] = ["https://192.0.2.1/lenet.safetensors"]
    manifest.write_text(json.dumps(document))
    _damage(weights)
    assert numzoo("verify", "--repair", "--offline", "--registry", manifest).code == 6
    place = tmp_path / "torch-home" / "hub" / "checkpoints" / "lenet.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(body)
    assert numzoo("verify", "lenet", "--repair", "--offline", "--registry", manifest).code == 0
    assert weights.read_bytes() == body


def test_all_looks_at_the_packages_files_and_at_every_card_of_what_is_here(numzoo: Run, tmp_path: Path) -> None:
    ended = numzoo("verify", "--all", "--json")
    assert ended.code == 0, ended.err
    assert "lenet.mnist" in [file["name"] for file in ended.json["package"]]
    assert {"name": "lenet.mnist", "passed": True}.items() <= ended.json["parity"][0].items()
    assert not (tmp_path / "numzoo-home").exists()


@pytest.fixture
def carded(numzoo: Run, manifest: Path) -> Path:
    """The manifest with a card that says what this very network computes."""
    from numzoo import hub
    from numzoo.hub.loading.parity import ramp

    shape = [1, 1, 28, 28]
    model = hub.load("lenet", registry=manifest)
    logits = model(ramp(shape)).numpy()[0]
    best = int(logits.argmax())
    document = json.loads(manifest.read_bytes())
    document["models"]["lenet.here"]["parity"] = {
        "input": "ramp-v1",
        "shape": shape,
        "top": [[best, float(logits[best])]],
        "stages": {},
        "tolerance": {"f32": 1e-4},
    }
    manifest.write_text(json.dumps(document))
    return manifest


@pytest.mark.parametrize("arguments", [["--parity"], ["--all"], ["lenet", "--parity"], ["--parity", "--quick"]])
@pytest.mark.parametrize("right", [True, False])
def test_parity_is_recomputed(right: bool, arguments: list[str], numzoo: Run, carded: Path) -> None:
    if not right:
        document = json.loads(carded.read_bytes())
        document["models"]["lenet.here"]["parity"]["top"][0][1] *= 1.5
        carded.write_text(json.dumps(document))
    ended = numzoo("verify", *arguments, "--json", "--registry", carded)
    cards = [each["parity"] for each in ended.json["results"]] if "lenet" in arguments else ended.json["parity"]
    assert [card["passed"] for card in cards] == [right]
    assert (ended.code, ended.json["ok"]) == ((0, True) if right else (5, False))


def test_verifying_without_names_on_a_read_only_cache_works(
    numzoo: Run, manifest: Path, weights: Path, cache: Cache, read_only: Callable[[Path], None]
) -> None:
    read_only(cache.root)
    for level in ("--quick", "--full"):
        assert numzoo("verify", level, "--registry", manifest).code == 0
