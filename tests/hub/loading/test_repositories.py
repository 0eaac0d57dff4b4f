"""`hf:` names against a server of this test's own that answers as huggingface.co does: an API, redirects to another origin for
large files, git's digests for small ones, gates, branches that move."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import PIL.Image
import pytest
from integers import integer_weights

from numzoo import hub
from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.cli.main import main
from numzoo.hub.download.repositories import RepositoryName, blob_sha1
from numzoo.hub.errors import (
    FormatError,
    HubError,
    IntegrityError,
    LicenseError,
    LoadError,
    NetworkError,
    NotFoundError,
    OfflineError,
    TrustError,
    UsageError,
)
from numzoo.hub.foreign.repository import spdx_of
from numzoo.hub.locking.place import lock_path
from numzoo.vision import models

Files = dict[str, bytes]
NAME = "hf:owner/net"


@dataclass
class Site:
    """The repository's commits, and what was asked for."""

    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    license: str = "apache-2.0"
    status: dict[str, int] = field(default_factory=dict)
    alter: Callable[[dict[str, Any]], Any] = lambda answer: answer
    swap: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: dict[str, list[str | None]] = field(default_factory=lambda: {"hub": [], "cdn": []})
    cdn: str = ""
    endpoint: str = ""

    def commit(self, files: Files, branch: str = "main") -> str:
        name = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[name] = files
        self.branches[branch] = name
        return name

    def weigh(self) -> int:
        return len(self.asked)


def is_large(name: str) -> bool:
    return not name.endswith((".json", ".md", ".txt"))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Two servers: the hub, and the one that large files are redirected to."""
    site = Site()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.close_connection = True
            kind = "cdn" if self.server is cdn else "hub"
            site.tokens[kind].append(self.headers.get("Authorization"))
            path = unquote(urlsplit(self.path).path)
            site.asked.append(path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.answer(kind, path)

        def answer(self, kind: str, path: str) -> None:
            for beginning, status in site.status.items():
                if path.startswith(beginning):
                    self.give(b"", status)
                    return
            if kind == "cdn":
                self.give(next(b for files in site.commits.values() for b in files.values() if digest(b) == path[1:]))
            elif path.startswith("/api/models/owner/net/revision/"):
                revision = path.rpartition("/revision/")[2]
                commit = site.branches.get(revision, revision)
                if commit not in site.commits:
                    self.give(b"", 404)
                    return
                self.give(json.dumps(site.alter(listing(site, commit))).encode())
            elif path.startswith("/owner/net/resolve/"):
                commit, _, name = path.removeprefix("/owner/net/resolve/").partition("/")
                body = site.swap.get(name, site.commits[commit][name])
                if is_large(name) and name not in site.swap:
                    self.send_response(302)
                    self.send_header("Location", f"{site.cdn}/{digest(body)}")
                    self.send_header("X-Linked-Etag", f'"{digest(body)}"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    self.give(body)
            else:
                self.give(b"", 404)

        def give(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) for _ in range(2)]
    front, cdn = servers
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
    for thread in threads:
        thread.start()
    site.cdn = f"http://127.0.0.1:{cdn.server_port}"
    site.endpoint = f"http://127.0.0.1:{front.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", site.endpoint)
    yield site
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def listing(site: Site, commit: str) -> dict[str, Any]:
    siblings = []
    for name, body in site.commits[commit].items():
        line: dict[str, Any] = {"rfilename": name, "size": len(body), "blobId": blob_sha1(body)}
        if is_large(name):
            line["lfs"] = {"sha256": digest(body), "size": len(body), "pointerSize": 130}
        siblings.append(line)
    return {
        "id": "owner/net",
        "sha": commit,
        "siblings": siblings,
        "cardData": {"license": site.license},
        "gated": False,
    }


GOLDEN = json.loads((Path(__file__).parents[2] / "vision" / "translations" / "goldens.json").read_text())[
    "resnet basic"
]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A repository of transformers' with a small network, and a file of another in it."""
    shapes = {name: tuple(shape) for name, shape in GOLDEN["names"].items()}
    arrays = integer_weights(shapes, GOLDEN["gain"])
    counters = {name: np.zeros(shape, np.int64) for name, shape in shapes.items() if name not in arrays}
    write_safetensors(tmp_path / "made.safetensors", arrays | counters)
    lenet = {name: np.array(tensor.numpy()) for name, tensor in models.lenet(classes=3).state_dict().items()}
    write_safetensors(tmp_path / "lenet.safetensors", lenet)
    processor = {
        "do_center_crop": True,
        "crop_size": 64,
        "size": {"shortest_edge": 72},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    return {
        "README.md": b"---\nlicense: apache-2.0\n---\n",
        "config.json": json.dumps(GOLDEN["config"]).encode(),
        "preprocessor_config.json": json.dumps(processor).encode(),
        "model.safetensors": (tmp_path / "made.safetensors").read_bytes(),
        "lenet.safetensors": (tmp_path / "lenet.safetensors").read_bytes(),
        "onnx/model.onnx": b"not looked at",
    }


READ = ("config.json", "preprocessor_config.json", "model.safetensors")


def load(name: str = NAME, **settings: Any) -> Any:
    return hub.load(name, **{"progress": False, **settings})


def test_a_repository_that_was_never_used_needs_somebodys_word(site: Site, files: Files) -> None:
    site.commit(files)
    with pytest.raises(TrustError, match="was not used here before") as problem:
        load()
    assert "--trust-first-use" in str(problem.value)
    assert site.asked == []
    assert not lock_path().exists()


def test_a_repository_is_loaded_and_locked_by_commit_and_digest(site: Site, files: Files) -> None:
    commit = site.commit(files)
    model = load(trust_first_use=True)
    assert model.load_report.name == f"{NAME}@main"
    assert model.load_report.sha256 == digest(files["model.safetensors"])
    entry = json.loads(lock_path().read_text())["entries"][f"{NAME}@main"]
    assert entry["revision"] == commit
    assert entry["license"] == "Apache-2.0"
    assert {file["name"]: file["sha256"] for file in entry["files"]} == {name: digest(files[name]) for name in READ}
    assert "onnx/model.onnx" not in str(site.asked)


def test_what_is_locked_needs_neither_word_nor_network(site: Site, files: Files) -> None:
    site.commit(files)
    load(trust_first_use=True)
    before = site.weigh()
    first = load()
    assert site.weigh() == before
    second = load(offline=True)
    assert first.load_report.sha256 == second.load_report.sha256


def test_a_branch_that_moved_still_means_what_was_locked(site: Site, files: Files, tmp_path: Path) -> None:
    old = site.commit(files)
    load(trust_first_use=True)
    changed = {**files, "README.md": b"new", "config.json": files["config.json"].replace(b"kind 0", b"sort 0")}
    new = site.commit(changed)
    assert new != old
    assert hub.pipeline(NAME, progress=False).categories[0] == "kind 0"
    by_commit = f"{NAME}@{new}"
    with pytest.raises(TrustError):
        load(by_commit)
    assert hub.pipeline(by_commit, trust_first_use=True, progress=False).categories[0] == "sort 0"


def test_other_revisions_are_names_of_their_own(site: Site, files: Files) -> None:
    site.commit(files)
    site.commit({**files, "config.json": files["config.json"].replace(b"kind 1", b"sort 1")}, branch="refs/pr/1")
    with pytest.raises(TrustError):
        load(f"{NAME}@refs%2Fpr%2F1")
    assert hub.pipeline(f"{NAME}@refs%2Fpr%2F1", trust_first_use=True, progress=False).categories[1] == "sort 1"


def test_the_pipeline_has_the_repositorys_preprocessing_and_categories(site: Site, files: Files) -> None:
    site.commit(files)
    classify = hub.pipeline(NAME, trust_first_use=True, progress=False)
    assert classify.categories == tuple(f"kind {number}" for number in range(7))
    image = np.random.default_rng(1).integers(0, 255, (80, 90, 3), np.uint8)
    assert sum(probability for _, probability in classify(image)) == pytest.approx(1)
    assert hub.transform(NAME)(image).shape == (3, 64, 64)


def test_describe_says_what_a_load_would_build_and_read(site: Site, files: Files) -> None:
    commit = site.commit(files)
    known = hub.describe(NAME, trust_first_use=True)
    assert (known["commit"], known["library"], known["model"]) == (commit, "transformers", "vision.models.any_resnet")
    assert [file["name"] for file in known["files"]] == list(READ)
    assert known["license"] == "Apache-2.0"
    assert known["categories"] == [f"kind {number}" for number in range(7)]
    assert not any("/resolve/" in path and "safetensors" in path for path in site.asked)


def test_files_are_pulled_by_their_names(site: Site, files: Files) -> None:
    site.commit(files)
    paths = hub.pull_files(NAME, trust_first_use=True, progress=False)
    assert {name: path.read_bytes() for name, path in paths.items()} == {name: files[name] for name in READ}
    assert hub.pull(f"{NAME}@main/onnx/model.onnx", progress=False).read_bytes() == b"not looked at"
    with pytest.raises(NotFoundError, match=r"has no file modell\.safetensors .* Did you mean model\.safetensors"):
        hub.pull(f"{NAME}@main/modell.safetensors", progress=False)


def test_one_file_of_a_repository_is_loaded_as_a_file(site: Site, files: Files) -> None:
    site.commit(files)
    name = f"{NAME}@main/lenet.safetensors"
    with pytest.raises(UsageError, match="Give model="):
        load(name, trust_first_use=True)
    model = load(name, model="vision.models.lenet", classes=3, trust_first_use=True)
    assert model.load_report.initialised == ()


def test_the_token_goes_to_the_hub_and_not_where_it_redirects(
    site: Site, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    site.commit(files)
    load(trust_first_use=True)
    assert set(site.tokens["hub"]) == {"Bearer hf_secret"}
    assert set(site.tokens["cdn"]) == {None}
    assert "hf_secret" not in lock_path().read_text()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("where", ["/api/models", "/owner/net/resolve"])
def test_a_gate_says_the_way_through(site: Site, files: Files, status: int, where: str) -> None:
    site.commit(files)
    site.status[where] = status
    with pytest.raises(LicenseError, match="HF_TOKEN") as problem:
        load(trust_first_use=True)
    assert "ccept the conditions" in str(problem.value)
    assert problem.value.exit_code == 7


def test_a_repository_that_is_not_there_is_not_found(site: Site) -> None:
    with pytest.raises(NotFoundError, match="has no hf:owner/net"):
        load(trust_first_use=True)


def test_a_hub_that_cannot_answer_is_asked_again_and_then_given_up(
    site: Site, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    site.commit(files)
    site.status["/api"] = 503
    with pytest.raises(NetworkError, match="3 attempts"):
        load(trust_first_use=True)
    assert site.asked.count("/api/models/owner/net/revision/main") == 3


def test_offline_opens_no_socket(site: Site, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    site.commit(files)

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(OfflineError, match="network is switched off"):
        load(trust_first_use=True, offline=True)


def test_a_small_file_that_is_not_gits_is_refused(site: Site, files: Files) -> None:
    site.commit(files)
    site.swap["config.json"] = files["config.json"].replace(b'"basic"', b'"other"')
    with pytest.raises(IntegrityError, match="git's sha1"):
        load(trust_first_use=True)
    assert not lock_path().exists()


def test_a_small_file_that_does_not_end_is_cut_off(site: Site, files: Files) -> None:
    site.commit(files)
    site.swap["config.json"] = files["config.json"] + b" " * 10**6
    with pytest.raises(IntegrityError, match="sent more than"):
        load(trust_first_use=True)


def test_a_large_file_that_is_not_the_listed_one_is_refused(site: Site, files: Files) -> None:
    site.commit(files)
    body = bytearray(files["model.safetensors"])
    body[-1] ^= 1
    site.swap["model.safetensors"] = bytes(body)
    with pytest.raises(IntegrityError, match="was expected"):
        load(trust_first_use=True)


def test_a_locked_file_holds_against_a_hub_that_lists_another(site: Site, files: Files) -> None:
    site.commit(files)
    hub.pull(f"{NAME}@main/config.json", trust_first_use=True, progress=False)
    content = json.loads(lock_path().read_text())
    content["entries"][f"{NAME}@main"]["files"][0]["sha256"] = "0" * 64
    lock_path().write_text(json.dumps(content))
    with pytest.raises(IntegrityError):
        load()


def remove(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != name}


def with_line(answer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**answer, "siblings": [{**line, **changes} for line in answer["siblings"]]}


ANSWERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda answer: [],
    "no commit": lambda answer: remove(answer, "sha"),
    "a short commit": lambda answer: {**answer, "sha": "abc"},
    "a commit with a path": lambda answer: {**answer, "sha": "../" * 13 + "x"},
    "no files": lambda answer: remove(answer, "siblings"),
    "files without names": lambda answer: {**answer, "siblings": [{}]},
    "a name that leads out": lambda answer: with_line(answer, rfilename="../x"),
    "an absolute name": lambda answer: with_line(answer, rfilename="/etc/passwd"),
    "a digest that is none": lambda answer: with_line(answer, lfs={"sha256": "../../x", "size": 3}),
    "a size that is none": lambda answer: with_line(answer, size=-1, lfs=None),
    "no digest": lambda answer: with_line(answer, blobId=None, lfs=None),
    "lines of texts": lambda answer: {**answer, "siblings": ["config.json"]},
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_that_makes_no_sense_is_refused(case: str, site: Site, files: Files) -> None:
    site.commit(files)
    site.alter = ANSWERS[case]
    with pytest.raises(FormatError, match="hub's answer"):
        load(trust_first_use=True)


def test_an_answer_for_another_commit_than_asked_is_refused(site: Site, files: Files) -> None:
    commit = site.commit(files)
    site.alter = lambda answer: {**answer, "sha": "0" * 40}
    with pytest.raises(IntegrityError, match="is for the commit 0000"):
        load(f"{NAME}@{commit}", trust_first_use=True)


def test_a_licence_that_is_not_for_every_use_must_be_accepted_first(site: Site, files: Files) -> None:
    site.commit(files)
    site.license = "cc-by-nc-4.0"
    with pytest.raises(LicenseError, match=r"CC-BY-NC-4\.0"):
        load(trust_first_use=True)
    assert not any("resolve" in path for path in site.asked)
    hub.accept_license("CC-BY-NC-4.0")
    load(trust_first_use=True)


@pytest.mark.parametrize(
    ("said", "spdx"),
    [("apache-2.0", "Apache-2.0"), ("mit", "MIT"), ("", "LicenseRef-none-stated"), ("other", "LicenseRef-other"),
     ("llama 3/x", "LicenseRef-llama-3-x"), ("openrail++", "LicenseRef-openrail")],
)  # fmt: skip
def test_what_a_card_calls_a_licence_becomes_an_identifier(said: str, spdx: str) -> None:
    assert spdx_of(said) == spdx


def test_shards_are_fetched_and_joined(site: Site, files: Files, tmp_path: Path) -> None:
    arrays = hub.read_checkpoint(tmp_path / "made.safetensors")
    weight_map: dict[str, str] = {}
    for number in (1, 2):
        name = f"model-0000{number}-of-00002.safetensors"
        part = {key: array for place, (key, array) in enumerate(arrays.items()) if place % 2 == number % 2}
        write_safetensors(tmp_path / name, part)
        files[name] = (tmp_path / name).read_bytes()
        weight_map |= dict.fromkeys(part, name)
    del files["model.safetensors"]
    files["model.safetensors.index.json"] = json.dumps({"weight_map": weight_map}).encode()
    site.commit(files)
    site.status[f"/{digest(files['model-00002-of-00002.safetensors'])}"] = 404
    with pytest.raises(HubError):
        load(trust_first_use=True)
    site.status.clear()
    assert load().load_report.source.endswith("(2 files)")  # what was locked before it broke off does not pass for all
    before = site.weigh()
    load()
    assert site.weigh() == before


def test_an_architecture_that_is_refused_costs_no_download(site: Site, files: Files) -> None:
    files["config.json"] = json.dumps({"model_type": "convnextv2"}).encode()
    site.commit(files)
    with pytest.raises(LoadError, match="global response"):
        load(trust_first_use=True)
    assert not any("safetensors" in path for path in site.asked)


def test_code_of_a_repository_is_never_run(site: Site, files: Files, tmp_path: Path) -> None:
    config = json.loads(files["config.json"]) | {"auto_map": {"AutoModel": "modeling.Net"}}
    proof = tmp_path / "proof"
    files["config.json"] = json.dumps(config).encode()
    files["modeling.py"] = f"open({str(proof)!r}, 'w')".encode()
    site.commit(files)
    with pytest.raises(LoadError, match="never runs code of a repository"):
        load(trust_first_use=True)
    assert not proof.exists()
    assert not any("modeling.py" in path for path in site.asked)


def neighbour(folder: Path, files: Files, commit: str) -> None:
    """Hugging Face's own cache, as its client leaves it."""
    root = folder / "hub" / "models--owner--net"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    (root / "blobs").mkdir()
    (root / "snapshots" / commit).mkdir(parents=True)
    for name, body in files.items():
        if not name.startswith("onnx/"):
            blob = root / "blobs" / (digest(body) if is_large(name) else blob_sha1(body))
            blob.write_bytes(body)
            place = root / "snapshots" / commit / name
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(blob)


def test_what_hugging_faces_client_has_fetched_is_used_without_network(
    site: Site, files: Files, tmp_path: Path
) -> None:
    neighbour(tmp_path / "huggingface-home", files, "a" * 40)
    model = load(trust_first_use=True, offline=True)
    assert site.asked == []
    assert model.load_report.sha256 == digest(files["model.safetensors"])
    assert json.loads(lock_path().read_text())["entries"][f"{NAME}@main"]["revision"] == "a" * 40


def test_a_damaged_file_of_that_cache_is_not_used(site: Site, files: Files, tmp_path: Path) -> None:
    neighbour(tmp_path / "huggingface-home", files, "a" * 40)
    config = tmp_path / "huggingface-home" / "hub" / "models--owner--net" / "blobs" / blob_sha1(files["config.json"])
    config.write_bytes(files["config.json"].replace(b'"basic"', b'"other"'))
    with pytest.raises(OfflineError):
        load(trust_first_use=True, offline=True)


def test_online_the_other_cache_saves_the_download(site: Site, files: Files, tmp_path: Path) -> None:
    commit = site.commit(files)
    neighbour(tmp_path / "huggingface-home", files, commit)
    load(trust_first_use=True)
    assert site.asked == ["/api/models/owner/net/revision/main"]


TEXT = json.loads((Path(__file__).parents[2] / "text" / "translations" / "goldens.json").read_text())["mpnet"]
SPEECH = json.loads((Path(__file__).parents[2] / "audio" / "translations" / "goldens.json").read_text())["wav2vec2 ctc"]


@pytest.fixture
def sentences(tmp_path: Path) -> Files:
    """A repository of sentence-transformers, whose pooling stands in a folder of its own."""
    path = tmp_path / "sentences.safetensors"
    write_safetensors(path, integer_weights({name: tuple(shape) for name, shape in TEXT["names"].items()}, 1.0))
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    listed = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds.items()]
    return {
        "model.safetensors": path.read_bytes(),
        "config.json": json.dumps(TEXT["config"]).encode(),
        "modules.json": json.dumps(listed).encode(),
        "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}',
        "onnx/config.json": b"{}",
    }


@pytest.mark.parametrize("source", ["hub", "other cache"])
def test_how_a_repository_pools_is_read_locked_and_found_again(
    source: str, site: Site, sentences: Files, tmp_path: Path
) -> None:
    commit = site.commit(sentences)
    if source == "other cache":
        neighbour(tmp_path / "huggingface-home", sentences, commit)
    model = load(trust_first_use=True, offline=source == "other cache")
    assert (model.pooling.kind, model.pooling.normalize) == ("cls", True)
    locked = {file["name"] for file in json.loads(lock_path().read_text())["entries"][f"{NAME}@main"]["files"]}
    assert locked == sentences.keys() - {"onnx/config.json"}
    assert load(offline=True).pooling.kind == "cls"


@pytest.mark.parametrize("lower", [False, True])
def test_a_repository_that_writes_down_speech_brings_its_letters(lower: bool, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "speech.safetensors"
    write_safetensors(path, integer_weights({name: tuple(shape) for name, shape in SPEECH["names"].items()}, 1.0))
    letters = {token: place for place, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEF"])}
    site.commit(
        {
            "model.safetensors": path.read_bytes(),
            "config.json": json.dumps(SPEECH["config"]).encode(),
            "preprocessor_config.json": b'{"do_normalize": true, "sampling_rate": 16000}',
            "vocab.json": json.dumps(letters).encode(),
            "tokenizer_config.json": json.dumps({"do_lower_case": lower}).encode(),
        }
    )
    sound = np.random.default_rng(1).normal(size=4000).astype(np.float32)
    said = hub.pipeline(NAME, trust_first_use=True, progress=False)(sound)
    asked = len(site.asked)
    assert said.text == (said.text.lower() if lower else said.text.upper()) != ""
    assert hub.pipeline(NAME, offline=True, progress=False)(sound) == said
    assert len(site.asked) == asked


def test_the_lock_command_writes_keeps_moves_and_forgets_a_repository(
    site: Site, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old = site.commit(files)

    def run(*arguments: str) -> int:
        code = main(arguments)
        capsys.readouterr()
        return code

    def commit() -> str:
        revision: str = json.loads((tmp_path / "models.lock").read_text())["entries"][f"{NAME}@main"]["revision"]
        return revision

    assert run("lock", NAME) == 5
    assert run("lock", NAME, "--trust-first-use", "--dry-run") == 0
    assert not (tmp_path / "models.lock").exists()
    assert run("lock", NAME, "--trust-first-use") == 0
    assert commit() == old
    new = site.commit({**files, "config.json": files["config.json"].replace(b"kind 0", b"sort 0")})
    assert run("lock", NAME) == 0
    assert run("lock", "--check") == 0
    assert commit() == old
    assert hub.pipeline(NAME, progress=False).categories[0] == "kind 0"
    assert run("lock", NAME, "--upgrade", "--trust-first-use") == 0
    assert commit() == new
    assert hub.pipeline(NAME, progress=False).categories[0] == "sort 0"
    assert run("sync", "--frozen", "--offline") == 0
    assert run("lock", "--remove", f"{NAME}@main") == 0
    with pytest.raises(TrustError):
        load()


def test_the_command_line_shows_pulls_scans_and_predicts_a_repository(
    site: Site, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.commit(files)
    PIL.Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(tmp_path / "black.png")

    def run(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().out

    assert run("predict", NAME, tmp_path / "black.png")[0] == 5
    assert run("pull", NAME, "--dry-run", "--trust-first-use")[0] == 0
    assert not lock_path().exists()
    code, shown = run("show", NAME, "--trust-first-use")
    assert code == 0
    assert "vision.models.any_resnet" in shown
    assert len(run("pull", NAME)[1].splitlines()) == 3
    assert run("predict", NAME, tmp_path / "black.png", "--offline")[1].count("kind") == 5
    assert run("scan", NAME)[0] == 0
    assert run("verify", NAME)[0] == 0
    assert run("convert", NAME, tmp_path / "own.safetensors", "--model", "config")[0] == 0
    assert run("predict", tmp_path / "own.safetensors", tmp_path / "black.png") == run(
        "predict", NAME, tmp_path / "black.png"
    )


@pytest.mark.parametrize(
    "name", ["hf:", "hf:a/b/c", "hf:../x", "hf:owner/..", "hf:owner/net@", "hf:owner/net@main/../x", "hf:owner/net@a b", "hf:o/n@x@y"]
)  # fmt: skip
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="should look like hf:OWNER/REPO"):
        RepositoryName.of(name)
    with pytest.raises(UsageError):
        load(name, trust_first_use=True)
