"""`numzoo data`: list, show, pull, verify, rm, path, on a registry of the test's own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from made_archives import tar_of

ARCHIVE = tar_of({"images/1.png": b"one", "images/2.png": b"two"}, "w:gz")
LABELS = b"0 1"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest with a data set that can be had, one that a person must fetch, and one with a weak digest."""
    (tmp_path / "shelf").mkdir()
    for name, body in (("pets.tgz", ARCHIVE), ("labels.txt", LABELS), ("other.txt", LABELS[::-1])):
        (tmp_path / "shelf" / name).write_bytes(body)

    def file(name: str, body: bytes, **fields: Any) -> dict[str, Any]:
        digest = hashlib.sha256(body).hexdigest()
        known = {"name": name, "sha256": digest, "bytes": len(body), "format": "x", "sources": [f"file:{name}"]}
        return known | fields

    md5 = hashlib.md5(LABELS, usedforsecurity=False).hexdigest()
    weak = {"name": "labels.txt", "md5": md5, "format": "x", "sources": ["file:labels.txt"]}
    about = {"license": "MIT", "source": "https://example.org/"}
    data = {
        "pets": {
            "files": [file("pets.tgz", ARCHIVE, unpack={"kind": "tar"}), file("labels.txt", LABELS)],
            "splits": {"train": ["pets.tgz"], "test": ["labels.txt"]},
            "examples": {"train": 6000, "test": 4},
            "tasks": ["image-classification"],
            "classes": 2,
            "citation": "Somebody, Pets, 2012",
            "description": "Pets: two of them",
            **about,
        },
        "secret": {"files": [file("photos.tar", b"photos", sources=[])], "manual": "Log in at the page.", **about},
        "weak": {"files": [weak], **about, "tasks": ["text-classification"]},
        "closed": {"files": [file("other.txt", LABELS[::-1])], **about, "license": "CC-BY-NC-4.0"},
    }
    path = tmp_path / "shelf" / "manifest.json"
    path.write_text(json.dumps({"schema": 1, "models": {}, "data": data}))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def data(numzoo: Any, shelf: Path) -> Any:
    return lambda *arguments: numzoo("--registry", shelf, "data", *arguments)


def test_the_list_has_sizes_counts_and_what_is_here(data: Any) -> None:
    listed = data("ls").out.splitlines()
    assert [line.split()[0] for line in listed] == ["NAME", "closed", "pets", "secret", "weak"]
    assert "6,004" in listed[2]
    assert "by hand" in listed[3]
    assert data("ls", "--names", "--task", "image-classification").out == "pets\n"
    assert data("ls", "pe*", "--names").out == "pets\n"
    assert data("ls", "--here", "--names").out == ""
    data("pull", "pets")
    assert data("ls", "--here", "--names").out == "pets\n"
    (known,) = data("ls", "pets", "--json").json["data"]
    assert (known["here"], known["classes"], known["examples"]) == (True, 2, {"train": 6000, "test": 4})


def test_show_tells_everything_and_what_a_person_must_do(data: Any) -> None:
    shown = data("show", "pets").out
    for text in ("Somebody, Pets, 2012", "train 6,000, test 4", "train: pets.tgz; test: labels.txt", "unpacked by tar"):
        assert text in shown
    shown = data("show", "secret").out
    assert "by hand       Log in at the page.\n" in shown
    assert "numzoo data pull secret --from FOLDER" in shown
    assert "refused without --trust-first-use" in data("show", "weak").out
    assert data("show", "pets", "--json").json["files"][0]["unpack"] == "tar"
    assert data("show", "pest").code == 3


def test_pull_prints_the_paths_and_path_finds_them_again(data: Any) -> None:
    missing = data("path", "pets")
    assert (missing.code, missing.out) == (3, "")
    assert "numzoo data pull pets" in missing.err
    pulled = data("pull", "pets", "--split", "train")
    (path,) = map(Path, pulled.out.splitlines())
    assert (path / "images/1.png").read_bytes() == b"one"
    assert data("path", "pets", "--split", "train").out == pulled.out
    assert data("path", "pets/pets.tgz", "--json").json["files"] == [{"file": "pets.tgz", "path": str(path)}]
    assert data("path", "pets").code == 3
    assert data("pull", "pets", "--split", "val").code == 3


def test_a_dry_run_fetches_nothing(data: Any, tmp_path: Path) -> None:
    ended = data("pull", "pets", "secret", "--dry-run", "--from", tmp_path / "shelf")
    assert "would fetch 3 of 3 files" in ended.err
    assert str(tmp_path / "shelf/pets.tgz") in ended.out
    assert "from a person" in ended.out
    assert data("pull", "pets", "--dry-run", "--json").json["files"][0]["here"] is False
    assert not (tmp_path / "numzoo-home").exists()


def test_a_person_brings_the_files(data: Any, tmp_path: Path) -> None:
    ended = data("pull", "secret")
    assert ended.code == 3
    assert "Log in at the page. Then: numzoo data pull secret --from FOLDER" in ended.err
    assert data("pull", "secret", "--from", tmp_path / "nowhere").code == 3
    (tmp_path / "photos.tar").write_bytes(b"pixels")
    wrong = data("pull", "secret", "--from", tmp_path)
    assert (wrong.code, wrong.out) == (5, "")
    (tmp_path / "photos.tar").write_bytes(b"photos")
    assert data("pull", "secret", "--from", tmp_path).code == 0
    assert data("pull", "secret").code == 0


def test_trust_and_licence_are_asked_for(data: Any) -> None:
    refused = data("pull", "weak")
    assert (refused.code, refused.out) == (5, "")
    assert "--trust-first-use" in refused.err
    assert data("pull", "weak", "--trust-first-use").code == 0
    assert data("pull", "weak").code == 0
    refused = data("pull", "closed")
    assert refused.code == 7
    assert "--accept-license CC-BY-NC-4.0" in refused.err
    assert data("pull", "closed", "--accept-license", "CC-BY-NC-4.0").code == 0


def test_verify_finds_what_has_changed_and_repairs_it(data: Any) -> None:
    assert "No data set is here yet" in data("verify").err
    path = Path(data("pull", "pets", "--split", "train").out.strip())
    assert data("verify").out == "ok          data:pets/pets.tgz\n"
    assert data("verify", "pets").out.splitlines()[1] == "absent      data:pets/labels.txt"
    (path / "images/1.png").write_bytes(b"ONE")
    wrong = data("verify", "pets", "--json")
    assert wrong.code == 5
    assert [each["state"] for each in wrong.json["files"]] == ["wrong", "absent"]
    assert "--repair" in wrong.err
    assert data("verify", "--repair").out == "repaired    data:pets/pets.tgz\n"
    assert (path / "images/1.png").read_bytes() == b"one"


@pytest.mark.parametrize(("option", "left"), [("--packed", "unpacked"), ("--unpacked", "packed"), (None, None)])
def test_rm_removes_what_was_asked_for_and_says_how_much(data: Any, option: str | None, left: str | None) -> None:
    data("pull", "pets")
    options = [option] if option else []
    planned = data("rm", "pets", "--dry-run", "--json", *options).json
    assert data("path", "pets").code == 0
    assert data("rm", "pets", "--json", *options).json == {**planned, "dry_run": False}
    assert {each["what"] for each in planned["removed"]} == {"packed", "unpacked"} - {left}
    kept = {each["what"] for each in data("rm", "pets", "--dry-run", "--json").json["removed"]}
    assert kept == ({left} if left else set())


def test_rm_of_what_is_not_here_frees_nothing(data: Any, tmp_path: Path) -> None:
    ended = data("rm", "pets")
    assert (ended.code, ended.out) == (0, "")
    assert "freed 0 B" in ended.err


@pytest.mark.parametrize("command", ["ls", "show", "pull", "verify", "rm", "path"])
def test_every_command_has_help(data: Any, command: str) -> None:
    ended = data(command, "--help")
    assert ended.code == 0
    assert "usage: numzoo data" in ended.out
