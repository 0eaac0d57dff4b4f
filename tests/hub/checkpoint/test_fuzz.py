"""Random and damaged bytes: each ends in arrays or in an error of the hub, never in anything else."""

from __future__ import annotations

import functools
import os
import subprocess

import pytest
from harness import ARRAYS, attempt, read, seeds, warm_up, watched
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from numzoo.hub.checkpoint import limits
from numzoo.hub.checkpoint.pytorch.opcodes import HANDLERS, read_pickle
from numzoo.hub.errors import HubError

KINDS = [name for name in seeds() if name not in ("keras", "sharded", "scan", "pickle")]

fuzz = functools.partial(settings, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def whole() -> dict[str, list[bytes]]:
    warm_up()
    return seeds()


@fuzz(max_examples=300)
@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"",
            b"PK\x03\x04",
            b"\x93NUMPY\x01\x00",
            b"\x80\x02",
            bytes(7) + b"\x01{",
            b"GGUF\3\0\0\0",
            b"\x08\x08:",
            b"\6\0\0\0\2\0a\0",
        ]
    ),
)
def test_random_bytes(whole, content, start):
    attempt("any", start + content)


@pytest.mark.parametrize("kind", [*KINDS, "pickle", "sharded", "scan"])
@fuzz(max_examples=100)
@given(st.data())
def test_flipped_bits(whole, kind, data):
    content = bytearray(data.draw(st.sampled_from(whole[kind])))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    attempt(kind, bytes(content))


@pytest.mark.parametrize("kind", [*KINDS, "pickle", "sharded", "scan"])
@fuzz(max_examples=60)
@given(st.data())
def test_numbers_set_to_the_edges(whole, kind, data):
    content = bytearray(data.draw(st.sampled_from(whole[kind])))
    at, size = data.draw(st.integers(0, len(content) - 1)), data.draw(st.sampled_from([1, 2, 4, 8]))
    edge = data.draw(
        st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
    )
    content[at : at + size] = (edge % (1 << 8 * size)).to_bytes(size, data.draw(st.sampled_from(["little", "big"])))
    attempt(kind, bytes(content))


@fuzz(max_examples=12)
@given(st.data())
def test_damaged_files_of_keras(whole, data):
    content = bytearray(data.draw(st.sampled_from(whole["keras"])))
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    attempt("keras", bytes(content))


def test_a_flipped_bit_in_a_zip_is_found_or_changes_nothing(whole):
    """Every byte of a zip is covered: by a checksum, by a rule, or it means nothing."""
    for kind in ("torch-zip", "packed"):
        for position in range(0, len(whole[kind][0]), 3):
            content = bytearray(whole[kind][0])
            content[position] ^= 1 << (position % 8)
            found = read(bytes(content))
            if found is not None:
                assert {name: array.tobytes() for name, array in found.items()} == {
                    name: array.tobytes() for name, array in ARRAYS.items()
                }


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_byte(whole, kind):
    content = whole[kind][0]
    step = max(1, len(content) // 400)
    # The zeros that close a tar file and pad the last tensor of GGUF may be fewer; all else is needed to the last byte.
    for size in range(0, len(content) - {"torch-tar": 512, "gguf": 32}.get(kind, 0), step):
        assert read(content[:size]) is None


@pytest.mark.parametrize("kind", [*KINDS, "pickle", "scan"])
@fuzz(max_examples=60)
@given(st.data())
def test_pieces_moved_doubled_and_overwritten(whole, kind, data):
    content = whole[kind][0]
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    target = data.draw(st.integers(0, len(content)))
    piece = data.draw(st.one_of(st.just(content[begin:end]), st.binary(max_size=16)))
    attempt(kind, content[:target] + piece + content[target + data.draw(st.sampled_from([0, len(piece)])) :])


ACTIONS = {
    "a command": lambda: os.system("true"),
    "another process": lambda: subprocess.Popen(["true"]),
    "a file": lambda: os.open(os.devnull, os.O_RDONLY),
    "code": lambda: exec("1"),
    "a module": lambda: __import__("antigravity_that_is_not_there"),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_the_watch_over_the_readers_sees(name):
    with pytest.raises(AssertionError, match="made the reader do this"), watched():
        ACTIONS[name]()


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
