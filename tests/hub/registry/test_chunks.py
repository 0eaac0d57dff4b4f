"""Chunk digests of a file: right, of a sensible number, and enough to fetch it by."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import NotFoundError, UsageError
from numzoo.hub.registry.chunks import chunk_digests, chunk_size
from numzoo.hub.registry.record import Chunks

_MIB = 1 << 20


@pytest.mark.parametrize("size", [1000, 100_000, 300_001, 10**9])
def test_the_digest_of_every_chunk_is_there(size: int, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "file").write_bytes(body)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    wanted = tuple(hashlib.sha256(piece).hexdigest() for piece in pieces)
    assert chunk_digests(tmp_path / "file", size) == Chunks(size, wanted)


@pytest.mark.parametrize(("length", "chunk"), [(1, 4), (256 * _MIB, 4), (256 * _MIB + 1, 8), (10**9, 16), (10**11, 32)])
def test_a_chunk_is_as_long_as_the_file_needs(length: int, chunk: int) -> None:
    assert chunk_size(length) == chunk * _MIB


def test_an_entry_with_computed_chunks_can_be_fetched(
    server: Any, tmp_path: Path, body: bytes, record_of: Any, sharing: Any, contents: Any
) -> None:
    (tmp_path / "file").write_bytes(body)
    record = record_of(body, server.add("/file", body), chunks=chunk_digests(tmp_path / "file", 30_000))
    assert contents(obtain(record, patience=sharing)) == body


def test_what_has_no_chunks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, size in ((tmp_path / "empty", None), (tmp_path / "empty", 0), (tmp_path / "empty", -1)):
        with pytest.raises(UsageError):
            chunk_digests(path, size)
    with pytest.raises(NotFoundError):
        chunk_digests(tmp_path / "missing")
