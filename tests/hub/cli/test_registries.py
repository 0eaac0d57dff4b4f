"""A registry from its first key to its refusal, by the commands that its owner and its users type."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub import configuration
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.download.sources import Patience
from numzoo.hub.registry.static import access
from numzoo.hub.registry.static.layout import POINTER, Folder
from numzoo.vision import models
from numzoo.vision.transforms import classification

Run = Callable[..., Any]
ABOUT = ("--license", "CC-BY-4.0", "--source", "https://acme.example/pets")


@pytest.fixture(autouse=True)
def _hasty(hasty: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_patience", lambda: hasty)


def write_model(path: Path, seed: int = 0, **fields: Any) -> Path:
    """A small network with weights of its own, written by hub.save."""
    model = models.lenet(classes=3)
    generator = np.random.default_rng(seed)
    drawn = {name: np.abs(generator.normal(size=tensor.shape)) * 0.1 for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: drawn[name].astype(tensor.dtype) for name, tensor in model.state_dict().items()})
    given: dict[str, Any] = {
        "builder": "vision.models.lenet",
        "config": {"classes": 3},
        "categories": ["cat", "dog", "Meerschweinchen"],
        "transform": classification(resize=28, crop=28, mean=[0.5], std=[0.5]),
    }
    return hub.save(model, path, **{**given, **fields})


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write_model(tmp_path / "pets.safetensors")


@pytest.fixture
def key(numzoo: Run, tmp_path: Path) -> str:
    """A key file of the owner; `key.pub` beside it holds what the command printed."""
    made = numzoo("keys", "new", tmp_path / "key")
    assert made.code == 0
    (tmp_path / "key.pub").write_text(made.out.strip())
    return str(tmp_path / "key")


@pytest.fixture
def zoo(numzoo: Run, pets: Path, key: str, tmp_path: Path) -> Path:
    """A signed registry with the model ``acme/pets.v1``."""
    folder = tmp_path / "zoo"
    made = numzoo("publish", pets, "--registry", folder, "--name", "acme/pets.v1", *ABOUT, "--sign", key)
    assert made.code == 0, made.err
    return folder


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def configured(numzoo: Run, zoo: Path, tmp_path: Path) -> Iterator[str]:
    """The registry is served on loopback, and in the configuration with its key and its namespace."""
    public = (tmp_path / "key.pub").read_text()
    with serving(zoo) as address:
        added = numzoo("registry", "add", "acme", address, "--key", public, "--namespace", "acme")
        assert added.code == 0, added.err
        yield address


def test_published_signed_served_loaded_renewed_rolled_back_refused(
    numzoo: Run, zoo: Path, key: str, configured: str, tmp_path: Path
) -> None:
    listed = numzoo("ls", "acme", "--json").json["models"]
    assert [(m["name"], m["default"], m["registry"], m["here"]) for m in listed] == [
        ("acme/pets.v1", True, "acme", False)
    ]
    assert numzoo("ls", "lenet.*", "--names").out == "lenet.mnist\n"  # numzoo's own are still there
    pulled = numzoo("pull", "acme/pets")
    assert Path(pulled.out.strip()).read_bytes() == (tmp_path / "pets.safetensors").read_bytes()
    model = hub.load("acme/pets")
    assert (model.load_report.name, model.load_report.config) == ("acme/pets.v1", {"classes": 3})
    pixels = np.zeros((30, 30), dtype=np.uint8)
    assert {label for label, _ in hub.pipeline("acme/pets")(pixels)} == {"cat", "dog", "Meerschweinchen"}

    shutil.copytree(zoo, tmp_path / "old")
    second = write_model(tmp_path / "second.safetensors", seed=1)
    published = numzoo("publish", second, "--registry", zoo, "--name", "acme/pets.v2", *ABOUT, "--sign", key, "--json")
    assert published.json["version"] == 2
    assert numzoo("show", "acme/pets", "--json").json["name"] == "acme/pets.v2"

    shutil.rmtree(zoo)
    shutil.copytree(tmp_path / "old", zoo)
    refused = numzoo("pull", "acme/pets")
    assert (refused.code, refused.out) == (5, "")
    assert "gone back from version 2 to 1" in refused.err
    assert numzoo("ls").code == 5  # never a part of the truth in silence
    assert numzoo("ls", "--registry", "numzoo").code == 0
    offline = numzoo("ls", "acme", "--names", "--offline")  # what was last verified
    assert offline.out == "acme/pets.v1\nacme/pets.v2\n"
    assert numzoo("registry", "forget", "acme").code == 0
    assert numzoo("show", "acme/pets", "--json").json["name"] == "acme/pets.v1"


def test_an_entry_has_all_that_was_said_of_it(numzoo: Run, zoo: Path) -> None:
    known = numzoo("show", "acme/pets", "--registry", zoo, "--json").json
    assert known["categories"] == ["cat", "dog", "Meerschweinchen"]
    assert known["transform"]["resize"] == 28
    assert (known["task"], known["license"], known["parameters"]) == (
        "image-classification",
        "CC-BY-4.0",
        known["parameters"],
    )
    assert known["parameters"] == sum(p.numel() for p in models.lenet(classes=3).parameters())
    (file,) = known["files"]
    assert (file["name"], file["format"]) == ("pets.safetensors", "safetensors")


def test_the_private_key_is_in_no_output(numzoo: Run, key: str, tmp_path: Path) -> None:
    secret = Path(key).read_text().splitlines()[1]
    shown = numzoo("keys", "show", key)
    assert shown.out.strip() == (tmp_path / "key.pub").read_text()
    assert secret not in shown.out + shown.err
    assert os.stat(key).st_mode & 0o777 == 0o600
    again = numzoo("keys", "new", key)
    assert (again.code, secret in again.err) == (2, False)


def test_a_published_name_does_not_change_unless_it_is_meant(numzoo: Run, zoo: Path, pets: Path, key: str) -> None:
    def publish(*more: str) -> Any:
        return numzoo(
            "publish", pets, "--registry", zoo, "--name", "acme/pets.v1", *ABOUT, "--sign", key, "--json", *more
        )

    assert publish().json["changed"] is False
    write_model(pets, seed=5)
    refused = publish()
    assert (refused.code, "published already, with other content" in refused.err) == (2, True)
    assert publish("--replace", "--dry-run").json["version"] == 2
    replaced = publish("--replace").json
    assert (replaced["version"], replaced["changed"]) == (2, True)
    assert numzoo("show", "acme/pets", "--registry", zoo, "--json").json["revision"] == 2


def test_the_newest_tag_is_the_default(numzoo: Run, zoo: Path, pets: Path, key: str) -> None:
    def publish(tag: str, *more: str) -> str:
        name = f"acme/pets.{tag}"
        assert numzoo("publish", pets, "--registry", zoo, "--name", name, *ABOUT, "--sign", key, *more).code == 0
        return str(numzoo("show", "acme/pets", "--registry", zoo, "--json").json["name"])

    assert publish("v9") == "acme/pets.v9"
    assert publish("v10") == "acme/pets.v10"
    assert publish("v2") == "acme/pets.v10"
    assert publish("v11", "--no-default") == "acme/pets.v10"
    assert publish("v3", "--default") == "acme/pets.v3"


def test_a_dry_run_writes_nothing(numzoo: Run, pets: Path, tmp_path: Path) -> None:
    made = numzoo(
        "publish", pets, "--registry", tmp_path / "new", "--name", "acme/pets.v1", *ABOUT, "--dry-run", "--json"
    )
    assert (made.code, made.json["dry_run"], made.json["version"]) == (0, True, 1)
    assert made.json["entry"]["files"][0]["bytes"] == pets.stat().st_size
    assert not (tmp_path / "new").exists()


def test_a_folder_of_somebody_elses_is_published_in_our_names(numzoo: Run, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    generator = np.random.default_rng(5)
    state = models.resnet18(classes=3).state_dict()
    tensors = {name: np.asarray(np.abs(generator.normal(size=t.shape)), t.dtype) for name, t in state.items()}
    names = list(tensors)
    index = {"metadata": {}, "weight_map": {}}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        write_safetensors(folder / file, {name: tensors[name] for name in part})
        index["weight_map"] |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet18", "num_classes": 3}))
    zoo = tmp_path / "zoo"
    made = numzoo("publish", folder, "--registry", zoo, "--name", "acme/resnet18.theirs-v1", *ABOUT)
    assert made.code == 0, made.err
    model = hub.load("acme/resnet18", registry=zoo)
    assert model.load_report.model == "vision.models.resnet18"
    assert all(np.array_equal(t.numpy(), tensors[name]) for name, t in model.state_dict().items())


def _changes(tmp_path: Path) -> Path:
    from numzoo.hub.checkpoint import read_checkpoint, read_metadata

    path = write_model(tmp_path / "changes.safetensors")
    notes = {**read_metadata(path).notes, "numzoo.base": "lenet.mnist"}
    write_safetensors(path, dict(read_checkpoint(path)), notes)
    return path


def _bare(tmp_path: Path) -> Path:
    write_safetensors(tmp_path / "bare.safetensors", {"x": np.zeros(3, np.float32)})
    return tmp_path / "bare.safetensors"


UNFIT: dict[str, tuple[Callable[[Path], Path], list[str], int, str]] = {
    "no such file": (lambda folder: folder / "gone", [], 3, "no file or folder"),
    "an empty folder": (lambda folder: folder / "empty", [], 2, "should hold one checkpoint, but has none"),
    "no model": (_bare, [], 2, "does not say which model"),
    "no task": (
        lambda folder: write_model(folder / "x.safetensors", categories=None, transform=None),
        [],
        2,
        "does not say what the model is for",
    ),
    "another model": (
        lambda folder: write_model(folder / "x.safetensors"),
        ["--model", "vision.models.alexnet"],
        2,
        "alexnet|AlexNet",
    ),
    "other settings": (
        lambda folder: write_model(folder / "x.safetensors"),
        ["--config", '{"classes": 4}'],
        2,
        "classifier",
    ),
    "settings that are none": (
        lambda folder: write_model(folder / "x.safetensors"),
        ["--config", "[]"],
        2,
        "JSON object",
    ),
    "only changes": (_changes, [], 2, "holds only what was changed of lenet.mnist"),
    "a bad name": (lambda folder: write_model(folder / "x.safetensors"), ["--name", "../x.v1"], 2, "no full name"),
    "no tag": (lambda folder: write_model(folder / "x.safetensors"), ["--name", "acme/x"], 2, "no full name"),
    "a bad metric": (lambda folder: write_model(folder / "x.safetensors"), ["--metric", "a=b"], 2, "is a number"),
    "no licence": (lambda folder: write_model(folder / "x.safetensors"), ["--license", "my own"], 5, "license"),
    "a key that is none": (
        lambda folder: write_model(folder / "x.safetensors"),
        ["--sign", "/dev/null"],
        2,
        "Others may",
    ),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_what_does_not_fit_is_not_published(kind: str, numzoo: Run, tmp_path: Path) -> None:
    import re

    (tmp_path / "empty").mkdir()
    make, options, code, message = UNFIT[kind]
    path = make(tmp_path)
    ended = numzoo("publish", path, "--registry", tmp_path / "new", "--name", "acme/x.v1", *ABOUT, *options)
    assert ended.code == code, ended.err
    assert re.search(message, ended.err), ended.err
    assert Folder(tmp_path / "new").pointer() is None


def test_a_licence_and_a_source_are_wanted(numzoo: Run, pets: Path, tmp_path: Path) -> None:
    ended = numzoo("publish", pets, "--registry", tmp_path / "new", "--name", "acme/x.v1")
    assert (ended.code, "--license, --source" in ended.err) == (2, True)


def test_a_signed_registry_stays_signed(numzoo: Run, zoo: Path, pets: Path, key: str, tmp_path: Path) -> None:
    before = (zoo / POINTER).read_bytes()
    bare = numzoo("index", zoo)
    assert (bare.code, "give that key with --sign" in bare.err) == (2, True)
    numzoo("keys", "new", tmp_path / "other")
    strange = numzoo("index", zoo, "--sign", tmp_path / "other")
    assert (strange.code, "Sign with the old and the new one" in strange.err) == (2, True)
    assert (zoo / POINTER).read_bytes() == before
    both = numzoo("index", zoo, "--sign", tmp_path / "other", "--sign", key, "--json")
    assert (both.json["version"], len(both.json["keys"])) == (2, 2)
    assert numzoo("index", zoo, "--sign", tmp_path / "other", "--json").json["version"] == 3
    lost = numzoo("index", zoo, "--sign", key, "--new-key", "--json")
    assert (lost.json["version"], lost.code) == (4, 0)


def test_a_pointer_that_somebody_changed_is_not_signed_anew(numzoo: Run, zoo: Path, key: str) -> None:
    text = (zoo / POINTER).read_text()
    (zoo / POINTER).write_text(text.replace('\\"version\\": 1', '\\"version\\": 9'))
    ended = numzoo("index", zoo, "--sign", key)
    assert (ended.code, "was changed after it was signed" in ended.err) == (5, True)


@pytest.fixture
def drafted(tmp_path: Path, pets: Path) -> Path:
    """A folder with a manifest written by hand and the files that it names."""
    folder = tmp_path / "drafted"
    (folder / "files").mkdir(parents=True)
    shutil.copy(pets, folder / "files" / "pets.safetensors")
    (folder / "files" / "cat.png").write_bytes(b"\x89PNG...")
    entry = {
        "model": "vision.models.lenet",
        "config": {"classes": 3},
        "task": "image-classification",
        "files": [{"sources": ["file:files/pets.safetensors", "https://acme.example/pets.safetensors"]}],
        "license": "MIT",
        "source": "https://acme.example",
    }
    sample = {"files": [{"sources": ["file:files/cat.png"]}], "license": "CC0-1.0", "source": "https://acme.example"}
    document = {"schema": 1, "models": {"acme/pets.v1": entry}, "samples": {"acme-cat": sample}}
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def test_a_folder_with_a_draft_becomes_a_registry(numzoo: Run, drafted: Path) -> None:
    dry = numzoo("index", drafted, "--dry-run", "--json")
    assert (dry.code, (drafted / POINTER).exists()) == (0, False)
    made = numzoo("index", drafted, "--json")
    assert made.json["copied"] == ["pets.safetensors", "cat.png"]
    assert made.json["manifest"] == dry.json["manifest"]
    again = numzoo("index", drafted, "--json").json
    assert (again["changed"], again["version"]) == (False, 1)
    (file,) = numzoo("show", "acme/pets", "--registry", drafted, "--json").json["files"]
    assert file["sources"] == [
        f"file:blobs/sha256/{file['sha256'][:2]}/{file['sha256']}",
        "https://acme.example/pets.safetensors",
    ]
    assert numzoo("pull", "acme/pets", "sample:acme-cat", "--registry", drafted, "--offline").code == 0
    assert hub.load("acme/pets", registry=[drafted]).load_report.name == "acme/pets.v1"


def test_a_file_that_is_there_is_not_read_again(numzoo: Run, drafted: Path) -> None:
    first = numzoo("index", drafted, "--json").json
    document = json.loads((drafted / "manifest.json").read_text())
    entry = json.loads(Folder(drafted).path(first["manifest"]).read_text())["models"]["acme/pets.v1"]
    document["models"]["acme/pets.v1"]["files"][0]["sha256"] = entry["files"][0]["sha256"]
    (drafted / "manifest.json").write_text(json.dumps(document))
    (drafted / "files" / "pets.safetensors").unlink()
    again = numzoo("index", drafted, "--json").json
    assert (again["copied"], again["changed"]) == (["cat.png"], False)


DRAFTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "a file outside": ({"sources": ["file:../pets.safetensors"]}, 5, "plain path below its own folder"),
    "a file of the machine": ({"sources": ["file:/etc/passwd"]}, 5, "plain path below its own folder"),
    "a missing file": ({"sources": ["file:files/gone"]}, 3, "there is no file"),
    "a wrong digest": (
        {"sources": ["file:files/pets.safetensors"], "sha256": "0" * 64},
        5,
        "but the manifest says 000",
    ),
    "a blob that is not there": ({"sources": ["blob:x"], "sha256": "0" * 64, "format": "x"}, 5, "is not in"),
    "a file of the package": ({"sources": ["package:x"], "sha256": "0" * 64, "format": "x"}, 5, "Only numzoo's own"),
}


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_draft_that_cannot_be_makes_no_registry(kind: str, numzoo: Run, drafted: Path) -> None:
    fields, code, message = DRAFTS[kind]
    document = json.loads((drafted / "manifest.json").read_text())
    document["models"]["acme/pets.v1"]["files"] = [fields]
    (drafted / "manifest.json").write_text(json.dumps(document))
    ended = numzoo("index", drafted)
    assert ended.code == code, ended.err
    assert message in ended.err
    assert not (drafted / POINTER).exists()


def test_an_owner_deprecates_withdraws_renames(numzoo: Run, zoo: Path, pets: Path, key: str) -> None:
    index = functools.partial(numzoo, "index", zoo, "--sign", key)
    assert numzoo("publish", pets, "--registry", zoo, "--name", "acme/pets.v2", *ABOUT, "--sign", key).code == 0
    done = index(
        *("--deprecate", "acme/pets.v1=Trained on the wrong labels.", "--replaced-by", "acme/pets.v1=acme/pets.v2"),
        *("--alias", "acme/animals=acme/pets", "--default", "acme/pets.v1"),
    )
    assert done.code == 0, done.err
    use = functools.partial(numzoo, "pull", "--registry", zoo)
    pulled = use("acme/animals.v1")
    assert pulled.code == 0
    assert pulled.err.count("acme/pets.v1 is deprecated: Trained on the wrong labels. Use acme/pets.v2.") == 1
    table = numzoo("ls", "--registry", zoo).out
    assert "STATE" in table
    assert "deprecated" in table
    assert index("--withdraw", "acme/pets.v1=It leaks its training data").code == 0
    refused = use("acme/pets.v1")
    assert (refused.code, "was withdrawn by its publisher: It leaks its training data" in refused.err) == (3, True)
    assert numzoo("show", "acme/pets.v1", "--registry", zoo, "--json").json["withdrawn"] == "It leaks its training data"
    assert index("--restore", "acme/pets.v1").code == 0
    assert use("acme/pets.v1").code == 0
    circle = index("--alias", "acme/a=acme/b", "--alias", "acme/b=acme/a")
    assert (circle.code, "leads in a circle" in circle.err) == (5, True)
    gone = index("--withdraw", "acme/gone.v1=x")
    assert (gone.code, "has no entry 'acme/gone.v1'" in gone.err) == (3, True)


def test_a_damaged_blob_is_found_and_what_nobody_names_is_pruned(numzoo: Run, zoo: Path, key: str) -> None:
    folder = Folder(zoo)
    stray = folder.add_bytes(b"nobody's")
    (zoo / "blobs" / ".0.new").write_bytes(b"unfinished, an hour ago")
    os.utime(zoo / "blobs" / ".0.new", (0, 0))
    (zoo / "blobs" / ".1.new").write_bytes(b"unfinished, of somebody who is at work")
    old = numzoo("index", zoo, "--sign", key, "--json").json["manifest"]
    new = numzoo("index", zoo, "--sign", key, "--alias", "acme/old=acme/pets", "--json").json["manifest"]
    would = numzoo("index", zoo, "--sign", key, "--prune", "--dry-run", "--json").json["removed"]
    assert sorted(would) == sorted([".0.new", stray, old])
    assert folder.has(stray)
    assert sorted(numzoo("index", zoo, "--sign", key, "--prune", "--json").json["removed"]) == sorted(
        [".0.new", stray, old]
    )
    assert [path.name for path in (zoo / "blobs").glob(".*")] == [".1.new"]
    assert [folder.has(sha256) for sha256 in (stray, old, new)] == [False, False, True]
    assert numzoo("index", zoo, "--sign", key, "--check").code == 0
    (blob,) = [path for sha256, path in folder.blobs() if sha256 != new]
    body = bytearray(blob.read_bytes())
    body[-1] ^= 1
    blob.write_bytes(body)
    checked = numzoo("index", zoo, "--sign", key, "--check", "--json")
    assert (checked.code, checked.json["wrong"]) == (5, [blob.name])
    before = (zoo / "registry.json").read_bytes()
    looked = numzoo("index", zoo, "--check", "--json")
    assert (looked.code, looked.json["wrong"]) == (5, [blob.name]), "to look needs no key"
    assert (zoo / "registry.json").read_bytes() == before
    assert numzoo("pull", "acme/pets", "--registry", zoo).code == 5


def test_an_empty_folder_is_told_how_to_begin(numzoo: Run, tmp_path: Path) -> None:
    ended = numzoo("index", tmp_path / "empty")
    assert (ended.code, "numzoo publish" in ended.err) == (3, True)


def test_registries_are_listed_with_their_state(numzoo: Run, configured: str, tmp_path: Path) -> None:
    listed = numzoo("registry", "ls")
    assert listed.code == 0
    assert "version 1, signed by" in listed.out
    assert "ships with numzoo" in listed.out
    acme, own = numzoo("registry", "ls", "--json").json["registries"]
    assert (acme["name"], acme["version"], acme["entries"], own["name"]) == ("acme", 1, 1, "numzoo")
    unchecked = numzoo("registry", "ls", "--registry", tmp_path / "zoo")
    assert "not checked (no key is configured)" in unchecked.out


def test_the_address_of_a_configured_registry_has_its_keys_too(
    numzoo: Run, configured: str, zoo: Path, key: str
) -> None:
    pointer = json.loads((zoo / POINTER).read_text())
    (zoo / POINTER).write_text(json.dumps({**pointer, "signatures": []}))
    for where in (configured, f"{configured}/", "acme"):
        ended = numzoo("ls", "--registry", where)
        assert (ended.code, "is not signed" in ended.err) == (5, True)


def test_a_bad_registry_is_not_added(numzoo: Run, zoo: Path, tmp_path: Path) -> None:
    numzoo("keys", "new", tmp_path / "other")
    other = numzoo("keys", "show", tmp_path / "other").out.strip()
    for options, code in (
        ((zoo, "--key", other), 5),
        ((zoo, "--namespace", "else"), 5),
        ((zoo, "--key", "abc"), 2),
        ((zoo, "--namespace", "../x"), 2),
        ((tmp_path / "gone",), 3),
        (("http://acme.example",), 2),
    ):
        assert numzoo("registry", "add", "acme", *options).code == code
    assert numzoo("registry", "add", "numzoo", zoo).code == 2
    assert numzoo("registry", "add", "acme", zoo, "--dry-run").code == 0
    assert not configuration.path().exists()
    added = numzoo("registry", "add", "acme", zoo)
    assert "nobody checks that" in added.err
    assert numzoo("registry", "add", "acme", zoo).code == 2


def test_what_else_stands_in_the_configuration_stays(numzoo: Run, zoo: Path, tmp_path: Path) -> None:
    text = '# mine\nrate_limit = "5 MB"\n\n[mirrors]\n"https://a.example/" = ["https://b.example/"]  # near\n'
    configuration.path().write_text(text)
    for name in ("one", "two", "three"):
        assert numzoo("registry", "add", name, zoo).code == 0
    assert numzoo("registry", "rm", "two").code == 0
    assert [each.name for each in configuration.read().registries] == ["one", "three"]
    assert configuration.path().read_text().startswith(text)
    assert [numzoo("registry", "rm", name).code for name in ("one", "three", "three")] == [0, 0, 3]
    assert configuration.path().read_text().strip() == text.strip()


def test_a_configuration_that_is_laid_out_otherwise_is_left_to_the_person(numzoo: Run, zoo: Path) -> None:
    text = f'registry = [{{name = "one", address = "{zoo}"}}]\n'
    configuration.path().write_text(text)
    for arguments in (("add", "two", zoo), ("rm", "one")):
        ended = numzoo("registry", *arguments)
        assert (ended.code, "edit it yourself" in ended.err or "not TOML" in ended.err) in [(2, True), (5, True)]
    assert configuration.path().read_text() == text


def test_what_is_forgotten_must_be_known(numzoo: Run, tmp_path: Path) -> None:
    ended = numzoo("registry", "forget", tmp_path / "gone")
    assert (ended.code, "Nothing is remembered" in ended.err) == (3, True)


def test_options_before_and_after_the_command_add_up(numzoo: Run, zoo: Path, drafted: Path) -> None:
    assert numzoo("index", drafted).code == 0
    listed = numzoo("--registry", zoo, "ls", "--kind", "samples", "--names", "--registry", drafted)
    assert listed.out == "sample:acme-cat\n"


def test_a_process_of_its_own_publishes_for_another(tmp_path: Path, pets: Path, key: str) -> None:
    """Nothing is remembered in one process only: the commands as people run them."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".dev")}
    run = functools.partial(subprocess.run, env=environment, capture_output=True, text=True, check=True)
    command = [sys.executable, "-m", "numzoo"]
    zoo = str(tmp_path / "zoo")
    run([*command, "publish", str(pets), "--registry", zoo, "--name", "acme/pets.v1", *ABOUT, "--sign", key])
    shown = run([*command, "show", "acme/pets", "--registry", zoo, "--json"])
    assert json.loads(shown.stdout)["name"] == "acme/pets.v1"
