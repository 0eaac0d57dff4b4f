"""The format is found by the bytes; what is no checkpoint is refused with advice; names stay harmless."""

from __future__ import annotations

import io
import os
import socket
import tempfile

import numpy as np
import pytest
from handmade import ctranslate2, gguf, keras, onnx

from numzoo.hub.checkpoint import FORMATS, limits, open_checkpoint, read_checkpoint, read_metadata, write_safetensors
from numzoo.hub.errors import FormatError, NotFoundError, StorageError, UnsafeFileError, UsageError

W = {"w": np.arange(4, dtype=np.float32)}


def files(forge, tmp_path) -> dict[str, bytes]:
    write_safetensors(tmp_path / "s", W)
    np.savez(tmp_path / "z.npz", **W)
    np.save(tmp_path / "y.npy", W["w"])
    return {
        "safetensors": (tmp_path / "s").read_bytes(),
        "torch-zip": forge.state_zip(W),
        "torch-legacy": forge.state_legacy(W),
        "torch-tar": forge.state_tar(W),
        "npz": (tmp_path / "z.npz").read_bytes(),
        "npy": (tmp_path / "y.npy").read_bytes(),
        "gguf": gguf.build([("w", (4,), 0, W["w"].tobytes())]),
        "ctranslate2": ctranslate2.build([ctranslate2.variable("w", W["w"])]),
        "onnx": onnx.model([onnx.raw("w", W["w"])]),
        "keras": keras.write(lambda file: file.create_dataset("w", data=W["w"])),
    }


def test_the_bytes_decide_and_not_the_name(forge, save, tmp_path):
    made = files(forge, tmp_path)
    assert (*made, "sharded") == FORMATS  # which is of several files: test_sharded.py
    for format, content in made.items():
        for ending in ("pth", "safetensors", "npz", "txt"):
            path = save(content, f"file.{ending}")
            assert read_metadata(path).format == format
            assert next(iter(read_checkpoint(path).values())).tolist() == [0, 1, 2, 3]


def test_a_demanded_format_must_be_the_one(forge, save, tmp_path):
    for format, content in files(forge, tmp_path).items():
        path = save(content)
        assert len(read_checkpoint(path, format=format)) == 1
        other = "npy" if format != "npy" else "npz"
        for read in (read_checkpoint, read_metadata):
            with pytest.raises(FormatError, match=f"has the format {format}, but {other} was wanted"):
                read(path, format=other)


def test_an_unknown_format_is_a_usage_error(save):
    with pytest.raises(UsageError, match="wanted one of safetensors"):
        read_checkpoint(save(b"x"), format="word")


STRANGERS = {
    "a web page": (b"<!DOCTYPE html><html>quota exceeded</html>", FormatError, "web page"),
    "a web page after blanks": (b"\n\n  <html>", FormatError, "web page"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", FormatError, "git lfs pull"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), FormatError, "unpack"),
    "an empty zip": (b"PK\x05\x06" + bytes(18), FormatError, "empty zip"),
    "a bare pickle": (b"\x80\x02}q\x00.", UnsafeFileError, "bare pickle"),
    "a bare pickle of protocol 4": (b"\x80\x04\x95\x0b" + bytes(20), UnsafeFileError, "bare pickle"),
    "an old bare pickle": (b"cos\nsystem\n(S'true'\ntR.", FormatError, "no checkpoint that is known"),
    "text": (b"hello", FormatError, "begins with 68 65 6c 6c 6f"),
    "one byte": (b"P", FormatError, "no checkpoint"),
    "zeros": (bytes(2000), FormatError, "no checkpoint"),
    "nothing": (b"", FormatError, "is empty"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_checkpoint_is_refused_with_advice(save, name):
    content, error, why = STRANGERS[name]
    with pytest.raises(error, match=why):
        read_checkpoint(save(content))


def test_paths_that_are_no_files_have_their_own_errors(tmp_path):
    with pytest.raises(NotFoundError, match="There is no file"):
        read_checkpoint(tmp_path / "none")
    with pytest.raises(UsageError, match="not a regular file"):
        read_checkpoint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        read_checkpoint(tmp_path / "pipe")
    with pytest.raises(UsageError, match="binary mode"):
        read_checkpoint(3)


def test_open_files_that_hold_nothing_or_are_no_files_are_refused():
    with pytest.raises(FormatError, match="is empty"):
        read_checkpoint(io.BytesIO())
    with open(os.devnull, "rb") as file, pytest.raises(UsageError, match="not a regular file"):
        read_checkpoint(file)


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(forge, save):
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} '  # so that the data lie at no multiple of 4
    path = save(forge.safetensors(header, bytes(8)))
    with open_checkpoint(path) as opened:
        os.truncate(path, 8 + len(header))
        with pytest.raises(FormatError, match="became shorter"):
            opened["w"]


def test_a_file_opened_as_text_is_a_usage_error(save):
    with save(b"x").open(encoding="utf-8") as file, pytest.raises(UsageError, match="binary mode"):
        read_checkpoint(file)


def test_a_closed_file_and_a_stream_that_cannot_seek_are_usage_errors(save):
    with save(b"x").open("rb") as file:
        pass
    with pytest.raises(UsageError, match="closed"):
        read_checkpoint(file)
    left, right = socket.socketpair()
    with left, right, left.makefile("rb") as stream, pytest.raises(UsageError, match="first byte"):
        read_checkpoint(stream)


def test_a_file_that_may_not_be_read_is_a_storage_error(save, monkeypatch):
    path = save(b"x")

    def refuse(*arguments, **settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        read_checkpoint(path)


def test_a_file_that_was_just_written_is_read_through_its_handle(forge):
    with tempfile.TemporaryFile() as file:
        file.write(forge.state_zip(W))
        assert read_checkpoint(file)["w"].tolist() == [0, 1, 2, 3]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list its open files")
def test_no_descriptor_stays_open(forge, save):
    good, bad = save(forge.state_legacy(W), "good"), save(b"hello", "bad")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        read_checkpoint(good)
        with pytest.raises(FormatError):
            read_checkpoint(bad)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


NAMES = ["a\x00b", "../a", "a/../b", "a\\..\\b", "a/.."]


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_name_that_steps_up_a_path_is_refused(forge, save, name):
    with pytest.raises(UnsafeFileError, match="name"):
        read_checkpoint(save(forge.state_zip({name: W["w"]})))


def test_dots_in_names_are_no_steps(forge, save):
    assert list(read_checkpoint(save(forge.state_zip({"a..b": W["w"], "größe/ü": W["w"]})))) == ["a..b", "größe/ü"]


def tensor(forge) -> bytes:
    return forge.rebuild(forge.storage("FloatStorage", "0", 1), 0, (1,), (1,))


def test_two_tensors_of_one_flat_name_are_refused(forge, save):
    w = tensor(forge)
    twins = {
        "a dot in a key": forge.dict({"a.b": w, "a": forge.dict({"b": w})}),
        "a number and its text": b"}(" + forge.text("1") + w + b"K\x01" + w + b"u",
        "a value": forge.dict({"a.b": w, "a": forge.dict({"b": b"N"})}),
    }
    for root in twins.values():
        with pytest.raises(FormatError, match="one name"):
            read_checkpoint(save(forge.torch_zip(root, {"0": bytes(4)})))


def test_a_tensor_that_never_got_values_is_refused(forge, save):
    root = forge.dict({"w": forge.named("torch", "FloatTensor") + b")\x81"})
    with pytest.raises(FormatError, match="never given values"):
        read_checkpoint(save(forge.torch_zip(root, {})))


def test_names_may_not_fill_the_memory(forge, save, monkeypatch):
    long = forge.text("n" * 5000)
    with pytest.raises(FormatError, match="too long"):
        read_checkpoint(save(forge.torch_zip(b"}" + long + b"Ns", {})))
    monkeypatch.setattr(limits, "NAMES_TOTAL", 1000)
    many = forge.dict({f"{'n' * 100}{index}": b"N" for index in range(20)})
    with pytest.raises(FormatError, match="too long"):
        read_checkpoint(save(forge.torch_zip(many, {})))


def test_64_levels_are_read_and_65_are_not(forge, save):
    def nested(depth: int) -> bytes:
        root = tensor(forge)
        for _ in range(depth):
            root = forge.list(root)
        return root

    path = save(forge.torch_zip(nested(64), {"0": bytes(4)}))
    assert list(read_checkpoint(path)) == [".".join("0" * 64)]
    with pytest.raises(FormatError, match="nest more than 64 deep"):
        read_checkpoint(save(forge.torch_zip(nested(65), {"0": bytes(4)})))


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_what_can_be_no_name_of_a_file_is_told_as_that(name: str) -> None:
    with pytest.raises(UsageError, match="can be no file's name"):
        read_checkpoint(name)


def test_a_zip_file_of_nothing_but_folders_is_no_archive_of_arrays(forge, save):
    with pytest.raises(FormatError, match="none of its 0 members"):
        read_checkpoint(save(forge.zip([forge.Entry("arrays/", b"")])))
