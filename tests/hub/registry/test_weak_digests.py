"""Files of which the manifest has an md5 only, or no digest at all: refused, then trusted once, then bound for good."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from numzoo import hub
from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import FormatError, IntegrityError, TrustError, UsageError
from numzoo.hub.registry import trust
from numzoo.hub.registry.manifest import Manifest
from numzoo.hub.registry.record import FileRecord, Unpack
from numzoo.vision.models import lenet


def md5_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


KINDS = {"md5": True, "md5 without a size": True, "a size": False, "nothing": False}


def weak(kind: str, body: bytes, *sources: str) -> FileRecord:
    md5 = md5_of(body) if KINDS[kind] else None
    size = None if kind in ("md5 without a size", "nothing") else len(body)
    return FileRecord(None, bytes=size, md5=md5, sources=sources, name="images.tar")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_word_it_is_refused_before_any_request(server: Any, body: bytes, kind: str) -> None:
    record = weak(kind, body, server.add("/file", body))
    with pytest.raises(TrustError, match="--trust-first-use") as caught:
        obtain(record)
    assert caught.value.exit_code == 5
    assert server.files["/file"].requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_use_is_locked_with_its_full_sha256(server: Any, body: bytes, cache: Any, kind: str) -> None:
    record = weak(kind, body, server.add("/file", body))
    sha256 = obtain(record, trust_first_use=True)
    assert sha256 == hashlib.sha256(body).hexdigest()
    (entry,) = json.loads((cache.root / "models.lock").read_bytes())["files"].values()
    assert entry == {"name": "images.tar", "sha256": sha256, "bytes": len(body)}
    cache.remove(sha256)
    assert obtain(record) == sha256
    server.add("/file", body[::-1])
    cache.remove(sha256)
    with pytest.raises(IntegrityError):
        obtain(record, trust_first_use=True)


@pytest.mark.parametrize("kind", ["md5", "md5 without a size"])
def test_trust_does_not_reach_to_another_md5(server: Any, body: bytes, cache: Any, kind: str) -> None:
    record = weak(kind, body, server.add("/file", body[::-1]))
    with pytest.raises(IntegrityError, match="md5"):
        obtain(record, trust_first_use=True)
    assert list(cache.entries()) == []
    assert not (cache.root / "models.lock").exists()


def test_trust_does_not_reach_to_another_size(server: Any, body: bytes, cache: Any) -> None:
    record = weak("a size", body, server.add("/file", body[:-1]))
    with pytest.raises(IntegrityError):
        obtain(record, trust_first_use=True)
    assert list(cache.entries()) == []


@pytest.mark.parametrize("kind", ["a size", "nothing"])
def test_a_beginning_from_before_is_not_taken_for_a_file_without_a_digest(
    server: Any, body: bytes, cache: Any, kind: str
) -> None:
    record = weak(kind, body, server.add("/file", body))
    cache.parts.mkdir(parents=True)
    (cache.parts / f"{record.key}.free.0123456789ab.part").write_bytes(b"the beginning of something else")
    assert obtain(record, trust_first_use=True) == hashlib.sha256(body).hexdigest()


def test_files_without_digests_are_told_apart_by_where_they_come_from() -> None:
    first, second = (FileRecord(None, sources=(f"https://example.org/{name}",), name="a.tar") for name in "ab")
    assert first.key != second.key
    here, there = (FileRecord(None, sources=("file:a.tar",), base=base) for base in ("/here", "/there"))
    assert here.key != there.key
    assert "." not in first.key


@pytest.mark.parametrize("md5", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "../" + "0" * 29, 5])
def test_what_is_not_an_md5_is_refused(md5: Any) -> None:
    with pytest.raises(UsageError, match="32 lower-case hex digits"):
        FileRecord(None, md5=md5, sources=("file:a",))


def test_a_lock_that_contradicts_an_md5_record_in_size_is_an_error(body: bytes, cache: Any) -> None:
    record = weak("md5", body, "file:a")
    trust.remember(record, hashlib.sha256(body).hexdigest(), len(body))
    lock = cache.root / "models.lock"
    lock.write_text(lock.read_text().replace(f'"bytes": {len(body)}', '"bytes": 5'))
    with pytest.raises(IntegrityError, match="but in the manifest"):
        trust.locked(record)


FILE = {"name": "a.tar", "format": "tar", "sources": ["https://example.org/a.tar"], "md5": "0" * 32}


def resource(**fields: Any) -> Any:
    entry = {"files": [FILE], "license": "MIT", "source": "https://example.org/", **fields}
    return Manifest({"schema": 1, "models": {}, "data": {"set": entry}}, who="mine").resource("data", "set")


def test_a_data_set_says_all_that_a_loader_needs() -> None:
    unpack = {"kind": "tar", "to": "images", "inner": {"*.tar": "tar"}}
    found = resource(
        files=[{**FILE, "unpack": unpack}],
        loader="vision.datasets.MNIST",
        config={"year": 2012},
        splits={"train": ["a.tar"]},
        examples={"train": 60_000},
        tasks=["image-classification"],
        classes=10,
        citation="Somebody, 2012",
    )
    assert found.files[0].unpack == Unpack("tar", "images", (("*.tar", "tar"),))
    assert found.splits == {"train": ("a.tar",)}
    assert (found.loader, found.examples, found.classes) == ("vision.datasets.MNIST", {"train": 60_000}, 10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"splits": {"train": ["b.tar"]}}, "none of its files"),
        ({"files": [FILE, FILE]}, "two files of one name"),
        ({"files": [{**FILE, "sources": []}]}, "how a person gets it"),
        ({"files": [{**FILE, "unpack": {"kind": "rar"}}]}, r"unpack\.kind"),
        ({"files": [{**FILE, "unpack": {"kind": "gzip", "inner": {"*": "tar"}}}]}, "inconsistent"),
        ({"files": [{**FILE, "unpack": {"kind": "tar", "to": "../x"}}]}, r"unpack\.to"),
        ({"files": [{**FILE, "md5": ""}]}, r"\.md5"),
        ({"files": [{**FILE, "sha256_prefix": ""}]}, "sha256_prefix"),
        ({"loader": "os.system"}, r"\.loader"),
        ({"loader": "vision.models.lenet"}, r"\.loader"),
    ],
)
def test_a_data_set_that_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        resource(**fields)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_a_full_digest_loads_on_a_persons_word_and_its_digest_then_binds(
    tmp_path: Path, cache: Any, kind: str
) -> None:
    weights, mine = tmp_path / "small.safetensors", tmp_path / "mine.json"
    hub.save(lenet(), weights)
    file = {"format": "safetensors", "sources": ["file:small.safetensors"]}
    file |= {"md5": md5_of(weights.read_bytes())} if KINDS[kind] else {}
    file |= {} if kind in ("md5 without a size", "nothing") else {"bytes": weights.stat().st_size}
    entry = {"model": "vision.models.lenet", "task": "x", "files": [file], "license": "MIT", "source": "here"}
    mine.write_text(json.dumps({"schema": 1, "models": {"small.one": entry}}))
    with pytest.raises(TrustError, match="--trust-first-use"):
        hub.load("small", registry=mine)
    assert not (cache.root / "models.lock").exists()
    sha256 = hub.load("small", registry=mine, trust_first_use=True).load_report.sha256
    assert sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert hub.load("small", registry=mine).load_report.sha256 == sha256
    hub.save(lenet(), weights)  # other weights, of as many bytes
    cache.remove(sha256)
    with pytest.raises(IntegrityError):
        hub.load("small", registry=mine, trust_first_use=True)
