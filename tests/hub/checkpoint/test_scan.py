"""A scan lists what a file holds and everything in it that is refused, and runs nothing."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import zipfile

import numpy as np
import pytest

from numzoo.hub.checkpoint import limits, read_checkpoint
from numzoo.hub.checkpoint.pytorch.disassembly import disassemble
from numzoo.hub.checkpoint.pytorch.opcode_table import ARGUMENTS
from numzoo.hub.checkpoint.scan import scan
from numzoo.hub.errors import HubError, NotFoundError, UsageError

W = {"w": np.arange(4, dtype=np.float32)}


class Evil:
    def __reduce__(self):
        return os.system, ("touch it-ran",)


def names(found) -> dict[str, bool]:
    return {use.name: use.allowed for use in found.names}


def test_a_good_file_is_described_and_its_pickle_is_safe(forge, save):
    for content, kind in ((forge.state_zip(W), "torch-zip"), (forge.state_legacy(W), "torch-legacy")):
        found = scan(save(content))
        assert (found.format, found.refusal, found.readable) == (kind, "", True)
        assert [(tensor.name, tensor.shape, tensor.dtype, tensor.bytes) for tensor in found.tensors] == [
            ("w", (4,), "float32", 16)
        ]
        assert all(part.safe for part in found.pickles)
        state = next(part for part in found.pickles if part.names)
        assert names(state)["torch._utils._rebuild_tensor_v2"]
    assert len(scan(save(forge.state_tar(W))).pickles) == 4
    assert scan(save(forge.safetensors({}))).pickles == ()


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_listed_and_not_run(save, tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"a": Evil(), "b": np.zeros(2), "c": "text", "d": [1.5, None]}, protocol=protocol)
    found = scan(save(content))
    assert not found.readable
    assert found.format == "unknown"
    assert found.unsafe == (protocol >= 2)
    (only,) = found.pickles
    assert (only.protocol, only.bytes, only.damage) == (protocol if protocol > 1 else 0, len(content), "")
    assert names(only)[f"{os.name}.system"] is False
    assert any(name.startswith("numpy") for name in names(only))
    assert not only.safe
    assert not (tmp_path / "it-ran").exists()


def test_every_global_behind_the_first_refusal_is_listed(forge, save):
    root = forge.list(forge.named("os", "system"), forge.named("torch", "Size"), forge.named("builtins", "eval"), b"0")
    found = scan(save(forge.torch_zip(root, {})))
    assert "os.system" in found.refusal
    assert found.unsafe
    (only,) = found.pickles
    assert names(only) == {"os.system": False, "torch.Size": True, "builtins.eval": False}
    assert [(use.name, use.count) for use in only.refused_opcodes] == [("POP", 1)]
    assert only.names[0].byte == 4


def test_a_second_pickle_behind_the_first_is_listed(forge, save):
    found = scan(save(forge.pickle(forge.none) + forge.pickle(forge.named("os", "system"))))
    assert [names(part) for part in found.pickles] == [{}, {"os.system": False}]


def test_bytes_behind_stop_are_damage(forge, save):
    whole = forge.zip([forge.Entry("m/data.pkl", forge.pickle(b"}") + b"more")])
    found = scan(save(whole))
    assert found.pickles[0].damage == "4 bytes follow its STOP, where nothing may stand"


def test_an_array_of_objects_shows_its_pickle(save):
    for write, kind in ((np.save, "npy"), (np.savez, "npz")):
        buffer = io.BytesIO()
        write(buffer, np.array([Evil()], object))
        found = scan(save(buffer.getvalue()))
        assert found.format == kind
        assert found.unsafe
        assert names(found.pickles[0])[f"{os.name}.system"] is False


def test_torchscript_programs_are_listed(forge, save):
    entries = [forge.Entry("m/data.pkl", forge.pickle(b"}")), forge.Entry("m/constants.pkl", forge.pickle(b")"))]
    found = scan(save(forge.zip(entries)))
    assert "TorchScript" in found.refusal
    assert [part.label for part in found.pickles] == ["m/data.pkl", "m/constants.pkl"]


DAMAGED = {
    "cut short": (b"\x80\x02}", "cut short at byte 3"),
    "an unknown opcode": (b"\x80\x02\xff.", "byte 2 is 0xff"),
    "a text that leaves the file": (b"\x80\x02X" + struct.pack("<I", 99) + b"a.", "BINUNICODE at byte 2 leaves"),
    "a name without an end": (b"\x80\x02cos", "GLOBAL at byte 2 leaves"),
    "a length of 64 bits": (b"\x80\x04\x8d" + b"\xff" * 8, "BINUNICODE8 at byte 2 leaves"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_followed_is_damage(save, name):
    content, why = DAMAGED[name]
    found = scan(save(content))
    assert why in found.pickles[0].damage
    assert not found.pickles[0].safe


def test_a_strange_file_is_unknown_and_says_why(save):
    found = scan(save(b"<html>"))
    assert (found.format, found.pickles, found.unsafe) == ("unknown", (), False)
    assert "web page" in found.refusal
    assert scan(save(b"")).refusal.endswith("is empty.")


def test_what_is_no_file_raises(tmp_path):
    with pytest.raises(NotFoundError):
        scan(tmp_path / "none")
    with pytest.raises(UsageError):
        scan(tmp_path)


def test_the_table_of_opcodes_is_the_languages():
    wanted = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
    assert {code: name for code, (name, _) in ARGUMENTS.items()} == wanted


@pytest.mark.parametrize("protocol", range(6))
def test_opcodes_are_counted_as_the_standard_library_counts_them(protocol):
    value = {"a": [1, 2.5, -7, 1 << 70, "x" * 300, b"y" * 300, True, None], "b": ({1, 2}, frozenset("q")), "c": Evil()}
    content = pickle.dumps(value, protocol=protocol)
    found, end = disassemble(memoryview(content + b"tail"), "it")
    assert (end, found.opcodes) == (len(content), len(list(pickletools.genops(content))))


def test_a_scan_and_a_reading_agree(forge, save):
    for content in (forge.state_zip(W), forge.state_legacy(W), forge.pickle(b"}"), b"cos\nsystem\n."):
        path, said = save(content), ""
        try:
            read_checkpoint(path)
        except HubError as error:
            said = str(error)
        assert scan(path).refusal == said


def test_what_follows_the_last_pickle_is_no_pickle(forge, save):
    found = scan(save(forge.pickle(forge.none) + b"cos\nsystem\n." + forge.pickle(forge.named("os", "system"))))
    assert len(found.pickles) == 1


def test_behind_a_damaged_pickle_nothing_is_looked_for(forge, save):
    found = scan(save(forge.pickle(forge.none) + b"\x80\x02}\x80"))
    assert [bool(part.damage) for part in found.pickles] == [False, True]


def test_a_scan_lists_so_many_pickles_and_no_more(forge, save, monkeypatch):
    monkeypatch.setattr(limits, "PICKLES_LISTED", 3)
    assert len(scan(save(forge.pickle(forge.none) * 9)).pickles) == 3
    entries = [forge.Entry(f"m/{number}.pkl", forge.pickle(forge.none)) for number in range(9)]
    assert len(scan(save(forge.zip([forge.Entry("m/data.pkl", forge.pickle(b"}")), *entries]))).pickles) == 3


def test_a_scan_unpacks_so_much_of_a_zip_file_and_no_more(save, monkeypatch):
    monkeypatch.setattr(limits, "INFLATED_FREE", 5000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(5):
            packed.writestr(f"m/{number}.pkl", pickle.dumps("x" * 2000, 2))
    assert [part.label for part in scan(save(buffer.getvalue())).pickles] == ["m/0.pkl", "m/1.pkl"]


def test_a_zip_file_with_a_damaged_directory_is_told_by_its_refusal(forge, save):
    whole = forge.state_zip(W)
    found = scan(save(whole[: len(whole) // 2]))
    assert not found.readable
    assert found.pickles == ()


def test_a_tar_file_that_is_cut_short_is_told_by_its_refusal(forge, save):
    found = scan(save(forge.state_tar(W)[:700]))
    assert not found.readable
    assert found.pickles == ()


def test_a_text_that_could_be_an_old_pickle_is_none(save):
    for content in (b"just some words\n.", b"N.", b"cos\nsystem\n"):
        assert scan(save(content)).pickles == ()


def test_a_damaged_file_has_the_format_that_its_first_bytes_promise(save):
    """The size of this header reads as the first fields of an ONNX model."""
    header = b'{"w": 1}'.ljust(0x120A08)
    whole = len(header).to_bytes(8, "little") + header
    assert scan(save(whole)).format == "safetensors"
    assert scan(save(whole[:1000])).format == "onnx"
