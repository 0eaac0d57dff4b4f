"""Bundles made by somebody else: whatever is not exactly a bundle is refused, and nothing of it gets into the store."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numzoo.hub.bundles.importing import check_bundle, take_in, verify_files
from numzoo.hub.bundles.reading import open_bundle
from numzoo.hub.errors import FormatError, HubError, IntegrityError, NotFoundError, UnsafeFileError
from numzoo.hub.registry.static.layout import POINTER
from numzoo.hub.registry.static.statement import Statement, now, write_pointer
from numzoo.hub.store.cache import Cache


def take(path: Path) -> None:
    with open_bundle(path) as bundle:
        take_in(check_bundle(bundle), Cache())


def add(name: str, type: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> Callable[[Path], None]:
    """Add a member to a tar, in front of its end."""

    def run(path: Path) -> None:
        header = tarfile.TarInfo(name)
        header.type, header.linkname, header.size = type, link, len(data)
        with tarfile.open(path, "a", format=tarfile.GNU_FORMAT) as tar:
            tar.addfile(header, io.BytesIO(data))

    return run


def edit(change: Callable[[bytearray], object]) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(bytes(data))

    return run


def sized(data: bytearray, field: bytes) -> None:
    """Give the first member another size, with a right checksum."""
    data[124:136] = field
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])


STRANGE = "blobs/sha256/00/" + "0" * 64
TARS: dict[str, tuple[Callable[[Path], None], type[HubError], str]] = {
    "a symbolic link": (add(STRANGE, tarfile.SYMTYPE, "/etc/passwd"), UnsafeFileError, "no plain file"),
    "a hard link": (add(STRANGE, tarfile.LNKTYPE, POINTER), UnsafeFileError, "no plain file"),
    "a folder": (add("blobs", tarfile.DIRTYPE), UnsafeFileError, "no plain file"),
    "a device": (add(STRANGE, tarfile.CHRTYPE), UnsafeFileError, "no plain file"),
    "a pipe": (add(STRANGE, tarfile.FIFOTYPE), UnsafeFileError, "no plain file"),
    "an extended header": (add("x", tarfile.XHDTYPE, data=b"12 path=abc\n"), UnsafeFileError, "no plain file"),
    "a long name": (add("blobs/sha256/" + "0" * 200), UnsafeFileError, "no plain file"),
    "a name that climbs": (add("../registry.json"), UnsafeFileError, "which no bundle does"),
    "an absolute name": (add("/registry.json"), UnsafeFileError, "which no bundle does"),
    "a name of its own": (add("setup.py"), UnsafeFileError, "which no bundle does"),
    "a name in capitals": (add("REGISTRY.JSON"), UnsafeFileError, "which no bundle does"),
    "a blob in a wrong folder": (add("blobs/sha256/11/" + "0" * 64), UnsafeFileError, "which no bundle does"),
    "a second pointer": (add(POINTER, data=b"{}"), UnsafeFileError, "twice"),
    "a blob that nobody names": (add(STRANGE), IntegrityError, "does not name"),
    "something behind the end": (edit(lambda data: data.extend(b"x")), UnsafeFileError, "behind its end"),
    "an end too early": (edit(lambda data: data.__delitem__(slice(3000, None))), FormatError, "cut off|no bundle"),
    "no end": (edit(lambda data: data.__delitem__(slice(len(data) - 10240, None))), FormatError, "cut off"),
    "a wrong checksum": (edit(lambda data: data.__setitem__(149, ord("7"))), FormatError, "damaged"),
    "a size beyond the file": (edit(lambda data: sized(data, b"77777777777\0")), FormatError, "cut off"),
    "a size beyond reason": (edit(lambda data: sized(data, b"\x80" + b"\xff" * 11)), FormatError, "cut off"),
    "a negative size": (edit(lambda data: sized(data, b"\xff" * 12)), FormatError, "no size"),
    "a size of words": (edit(lambda data: sized(data, b"many bytes\0\0")), FormatError, "no size"),
    "nothing": (edit(lambda data: data.clear()), FormatError, "no bundle"),
    "only an end": (edit(lambda data: data.__setitem__(slice(None), bytes(1024))), FormatError, "no bundle"),
    "gzip": (edit(lambda data: data.__setitem__(slice(0, 2), b"\x1f\x8b")), FormatError, "no plain tar"),
}


@pytest.mark.parametrize("what", TARS)
def test_a_tar_that_is_no_plain_bundle_is_refused(make: Any, elsewhere: Any, what: str) -> None:
    change, kind, said = TARS[what]
    path = make("b.tar")
    elsewhere()
    change(path)
    with pytest.raises(kind, match=said) as caught:
        take(path)
    assert type(caught.value) is kind
    assert not Cache().root.exists()


def _manifest_name(members: dict[str, bytes]) -> str:
    statement = json.loads(json.loads(members[POINTER])["statement"])
    sha256 = statement["manifest"]["sha256"]
    return f"blobs/sha256/{sha256[:2]}/{sha256}"


def _blob(members: dict[str, bytes], data: bytes) -> str:
    return next(name for name, body in members.items() if body == data)


def _rewritten(members: dict[str, bytes], change: Callable[[dict[str, Any]], object]) -> None:
    """Another manifest, with a pointer that names it: what somebody would do who knows the format."""
    document = json.loads(members.pop(_manifest_name(members)))
    change(document)
    text = json.dumps(document).encode()
    sha256 = hashlib.sha256(text).hexdigest()
    members[f"blobs/sha256/{sha256[:2]}/{sha256}"] = text
    members[POINTER] = write_pointer(Statement("0" * 32, 1, sha256, len(text), now()))


def _relocked(members: dict[str, bytes], change: Callable[[dict[str, Any]], object]) -> None:
    lock = json.loads(members["models.lock"])
    change(lock["entries"])
    members["models.lock"] = json.dumps(lock).encode()


CONTENTS: dict[str, tuple[Callable[[dict[str, bytes]], object], type[HubError], str]] = {
    "another byte in a file": (
        lambda m: m.update({_blob(m, b"a dot"): b"a dat"}),
        IntegrityError,
        "does not have the sha256",
    ),
    "a file of another size": (lambda m: m.update({_blob(m, b"a dot"): b"a dot!"}), IntegrityError, "another size"),
    "a file less": (lambda m: m.pop(_blob(m, b"a dot")), IntegrityError, r"lacks dot\.png"),
    "another manifest": (
        lambda m: m.update({_manifest_name(m): m[_manifest_name(m)].replace(b"MIT", b"ISC")}),
        IntegrityError,
        "not the one that its registry.json names",
    ),
    "no manifest": (lambda m: m.pop(_manifest_name(m)), NotFoundError, "lacks blobs"),
    "no lock": (lambda m: m.pop("models.lock"), NotFoundError, r"lacks models\.lock"),
    "no pointer": (lambda m: m.pop(POINTER), FormatError, r"no registry\.json"),
    "a pointer that is none": (lambda m: m.update({POINTER: b"[]"}), FormatError, "registry.json"),
    "a huge pointer": (lambda m: m.update({POINTER: b" " * 70_000}), FormatError, "the most that is read"),
    "a lock that is none": (lambda m: m.update({"models.lock": b"{}"}), FormatError, "schema"),
    "a lock of other bytes": (
        lambda m: _relocked(m, lambda known: known["sample:dot"]["files"][0].update(sha256="1" * 64)),
        IntegrityError,
        "lock of the bundle",
    ),
    "a lock of another entry": (
        lambda m: _relocked(m, lambda known: known.update({"resnet50.imagenet1k-v2": known["sample:dot"]})),
        IntegrityError,
        "lock of the bundle",
    ),
    "a lock that takes another's name": (
        lambda m: _relocked(m, lambda known: known["net.small"].update(names=["resnet50"])),
        IntegrityError,
        "a name that means something else",
    ),
    "a manifest that reaches for files here": (
        lambda m: _rewritten(m, lambda known: known["samples"]["dot"]["files"][0].update(sources=["file:/etc/passwd"])),
        FormatError,
        "may not name files of this machine",
    ),
    "a manifest that steers terminals": (
        lambda m: _rewritten(m, lambda known: known["samples"]["dot"].update(description="\x1b[2J")),
        FormatError,
        "steer a terminal",
    ),
    "a manifest without a digest": (
        lambda m: _rewritten(m, lambda known: known["data"]["digits"]["files"][0].update(
            sha256_prefix=known["data"]["digits"]["files"][0].pop("sha256")[:8], sources=["https://example.org/x"])),
        FormatError,
        "no whole digest",
    ),
    "a licence that is none": (
        lambda m: _rewritten(m, lambda known: known["samples"]["dot"].update(license="free")),
        FormatError,
        "license",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONTENTS)
def test_a_bundle_that_contradicts_itself_is_refused(make: Any, elsewhere: Any, changed: Any, what: str) -> None:
    change, kind, said = CONTENTS[what]
    path = changed(make("b.tar"), change)
    elsewhere()
    with pytest.raises(kind, match=said):
        take(path)
    dot = hashlib.sha256(b"a dat").hexdigest()
    assert dot not in [blob.sha256 for blob in Cache().entries()]
    with pytest.raises(kind, match=said), open_bundle(path) as bundle:
        verify_files(check_bundle(bundle))


FOLDERS: dict[str, tuple[Callable[[Path], object], type[HubError], str]] = {
    "a link for a blob": (lambda path: _link(path), UnsafeFileError, "holds the link"),
    "a link for a folder": (
        lambda path: (path / "blobs" / "sha256" / "zz").symlink_to("/"),
        UnsafeFileError,
        "holds the link",
    ),
    "a file of its own": (lambda path: (path / "setup.py").write_text(""), UnsafeFileError, "which no bundle does"),
    "a folder of its own": (lambda path: (path / "more").mkdir(), UnsafeFileError, "which no bundle does"),
    "a pipe": (lambda path: _pipe(path), UnsafeFileError, "which no bundle does"),
    "no pointer": (lambda path: (path / POINTER).unlink(), NotFoundError, "is no bundle"),
}


def _link(path: Path) -> None:
    victim = next(file for file in (path / "blobs").rglob("*") if file.is_file())
    body = victim.read_bytes()
    (path.parent / "aside").write_bytes(body)
    victim.unlink()
    victim.symlink_to(path.parent / "aside")


def _pipe(path: Path) -> None:
    (path / "LICENCES.txt").unlink()
    os.mkfifo(path / "LICENCES.txt")


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_is_no_plain_bundle_is_refused(make: Any, elsewhere: Any, what: str) -> None:
    change, kind, said = FOLDERS[what]
    path = make("b")
    elsewhere()
    change(path)
    with pytest.raises(kind, match=said):
        take(path)
    assert not Cache().root.exists()


def test_a_link_that_comes_after_the_look_is_not_followed(make: Any, elsewhere: Any, tmp_path: Path) -> None:
    path = make("b")
    elsewhere()
    with open_bundle(path) as bundle:
        checked = check_bundle(bundle)
        _link(path)
        for use in (verify_files, lambda checked: take_in(checked, Cache())):
            with pytest.raises(HubError):
                use(checked)


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_bundle(tmp_path / "none.tar")
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(UnsafeFileError):
        open_bundle(tmp_path / "pipe.tar")


def test_only_the_key_that_was_asked_for_is_believed(make: Any, tmp_path: Path, changed: Any) -> None:
    pytest.importorskip("cryptography")
    from numzoo.hub.registry.static.signing import new_key

    ours, theirs = new_key(tmp_path / "ours"), new_key(tmp_path / "theirs")
    signed, unsigned = make("signed.tar", keys=[ours]), make("unsigned.tar")
    with open_bundle(signed) as bundle:
        assert check_bundle(bundle, [theirs.public, ours.public]).key == ours.public
        assert check_bundle(bundle).key is None
    tampered = changed(signed, lambda m: _resign(m))
    for path, key in ((signed, theirs), (unsigned, ours), (tampered, ours)):
        with open_bundle(path) as bundle, pytest.raises(IntegrityError, match="is not signed by"):
            check_bundle(bundle, [key.public])


def _resign(members: dict[str, bytes]) -> None:
    """Another manifest under the old signature."""
    signatures = json.loads(members[POINTER])["signatures"]
    _rewritten(members, lambda known: known["samples"]["dot"].update(license="ISC"))
    members[POINTER] = json.dumps({**json.loads(members[POINTER]), "signatures": signatures}).encode()


@given(seed=st.integers(0, 10**9), count=st.integers(1, 4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damage_anywhere_is_refused_or_harmless(make: Any, tmp_path: Path, seed: int, count: int) -> None:
    """Bytes changed at random, half of them in headers and small files: no error but ours, no wrong byte let through."""
    whole = tmp_path / "whole.tar"
    if not whole.exists():
        make("whole.tar", "sample:dot", "data:digits")
    chance = random.Random(seed)
    data = bytearray(whole.read_bytes())
    for _ in range(count):
        at = chance.randrange(len(data)) if chance.random() < 0.5 else chance.randrange(512) + 512 * chance.randrange(8)
        data[at] = chance.randrange(256)
    (tmp_path / "damaged.tar").write_bytes(bytes(data[: chance.choice([len(data), chance.randrange(len(data))])]))
    with contextlib.suppress(HubError), open_bundle(tmp_path / "damaged.tar") as bundle:
        verify_files(check_bundle(bundle))
