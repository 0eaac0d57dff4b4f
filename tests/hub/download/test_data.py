"""Data sets: from a server to verified, unpacked folders, once, whoever else is at it and whatever happens on the way."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_archives import contents_of, tar_of, zip_of

from numzoo import hub
from numzoo.hub.download.data import where
from numzoo.hub.download.data_checks import check
from numzoo.hub.errors import (
    FormatError,
    IntegrityError,
    LicenseError,
    NotFoundError,
    StorageError,
    TrustError,
    UnsafeFileError,
    UsageError,
)
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.names import Registry
from numzoo.hub.store import unpacked

TRAIN = tar_of({"images/1.png": b"one", "images/2.png": b"two" * 9000}, "w:gz")
TEST = zip_of({"images/3.png": b"three"})
LABELS = b"0 1 2"


def entry(body: bytes, name: str, *sources: str, **fields: Any) -> dict[str, Any]:
    digest = {"sha256": hashlib.sha256(body).hexdigest()}
    return {"name": name, "bytes": len(body), "format": "x", "sources": list(sources), **digest, **fields}


def registry_of(*files: dict[str, Any], **fields: Any) -> Registry:
    known = {"files": list(files), "license": "MIT", "source": "https://example.org/", **fields}
    return Registry(Manifest({"schema": 1, "models": {}, "data": {"pets": known}}, who="mine"))


@pytest.fixture
def pets(server: Any) -> Registry:
    """A data set of two archives and a plain file, on a server."""
    return registry_of(
        entry(TRAIN, "train.tgz", server.add("/train", TRAIN), unpack={"kind": "tar"}),
        entry(TEST, "test.zip", server.add("/test", TEST), unpack={"kind": "zip", "to": "test"}),
        entry(LABELS, "labels.txt", server.add("/labels", LABELS)),
        splits={"train": ["train.tgz", "labels.txt"], "test": ["test.zip", "labels.txt"]},
    )


def asked(server: Any) -> int:
    return sum(len(each.requests) for each in server.files.values())


def test_a_split_is_fetched_verified_and_unpacked_once(pets: Registry, server: Any, cache: Any) -> None:
    found = hub.pull_data("pets", split="train", registry=pets)
    assert list(found) == ["train.tgz", "labels.txt"]
    assert contents_of(found["train.tgz"])["images/1.png"] == b"one"
    assert found["train.tgz"].parent.parent == cache.root / "data" / "pets"
    assert found["labels.txt"].read_bytes() == LABELS
    assert asked(server) == 2
    assert hub.pull_data("data:pets", registry=pets, split="train", offline=True) == found
    every = hub.pull_data("pets", registry=pets)
    assert (every["test.zip"] / "test/images/3.png").read_bytes() == b"three"
    assert asked(server) == 3
    assert list(hub.pull_data("pets/labels.txt", registry=pets).values()) == [found["labels.txt"]]


def test_what_was_unpacked_serves_without_its_archive(pets: Registry, server: Any, cache: Any) -> None:
    found = hub.pull_data("pets", registry=pets)
    for blob in list(cache.entries()):
        if blob.sha256 != hashlib.sha256(LABELS).hexdigest():
            cache.remove(blob.sha256)
    assert hub.pull_data("pets", registry=pets, offline=True) == found


def test_a_changed_archive_is_unpacked_anew_beside_the_old_one(server: Any) -> None:
    paths = []
    for body in (TRAIN, tar_of({"images/1.png": b"other"})):
        pets = registry_of(entry(body, "a.tar", server.add("/a", body), unpack={"kind": "tar"}))
        paths += hub.pull_data("pets", registry=pets).values()
    assert [(path / "images/1.png").read_bytes() for path in paths] == [b"one", b"other"]


@pytest.mark.parametrize("damage", ["another file", "another way", "no JSON", "a list", "missing"])
def test_a_folder_that_does_not_say_the_right_thing_is_made_anew(pets: Registry, damage: str) -> None:
    path = hub.pull_data("pets/train.tgz", registry=pets)["train.tgz"]
    (path / "images/1.png").write_bytes(b"old")
    note = path.parent / "unpacked.json"
    said = json.loads(note.read_bytes())
    text = {"another file": {**said, "sha256": "0" * 64}, "another way": {**said, "kind": "zip"}, "a list": []}
    note.unlink() if damage == "missing" else note.write_text(json.dumps(text.get(damage)) if damage in text else "{")
    assert hub.pull_data("pets/train.tgz", registry=pets)["train.tgz"] == path
    assert (path / "images/1.png").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("body", "error"),
    [(tar_of({"../evil": b""}), UnsafeFileError), (TRAIN[:-20], FormatError), (b"no archive" * 99, FormatError)],
)
def test_nothing_is_left_of_an_archive_that_cannot_be_unpacked(
    server: Any, cache: Any, body: bytes, error: type[Exception]
) -> None:
    pets = registry_of(entry(body, "a.tar", server.add("/a", body), unpack={"kind": "tar"}))
    for _ in range(2):
        with pytest.raises(error, match=r"a\.tar"):
            hub.pull_data("pets", registry=pets)
    assert not (cache.root / "data").exists()
    assert list(cache.parts.iterdir()) == []


def test_a_full_disk_leaves_nothing(pets: Registry, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from numzoo.hub.store.archives import trees

    hub.pull_data("pets/labels.txt", registry=pets)
    monkeypatch.setattr(trees, "_RESERVE", 1 << 62)
    with pytest.raises(StorageError, match="NUMZOO_HOME"):
        hub.pull_data("pets", registry=pets)
    assert not (cache.root / "data").exists()
    assert list(cache.parts.iterdir()) == []


def test_single_packed_files_lie_under_their_own_names(server: Any) -> None:
    body = gzip.compress(b"idx")
    address = server.add("/a", body)
    pets = registry_of(
        entry(body, "a.idx.gz", address, unpack={"kind": "gzip"}),
        entry(body, "b.gz", address, unpack={"kind": "gzip", "to": "b.csv"}),
    )
    found = hub.pull_data("pets", registry=pets)
    assert [(path.name, path.read_bytes()) for path in found.values()] == [("a.idx", b"idx"), ("b.csv", b"idx")]


def test_a_weak_digest_needs_trust_here_too(server: Any) -> None:
    fields = entry(TRAIN, "a.tgz", server.add("/a", TRAIN), unpack={"kind": "tar"})
    md5 = hashlib.md5(TRAIN, usedforsecurity=False).hexdigest()
    pets = registry_of({key: value for key, value in fields.items() if key != "sha256"} | {"md5": md5})
    with pytest.raises(TrustError, match="which anybody can forge"):
        hub.pull_data("pets", registry=pets)
    found = hub.pull_data("pets", registry=pets, trust_first_use=True)
    assert hub.pull_data("pets", registry=pets, offline=True) == found


def test_a_licence_is_asked_for_before_the_first_byte(server: Any) -> None:
    pets = registry_of(entry(LABELS, "a", server.add("/a", LABELS)), license="CC-BY-NC-4.0")
    with pytest.raises(LicenseError, match=r"CC-BY-NC-4\.0"):
        hub.pull_data("pets", registry=pets)
    assert asked(server) == 0
    hub.accept_license("CC-BY-NC-4.0")
    assert hub.pull_data("pets", registry=pets)["a"].read_bytes() == LABELS


def test_a_licence_is_asked_for_even_where_all_is_unpacked(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pets = registry_of(entry(TRAIN, "a", server.add("/a", TRAIN), unpack={"kind": "tar"}), license="CC-BY-NC-4.0")
    monkeypatch.setenv("NUMZOO_ACCEPT_LICENSE", "CC-BY-NC-4.0")
    hub.pull_data("pets", registry=pets)
    monkeypatch.delenv("NUMZOO_ACCEPT_LICENSE")
    with pytest.raises(LicenseError):
        hub.pull_data("pets", registry=pets)


def test_what_only_a_person_can_fetch_says_so_and_is_taken_from_a_folder(tmp_path: Path, cache: Any) -> None:
    pets = registry_of(entry(TRAIN, "train.tgz", unpack={"kind": "tar"}), manual="Log in and download train.tgz.")
    with pytest.raises(NotFoundError, match=r"Log in and download train\.tgz\. Then: numzoo data pull pets --from"):
        hub.pull_data("pets", registry=pets)
    (tmp_path / "train.tgz").write_bytes(TRAIN[::-1])
    with pytest.raises(IntegrityError, match=r"train\.tgz"):
        hub.pull_data("pets", registry=pets, folder=tmp_path)
    assert list(cache.entries()) == []
    (tmp_path / "train.tgz").write_bytes(TRAIN)
    found = hub.pull_data("pets", registry=pets, folder=tmp_path)["train.tgz"]
    assert (found / "images/1.png").read_bytes() == b"one"
    (tmp_path / "train.tgz").unlink()
    assert hub.pull_data("pets", registry=pets)["train.tgz"] == found


def test_a_file_that_a_person_has_is_not_fetched(pets: Registry, server: Any, tmp_path: Path) -> None:
    (tmp_path / "train.tgz").write_bytes(TRAIN)
    hub.pull_data("pets", registry=pets, split="train", folder=tmp_path)
    assert server.files["/train"].requests == []
    assert len(server.files["/labels"].requests) == 1


@pytest.mark.parametrize(
    ("name", "split", "error", "message"),
    [
        ("pest", None, NotFoundError, "Did you mean data:pets"),
        ("pets/x", None, NotFoundError, "no file 'x'"),
        ("pets", "val", NotFoundError, "it has train, test"),
        ("pets/labels.txt", "train", UsageError, "one file"),
        (5, None, UsageError, "a text such as"),
    ],
)
def test_a_wrong_name_says_what_there_is(
    pets: Registry, name: Any, split: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hub.pull_data(name, split=split, registry=pets)


def test_a_link_in_place_of_what_was_unpacked_goes_and_what_it_leads_to_stays(
    pets: Registry, cache: Any, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("years of it")
    (file,) = pets.files("data:pets/train.tgz")
    folder = unpacked.place(cache, file)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "mine")
    unpacked.remove(cache, file)
    assert not folder.is_symlink()
    assert [path.name for path in folder.parent.parent.rglob("*")] == []
    assert (tmp_path / "mine" / "work.txt").read_text() == "years of it"


DAMAGES = {
    "other bytes": lambda tree: (tree / "images/1.png").write_bytes(b"ONE"),
    "more bytes": lambda tree: (tree / "images/1.png").write_bytes(b"one!"),
    "a file gone": lambda tree: (tree / "images/1.png").unlink(),
    "a file more": lambda tree: (tree / "images/new").write_bytes(b""),
    "a link": lambda tree: (
        (tree / "images/1.png").rename(tree.parent / "same"),
        (tree / "images/1.png").symlink_to(tree.parent / "same"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_unpacked_is_compared_with_its_archive_and_repaired(pets: Registry, damage: str) -> None:
    tree = hub.pull_data("pets/train.tgz", registry=pets)["train.tgz"]
    (file,) = pets.files("data:pets/train.tgz")
    assert check(file) == "ok"
    DAMAGES[damage](tree)
    with pytest.raises(IntegrityError, match="--repair"):
        check(file)
    assert check(file, repair=True, offline=True) == "repaired"
    assert check(file) == "ok"
    assert contents_of(tree)["images/1.png"] == b"one"


def test_a_damaged_archive_in_the_store_is_found_and_fetched_again(pets: Registry, cache: Any) -> None:
    hub.pull_data("pets/train.tgz", registry=pets)
    (file,) = pets.files("data:pets/train.tgz")
    cache.path(str(file.sha256)).write_bytes(TRAIN[::-1])
    with pytest.raises(IntegrityError):
        check(file)
    assert check(file, repair=True) == "repaired"
    assert check(file) == "ok"


_WORKER = """
import os, sys
from numzoo import hub
sys.stdin.readline()
for path in hub.pull_data("pets", registry=sys.argv[1]).values():
    print(path)
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _workers(manifest: Path, count: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(manifest)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        for _ in range(count)
    ]


def test_many_processes_and_killed_ones_unpack_the_same_archive(tmp_path: Path, cache: Any) -> None:
    body = tar_of({f"{number}.txt": b"%d" % number * 500 for number in range(600)}, "w:gz")
    (tmp_path / "a.tgz").write_bytes(body)
    pets = entry(body, "a.tgz", "file:a.tgz", unpack={"kind": "tar"})
    known = {"files": [pets], "license": "MIT", "source": "https://example.org/"}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"schema": 1, "models": {}, "data": {"pets": known}}))
    killed = _workers(manifest, 3)
    for worker in killed:
        worker.stdin.write("\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    for worker, delay in zip(killed, (0.15, 0.05, 0.05), strict=True):
        try:
            worker.wait(delay)
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
        worker.communicate()
    workers = _workers(manifest, 4)
    answers = [worker.communicate("\n") for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, answers
    (path,) = {Path(out.strip()) for out, _ in answers}
    assert len(list(path.iterdir())) == 600
    (file,) = Registry(Manifest.read(manifest)).files("data:pets")
    assert check(file) == "ok"
    assert [each.name for each in (cache.root / "data/pets").iterdir()] == [unpacked.place(cache, file).name]
    assert where(file) == path
