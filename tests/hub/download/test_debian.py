"""Debian packages: fetched by the person's own apt-get, read by an own reader, and no script of them ever runs."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.hub.download.obtain import obtain
from numzoo.hub.download.sources.ar import find_data
from numzoo.hub.download.sources.members import pour_member
from numzoo.hub.download.sources.packings import unpacking
from numzoo.hub.errors import HubError, IntegrityError, NetworkError, NotFoundError, UnsafeFileError, UsageError
from numzoo.hub.registry.record import FileRecord
from numzoo.hub.store.parts import Part

_DATA = random.Random(4).randbytes(60_000)
_MEMBER = "usr/share/zoo/data.bin"


def tar(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar with a `./` before every name, as Debian's tools write it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.size, info.mode = kind, len(data) if kind == tarfile.REGTYPE else 0, 0o755
            packed.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def ar(*members: tuple[str, bytes]) -> bytes:
    """An ar archive; each member begins at an even place."""
    pieces = [b"!<arch>\n"]
    for name, data in members:
        pieces += [
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode(),
            data,
            b"\n" * (len(data) % 2),
        ]
    return b"".join(pieces)


def deb(members: dict[str, bytes], suffix: str = ".xz", squeeze: Callable[[bytes], bytes] = lzma.compress) -> bytes:
    """A package of the given files, with a script that leaves a mark where it runs."""
    control = (
        b"Package: zoo-data\nVersion: 1.0-2\nArchitecture: all\nMaintainer: Zoo <zoo@example.org>\nDescription: data\n"
    )
    scripts = dict.fromkeys(("preinst", "postinst"), b"#!/bin/sh\ntouch /tmp/zoo-data-ran\n")
    return ar(
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", gzip.compress(tar({"control": control, **scripts}))),
        (f"data.tar{suffix}", squeeze(tar(members))),
    )


@pytest.fixture
def member(cache: Any, tmp_path: Path) -> Callable[..., bytes]:
    """The bytes of one member of a package: `member(package, name)`."""

    def read(package: bytes, name: str = _MEMBER, size: int | None = None) -> bytes:
        path = tmp_path / "zoo-data.deb"
        path.write_bytes(package)
        with Part(cache, FileRecord("0" * 64, bytes=size)) as part:
            try:
                pour_member(path, [name], part, size, tmp_path)
                return part.path.read_bytes()
            finally:
                part.discard()

    return read


@pytest.mark.parametrize(
    ("suffix", "squeeze"), [(".xz", lzma.compress), (".gz", gzip.compress), (".bz2", bz2.compress), ("", bytes)]
)
def test_a_member_is_read_whatever_packs_the_files(suffix: str, squeeze: Any, member: Any) -> None:
    package = deb({"usr/share/first": b"1", _MEMBER: _DATA, "usr/share/zoo/last": b"2"}, suffix, squeeze)
    assert member(package, size=len(_DATA)) == _DATA


def squeezed(data: bytes) -> bytes:
    return bytes(zstandard.ZstdCompressor(level=3).compress(data))


def test_a_member_packed_by_zstandard_is_read(member: Any) -> None:
    package = deb({"usr/share/first": b"1" * 5000, _MEMBER: _DATA, "usr/last": b"2"}, ".zst", squeezed)
    assert member(package, size=len(_DATA)) == _DATA


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-200], lambda data: data[:4] + b"\xff" * 50 + data[54:], lambda data: data[:4] + b"junk" * 9],
)
def test_a_damaged_zstandard_stream_is_refused(damage: Any, member: Any) -> None:
    with pytest.raises(IntegrityError, match="damaged archive"):
        member(deb({_MEMBER: _DATA}, ".zst", lambda data: damage(squeezed(data))))


def test_a_window_beyond_reason_is_refused(member: Any) -> None:
    # The frame is written by hand: magic, a header that asks for a window of 2 GiB, one raw block, the last.
    content = tar({_MEMBER: b"few bytes"})
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + (len(content) << 3 | 1).to_bytes(3, "little") + content
    with pytest.raises(IntegrityError, match="memory"):
        member(deb({}, ".zst", lambda _: frame))


def test_without_zstandard_the_way_out_is_named(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("compression.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotFoundError, match=r'pip install "numzoo\[zstd\]"'):
        member(deb({_MEMBER: _DATA}, ".zst", squeezed))


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (b"!<arch>\n", "no data.tar"),
        (ar(("debian-binary", b"2.0\n")), "no data.tar"),
        (ar(("data.tar", tar({_MEMBER: _DATA}))), "no data.tar"),
        (ar(*[("debian-binary", b"2.0\n"), ("_gpg", b"x")] * 9, ("data.tar", tar({_MEMBER: _DATA}))), "no data.tar"),
        (deb({_MEMBER: _DATA})[:-1], "ends in the middle of member 2"),
        (deb({_MEMBER: _DATA})[:100], "should head its member 1"),
        (deb({_MEMBER: _DATA}).replace(b"`\n", b"'\n"), "should head its member 0"),
        (deb({_MEMBER: _DATA}).replace(b"2.0\n"[:0] + b"4         `", b"-4        `"), "should head its member 0"),
        (deb({_MEMBER: _DATA}, squeeze=lambda data: lzma.compress(data)[:-100]), "damaged"),
        (deb({_MEMBER: _DATA}, squeeze=lambda data: lzma.compress(data)[:3000] + bytes(500)), "damaged"),
    ],
)
def test_a_damaged_package_is_refused(package: bytes, said: str, member: Any) -> None:
    with pytest.raises(IntegrityError, match=said):
        member(package)


def test_a_link_in_a_package_is_refused_and_a_missing_member_named(member: Any) -> None:
    with pytest.raises(UnsafeFileError, match="not a plain file"):
        member(deb({}, "", lambda _: tar({_MEMBER: b""}, tarfile.SYMTYPE)))
    with pytest.raises(NotFoundError, match=r"no member usr/share/zoo/date\.bin.*data\.bin"):
        member(deb({_MEMBER: _DATA}), "usr/share/zoo/date.bin")


def test_an_xz_that_asks_for_too_much_memory_is_refused(member: Any) -> None:
    filters = [
        {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 8}
    ]
    # Only the header asks for a gibibyte: the property of the filter is overwritten, and its check sum made right.
    import zlib

    packed = bytearray(lzma.compress(tar({_MEMBER: _DATA}), filters=[{**filters[0], "dict_size": 1 << 16}]))
    header = 12
    length = (packed[header] + 1) * 4
    place = packed.index(0x21, header) + 2
    packed[place] = 36  # 1 GiB
    packed[header + length - 4 : header + length] = zlib.crc32(packed[header : header + length - 4]).to_bytes(
        4, "little"
    )
    with pytest.raises(UnsafeFileError, match="more than 128 MiB"):
        member(deb({}, ".xz", lambda _: bytes(packed)))


def test_a_bomb_within_a_package_stops_at_the_size_of_the_manifest(member: Any) -> None:
    package = deb({_MEMBER: bytes(40_000_000)})
    assert len(package) < 20_000
    with pytest.raises(IntegrityError, match="40000000 bytes, but 1000"):
        member(package, size=1000)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_changed_bytes_end_in_a_typed_error_or_in_bytes(data: st.DataObject) -> None:
    package = bytearray(deb({"usr/a": b"1", _MEMBER: b"two" * 500}))
    for _ in range(data.draw(st.integers(1, 3))):
        package[data.draw(st.integers(0, len(package) - 1))] = data.draw(st.integers(0, 255))
    stream = io.BytesIO(bytes(package[: data.draw(st.integers(8, len(package)))]))
    try:
        window = find_data(stream, "a.deb")
        magic = window.read(6)
        window.seek(0)
        unpacked: Any = unpacking(window, magic, "a.deb")  # type: ignore[arg-type]
        while unpacked.read(4096):
            pass
    except (HubError, EOFError, lzma.LZMAError, OSError):
        pass


def test_a_stream_only_goes_forward_and_joins_what_was_packed_in_pieces() -> None:
    packed = lzma.compress(_DATA[:1000]) + lzma.compress(_DATA[1000:]) + bytes(8)
    stream = unpacking(io.BytesIO(packed), packed[:6], "a")
    assert (stream.read(10), stream.seek(990), stream.read(20), stream.tell()) == (
        _DATA[:10],
        990,
        _DATA[990:1010],
        1010,
    )
    with pytest.raises(ValueError, match="forward only"):
        stream.seek(0)
    assert stream.seek(1 << 40) == len(_DATA)
    assert stream.read(1) == b""


# apt-get


@pytest.mark.parametrize(
    "source",
    ["deb:zoo", "deb:Zoo!member", "deb:zoo=1!member", "deb:-o=x!member", "deb:zoo==!m", "deb:zoo==a b!m", "deb:../x!m"],
)
def test_a_debian_source_is_a_name_and_perhaps_a_version(source: str, record_of: Any) -> None:
    with pytest.raises(UsageError):
        obtain(record_of(_DATA, source))


def test_without_apt_it_is_said_so(record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match="only Debian, Ubuntu and their kin have"):
        obtain(record_of(_DATA, f"deb:zoo-data!{_MEMBER}"))


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("E: Unable to locate package zoo-data", NotFoundError, "apt-get update"),
        ("E: Version '9' for 'zoo-data' was not found", NotFoundError, "apt-get update"),
        ("E: Failed to fetch http://h/x  Could not connect to h:80, connection timed out", NetworkError, "timed out"),
    ],
)
def test_what_apt_says_decides_the_kind_of_its_failure(
    words: str, kind: type[HubError], said: str, record_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "apt-get"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit({words!r})\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(kind, match=said):
        obtain(record_of(_DATA, f"deb:zoo-data!{_MEMBER}"))


@pytest.fixture
def distribution(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution of one package on a server of this machine, which is all that apt knows of."""
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed: this is no Debian")
    package = deb({_MEMBER: _DATA})
    server.add("/pool/zoo-data_1.0-2_all.deb", package)
    listing = (
        "Package: zoo-data\nVersion: 1.0-2\nArchitecture: all\nMaintainer: Zoo <zoo@example.org>\nDescription: data\n"
        f"Filename: ./pool/zoo-data_1.0-2_all.deb\nSize: {len(package)}\nSHA256: {hashlib.sha256(package).hexdigest()}\n"
    ).encode()
    server.add("/./Packages", listing)
    digest = hashlib.sha256(listing).hexdigest()
    server.add("/./Release", f"Suite: zoo\nSHA256:\n {digest} {len(listing)} Packages\n".encode())
    server.add("/./pool/zoo-data_1.0-2_all.deb", package)
    root = tmp_path / "apt"
    for folder in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "state/lists/partial", "cache/archives"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "sources.list").write_text(f"deb [trusted=yes] {server.root}/ ./\n")
    (root / "state" / "status").write_text("")
    lines = {
        "Dir::Etc": root / "etc",
        "Dir::Etc::sourcelist": root / "etc" / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": root / "state",
        "Dir::State::status": root / "state" / "status",
        "Dir::Cache": root / "cache",
        "Acquire::Languages": "none",
        "Acquire::http::Proxy": "DIRECT",
        "APT::Sandbox::User": "root" if os.getuid() == 0 else "",
    }
    config = root / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in lines.items()))
    monkeypatch.setenv("APT_CONFIG", str(config))
    updated = subprocess.run(["apt-get", "update"], capture_output=True, text=True, check=False)
    assert updated.returncode == 0, updated.stdout + updated.stderr


@pytest.mark.usefixtures("distribution")
def test_a_member_comes_through_the_persons_own_apt_and_nothing_of_the_package_runs(
    record_of: Any, contents: Any, cache: Any
) -> None:
    marker = Path("/tmp/zoo-data-ran")
    assert not marker.exists()
    for source in (f"deb:zoo-data!{_MEMBER}", f"deb:zoo-data==1.0-2!{_MEMBER}"):
        record = record_of(_DATA, source)
        assert contents(obtain(record)) == _DATA
        cache.remove(record.sha256)
    assert not marker.exists()
    assert list(cache.parts.iterdir()) == []
    with pytest.raises(NotFoundError, match="Unable to locate package zoo-nothing"):
        obtain(record_of(b"other", f"deb:zoo-nothing!{_MEMBER}"))
    with pytest.raises(NotFoundError, match=r"Version '3' for 'zoo-data' was not found"):
        obtain(record_of(b"other", f"deb:zoo-data==3!{_MEMBER}"))
    with pytest.raises(IntegrityError, match="was expected"):
        obtain(record_of(_DATA[::-1], f"deb:zoo-data!{_MEMBER}"))


@pytest.mark.network
def test_a_real_debian_package_gives_the_known_bytes(contents: Any) -> None:
    sha256 = "f15c60ec54059d8b66e410d0064945a0b0a04ea56e1ddca1958e493c0cf70e71"
    source = "deb:pocketsphinx-testdata!usr/share/pocketsphinx/test/data/goforward.raw"
    record = FileRecord(sha256, bytes=89160, sources=(source,), name="goforward.raw")
    try:
        assert len(contents(obtain(record))) == 89160
    except (NetworkError, NotFoundError) as problem:
        pytest.skip(f"no Debian package can be had here: {problem}")
