"""Zip files that show two contents to two readers, or lie about sizes: section by section, each refused."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata
from numzoo.hub.errors import FormatError, UnsafeFileError


def one(forge, **changes):
    """The members of a small checkpoint; `changes` go to the storage's entry."""
    root = forge.dict({"w": forge.rebuild(forge.storage("FloatStorage", "0", 2), 0, (2,), (1,))})
    first = forge.Entry("m/data.pkl", forge.pickle(root), flags=0x808)
    return [first, forge.Entry("m/data/0", np.float32([1, 2]).tobytes(), **changes)]


def test_the_untouched_file_is_read(forge, save):
    for wide in (True, False):
        assert read_checkpoint(save(forge.zip(one(forge), wide=wide)))["w"].tolist() == [1, 2]


def test_pythons_own_zip_writer_is_understood(forge, save):
    for force in (False, True):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.mkdir("m") if hasattr(archive, "mkdir") else archive.writestr("m/", b"")
            for entry in one(forge):
                with archive.open(zipfile.ZipInfo(entry.name), "w", force_zip64=force) as member:
                    member.write(entry.data)
        assert read_checkpoint(save(buffer.getvalue()))["w"].tolist() == [1, 2]


WIDE = struct.pack("<2H", 1, 16)

ENTRIES = {
    "compressed": ({"method": 8}, UnsafeFileError, "compressed"),
    "an unknown method": ({"local": {"method": 12}, "central": {"method": 12}}, UnsafeFileError, "method 12"),
    "encrypted": ({"flags": 1}, UnsafeFileError, "encrypted"),
    "strongly encrypted": ({"flags": 0x40}, UnsafeFileError, "flags 0x0040"),
    "another name in the header": ({"local": {"name": b"m/data/9"}}, UnsafeFileError, "differently"),
    "another method in the header": ({"local": {"method": 8}}, UnsafeFileError, "differently"),
    "other flags in the header": ({"local": {"flags": 0x800}}, UnsafeFileError, "differently"),
    "another checksum in the header": ({"local": {"crc": 1}}, UnsafeFileError, "other sizes"),
    "another size in the header": ({"local": {"size": 4, "packed": 4}}, UnsafeFileError, "other sizes"),
    "two sizes": ({"central": {"size": 4}}, UnsafeFileError, "two sizes"),
    "a longer size": ({"central": {"size": 80, "packed": 80}}, UnsafeFileError, "other sizes"),
    "a size outside the file": ({"central": {"size": 1 << 30, "packed": 1 << 30},
                                 "local": {"size": 1 << 30, "packed": 1 << 30}}, FormatError, "outside the file"),
    "an offset outside the file": ({"central": {"header": 1 << 30}}, UnsafeFileError, "hidden bytes"),
    "an offset on another member": ({"central": {"header": 0}}, UnsafeFileError, "overlaps"),
    "an offset inside another member": ({"central": {"header": 50}}, UnsafeFileError, "overlaps"),
    "hidden bytes before it": ({"before": b"MZ"}, UnsafeFileError, "hidden bytes"),
    "a wrong checksum": ({"central": {"crc": 1}, "local": {"crc": 1}}, FormatError, "CRC-32"),
    "a link": ({"central": {"system": 3, "external": 0o120777 << 16}}, UnsafeFileError, "link or a device"),
    "a device": ({"central": {"system": 3, "external": 0o060666 << 16}}, UnsafeFileError, "link or a device"),
    "no mark in its header": ({"local": {"mark": b"PK\x07\x08"}}, FormatError, "no header at byte"),
    "no mark in the directory": ({"central": {"mark": b"PK\x03\x04"}}, FormatError, "directory is damaged at byte"),
    "a header that reaches beyond the file": ({"local": {"extra size": 60_000}}, FormatError, "outside the file"),
    "a directory that ends inside it": ({"central": {"comment size": 9}}, FormatError, "ends inside a member"),
    "another disk": ({"central": {"disk": 1}}, UnsafeFileError, "another disk"),
    "a comment": ({"central": {"comment": b"x"}}, UnsafeFileError, "comment"),
    "a lying descriptor": ({"flags": 8, "descriptor": b"PK\x07\x08" + bytes(12)}, UnsafeFileError, "descriptor"),
    "no descriptor where one is announced": ({"flags": 8, "descriptor": b""}, UnsafeFileError, "descriptor"),
    "a wide size without its field": ({"central": {"size": 0xFFFFFFFF}}, FormatError, "zip64 field"),
    "a wide field that is too short": ({"central": {"size": 0xFFFFFFFF, "extra": struct.pack("<2HI", 1, 4, 8)}},
                                       FormatError, "too short"),
    "two wide fields": ({"central": {"size": 0xFFFFFFFF, "extra": (WIDE + bytes(16)) * 2}}, UnsafeFileError, "two zip64"),
    "a damaged extra field": ({"central": {"extra": struct.pack("<2H", 1, 90)}}, FormatError, "extra field"),
    "a huge wide size": ({"central": {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF,
                                      "extra": WIDE + struct.pack("<2Q", 1 << 63, 1 << 63)}}, UnsafeFileError, "other sizes"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_a_member_that_lies_is_refused(forge, save, name):
    changes, error, why = ENTRIES[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(forge.zip(one(forge, **changes))))


NAMES = ["../evil", "m/../../evil", "m/..", "/etc/passwd", "m\\data\\1", "C:/evil", "C:evil", "m/a\x00b", ""]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leaves_the_archive_is_refused(forge, save, name):
    with pytest.raises(UnsafeFileError, match="leaves the archive"):
        read_checkpoint(save(forge.zip([*one(forge), forge.Entry(name, b"x")])))


def test_a_name_that_is_no_text_is_refused(forge, save):
    bad = {"name": b"m/\xff"}
    with pytest.raises(FormatError, match="UTF-8"):
        read_checkpoint(save(forge.zip([*one(forge), forge.Entry("m/x", b"", local=bad, central=bad)])))


def test_names_that_appear_twice_are_refused(forge, save):
    members = one(forge)
    for again in members:
        with pytest.raises(UnsafeFileError, match="twice"):
            read_checkpoint(save(forge.zip([*members, again])))


FILES = {
    "bytes before the first member": ({"prefix": b"#!/bin/sh\n"}, FormatError, "begins with"),
    "a member before the first member": ({"prefix": b"PK\x03\x04" + bytes(26)}, UnsafeFileError, "hidden bytes"),
    "bytes after the end": ({"tail": b"x"}, FormatError, "no directory at its end"),
    "a comment": ({"comment": b"hello"}, FormatError, "no directory at its end"),
    "a comment that is announced": ({"end": {"comment": 5}}, UnsafeFileError, "has a comment or spans disks"),
    "a second disk": ({"end": {"disk": 1}}, UnsafeFileError, "has a comment or spans disks"),
    "members on another disk": ({"end": {"here": 1}, "wide": False}, FormatError, r"claims 2 members \(1 on this disk\)"),
    "a wide record elsewhere": ({"end": {"wide at": 4}}, FormatError, "zip64 directory record is not where"),
    "two disks of wide records": ({"end": {"disks": 2}}, FormatError, "zip64 directory record is not where"),
    "a wide record of another size": ({"end": {"wide size": 45}}, FormatError, "zip64 directory record is damaged"),
    "bytes before the directory": ({"between": b"xx"}, UnsafeFileError, "members end at byte"),
    "too many members": ({"end": {"count": 3}}, UnsafeFileError, "disagree"),
    "too few members": ({"end": {"count": 1}, "wide": False}, UnsafeFileError, "after its last member"),
    "more members than the directory": ({"end": {"count": 3}, "wide": False}, FormatError, "before its last member"),
    "a directory elsewhere": ({"end": {"begin": 4}}, UnsafeFileError, "disagree"),
    "a directory outside the file": ({"end": {"begin": 1 << 30}, "wide": False}, FormatError, "does not end"),
    "a directory of another size": ({"end": {"size": 9}, "wide": False}, FormatError, "does not end"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_directory_that_does_not_cover_the_file_is_refused(forge, save, name):
    changes, error, why = FILES[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(forge.zip(one(forge), **changes)))


def test_a_second_end_record_hides_nothing(forge, save):
    whole = forge.zip(one(forge))
    with pytest.raises((FormatError, UnsafeFileError)):
        read_checkpoint(save(whole + whole))


def test_a_file_cut_anywhere_is_refused(forge, save):
    whole = forge.zip(one(forge))
    for size in range(0, len(whole), 7):
        with pytest.raises((FormatError, UnsafeFileError)):
            read_checkpoint(save(whole[:size]))


def member(name: str, data: bytes = b"x"):
    return lambda forge: [*one(forge), forge.Entry(name, data)]


CONTENTS = {
    "two pickles": (member("other/data.pkl", b"\x80\x02}."), UnsafeFileError, "2 data.pkl"),
    "a second top folder": (member("other/file"), UnsafeFileError, "one top folder"),
    "a file beside the folder": (member("file"), UnsafeFileError, "one top folder"),
    "TorchScript": (member("m/constants.pkl", b"\x80\x02)."), UnsafeFileError, "TorchScript"),
    "TorchScript's code": (member("m/code/__torch__.py"), UnsafeFileError, "TorchScript"),
    "middle-endian": (member("m/byteorder", b"middle"), FormatError, "byteorder says 'middle'"),
    "no byte order": (member("m/byteorder", b""), FormatError, "byteorder says ''"),
    "another format version": (member("m/.format_version", b"2"), FormatError, "format_version says '2'"),
    "another version": (member("m/version", b"99\n"), FormatError, "version says '99'"),
    "a long version": (member("m/version", b"3" + b" " * 99), FormatError, "version says"),
    "a pickle without a folder": (
        lambda forge: [forge.Entry("data.pkl", b"\x80\x02}.")], UnsafeFileError, "0 data.pkl"),
    "a pickle two folders down": (
        lambda forge: [forge.Entry("a/b/data.pkl", b"\x80\x02}.")], UnsafeFileError, "one top folder"),
    "a folder that holds bytes": (member("m/sub/"), UnsafeFileError, "folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_an_archive_that_is_no_plain_state_dict_is_refused(forge, save, name):
    make, error, why = CONTENTS[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(forge.zip(make(forge))))


@pytest.mark.parametrize("elements", [-1, 1 << 60, 1 << 70])
def test_a_storage_that_no_file_could_hold_is_refused(forge, save, elements):
    root = forge.dict({"w": forge.rebuild(forge.storage("FloatStorage", "0", elements), 0, (2,), (1,))})
    with pytest.raises(FormatError, match="a storage claims"):
        read_checkpoint(save(forge.torch_zip(root, {"0": bytes(8)})))


def test_a_pickle_above_the_limit_is_refused(forge, save, monkeypatch):
    monkeypatch.setattr(limits, "PICKLE_BYTES", 100)
    with pytest.raises(FormatError, match=r"data\.pkl has \d+ bytes"):
        read_checkpoint(save(forge.zip(one(forge))))


def test_the_top_folder_may_have_any_name(forge, save):
    root = forge.dict({"w": forge.rebuild(forge.storage("FloatStorage", "0", 1), 0, (1,), (1,))})
    for top in ("archive", "resnet50-11ad3fa6", "größe 3"):
        assert list(read_checkpoint(save(forge.torch_zip(root, {"0": bytes(4)}, top=top)))) == ["w"]


def test_checksums_can_be_left_out(forge, save):
    """torch.serialization.set_crc32_options(False) writes no true checksum; the sha256 of the file is the real check."""
    path = save(forge.zip(one(forge, central={"crc": 1}, local={"crc": 1})))
    assert read_checkpoint(path, checksums=False)["w"].tolist() == [1, 2]
    assert read_metadata(path).bytes == 8


def test_one_checkpoint_inside_a_zip_is_read(forge, save, same):
    arrays = {name: array for name, array in forge.arrays().items() if array.dtype.kind != "c"}
    inner = [forge.state_legacy(arrays), forge.state_zip(arrays), forge.state_tar(arrays)]
    for content in inner:
        for method in (0, 8):
            outer = forge.zip([forge.Entry("deep/model.pth", content, method=method)])
            same(read_checkpoint(save(outer)), arrays)


def test_a_zip_in_a_zip_in_a_zip_is_refused(forge, save):
    content = forge.state_zip(forge.arrays())
    for _ in range(2):
        content = forge.zip([forge.Entry("model.pth", content)])
    with pytest.raises(FormatError, match="no checkpoint"):
        read_checkpoint(save(content))


def test_two_checkpoints_in_a_zip_are_refused(forge, save):
    content = forge.state_legacy(forge.arrays())
    with pytest.raises(FormatError, match="none of its 2 members"):
        read_checkpoint(save(forge.zip([forge.Entry("a.pth", content), forge.Entry("b.pth", content)])))


def test_a_zip_bomb_is_refused_before_it_grows(forge, save):
    bomb = forge.Entry("model.pth", bytes(100 << 20), method=8)
    with pytest.raises(UnsafeFileError, match="would grow"):
        read_checkpoint(save(forge.zip([bomb])))


def test_a_deflated_member_that_lies_about_its_size_is_refused(forge, save):
    content = forge.state_legacy({"w": np.zeros(1000, np.float32)})
    for size in (len(content) - 1, len(content) + 1):
        entry = forge.Entry("model.pth", content, method=8, local={"size": size}, central={"size": size})
        with pytest.raises(FormatError, match="inflate"):
            read_checkpoint(save(forge.zip([entry])))


def test_damaged_deflate_data_is_refused(forge, save):
    content = forge.state_legacy({"w": np.arange(1000, dtype=np.float32)})
    whole = bytearray(forge.zip([forge.Entry("model.pth", content, method=8)]))
    for position in range(80, len(whole) - 200, 97):
        broken = bytearray(whole)
        broken[position] ^= 0x55
        with pytest.raises(FormatError, match=r"inflate|CRC-32"):
            read_checkpoint(save(bytes(broken)))
