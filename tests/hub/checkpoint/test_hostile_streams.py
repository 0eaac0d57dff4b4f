"""Legacy streams and tar files that are damaged or lie; and tensors that reach outside their storage, in any format."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from numzoo.hub.checkpoint import limits, read_checkpoint
from numzoo.hub.errors import FormatError, UnsafeFileError

ONE = [("0", 2, np.float32([1, 2]).tobytes())]


def root(forge, view: bytes = b"N") -> bytes:
    return forge.dict({"w": forge.rebuild(forge.storage("FloatStorage", "0", 2, view), 0, (2,), (1,))})


def view(offset: int, size: int):
    return lambda forge: forge.stream(
        root(forge, forge.tuple(forge.text("9"), forge.integer(offset), forge.integer(size))), ONE
    )


STREAMS = {
    "another version": (lambda forge: forge.stream(root(forge), ONE, version=1002), FormatError, "version 1001"),
    "bytes at the end": (lambda forge: forge.stream(root(forge), ONE, tail=b"x"), UnsafeFileError, "1 bytes after its end"),
    "a pickle at the end": (
        lambda forge: forge.stream(root(forge), ONE, tail=forge.pickle(forge.call("os", "system", forge.text("true")))),
        UnsafeFileError, "after its end"),
    "a storage that is not listed": (lambda forge: forge.stream(root(forge), [], keys=[]), FormatError, "not listed"),
    "a storage that is not used": (
        lambda forge: forge.stream(root(forge), [*ONE, ("1", 1, bytes(4))]), FormatError, "not used"),
    "a storage listed twice": (lambda forge: forge.stream(root(forge), ONE * 2), FormatError, "twice"),
    "keys that are no texts": (
        lambda forge: forge.stream(root(forge), ONE).replace(forge.pickle(forge.list(forge.text("0"))),
                                                             forge.pickle(forge.list(b"K\x00"))), FormatError, "list of texts"),
    "more elements than announced": (lambda forge: forge.stream(root(forge), [("0", 3, bytes(12))]), FormatError, "2 were announced"),
    "fewer elements than announced": (lambda forge: forge.stream(root(forge), [("0", 1, bytes(4))]), FormatError, "2 were announced"),
    "a storage described in two ways": (
        lambda forge: forge.stream(forge.list(*(
            forge.rebuild(forge.storage(kind, "0", size, b"N"), 0, (1,), (1,))
            for kind, size in (("FloatStorage", 2), ("FloatStorage", 1)))), ONE), FormatError, "described in two ways"),
    "a storage of two types": (
        lambda forge: forge.stream(forge.list(*(
            forge.rebuild(forge.storage(kind, "0", 2, b"N"), 0, (1,), (1,))
            for kind in ("FloatStorage", "IntStorage"))), ONE), FormatError, "described in two ways"),
    "a negative count": (lambda forge: forge.stream(root(forge), [("0", -2, bytes(8))]), FormatError, "announced"),
    "data that ends early": (lambda forge: forge.stream(root(forge), [("0", 2, bytes(7))]), FormatError, "cut short"),
    "no byte order": (lambda forge: forge.stream(root(forge), ONE).replace(b"little_endian", b"little_indian"), None, ""),
    "a byte order that is no boolean": (
        lambda forge: forge.stream(root(forge), ONE).replace(b"little_endian\x88", b"little_endianN"), FormatError, "boolean"),
    "a view before its storage": (view(-1, 2), FormatError, "leaves its storage"),
    "a view behind its storage": (view(1, 2), FormatError, "leaves its storage"),
    "a view of negative size": (view(1, -1), FormatError, "leaves its storage"),
    "a tensor outside its view": (view(1, 1), FormatError, "needs element 1"),
    "a view that is no tuple": (lambda forge: forge.stream(root(forge, b"K\x01"), ONE), FormatError, "not a tuple"),
    "an id of five parts": (lambda forge: forge.stream(root(forge, b""), ONE), FormatError, "5 parts"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_legacy_stream_that_lies_is_refused(forge, save, name):
    make, error, why = STREAMS[name]
    if error is None:  # the default of the format is little-endian
        assert read_checkpoint(save(make(forge)))["w"].tolist() == [1, 2]
        return
    with pytest.raises(error, match=why):
        read_checkpoint(save(make(forge)))


def test_a_stream_cut_anywhere_is_refused(forge, save):
    whole = forge.stream(root(forge), ONE)
    for size in range(len(whole)):
        with pytest.raises((FormatError, UnsafeFileError)):
            read_checkpoint(save(whole[:size]))


LAYOUTS = {
    "fewer strides than sizes": (0, (2, 1), (1,), "2 sizes but 1 strides"),
    "a negative size": (0, (-1,), (1,), "none may be negative"),
    "a negative stride": (1, (2,), (-1,), "none may be negative"),
    "a negative offset": (-1, (1,), (1,), "element -1"),
    "one element too many": (0, (3,), (1,), "needs element 2"),
    "an offset that pushes it out": (1, (2,), (1,), "needs element 2"),
    "a stride that pushes it out": (0, (2,), (2,), "needs element 2"),
    "a scalar outside": (2, (), (), "needs element 2"),
    "an offset that overflows": (1 << 63, (1,), (1,), "needs element"),
    "a stride that overflows": (0, (2,), (1 << 64,), "needs element"),
    "sizes that overflow together": (0, (1 << 40, 1 << 40), (0, 0), "larger than"),
    "an empty tensor whose sizes overflow": (0, (0, 1 << 62, 1 << 62), (1, 1, 1), "larger than"),
    "33 dimensions": (0, (1,) * 33, (1,) * 33, "at most 32"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tensor_that_leaves_its_storage_is_refused(forge, save, name):
    offset, shape, strides, why = LAYOUTS[name]
    content = forge.dict({"w": forge.rebuild(forge.storage("FloatStorage", "0", 2), offset, shape, strides)})
    with pytest.raises(FormatError, match=why):
        read_checkpoint(save(forge.torch_zip(content, {"0": bytes(8)})))
    if max(map(abs, (offset, *shape, *strides))) < 1 << 63:
        storages = forge.tar_storages([(1, "FloatStorage", 2, bytes(8))])
        tensors = forge.pickle(b"K\x01") + forge.pickle(
            forge.tuple(b"K\x02", b"K\x01", forge.named("torch", "FloatTensor"))
        )
        tensors += struct.pack("<i4x", len(shape)) + struct.pack(
            f"<{len(shape) + len(strides) + 1}q", *shape, *strides, offset
        )
        with pytest.raises(FormatError):
            read_checkpoint(save(forge.tar(forge.tar_members(b"K\x02Q", storages, tensors))))


def test_expanded_tensors_may_not_fill_the_memory(forge, save):
    """4 bytes in the file, a terabyte in memory."""
    wide = forge.rebuild(forge.storage("FloatStorage", "0", 1), 0, (1 << 20, 1 << 18), (0, 0))
    with pytest.raises(FormatError, match="Expanded tensors"):
        read_checkpoint(save(forge.torch_zip(wide, {"0": bytes(4)})))


def test_many_expanded_tensors_are_counted_together(forge, save, monkeypatch):
    monkeypatch.setattr(limits, "OVERLAPPING_BYTES", 10_000)
    storage = forge.storage("FloatStorage", "0", 1)
    for count, fits in ((2, True), (50, False)):
        content = forge.list(*(forge.rebuild(storage, 0, (100, 10), (0, 0)) for _ in range(count)))
        path = save(forge.torch_zip(content, {"0": bytes(4)}))
        if fits:
            assert len(read_checkpoint(path)) == count
        else:
            with pytest.raises(FormatError, match="Expanded tensors"):
                read_checkpoint(path)


def test_booleans_that_are_neither_0_nor_1_are_refused(forge, save):
    array = np.array([0, 1, 2], np.uint8).view(bool)
    for writer in (forge.state_zip, forge.state_legacy, forge.state_tar):
        with pytest.raises(FormatError, match="neither 0 nor 1"):
            read_checkpoint(save(writer({"flag": array})))


def members(forge) -> list:
    storages = forge.tar_storages([(1, "FloatStorage", 2, bytes(8))])
    tensors = forge.tar_tensors([(2, 1, "FloatTensor", (2,), (1,), 0)])
    return forge.tar_members(forge.dict({"w": b"K\x02Q"}), storages, tensors)


def changed(index: int, **fields):
    def make(forge) -> bytes:
        parts = members(forge)
        parts[index] = (*parts[index][:2], fields)
        return forge.tar(parts)

    return make


def with_member(name: str, data: bytes = b"", **fields):
    return lambda forge: forge.tar([*members(forge), (name, data, fields)])


TARS = {
    "a link": (changed(3, kind=b"2", link=b"/etc/passwd"), UnsafeFileError, "link"),
    "a hard link": (changed(3, kind=b"1", link=b"pickle"), UnsafeFileError, "link"),
    "a link of another type": (changed(3, kind=b"0", link=b"pickle"), UnsafeFileError, "link"),
    "a device": (changed(3, kind=b"3"), UnsafeFileError, "only regular files"),
    "a pipe": (changed(3, kind=b"6"), UnsafeFileError, "only regular files"),
    "a folder": (with_member("sub", kind=b"5"), UnsafeFileError, "only regular files"),
    "a sparse file": (changed(3, kind=b"S"), UnsafeFileError, "only regular files"),
    "a long name": (with_member("x", b"longname", kind=b"L"), UnsafeFileError, "only regular files"),
    "global records": (with_member("x", b"", kind=b"g"), UnsafeFileError, "only regular files"),
    "a fifth member": (with_member("evil.py"), UnsafeFileError, "member 'evil.py'"),
    "a name that steps up": (with_member("../pickle"), UnsafeFileError, "member '../pickle'"),
    "an absolute name": (with_member("/pickle"), UnsafeFileError, "member '/pickle'"),
    "a member twice": (with_member("pickle", b"\x80\x02}."), UnsafeFileError, "twice"),
    "a prefix": (changed(1, prefix=b"evil"), UnsafeFileError, "folder"),
    "a wrong checksum": (changed(1, checksum=b"000001\x00 "), FormatError, "checksum"),
    "a size that is no number": (changed(1, size=b"zzzz"), FormatError, "no size"),
    "a binary size": (changed(1, size=b"\x80" + bytes(10) + b"\x10"), FormatError, "no size"),
    "a size outside the file": (changed(3, size=b"%011o\x00" % (1 << 30)), FormatError, "outside the file"),
    "an extended name": (with_member("x", b"18 path=../pickle\n", kind=b"x"), UnsafeFileError, "sets 'path'"),
    "an extended link": (with_member("x", b"20 linkpath=/pickle\n", kind=b"x"), UnsafeFileError, "sets 'linkpath'"),
    "a record without a value": (with_member("x", b"9 mtime1\n", kind=b"x"), FormatError, "damaged"),
    "a record without its end": (with_member("x", b"11 mtime=12", kind=b"x"), FormatError, "damaged"),
    "a size given twice": (with_member("x", b"9 size=1\n9 size=2\n", kind=b"x"), FormatError, "damaged size"),
    "a size that is a word": (with_member("x", b"12 size=abc\n", kind=b"x"), FormatError, "damaged size"),
    "two extended headers": (
        lambda forge: forge.tar([("x", b"11 mtime=1\n", {"kind": b"x"})] * 2 + members(forge)), FormatError, "two extended"),
    "a huge extended header": (
        with_member("x", b"40000 comment=" + b"x" * 39985 + b"\n", kind=b"x"), FormatError, "extended header of 40000"),
    "an extended header that leaves the file": (
        lambda forge: forge.tar([*members(forge), ("x", b"", {"kind": b"x", "size": b"%011o\x00" % 20_000})]),
        FormatError, "extended header of 20000"),
    "a header that is not POSIX's": (with_member("x", b"", magic=b"xstar\x0000"), FormatError, "not a POSIX one"),
    "a damaged extended header": (with_member("x", b"99 mtime=1\n", kind=b"x"), FormatError, "damaged"),
    "a sparse extended header": (with_member("x", b"22 GNU.sparse.major=1\n", kind=b"x"), UnsafeFileError, "sets 'GNU"),
    "an extended header of nothing": (with_member("x", b"11 mtime=1\n", kind=b"x"), FormatError, "lacks"),
    "bytes behind the end": (lambda forge: forge.tar(members(forge), tail=bytes(1024) + b"x"), UnsafeFileError, "after its end"),
    "a second archive behind the end": (
        lambda forge: forge.tar(members(forge)) + forge.tar(members(forge)), UnsafeFileError, "after its end"),
    "no end": (lambda forge: forge.tar(members(forge), tail=b""), FormatError, "cut short"),
    "a missing member": (lambda forge: forge.tar(members(forge)[:3]), FormatError, "lacks storages"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARS)
def test_a_tar_file_that_is_not_plain_is_refused(forge, save, name):
    make, error, why = TARS[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(make(forge)))


def test_a_pickle_above_the_limit_is_refused(forge, save, monkeypatch):
    monkeypatch.setattr(limits, "PICKLE_BYTES", 200)
    parts = members(forge)
    parts[1] = ("pickle", forge.pickle(forge.dict({"w" * 300: b"K\x02Q"})))
    with pytest.raises(FormatError, match=r"member pickle has \d+ bytes"):
        read_checkpoint(save(forge.tar(parts)))


def test_views_that_are_no_list_are_refused(forge, save):
    parts = members(forge)
    assert parts[3][1].endswith(forge.pickle(forge.list()))
    parts[3] = ("storages", parts[3][1].removesuffix(forge.pickle(forge.list())) + forge.pickle(b"}"))
    with pytest.raises(FormatError, match="views are not a list"):
        read_checkpoint(save(forge.tar(parts)))


@pytest.mark.parametrize("view", [b"N", b")", b"(K\x01K\x01K\x00Nt", b"(K\x01K\x01NK\x00t"])
def test_a_view_that_is_no_tuple_of_numbers_is_refused(forge, save, view):
    parts = members(forge)
    storages = parts[3][1].removesuffix(forge.pickle(forge.list()))
    parts[3] = ("storages", storages + forge.pickle(forge.list(view)))
    with pytest.raises(FormatError, match="a view is not a key, a root, an offset and a size"):
        read_checkpoint(save(forge.tar(parts)))


@pytest.mark.parametrize("dimensions", [-1, 33])
def test_a_tensor_of_impossible_dimensions_is_refused(forge, save, dimensions):
    parts = members(forge)
    head, plain = forge.tar_tensors([(2, 1, "FloatTensor", (2,), (1,), 0)]), struct.pack("<i4x", 1)
    parts[2] = ("tensors", head.replace(plain, struct.pack("<i4x", dimensions), 1))
    with pytest.raises(FormatError, match=f"a tensor has {dimensions} dimensions"):
        read_checkpoint(save(forge.tar(parts)))


def test_a_tensor_without_a_class_is_refused(forge, save):
    parts = members(forge)
    parts[2] = ("tensors", parts[2][1].replace(forge.named("torch", "FloatTensor"), b"N"))
    with pytest.raises(FormatError, match="not a key, a storage and a tensor class"):
        read_checkpoint(save(forge.tar(parts)))


def test_extended_headers_that_do_not_matter_are_skipped(forge, save):
    parts = members(forge)
    times = b"20 mtime=1478.12345\n"
    assert len(times) == 20
    size = b"%d size=%d\n" % (9 + len(str(len(parts[3][1]))), len(parts[3][1]))
    parts = [*parts[:3], ("x", times + size, {"kind": b"x"}), (*parts[3], {"size": b"%011o\x00" % 0})]
    # The true size stands in the extended header only, so the plain one lies: the data follow all the same.
    assert read_checkpoint(save(forge.tar(parts)))["w"].tolist() == [0, 0]


def storages(*changes):
    def make(forge) -> bytes:
        parts = members(forge)
        raw = parts[3][1]
        for old, new in changes:
            raw = raw.replace(old, new)
        return forge.tar([*parts[:3], ("storages", raw)])

    return make


def tensors(raw):
    return lambda forge: forge.tar(
        [members(forge)[index] if index != 2 else ("tensors", raw(forge)) for index in range(4)]
    )


def tar_root(opcodes: bytes):
    return lambda forge: forge.tar([members(forge)[0], ("pickle", forge.pickle(opcodes)), *members(forge)[2:]])


TAR_CONTENTS = {
    "a persistent tuple": (tar_root(b")Q"), UnsafeFileError, "module"),
    "an unknown tensor": (tar_root(b"K\x09Q"), FormatError, "tensor 9"),
    "a tensor named by a list": (tar_root(b"]Q"), FormatError, "key is a list"),
    "a tensor named by a huge text": (tar_root(b"X\x64\x00\x00\x00" + b"1" * 100 + b"Q"), FormatError, "key is a str"),
    "bytes after the pickle": (
        lambda forge: forge.tar([members(forge)[0], ("pickle", b"\x80\x02}.}"), *members(forge)[2:]]), UnsafeFileError, "STOP"),
    "bytes after the storages": (
        lambda forge: forge.tar([*members(forge)[:3], ("storages", members(forge)[3][1] + b"x")]), UnsafeFileError, "after its end"),
    "bytes after the tensors": (tensors(lambda forge: members(forge)[2][1] + b"x"), UnsafeFileError, "after its end"),
    "a count above the data": (storages((struct.pack("<q", 2), struct.pack("<q", 200))), FormatError, "more than the file"),
    "a negative count": (storages((struct.pack("<q", 2), struct.pack("<q", -2))), FormatError, "more than the file"),
    "another storage class": (storages((b"torch\nFloatStorage", b"torch\nFloatTensor")), FormatError, "storage class"),
    "a system storage class": (storages((b"torch\nFloatStorage", b"os\nsystem")), UnsafeFileError, "os.system"),
    "a negative number of storages": (storages((b"\x80\x02K\x01.", b"\x80\x02J\xff\xff\xff\xff.")), FormatError, "small number"),
    "a storage twice": (storages((b"\x80\x02K\x01.", b"\x80\x02K\x02.")), FormatError, "not a key"),
    "a tensor on no storage": (
        tensors(lambda forge: forge.tar_tensors([(2, 9, "FloatTensor", (2,), (1,), 0)])), FormatError, "storage 9"),
    "99 dimensions": (tensors(lambda forge: forge.tar_tensors([(2, 1, "FloatTensor", (1,) * 99, (1,) * 99, 0)])),
                      FormatError, "99 dimensions"),
    "a tensor key twice": (
        tensors(lambda forge: forge.tar_tensors([(2, 1, "FloatTensor", (2,), (1,), 0)] * 2)), FormatError, "used twice"),
    "tensors cut short": (tensors(lambda forge: members(forge)[2][1][:-1]), FormatError, "cut short"),
    "big-endian": (
        lambda forge: forge.tar([("sys_info", members(forge)[0][1].replace(b"\x88", b"\x89")), *members(forge)[1:]]),
        FormatError, "big-endian"),
    "facts that are no dictionary": (
        lambda forge: forge.tar([("sys_info", b"\x80\x02]."), *members(forge)[1:]]), FormatError, "boolean"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAR_CONTENTS)
def test_the_contents_of_a_tar_file_that_lie_are_refused(forge, save, name):
    make, error, why = TAR_CONTENTS[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(make(forge)))


VIEWS = {
    "behind its root": ((8, 1, 1, 2), "leaves its storage"),
    "before its root": ((8, 1, -1, 1), "leaves its storage"),
    "of no root": ((8, 9, 0, 1), "root 9"),
    "under a used key": ((1, 1, 0, 1), "used twice"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_in_a_tar_file_that_lies_is_refused(forge, save, name):
    view, why = VIEWS[name]
    raw = forge.tar_storages([(1, "FloatStorage", 2, bytes(8))], [view])
    with pytest.raises(FormatError, match=why):
        read_checkpoint(save(forge.tar([*members(forge)[:3], ("storages", raw)])))


def test_a_tar_file_cut_anywhere_is_refused(forge, save):
    whole = forge.tar(members(forge))
    for size in range(0, len(whole) - 512, 61):
        with pytest.raises((FormatError, UnsafeFileError)):
            read_checkpoint(save(whole[:size]))
