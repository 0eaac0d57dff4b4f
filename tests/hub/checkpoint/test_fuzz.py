"""Random and damaged bytes: each ends in arrays or in an error of the hub, never in anything else."""

from __future__ import annotations

import functools
import io

import numpy as np
import pytest
from handmade import ctranslate2, gguf, onnx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from numzoo.hub.checkpoint import limits, read_checkpoint, read_metadata, write_safetensors
from numzoo.hub.checkpoint.pytorch.opcodes import HANDLERS, read_pickle
from numzoo.hub.errors import HubError

ARRAYS = {
    "a": np.arange(4, dtype=np.float32),
    "b": np.array([True, False]),
    "c": np.array(3),
    "d": np.ones((2, 2), np.float16),
}
KINDS = ["safetensors", "torch-zip", "torch-legacy", "torch-tar", "npz", "packed", "npy", "gguf", "ctranslate2", "onnx"]

fuzz = functools.partial(settings, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def whole(forge, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    write_safetensors(folder / "s", ARRAYS, {"note": "text"})
    np.savez(folder / "z.npz", **ARRAYS)
    np.save(folder / "y.npy", ARRAYS["a"])
    legacy = forge.state_legacy(ARRAYS)
    return {
        "safetensors": (folder / "s").read_bytes(),
        "torch-zip": forge.state_zip(ARRAYS),
        "torch-legacy": legacy,
        "torch-tar": forge.state_tar(ARRAYS),
        "npz": (folder / "z.npz").read_bytes(),
        "packed": forge.zip([forge.Entry("model.pth", legacy, method=8)]),
        "npy": (folder / "y.npy").read_bytes(),
        "gguf": gguf.small(),
        "ctranslate2": ctranslate2.small(),
        "onnx": onnx.small(),
    }


def attempt(content: bytes) -> dict[str, np.ndarray] | None:
    """Read from memory; every element is touched, so that nothing outside the bytes can hide."""
    found, refusal = None, "."
    try:
        found = read_checkpoint(io.BytesIO(content))
    except HubError as error:
        refusal = str(error)
    assert refusal.endswith(".")
    for array in (found or {}).values():
        array.tobytes()
        assert array.flags.writeable
        assert array.flags.aligned
    try:
        metadata = read_metadata(io.BytesIO(content))
    except HubError:
        assert found is None
    else:
        assert found is None or [tensor.name for tensor in metadata.tensors] == list(found)
    return found


@fuzz(max_examples=300)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x02", bytes(7) + b"\x01{"]),
)
def test_random_bytes(content, start):
    attempt(start + content)


@pytest.mark.parametrize("kind", KINDS)
@fuzz(max_examples=150)
@given(st.data())
def test_flipped_bits(whole, kind, data):
    content = bytearray(whole[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    attempt(bytes(content))


def test_a_flipped_bit_in_a_zip_is_found_or_changes_nothing(whole):
    """Every byte of a zip is covered: by a checksum, by a rule, or it means nothing."""
    for kind in ("torch-zip", "packed"):
        for position in range(0, len(whole[kind]), 3):
            content = bytearray(whole[kind])
            content[position] ^= 1 << (position % 8)
            found = attempt(bytes(content))
            if found is not None:
                assert {name: array.tobytes() for name, array in found.items()} == {
                    name: array.tobytes() for name, array in ARRAYS.items()
                }


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_byte(whole, kind):
    content = whole[kind]
    step = max(1, len(content) // 400)
    # The zeros that close a tar file and pad the last tensor of GGUF may be fewer; all else is needed to the last byte.
    for size in range(0, len(content) - {"torch-tar": 512, "gguf": 32}.get(kind, 0), step):
        assert attempt(content[:size]) is None


@pytest.mark.parametrize("kind", KINDS)
@fuzz(max_examples=80)
@given(st.data())
def test_pieces_moved_doubled_and_overwritten(whole, kind, data):
    content = whole[kind]
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    target = data.draw(st.integers(0, len(content)))
    piece = data.draw(st.one_of(st.just(content[begin:end]), st.binary(max_size=16)))
    attempt(content[:target] + piece + content[target + data.draw(st.sampled_from([0, len(piece)])) :])


GLOBALS = [b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_tensor\n",
           b"ctorch\nFloatTensor\n", b"ctorch.nn.parameter\nParameter\n", b"ctorch\nSize\n", b"c_codecs\nencode\n",
           b"cbuiltins\nset\n", b"ccollections\nCounter\n", b"ctorch\ndevice\n", b"ctorch._tensor\n_rebuild_from_type_v2\n",
           b"ctorch\nfloat32\n", b"cos\nsystem\n"]  # fmt: skip
PIECES = st.one_of(
    st.sampled_from([bytes([code]) for code in HANDLERS]),
    st.sampled_from(GLOBALS),
    st.sampled_from(
        [b"K\x01", b"X\x01\x00\x00\x00a", b"q\x00", b"h\x00", b"q\x01", b"h\x01", b"(K\x01K\x02t", b"]", b"}", b")"]
    ),
)


@fuzz(max_examples=500)
@given(st.lists(PIECES, max_size=40))
@example([b"]", b"q\x00", b"h\x00", b"a"])
def test_random_programs_of_allowed_opcodes(pieces):
    program = memoryview(b"\x80\x02" + b"".join(pieces) + b".")
    refusal = "byte"
    try:
        read_pickle(program, "it", lambda value: [value])
    except HubError as error:
        refusal = str(error)
    assert "byte" in refusal


def test_hostile_streams_end_in_bounded_time(forge, monkeypatch):
    """The limit on opcodes holds whatever they do."""
    monkeypatch.setattr(limits, "OPCODES", 50_000)
    for loop in (b"]a", b"h\x00a", b"}]\x85R", b"(t", b"h\x00\x85"):
        with pytest.raises(HubError):
            read_pickle(memoryview(forge.pickle(b"]q\x00", loop * 60_000)), "it")
