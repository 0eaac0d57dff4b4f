"""Values through shared memory, both ends in one process."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine.data import transport

VALUES: list[Any] = [
    None,
    "text" * 20000,
    np.arange(100000.0),
    {"a": (np.zeros((0, 3)), np.arange(24, dtype=np.int16).reshape(2, 3, 4)), "b": [np.float32(2), b"x", True]},
    np.asfortranarray(np.arange(40000).reshape(200, 200)),
    np.arange(80000)[::2],
    np.array(["a", "bc"]),
    np.array([(1, 2.0)] * 5000, [("x", "i1"), ("y", "f8")]),
    engine.ones(300, 300, dtype="bfloat16"),
    engine.tensor([1.0, 2.0]),
]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, engine.Tensor):
        return isinstance(b, engine.Tensor) and same(a.array, b.array)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    return type(a) is type(b) and a == b


@pytest.fixture
def ends() -> Any:
    prefix = f"nztest{secrets.token_hex(4)}"
    outbox, inbox = transport.Outbox(prefix, 2), transport.Inbox(prefix, 2)
    yield outbox, inbox
    for segment in outbox._segments.values():
        segment.close()
    inbox.close()
    if Path("/dev/shm").is_dir():
        assert [f.name for f in Path("/dev/shm").iterdir() if f.name.startswith(prefix)] == []


@pytest.mark.parametrize("room", [True, False], ids=["room", "full"])
def test_every_value_arrives_whole_and_as_its_receivers_own(
    room: bool, ends: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, inbox = ends
    if not room:
        monkeypatch.setattr(transport, "_free", lambda: 0.0)
    kept = [inbox.unpack(outbox.pack(value)) for value in VALUES]
    for value, arrived in zip(VALUES, kept, strict=True):
        assert same(value, arrived)
    for array in (kept[2], kept[3]["a"][1], kept[8].array):
        assert array.flags.writeable
        assert array.ctypes.data % array.itemsize == 0


def test_large_arrays_go_through_shared_memory_and_small_ones_through_the_pipe(ends: Any) -> None:
    outbox, inbox = ends
    assert outbox.pack(np.zeros(10)).name is None
    parcel = outbox.pack(np.zeros(10000))
    assert parcel.name is not None
    assert len(parcel.structure) < 1000
    inbox.refuse(parcel)


def test_a_slot_is_used_again_and_grows(ends: Any) -> None:
    outbox, inbox = ends
    names = []
    for size in (10000, 10000, 9000, 10100, 40000, 40000, 5000, 5000):
        parcel = outbox.pack(np.full(size, size))
        names.append(parcel.name)
        assert inbox.unpack(parcel).tolist() == [size] * size
    assert names[2] == names[0]
    assert names[4] != names[0]
    assert len(set(names)) == 4


def test_segments_that_were_never_told_of_are_freed(ends: Any) -> None:
    outbox, _ = ends  # the fixture looks for what is left
    assert outbox.pack(np.zeros(10000)).name != outbox.pack(np.zeros(10000)).name
