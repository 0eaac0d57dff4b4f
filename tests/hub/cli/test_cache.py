"""``numzoo cache``: what is listed, what is deleted, who is asked, and what other programs find."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.store import uses
from numzoo.hub.store.cache import Cache
from numzoo.hub.store.ownership import owner

Run = Callable[..., Any]


@pytest.fixture
def stocked(
    numzoo: Run, manifest: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A cache with the network, the photograph and an orphan, last used 1, 10 and 40 days ago; name -> sha256."""
    monkeypatch.setenv("COLUMNS", "200")
    found = {}
    for name in ("lenet", "sample:noise"):
        found[name] = Path(numzoo("pull", name, "--registry", manifest).out.strip()).name
    (tmp_path / "orphan").write_bytes(b"nobody's" * 4000)
    found["orphan"] = cache.publish(tmp_path / "orphan", hashlib.sha256(b"nobody's" * 4000).hexdigest()).name
    monkeypatch.setattr(uses, "_HELD", set())
    for sha256, days in zip(found.values(), (1, 10, 40), strict=True):
        then = time.time() - days * 86400
        os.utime(cache.path(sha256), (then, then))
        os.utime(uses.note(cache.refs, sha256), (then, then))
    return found


FILTERS: dict[str, tuple[list[str], list[str]]] = {
    "all": ([], ["lenet", "orphan", "sample:noise"]),
    "a name": (["lenet"], ["lenet"]),
    "a full name": (["lenet.here"], ["lenet"]),
    "two names": (["lenet", "sample:noise"], ["lenet", "sample:noise"]),
    "a pattern": (["len*"], ["lenet"]),
    "a pattern of samples": (["sample:*"], ["sample:noise"]),
    "what is not here": (["lenet.far"], []),
    "old": (["--unused-for", "30d"], ["orphan"]),
    "older than a week": (["--unused-for", "1w"], ["orphan", "sample:noise"]),
    "large": (["--larger-than", "100kB"], ["lenet"]),
    "orphans": (["--orphans"], ["orphan"]),
    "old and large": (["--unused-for", "1w", "--larger-than", "10kB"], ["orphan"]),
}


@pytest.mark.parametrize("kind", FILTERS)
def test_filters_choose(kind: str, numzoo: Run, manifest: Path, stocked: dict[str, str]) -> None:
    arguments, wanted = FILTERS[kind]
    found = numzoo("cache", "ls", *arguments, "--json", "--registry", manifest).json["blobs"]
    assert sorted(blob["sha256"] for blob in found) == sorted(stocked[name] for name in wanted)


@pytest.mark.parametrize(
    ("order", "wanted"),
    [("size", ["lenet", "orphan", "sample:noise"]), ("used", ["lenet", "sample:noise", "orphan"])],
)
def test_ls_sorts(order: str, wanted: list[str], numzoo: Run, manifest: Path, stocked: dict[str, str]) -> None:
    found = numzoo("cache", "ls", "--sort", order, "--json", "--registry", manifest).json["blobs"]
    assert [blob["sha256"] for blob in found] == [stocked[name] for name in wanted]
    lines = numzoo("cache", "ls", "--sort", order, "--registry", manifest).out.splitlines()
    assert lines[0].split() == ["SHA256", "SIZE", "LAST", "USED", "NAMES"]
    assert [line.split()[0] for line in lines[1:]] == [stocked[name][:12] for name in wanted]
    assert "40 days ago" in numzoo("cache", "ls", "--orphans", "--registry", manifest).out


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "an unknown name": (["ls", "lenett"], 3, "Did you mean lenet"),
    "an unknown digest": (["ls", "abcdef12"], 3, "No file in the cache has a sha256 that begins with abcdef12"),
    "a short digest": (["rm", "abcde", "--yes"], 2, "at least 6 of its digits"),
    "no choice": (["rm", "--yes"], 2, "Say what to delete"),
    "no age": (["ls", "--unused-for", "30"], 2, "wanted a span of time"),
    "no size": (["ls", "--larger-than", "big"], 2, "wanted a size"),
    "no limit": (["prune", "--limit", "x"], 2, "--limit is 'x'"),
    "parts of a name": (["ls", "lenet", "--parts"], 2, "takes no name"),
    "no terminal": (["rm", "lenet"], 2, "no terminal to ask on: give --yes"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_meant_is_refused(kind: str, numzoo: Run, manifest: Path, stocked: dict[str, str]) -> None:
    arguments, code, phrase = REFUSED[kind]
    ended = numzoo("cache", *arguments, "--registry", manifest)
    assert (ended.code, ended.out) == (code, "")
    assert phrase in ended.err
    assert len(list(Cache().entries())) == 3


def test_a_digest_that_begins_several_files_deletes_none(numzoo: Run, manifest: Path, cache: Cache) -> None:
    for end in ("0", "1"):
        path = cache.path("abcdef" + end * 58)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    ended = numzoo("cache", "rm", "abcdef", "--yes", "--registry", manifest)
    assert (ended.code, "begins the digests of 2 files" in ended.err) == (2, True)
    assert len(list(cache.entries())) == 2
    assert numzoo("cache", "rm", "abcdef0", "--yes", "--registry", manifest).code == 0
    assert [entry.sha256[6] for entry in cache.entries()] == ["1"]


@pytest.mark.parametrize("by", ["name", "digest", "prefix"])
def test_rm_deletes_and_says_what_it_freed(
    by: str, numzoo: Run, manifest: Path, cache: Cache, stocked: dict[str, str]
) -> None:
    sha256 = stocked["lenet"]
    text = {"name": "lenet", "digest": sha256, "prefix": sha256[:6]}[by]
    size = cache.path(sha256).stat().st_size
    dry = numzoo("cache", "rm", text, "--dry-run", "--json", "--registry", manifest).json
    assert (dry["bytes"], dry["dry_run"], cache.has(sha256)) == (size, True, True)
    ended = numzoo("cache", "rm", text, "--yes", "--registry", manifest)
    assert ended.code == 0
    assert "lenet.here" in ended.out
    assert "freed" in ended.err
    assert not cache.has(sha256)
    assert not list(cache.refs.rglob(f"{sha256}*"))
    assert len(list(cache.entries())) == 2
    assert numzoo("cache", "rm", "lenet", "--yes", "--registry", manifest).code == 0


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of POSIX")
@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 3), ("", 3)])
def test_a_person_is_asked(answer: str, left: int, manifest: Path, cache: Cache, stocked: dict[str, str]) -> None:
    import pty

    mine, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "numzoo", "cache", "rm", "lenet", "--registry", str(manifest)],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(mine, 1000)
    assert b"Delete 1 file, " in shown
    os.write(mine, answer.encode() + b"\n")
    process.communicate(timeout=60)
    os.close(mine)
    assert process.returncode == 0
    assert len(list(cache.entries())) == left


def test_what_cannot_be_deleted_is_told_and_the_rest_goes(
    numzoo: Run, manifest: Path, cache: Cache, stocked: dict[str, str], read_only: Callable[[Path], None]
) -> None:
    read_only(cache.path(stocked["orphan"]).parent)
    ended = numzoo("cache", "rm", "*", stocked["orphan"], "--yes", "--registry", manifest)
    assert (ended.code, stocked["orphan"] in ended.err) == (8, True)
    assert [entry.sha256 for entry in cache.entries()] == [stocked["orphan"]]


def test_prune_deletes_what_nobody_needs(
    numzoo: Run, manifest: Path, cache: Cache, stocked: dict[str, str], tmp_path: Path
) -> None:
    place = owner().split("-")[0]
    dead, far = f"{place}-999999999-1", "00000000-1-1"
    cache.parts.mkdir(exist_ok=True)
    gone = ["a" * 64 + f".{dead}.aaaaaaaaaaaa.part", "b" * 64 + ".free.bbbbbbbbbbbb.part", "bbbbbbbbbbbb.json"]
    stays = ["c" * 64 + f".{owner()}.cccccccccccc.part", "cccccccccccc.json", "d" * 64 + f".{far}.dddddddddddd.part"]
    for name in [*gone, *stays]:
        (cache.parts / name).write_bytes(b"12345")
    (cache.parts / f"work.{dead}.eeeeeeeeeeee.tmp").mkdir()
    (cache.parts / f"work.{dead}.eeeeeeeeeeee.tmp" / "wheel").write_bytes(b"12345")
    (cache.refs / "used" / ("f" * 64)).write_text("")
    listed = {part["path"]: part["state"] for part in numzoo("cache", "ls", "--parts", "--json").json["parts"]}
    assert [listed[str(cache.parts / name)] for name in gone] == ["left"] * 3
    assert [listed[str(cache.parts / name)] for name in stays] == ["in use", "in use", "unknown"]
    assert numzoo("cache", "prune", "--registry", manifest).code == 2  # nobody to ask
    dry = numzoo("cache", "prune", "--dry-run", "--json", "--registry", manifest).json
    assert sorted(row["kind"] for row in dry["deleted"]) == ["note", *["unfinished"] * 4]
    ended = numzoo("cache", "prune", "--yes", "--registry", manifest)
    assert (ended.code, "20 B freed" in ended.err) == (0, True)
    assert sorted(path.name for path in cache.parts.iterdir()) == sorted(stays)
    assert not (cache.refs / "used" / ("f" * 64)).exists()
    assert len(list(cache.entries())) == 3
    assert "nothing to delete" in numzoo("cache", "prune").err


def test_prune_keeps_to_a_limit(numzoo: Run, manifest: Path, cache: Cache, stocked: dict[str, str]) -> None:
    limit = cache.path(stocked["lenet"]).stat().st_size
    ended = numzoo("cache", "prune", "--limit", f"{limit}", "--yes", "--json", "--registry", manifest)
    assert [row["sha256"] for row in ended.json["deleted"]] == [stocked["orphan"], stocked["sample:noise"]]
    assert [row["name"] for row in ended.json["deleted"]] == [stocked["orphan"][:12], "sample:noise"]
    assert {entry.sha256 for entry in cache.entries()} == {stocked["lenet"]}


def test_prune_takes_unpacked_data_before_files(
    numzoo: Run, manifest: Path, cache: Cache, stocked: dict[str, str]
) -> None:
    folder = cache.root / "data" / "pictures" / "0123456789abcdef"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "one").write_bytes(b"1" * 500)
    (folder / "unpacked.json").write_text(json.dumps({"sha256": "a" * 64, "bytes": 500}))
    os.utime(folder, (0, 0))
    limit = cache.size()
    assert "500 B" in numzoo("cache", "prune", "--limit", f"{limit}", "--dry-run", "--registry", manifest).out
    (row,) = numzoo("cache", "prune", "--limit", f"{limit}", "--yes", "--json", "--registry", manifest).json["deleted"]
    assert (row["kind"], row["name"], row["bytes"]) == ("unpacked", "pictures", 500)
    assert not folder.exists()
    assert cache.size() == limit


def test_what_only_a_lock_names_is_no_orphan(
    numzoo: Run, manifest: Path, cache: Cache, stocked: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = cache.path(stocked["orphan"]).read_bytes()
    (tmp_path / "again").write_bytes(body)
    file = {"name": "w.bin", "sha256": stocked["orphan"], "bytes": len(body), "sources": [f"file:{tmp_path / 'again'}"]}
    document = {"schema": 1, "entries": {"hf:owner/name@main": {"revision": "c" * 40, "files": [file]}}}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.lock").write_text(json.dumps(document))
    assert numzoo("cache", "ls", "--orphans", "--registry", manifest).out == ""
    (blob,) = numzoo("cache", "ls", "hf:owner/name", "--json", "--registry", manifest).json["blobs"]
    assert (blob["sha256"], blob["names"]) == (stocked["orphan"], ["hf:owner/name@main"])
    with open(cache.path(stocked["orphan"]), "r+b") as damaged:
        damaged.write(b"!")
    assert numzoo("verify", "hf:owner/name@main", "--registry", manifest).code == 5
    assert numzoo("verify", "--repair", "--registry", manifest).code == 0
    assert cache.path(stocked["orphan"]).read_bytes() == body


def test_size_is_told_by_kind(
    numzoo: Run, cache: Cache, stocked: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parts.mkdir(exist_ok=True)
    (cache.parts / "unfinished.part").write_bytes(b"12345")
    (cache.root / "models.lock").write_bytes(b"{}")
    (cache.root / "data" / "set").mkdir(parents=True)
    (cache.root / "data" / "set" / "image").write_bytes(b"123")
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "20GB")
    document = numzoo("cache", "size", "--json").json
    assert (document["bytes"], document["files"], document["limit"]) == (cache.size(), 3, 20_000_000_000)
    assert document["kinds"]["unfinished"] == {"bytes": 5, "count": 1}
    assert document["kinds"]["unpacked"] == {"bytes": 3, "count": 1}
    assert document["kinds"]["other"] == {"bytes": 2, "count": 1}
    assert "of 20.0 GB at most are used" in numzoo("cache", "size").out


@pytest.fixture
def elsewhere(manifest: Path) -> Path:
    """The manifest with files that PyTorch and Hugging Face's client have names for."""
    document = json.loads(manifest.read_bytes())
    entry = document["models"]["lenet.here"]
    (file,) = entry["files"]
    digest = file["sha256"]
    sources = {
        "torch": [f"https://192.0.2.1/models/lenet-{digest[:8]}.pth?x=1"],
        "hub": [f"hf:owner/lenet@{'c' * 40}/sub/lenet.safetensors"],
        "moving": ["hf:owner/lenet@main/lenet.safetensors"],
    }
    formats = {"torch": "torch-zip"}
    for tag, where in sources.items():
        changed = {**file, "format": formats.get(tag, "safetensors"), "sources": [*file["sources"], *where]}
        document["models"][f"lenet.{tag}"] = {**entry, "files": [changed]}
    manifest.write_text(json.dumps(document))
    return manifest


def test_torch_finds_what_was_exported(numzoo: Run, elsewhere: Path, tmp_path: Path) -> None:
    body = (elsewhere.parent / "lenet.safetensors").read_bytes()
    name = f"lenet-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    place = tmp_path / "torch-home" / "hub" / "checkpoints" / name
    arguments = ["cache", "export", "lenet.torch", "--to", "torch", "--registry", elsewhere]
    assert numzoo(*arguments, "--dry-run").out == f"{place}\n"
    assert not place.parent.exists()
    assert numzoo(*arguments).out == f"{place}\n"
    assert place.read_bytes() == body
    assert place.stat().st_nlink == 1
    assert numzoo(*arguments, "--json").json["files"][0]["written"] is False
    place.write_bytes(b"damaged")
    assert numzoo(*arguments, "--json").json["files"][0]["written"] is True
    assert [path.name for path in place.parent.iterdir()] == [name]


def test_huggingface_finds_what_was_exported(numzoo: Run, elsewhere: Path, tmp_path: Path) -> None:
    body = (elsewhere.parent / "lenet.safetensors").read_bytes()
    folder = tmp_path / "huggingface-home" / "hub" / "models--owner--lenet"
    arguments = ["cache", "export", "lenet.hub", "--to", "huggingface", "--registry", elsewhere]
    path = Path(numzoo(*arguments).out.strip())
    assert path == folder / "snapshots" / ("c" * 40) / "sub" / "lenet.safetensors"
    assert path.read_bytes() == body
    assert path.resolve() == folder / "blobs" / hashlib.sha256(body).hexdigest()
    assert (folder / "refs" / "main").read_text() == "c" * 40
    assert numzoo(*arguments, "--json").json["files"][0]["written"] is False
    (folder / "refs" / "main").write_text("d" * 40)
    numzoo(*arguments)
    assert (folder / "refs" / "main").read_text() == "d" * 40


def test_the_program_itself_finds_what_was_exported(
    numzoo: Run, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pytest.importorskip("huggingface_hub")
    numzoo("cache", "export", "lenet.hub", "--to", "huggingface", "--registry", elsewhere)
    found = client.hf_hub_download(
        "owner/lenet", "sub/lenet.safetensors", local_files_only=True, cache_dir=tmp_path / "huggingface-home" / "hub"
    )
    assert Path(found).read_bytes() == (elsewhere.parent / "lenet.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("name", "to", "phrase"),
    [
        ("lenet.hub", "torch", "which torch.load does not read"),
        ("lenet.here", "huggingface", "comes from no commit"),
        ("lenet.moving", "huggingface", "comes from no commit"),
    ],
)
def test_a_file_without_a_place_there_is_refused(
    name: str, to: str, phrase: str, numzoo: Run, elsewhere: Path, cache: Cache
) -> None:
    ended = numzoo("cache", "export", name, "--to", to, "--registry", elsewhere)
    assert (ended.code, ended.out, phrase in ended.err) == (2, "", True)
    assert not cache.root.exists()
