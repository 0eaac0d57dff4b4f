"""A bundle goes to an empty home and serves there without any network; the same things give the same bytes."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import hub
from numzoo.hub.bundles import importing
from numzoo.hub.bundles.contents import gather
from numzoo.hub.bundles.importing import check_against, check_bundle, keep_registry, merge_lock, take_in
from numzoo.hub.bundles.reading import open_bundle
from numzoo.hub.bundles.writing import write_bundle
from numzoo.hub.download.fetch import Fetch
from numzoo.hub.errors import IntegrityError, LicenseError, StorageError, TrustError, UsageError
from numzoo.hub.locking.document import entries
from numzoo.hub.registry.names import Registry, default_registry, open_registry
from numzoo.hub.store.cache import Cache


def take(path: Path) -> tuple[list[Any], Path]:
    """Import it all: the new files, and the folder of the kept registry."""
    with open_bundle(path) as bundle:
        checked = check_bundle(bundle)
        fresh = take_in(checked, Cache())
        merge_lock(checked, Cache().root / "models.lock")
        return fresh, keep_registry(checked, Cache())


@pytest.mark.parametrize("out", ["b.tar", "b"])
def test_a_bundle_serves_in_an_empty_home_without_a_socket(
    make: Any, elsewhere: Any, manifest: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(out)
    home = elsewhere()
    shutil.rmtree(manifest.parent)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    fresh, registry = take(path)
    assert len(fresh) == 4
    known: dict[str, Any] = {"registry": registry, "offline": True, "progress": False}
    assert hub.pull("sample:dot", **known).read_bytes() == b"a dot"
    assert hub.pull("data:digits/train.bin", **known).read_bytes() == b"train" * 1000
    model = hub.load("net", **known)
    ours = hub.load("lenet", offline=True).state_dict()
    assert all(np.array_equal(tensor.numpy(), ours[name].numpy()) for name, tensor in model.state_dict().items())
    assert list(entries(home / "models.lock")) == ["data:digits", "net.small", "sample:dot"]
    assert entries(home / "models.lock")["net.small"].names == ("net",)
    assert take(path)[0] == []


@pytest.mark.parametrize("out", [("a.tar", "b.tar"), ("a", "b")])
def test_the_same_things_give_the_same_bytes(make: Any, out: tuple[str, str]) -> None:
    one, two = make(out[0]), make(out[1], "sample:dot", "data:digits", "net")
    if one.is_file():
        assert one.read_bytes() == two.read_bytes()
        return
    files = [{str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()} for root in (one, two)]
    assert files[0] == files[1]


def test_a_bundle_in_a_folder_is_a_static_registry(make: Any, elsewhere: Any, manifest: Path) -> None:
    folder = make("b")
    elsewhere()
    shutil.rmtree(manifest.parent)
    registry = open_registry(folder)
    assert hub.pull("data:digits/test.bin", registry=registry, progress=False).read_bytes() == b"test" * 1000
    assert registry.full_name("net") == "net.small"


def test_what_ships_inside_the_package_can_be_bundled(tmp_path: Path, elsewhere: Any) -> None:
    write_bundle(tmp_path / "b.tar", gather(["lenet"], default_registry(), Fetch(progress=False), locked={}))
    elsewhere()
    with open_bundle(tmp_path / "b.tar") as bundle:
        checked = check_bundle(bundle)
        assert check_against(checked, default_registry()) == []
        assert len(take_in(checked, Cache())) == 1


def test_a_repository_is_no_entry_of_a_bundle(registry: Registry) -> None:
    with pytest.raises(UsageError, match="hf:owner/name is a repository"):
        gather(["net", "hf:owner/name"], registry, Fetch(progress=False), locked={})
    with pytest.raises(UsageError, match="needs names"):
        gather([], registry, Fetch(progress=False), locked={})


def test_licences_are_told_and_must_be_accepted_on_both_sides(make: Any, elsewhere: Any) -> None:
    with pytest.raises(LicenseError):
        make("b", "net.bound")
    hub.accept_license("CC-BY-NC-4.0")
    folder = make("b", "net.bound", "sample:dot")
    text = (folder / "LICENCES.txt").read_text()
    assert "net.bound: CC-BY-NC-4.0" in text
    assert "https://spdx.org/licenses/MIT.html" in text
    elsewhere()
    with pytest.raises(LicenseError, match=r"net\.bound stands under CC-BY-NC-4\.0"):
        take(folder)
    assert list(Cache().entries()) == []
    hub.accept_license("CC-BY-NC-4.0")
    assert len(take(folder)[0]) == 2


def test_an_import_goes_on_where_it_stopped(make: Any, elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make("b.tar")
    elsewhere()
    plain, taken = importing._blocks, []

    def broken(source: Any, file: Any, skip: int) -> Any:
        for count, block in enumerate(plain(source, file, skip)):
            if count == 2:
                raise KeyboardInterrupt
            taken.append((file.label, skip + count * importing._BLOCK, len(block)))
            yield block

    monkeypatch.setattr(importing, "_BLOCK", 1000)
    monkeypatch.setattr(importing, "_blocks", broken)
    with pytest.raises(KeyboardInterrupt):
        take(path)
    (half,) = {label for label, _, _ in taken}
    monkeypatch.setattr(importing, "_blocks", lambda source, file, skip: spy(plain, taken, source, file, skip))
    before = len(taken)
    take(path)
    assert next(at for label, at, _ in taken[before:] if label == half) == 2000
    assert len(list(Cache().entries())) == 4


def spy(plain: Any, taken: list[Any], source: Any, file: Any, skip: int) -> Any:
    taken.append((file.label, skip, 0))
    yield from plain(source, file, skip)


def test_what_another_attempt_left_may_be_wrong(make: Any, elsewhere: Any, registry: Registry) -> None:
    path = make("b.tar")
    elsewhere()
    (record,) = registry.files("sample:dot")
    parts = Cache().root / "parts"
    parts.mkdir(parents=True)
    (parts / f"{record.sha256}.free.0123456789ab.part").write_bytes(b"xx")
    take(path)
    assert Cache().path(str(record.sha256)).read_bytes() == b"a dot"


def test_a_damaged_blob_of_the_store_is_replaced(make: Any, elsewhere: Any, registry: Registry) -> None:
    path = make("b.tar")
    elsewhere()
    take(path)
    (record,) = registry.files("sample:dot")
    Cache().path(str(record.sha256)).write_bytes(b"a dat")
    assert [file.label for file in take(path)[0]] == ["dot.png"]
    assert Cache().path(str(record.sha256)).read_bytes() == b"a dot"


def test_a_full_disk_stops_both_sides_before_the_first_byte(
    make: Any, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make("b.tar")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=16 << 20))
    with pytest.raises(StorageError, match="The bundle needs"):
        make("c.tar")
    assert not (tmp_path / "c.tar").exists()
    elsewhere()
    with pytest.raises(StorageError, match="The bundle needs"):
        take(path)
    assert list(Cache().root.rglob("*.part")) == []


def test_a_bundle_is_not_written_over_anything_and_not_half(
    make: Any, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.tar").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        make("there.tar")
    assert (tmp_path / "there.tar").read_text() == "mine"
    for out in ("b.tar", "b"):
        contents = gather(["data:digits"], registry, Fetch(progress=False), locked={})
        (victim,) = [member.path for member in contents.members if member.size == 4000]
        assert victim is not None
        body = victim.read_bytes()
        victim.write_bytes(b"X" * 4000)
        with pytest.raises(IntegrityError, match="changed while the bundle was written"):
            write_bundle(tmp_path / out, contents)
        victim.write_bytes(body)
    assert [path.name for path in tmp_path.iterdir() if "b" in path.name.split(".")] == []


def test_a_contradiction_with_the_lock_or_the_registry_stops_everything(
    make: Any, elsewhere: Any, without_entry: Callable[..., Registry]
) -> None:
    path = make("b.tar")
    home = elsewhere()
    home.mkdir()
    other = {"files": [{"name": "dot.png", "sha256": "1" * 64}]}
    (home / "models.lock").write_text(json.dumps({"schema": 1, "entries": {"sample:dot": other}}))
    before = (home / "models.lock").read_bytes()
    with open_bundle(path) as bundle:
        checked = check_bundle(bundle)
        with pytest.raises(IntegrityError, match=r"locks dot\.png of sample:dot"):
            merge_lock(checked, home / "models.lock")
        assert (home / "models.lock").read_bytes() == before
        changes: list[Callable[[dict[str, Any]], object]] = [
            lambda known: known["samples"]["dot"]["files"][0].update(sha256="1" * 64),
            lambda known: known["samples"]["dot"]["files"][0].update(bytes=99),
            lambda known: known["samples"]["dot"]["files"][0].update(name="other.png"),
        ]
        for change in changes:
            with pytest.raises(IntegrityError, match="Nothing was taken in"):
                check_against(checked, without_entry(change))
        assert check_against(checked, without_entry(lambda known: known.pop("samples"))) == ["sample:dot"]


def test_a_bundle_decides_no_unknown_digest_unless_it_is_trusted(
    make: Any, elsewhere: Any, without_entry: Callable[..., Registry]
) -> None:
    path = make("b.tar")
    elsewhere()

    def halve(known: dict[str, Any]) -> None:
        file = known["samples"]["dot"]["files"][0]
        file["sha256_prefix"] = file.pop("sha256")[:8]

    with open_bundle(path) as bundle:
        checked = check_bundle(bundle)
        with pytest.raises(TrustError, match="--trust-first-use"):
            check_against(checked, without_entry(halve))
        assert check_against(checked, without_entry(halve), trust_first_use=True) == []


def test_a_shorter_name_goes_on_meaning_what_it_means_here(make: Any, elsewhere: Any) -> None:
    path = make("b.tar")
    home = elsewhere()
    home.mkdir()
    mine = {"names": ["net"], "files": [{"name": "x", "sha256": "1" * 64}]}
    (home / "models.lock").write_text(json.dumps({"schema": 1, "entries": {"net.mine": mine}}))
    with open_bundle(path) as bundle:
        assert merge_lock(check_bundle(bundle), home / "models.lock") == ["data:digits", "net.small", "sample:dot"]
    known = entries(home / "models.lock")
    assert (known["net.mine"].names, known["net.small"].names) == (("net",), ())
