"""``numzoo bundle`` on the command line: made here, moved to an empty home, used there with ``--offline``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub import settings
from numzoo.hub.store.cache import Cache

Run = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("out", ["b.tar", "b"])
def test_predicting_in_an_empty_home_without_network(
    numzoo: Run, manifest: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    made = numzoo("bundle", "create", out, "lenet", "sample:noise", "--registry", manifest)
    assert (made.code, made.err.splitlines()[-1].split(":")[0]) == (0, f"wrote {out}")
    expected = numzoo("predict", "lenet", "sample:noise", "--json", "--registry", manifest).json
    usb = tmp_path / "usb"
    usb.mkdir()
    shutil.move(project / out, usb / out)
    for name in ("lenet.safetensors", "noise.png"):
        (manifest.parent / name).unlink()
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "empty-home"))
    assert numzoo("predict", "lenet", "sample:noise", "--offline", "--registry", manifest).code == 3
    assert numzoo("bundle", "import", usb / out, "--verify-only").code == 0
    assert list(Cache().entries()) == []
    taken = numzoo("bundle", "import", usb / out, "--offline", "--json", "--registry", manifest)
    assert (taken.json["taken_in"], taken.json["new_files"], taken.json["registry"]) == (True, 2, None)
    assert taken.json["locked"] == ["lenet.here", "sample:noise"]
    assert numzoo("predict", "lenet", "sample:noise", "--offline", "--json", "--registry", manifest).json == expected
    assert numzoo("sync", "--frozen", "--offline", "--registry", manifest).code == 0


def test_names_that_no_registry_here_knows_get_one(
    numzoo: Run, manifest: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numzoo("bundle", "create", "b.tar", "sample:noise", "--registry", manifest)
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "empty-home"))
    taken = numzoo("bundle", "import", "b.tar", "--json", "--offline")
    assert "no registry here knows sample:noise" in taken.err
    kept = taken.json["registry"]
    path = numzoo("pull", "sample:noise", "--offline", "--registry", kept).out.strip()
    assert Path(path).read_bytes() == (manifest.parent / "noise.png").read_bytes()


def test_from_a_lock_and_what_it_holds(numzoo: Run, manifest: Path, project: Path) -> None:
    assert numzoo("bundle", "create", "b", "--from-lock", "--registry", manifest).code == 3
    assert numzoo("bundle", "create", "b", "--registry", manifest).code == 2
    numzoo("lock", "lenet", "sample:noise", "--registry", manifest)
    dry = numzoo("bundle", "create", "b", "--from-lock", "--dry-run", "--json", "--registry", manifest).json
    assert [entry["name"] for entry in dry["entries"]] == ["lenet.here", "sample:noise"]
    assert not (project / "b").exists()
    numzoo("bundle", "create", "b", "--from-lock", "--registry", manifest)
    lock = json.loads((project / "b" / "models.lock").read_bytes())
    assert lock["entries"]["lenet.here"]["names"] == ["lenet"]
    listed = numzoo("bundle", "ls", "b", "--json").json
    assert [(entry["name"], entry["license"]) for entry in listed["entries"]] == [
        ("lenet.here", "Apache-2.0"),
        ("sample:noise", "CC0-1.0"),
    ]


def test_a_damaged_bundle_ends_with_five_and_takes_nothing_in(
    numzoo: Run, manifest: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numzoo("bundle", "create", "b.tar", "sample:noise", "--registry", manifest)
    data = (project / "b.tar").read_bytes()
    pixels = (manifest.parent / "noise.png").read_bytes()
    (project / "b.tar").write_bytes(data.replace(pixels, pixels[:-1] + b"?"))
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "empty-home"))
    for command in (("--verify-only",), ()):
        assert numzoo("bundle", "import", "b.tar", *command).code == 5
    assert list(Cache().entries()) == []
    assert not (settings.home() / "models.lock").exists()


def test_signed_and_asked_for(numzoo: Run, manifest: Path, project: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from numzoo.hub.registry.static.signing import new_key

    ours, theirs = new_key(tmp_path / "ours"), new_key(tmp_path / "theirs")
    numzoo("bundle", "create", "b.tar", "sample:noise", "--sign", tmp_path / "ours", "--registry", manifest)
    assert "signed, it says, by" in numzoo("bundle", "ls", "b.tar").err
    taken = numzoo("bundle", "import", "b.tar", "--key", ours.public, "--json", "--registry", manifest)
    assert taken.json["signed_by"] == ours.public
    assert numzoo("bundle", "import", "b.tar", "--key", theirs.public).code == 5
    assert numzoo("bundle", "import", "b.tar", "--key", "rubbish").code == 2
