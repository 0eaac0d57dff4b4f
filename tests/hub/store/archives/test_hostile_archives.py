"""Archives that would reach out of their folder, be more than files, or be more than fits: each refused, and why."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_archives import contents_of, odd_tar, tar_of, zip_of

from numzoo.hub.errors import FormatError, StorageError, UnsafeFileError
from numzoo.hub.registry.record import Unpack
from numzoo.hub.store.archives import trees
from numzoo.hub.store.archives.limits import Limits
from numzoo.hub.store.archives.names import Names
from numzoo.hub.store.archives.trees import NewTree
from numzoo.hub.store.archives.unpacking import unpack

NAMES = {
    "parent": "../evil",
    "parent inside": "a/../../evil",
    "parent that stays": "a/../b",
    "absolute": "/tmp/evil",
    "backslash": "..\\evil",
    "drive": "C:evil",
    "stream": "a:b",
    "device": "sub/NUL",
    "device with a suffix": "con.txt",
    "numbered device": "com1.tar.gz",
    "device and a blank": "aux .txt",
    "superscript device": "lpt¹",
    "control": "a\nb",
    "escape": "\x1b[2J",
    "C1 control": "a\x85b",
    "dot at the end": "a./b",
    "blank at the end": "b ",
    "long part": "n" * 256,
    "long in UTF-8": "文" * 90,
    "long path": "/".join(["n" * 100] * 11),
    "deep": "/".join("n" * 33),
    "nothing": "./",
}


@pytest.mark.parametrize("why", NAMES)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_name_that_means_something_else_somewhere_is_refused(
    unpacked: Any, tmp_path: Path, kind: str, why: str
) -> None:
    name = NAMES[why]
    if name == "./":
        with pytest.raises(UnsafeFileError):
            Names("made", Limits()).file(name)
        return
    make = zip_of if kind == "zip" else lambda members: tar_of(members, form=tarfile.PAX_FORMAT)
    with pytest.raises(UnsafeFileError, match="Nothing of it was kept"):
        unpacked(make({"first": b"good", name: b"evil"}), kind)
    assert list(tmp_path.rglob("*evil*")) == []


def test_a_name_with_a_nul_is_refused(unpacked: Any) -> None:
    with pytest.raises(UnsafeFileError, match="control"):
        unpacked(zip_of({"a_b": b""}).replace(b"a_b", b"a\0b"), "zip")
    with pytest.raises(UnsafeFileError, match="control"):
        unpacked(odd_tar(b"0", pax_headers={"path": "a\0b"}), "tar")


COLLISIONS: dict[str, tuple[str, str]] = {
    "the same": ("a/b", "a/b"),
    "by another way": ("a/b", "a/./b"),
    "case": ("a/Readme", "a/README"),
    "case of a folder": ("A/x", "a/y"),
    "sharp s": ("straße", "STRASSE"),
    "composed": ("\u00e9", "e\u0301"),
    "file and folder": ("a", "a/b"),
    "folder and file": ("a/b", "a"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("why", COLLISIONS)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_two_names_for_one_place_are_refused(unpacked: Any, kind: str, why: str) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar, zipfile.ZipFile(packed := io.BytesIO(), "w") as zipped:
        for number, name in enumerate(COLLISIONS[why]):
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"%d" % number))
            zipped.writestr(name, b"%d" % number)
    with pytest.raises(UnsafeFileError, match=r"there twice|also a file"):
        unpacked(held.getvalue() if kind == "tar" else packed.getvalue(), kind)


def test_inner_archives_cannot_collide_with_what_is_beside_them(unpacked: Any) -> None:
    body = tar_of({"a/x": b"1", "A.tar": tar_of({"x": b"2"})})
    with pytest.raises(UnsafeFileError, match="case of its letters"):
        unpacked(body, "tar", inner=(("*.tar", "tar"),))
    with pytest.raises(UnsafeFileError, match="leads out"):
        unpacked(tar_of({"a.tar": tar_of({"../x": b"2"})}), "tar", inner=(("*.tar", "tar"),))


ODD_TARS = {
    "symbolic link": odd_tar(tarfile.SYMTYPE, link="/etc/passwd"),
    "symbolic link within": odd_tar(tarfile.SYMTYPE, link="first"),
    "hard link": odd_tar(tarfile.LNKTYPE, link="/etc/passwd"),
    "character device": odd_tar(tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": odd_tar(tarfile.BLKTYPE, devmajor=8),
    "pipe": odd_tar(tarfile.FIFOTYPE),
    "old sparse": odd_tar(tarfile.GNUTYPE_SPARSE),
    "new sparse": odd_tar(b"0", pax_headers={"GNU.sparse.major": "1"}),
    "volume label": odd_tar(b"V"),
    "continued": odd_tar(b"M"),
    "unknown": odd_tar(b"Z"),
    "pax path": odd_tar(b"0", pax_headers={"path": "../evil"}),
    "long name": tar_of({"../" + "e" * 150: b""}),
}


@pytest.mark.parametrize("why", ODD_TARS)
def test_a_tar_member_that_is_no_file_or_folder_is_refused(unpacked: Any, why: str) -> None:
    with pytest.raises(UnsafeFileError):
        unpacked(ODD_TARS[why], "tar")


@pytest.mark.parametrize("mode", [0o120777, 0o060600, 0o020600, 0o010600, 0o140755])
def test_a_zip_member_that_is_no_file_or_folder_is_refused(unpacked: Any, mode: int) -> None:
    with pytest.raises(UnsafeFileError, match="link or a device"):
        unpacked(zip_of({"odd": b"/etc/passwd"}, mode=mode), "zip")


def test_a_link_in_the_place_of_a_folder_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    tree = NewTree(tmp_path / "tree")
    (tmp_path / "tree/file").symlink_to(tmp_path / "outside/file")
    with pytest.raises(StorageError):
        tree.file(("file",), [b"x"])
    assert list((tmp_path / "outside").iterdir()) == []


BOMBS = {
    "gzip": ("gzip", gzip.compress(bytes(2 << 20))),
    "bzip2": ("bzip2", bz2.compress(bytes(2 << 20))),
    "xz": ("xz", lzma.compress(bytes(2 << 20))),
    "tar.gz": ("tar", tar_of({"a": bytes(2 << 20)}, "w:gz")),
    "deflated zip": ("zip", zip_of({"a": bytes(2 << 20)})),
    "bzip2 zip": ("zip", zip_of({"a": bytes(2 << 20)}, zipfile.ZIP_BZIP2)),
    "many files": ("zip", zip_of({str(number): bytes(100_000) for number in range(20)})),
    "header": ("tar", gzip.compress(odd_tar(b"0", pax_headers={"comment": "x" * 1_900_000}))),
}


@pytest.mark.parametrize("why", BOMBS)
def test_what_swells_beyond_reason_is_refused(unpacked: Any, why: str) -> None:
    kind, body = BOMBS[why]
    assert len(body) < 6000
    with pytest.raises(UnsafeFileError, match=r"swells to more than|headers of more"):
        unpacked(body, kind, limits=Limits(free=1 << 20, ratio=20))
    if why != "header":
        unpacked(body, kind, limits=Limits(free=3 << 20))


@pytest.mark.parametrize("why", ["gzip", "deflated zip", "tar.gz"])
def test_the_total_is_capped_whatever_the_ratio(unpacked: Any, why: str) -> None:
    kind, body = BOMBS[why]
    with pytest.raises(UnsafeFileError, match="swells"):
        unpacked(body, kind, limits=Limits(total=1 << 20))


def test_what_swells_inside_an_inner_archive_counts_too(unpacked: Any) -> None:
    body = tar_of({"a.tar.gz": BOMBS["tar.gz"][1]}, "w:gz")
    with pytest.raises(UnsafeFileError, match="swells"):
        unpacked(body, "tar", limits=Limits(free=1 << 20), inner=(("*.gz", "tar"),))


def test_an_archive_in_itself_ends_after_one_step(unpacked: Any) -> None:
    body = tar_of({"a.tar": tar_of({"a.tar": tar_of({"a.tar": b"end"})})})
    assert (unpacked(body, "tar", inner=(("*.tar", "tar"),)) / "a/a.tar").is_file()


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_the_number_of_members_is_capped(unpacked: Any, make: Any) -> None:
    body = make({str(number): None if number % 2 else b"" for number in range(12)})
    kind = "tar" if make is tar_of else "zip"
    with pytest.raises(UnsafeFileError, match="members"):
        unpacked(body, kind, limits=Limits(members=10))
    unpacked(body, kind, limits=Limits(members=12))


def test_the_members_of_inner_archives_count_too(unpacked: Any) -> None:
    for make in (tar_of, zip_of):
        body = tar_of({**{str(number): b"" for number in range(6)}, "a.inner": make({str(n): b"" for n in range(6)})})
        kind = "tar" if make is tar_of else "zip"
        with pytest.raises(UnsafeFileError, match="members"):
            unpacked(body, "tar", inner=(("*.inner", kind),), limits=Limits(members=10))


def test_headers_before_a_member_are_capped(unpacked: Any) -> None:
    with pytest.raises(UnsafeFileError, match="headers of more"):
        unpacked(odd_tar(b"0", pax_headers={"comment": "x" * 100_000}), "tar")


def test_a_zip_directory_beyond_reason_is_not_even_read(unpacked: Any) -> None:
    with pytest.raises(UnsafeFileError, match="directory of"):
        unpacked(zip_of({"a" * 200: b""}), "zip", limits=Limits(directory=100))


def test_a_zip_that_claims_too_many_members_is_refused_before_the_first(unpacked: Any) -> None:
    with pytest.raises(UnsafeFileError, match="and 3 members, too many to unpack"):
        unpacked(zip_of({"a": b"", "b": b"", "c": b""}), "zip", limits=Limits(members=2))


def test_xz_may_not_ask_for_much_memory(unpacked: Any) -> None:
    body = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}])
    with pytest.raises(FormatError, match="xz"):
        unpacked(body, "xz")


def test_an_empty_zip_is_an_empty_folder_unless_its_directory_hides_something(unpacked: Any) -> None:
    assert contents_of(unpacked(zip_of({}), "zip")) == {}
    body = bytearray(zip_of({"a": b"x"}))
    struct.pack_into("<2H", body, body.rfind(b"PK\x05\x06") + 8, 0, 0)
    with pytest.raises(FormatError, match="bytes after its last member"):
        unpacked(bytes(body), "zip")


def test_members_that_share_bytes_are_refused(unpacked: Any) -> None:
    body = bytearray(zip_of({"a": b"same bytes", "b": b"same bytes"}, zipfile.ZIP_STORED))
    second = body.rfind(b"PK\x01\x02")
    struct.pack_into("<I", body, second + 42, 0)
    with pytest.raises((UnsafeFileError, FormatError), match="overlaps"):
        unpacked(bytes(body), "zip")


@pytest.mark.parametrize("flags", [1, 0x40, 0x2000])
def test_an_encrypted_member_is_refused(unpacked: Any, flags: int) -> None:
    body = bytearray(zip_of({"a": b"secret"}))
    struct.pack_into("<H", body, body.rfind(b"PK\x01\x02") + 8, flags)
    with pytest.raises(UnsafeFileError, match="encrypted"):
        unpacked(bytes(body), "zip")


def test_a_packing_that_is_not_read_is_refused(unpacked: Any) -> None:
    with pytest.raises(UnsafeFileError, match="method 14"):
        unpacked(zip_of({"a": b"x"}, zipfile.ZIP_LZMA), "zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("field", [16, 24])
def test_a_zip_member_that_is_not_what_the_directory_says_is_refused(unpacked: Any, method: int, field: int) -> None:
    body = bytearray(zip_of({"a": b"true bytes" * 9}, method))
    place = body.rfind(b"PK\x01\x02") + field
    struct.pack_into("<I", body, place, struct.unpack_from("<I", body, place)[0] - 1)
    with pytest.raises(FormatError, match=r"damaged|unpacks to more"):
        unpacked(bytes(body), "zip")


def test_room_on_the_disk_is_looked_for_before_and_on_the_way(unpacked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([1 << 30, 0])
    usage = type("Usage", (), {"free": property(lambda self: next(free))})
    monkeypatch.setattr(trees.shutil, "disk_usage", lambda path: usage())
    monkeypatch.setattr(trees, "_STEP", 1 << 16)
    with pytest.raises(StorageError, match="NUMZOO_HOME"):
        unpacked(tar_of({"a": bytes(1 << 18), "b": bytes(1 << 18)}), "tar")
    free = iter([0])
    with pytest.raises(StorageError, match="NUMZOO_HOME"):
        unpacked(tar_of({"a": b"small"}), "tar")


SEEDS = [
    ("tar", tar_of({"d": None, "d/a": b"a" * 700, "b" * 120: b"b"})),
    ("tar", tar_of({"d/a": b"a" * 700}, "w:gz")),
    ("tar", tar_of({"d/ü" + "a" * 120: b"a" * 700}, "w:xz", tarfile.PAX_FORMAT)),
    ("zip", zip_of({"d": None, "d/a": b"a" * 700, "b": b"b"})),
    ("zip", zip_of({"d/a": b"a" * 700}, zipfile.ZIP_BZIP2)),
    ("gzip", gzip.compress(b"a" * 700)),
    ("bzip2", bz2.compress(b"a" * 700)),
    ("xz", lzma.compress(b"a" * 700)),
]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_archive_is_a_typed_error_and_never_leaves_its_folder(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    kind, seed = data.draw(st.sampled_from(SEEDS))
    body = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert", "copy"])):
            case "set":
                body[place] = data.draw(st.integers(0, 255))
            case "cut":
                del body[place : place + data.draw(st.integers(1, 40))]
            case "insert":
                body[place:place] = data.draw(st.binary(max_size=20))
            case "copy":
                body[place : place + 30] = body[: data.draw(st.integers(0, 30))]
        body = body or bytearray(1)
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "packed").write_bytes(body)
    (folder / "scratch").mkdir()
    try:
        with open(folder / "packed", "rb") as file:
            unpack(
                file,
                Unpack(kind),
                NewTree(folder / "tree"),
                name="packed.gz",
                scratch=folder / "scratch",
                limits=Limits(free=1 << 20, total=1 << 20),
            )
    except (FormatError, UnsafeFileError):
        pass
    assert {path.name for path in folder.iterdir()} == {"packed", "scratch", "tree"}
    assert sum(len(content or b"") for content in contents_of(folder / "tree").values()) <= 1 << 20
    assert not any(path.is_symlink() for path in folder.rglob("*"))


@pytest.mark.parametrize(("kind", "seed"), SEEDS, ids=lambda each: each if isinstance(each, str) else "")
def test_an_archive_that_was_cut_short_is_refused_wherever_it_was_cut(unpacked: Any, kind: str, seed: bytes) -> None:
    real = len(seed) if kind != "tar" or seed[:1] in (b"\x1f", b"\xfd") else len(seed.rstrip(b"\0"))
    for end in range(0, real, max(1, real // 40)):
        with pytest.raises(FormatError):
            unpacked(seed[:end], kind)
