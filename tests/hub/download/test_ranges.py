"""One file over several connections and mirrors: a mirror that lies, stalls or dies loses only its spans."""

from __future__ import annotations

import threading
import time
from collections import namedtuple
from dataclasses import replace
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import HubError, IntegrityError, LicenseError, NetworkError, NotFoundError, StorageError

_CHUNK = 20_000
_CHUNKS = [None, _CHUNK, 7_000]


def _ranges(served: Any) -> list[str]:
    return [request["range"] for request in served.requests if "range" in request]


@pytest.mark.parametrize("chunk", _CHUNKS)
def test_a_slow_file_is_shared_among_connections(
    chunk: int | None, server: Any, cache: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    record = record_of(body, server.add("/file", body), chunk=chunk)
    assert contents(obtain(record, patience=sharing)) == body
    assert len(_ranges(server.files["/file"])) >= 10
    assert list(cache.parts.iterdir()) == []


def test_connections_run_beside_one_another(server: Any, body: bytes, record_of: Any, sharing: Any) -> None:
    meeting = threading.Barrier(3, timeout=20)
    asked = threading.Semaphore(3)

    def wait_for_two_more() -> None:
        if _ranges(server.files["/file"]) and asked.acquire(blocking=False):
            meeting.wait()

    obtain(record_of(body, server.add("/file", body, watch=wait_for_two_more)), patience=sharing)
    assert not meeting.broken
    assert not asked.acquire(blocking=False)


def test_a_fast_server_is_left_to_one_stream(server: Any, body: bytes, record_of: Any, hasty: Any) -> None:
    obtain(record_of(body, server.add("/file", body), chunk=_CHUNK), patience=replace(hasty, span=_CHUNK))
    assert _ranges(server.files["/file"]) == []


@pytest.mark.parametrize("chunk", _CHUNKS)
def test_several_mirrors_serve_at_once(
    chunk: int | None, server: Any, other_server: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    record = record_of(body, server.add("/file", body), other_server.add("/file", body), chunk=chunk)
    assert contents(obtain(record, patience=sharing)) == body
    assert _ranges(server.files["/file"])
    assert _ranges(other_server.files["/file"])


_BAD = [
    ("lie", {}),
    ("lie_in_ranges", {"every": 5_000}),
    ("stall_in_ranges", {}),
    ("page", {}),
    ("ignore_range", {}),
    ("wrong_content_range", {}),
    ("no_content_range", {}),
    ("refuse_range", {}),
    ("empty_range", {}),
    ("always_cut", {}),
    ("longer", {}),
    ("shorter", {}),
    ("packed", {}),
    ("packed_bomb", {}),
    ("hang_up", {}),
    ("unasked_range", {}),
    ("another_version_in_ranges", {}),
    ("status", {"status": 404}),
    ("status", {"status": 401}),
    ("status", {"status": 500}),
    ("status", {"status": 429, "headers": {"Retry-After": "9999"}}),
    ("redirect", {"to": "http://example.com/file"}),
]


@pytest.mark.parametrize("chunk", [None, _CHUNK])
@pytest.mark.parametrize(("behaviour", "settings"), _BAD)
def test_a_bad_mirror_beside_a_good_one_does_no_harm(
    behaviour: str,
    settings: dict[str, Any],
    chunk: int | None,
    server: Any,
    cache: Any,
    contents: Any,
    body: bytes,
    record_of: Any,
    sharing: Any,
) -> None:
    record = record_of(body, server.add("/good", body), server.add("/bad", body, behaviour, **settings), chunk=chunk)
    assert contents(obtain(record, patience=sharing)) == body
    assert _ranges(server.files["/bad"])
    assert list(cache.parts.iterdir()) == []


_ONLY_WHOLE = ["ignore_range", "wrong_content_range", "no_content_range", "refuse_range", "packed"]


@pytest.mark.parametrize("chunk", [None, _CHUNK])
@pytest.mark.parametrize("ranges", _ONLY_WHOLE)
def test_a_server_that_only_says_that_it_keeps_to_ranges_goes_on_with_one_stream(
    ranges: str, chunk: int | None, server: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    server.add("/spare", body, ranges)
    record = record_of(body, server.add("/file", body, "whole_or", ranges=server.files["/spare"].answer), chunk=chunk)
    assert contents(obtain(record, patience=sharing)) == body


@pytest.mark.parametrize("chunk", [None, _CHUNK])
def test_a_range_that_breaks_off_is_asked_for_once_more(
    chunk: int | None, server: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    record = record_of(body, server.add("/file", body, "whole_or", ranges=_cut_every_other), chunk=chunk)
    assert contents(obtain(record, patience=replace(sharing, attempts=40))) == body
    assert all("range" in request for request in server.files["/file"].requests[1:])


def _cut_every_other(handler: Any, served: Any) -> None:
    start, end = handler.asked_range()
    piece = served.body[start:end]
    place = f"bytes {start}-{start + len(piece) - 1}/{len(served.body)}"
    handler.head(206, {"Content-Range": place, "Content-Length": str(len(piece))})
    handler.give(served, piece if len(served.requests) % 2 else piece[:100])


@pytest.mark.parametrize("chunk", [None, _CHUNK])
def test_a_mirror_whose_file_has_another_size_is_told_so(
    chunk: int | None, server: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    def of_another(handler: Any, served: Any) -> None:
        start, end = handler.asked_range()
        handler.head(
            206, {"Content-Range": f"bytes {start}-{end - 1}/{len(body) + 5}", "Content-Length": str(end - start)}
        )
        handler.give(served, served.body[start:end])

    record = record_of(body, server.add("/file", body, "whole_or", ranges=of_another), chunk=chunk)
    with pytest.raises(IntegrityError, match="offers 300006 bytes, but the file has 300001"):
        obtain(record, patience=sharing)


def test_a_liar_loses_its_spans_and_the_others_chunks_stay(
    server: Any, body: bytes, record_of: Any, sharing: Any, contents: Any
) -> None:
    good, liar = server.add("/good", body), server.add("/liar", body, "lie_in_ranges", every=5_000)
    assert contents(obtain(record_of(body, good, liar, chunk=_CHUNK), patience=sharing)) == body
    whole = len(body) + 3 * _CHUNK  # the first stream's beginning, and spans that were asked for once more
    assert server.files["/good"].sent < 2 * whole
    # No more than were on their way, or not yet looked at, when its first wrong chunk was.
    assert len(_ranges(server.files["/liar"])) <= 2 * sharing.connections


@pytest.mark.parametrize(
    ("behaviours", "kind"),
    [
        (["lie_in_ranges", "lie"], IntegrityError),
        (["stop_serving", "hang_up"], NetworkError),
        (["gone_in_ranges", "gone_in_ranges"], NotFoundError),
        (["gone_in_ranges", "refused_in_ranges"], LicenseError),
    ],
)
def test_when_all_mirrors_fail_one_error_lists_each(
    behaviours: list[str],
    kind: type[HubError],
    server: Any,
    cache: Any,
    body: bytes,
    record_of: Any,
    sharing: Any,
) -> None:
    later = {
        "gone_in_ranges": ("status", {"status": 404}),
        "refused_in_ranges": ("status", {"status": 403}),
        "stop_serving": ("hang_up", {}),
    }
    sources = []
    for at, name in enumerate(behaviours):
        path = f"/{at}"
        if name in later:
            behaviour, settings = later[name]
            server.add("/spare", body, behaviour)
            sources.append(server.add(path, body, "whole_or", ranges=server.files["/spare"].answer, **settings))
        else:
            sources.append(server.add(path, body, name, every=5_000))
    with pytest.raises(kind) as caught:
        obtain(record_of(body, *sources, chunk=_CHUNK), patience=sharing)
    assert type(caught.value) is kind
    assert all(source in str(caught.value) for source in sources)
    assert list(cache.entries()) == []


def test_what_came_ahead_of_its_turn_is_there_for_the_next_process(
    server: Any, cache: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    """The first chunk never comes; those behind it do, and need not come again."""
    broken = server.add("/file", body, "whole_or", ranges=_all_but_the_first)
    with pytest.raises(NetworkError):
        obtain(record_of(body, broken, chunk=_CHUNK), patience=replace(sharing, attempts=4, connections=1))
    [left] = cache.parts.glob("*.part")
    right = [at for at in range(0, len(body), _CHUNK) if left.read_bytes()[at : at + _CHUNK] == body[at : at + _CHUNK]]
    assert right
    assert 0 not in right
    assert contents(obtain(record_of(body, server.add("/good", body), chunk=_CHUNK), patience=sharing)) == body
    fetched = {int(text.removeprefix("bytes=").partition("-")[0]) for text in _ranges(server.files["/good"])}
    assert not fetched & set(right)


def _all_but_the_first(handler: Any, served: Any) -> None:
    start, _ = handler.asked_range()
    if start == 0:
        handler.connection.close()
        return
    from types import SimpleNamespace

    behaviour = SimpleNamespace(body=served.body, etag=served.etag, sent=0, settings={})
    served.settings["honest"](handler, behaviour)


def test_a_span_that_somebody_is_slow_with_is_asked_for_elsewhere(
    server: Any, other_server: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    good, slow = server.add("/good", body), other_server.add("/slow", body, "stall_in_ranges")
    began = time.monotonic()
    assert contents(obtain(record_of(body, good, slow), patience=sharing)) == body
    assert time.monotonic() - began < sharing.stall / 2


def test_bytes_that_no_chunk_digest_explains_are_fetched_by_one_stream_from_each(
    server: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    """Without chunk digests the whole digest is wrong, and nobody knows whose fault it was."""
    good, liar = server.add("/good", body), server.add("/liar", body, "lie_in_ranges", every=5_000)
    assert contents(obtain(record_of(body, good, liar), patience=sharing)) == body
    assert "range" not in server.files["/good"].requests[-1]


def test_a_disk_that_is_full_ends_all_connections(
    server: Any, cache: Any, body: bytes, record_of: Any, sharing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numzoo.hub.store.parts import Part

    def full(*_: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(Part, "place", full)
    with pytest.raises(StorageError):
        obtain(record_of(body, server.add("/file", body), server.add("/other", body)), patience=sharing)
    assert list(cache.entries()) == []


def test_no_room_for_the_rest_is_told_before_it_is_shared(
    server: Any, body: bytes, record_of: Any, sharing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(StorageError, match=r"needs 300\.0 kB more"):
        obtain(record_of(body, server.add("/file", body)), patience=sharing)
    assert server.files["/file"].requests == []


def test_a_rate_limit_leaves_a_file_to_one_stream(
    server: Any, body: bytes, record_of: Any, sharing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_RATE_LIMIT", "100M")
    obtain(record_of(body, server.add("/file", body)), patience=sharing)
    assert _ranges(server.files["/file"]) == []


@pytest.mark.parametrize("chunk", _CHUNKS)
def test_progress_of_a_shared_file_ends_at_its_size(
    chunk: int | None, server: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    class Told:
        position = 0

        def start(self, name: str, total: int | None, done: int) -> Told:
            self.position = done
            return self

        def advance(self, n: int, *, fetched: bool = True) -> None:
            self.position += n

        def finish(self, *, whole: bool) -> None:
            self.whole = whole

    told = Told()
    liar = server.add("/liar", body, "lie_in_ranges", every=5_000)
    obtain(record_of(body, server.add("/file", body), liar, chunk=chunk), patience=sharing, progress=told)
    assert (told.position, told.whole) == (len(body), True)


def test_the_token_of_an_origin_goes_with_every_range_and_nowhere_else(
    server: Any, other_server: Any, body: bytes, record_of: Any, sharing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    server.add("/owner/name/resolve/main/file.bin", b"", "redirect", to=other_server.add("/elsewhere", body))
    third = other_server.add("/mirror", body)
    obtain(record_of(body, "hf:owner/name@main/file.bin", third), patience=sharing)
    asked = server.files["/owner/name/resolve/main/file.bin"].requests
    assert len(asked) > 2
    assert {request.get("authorization") for request in asked} == {"Bearer hf_secret"}
    for path in ("/elsewhere", "/mirror"):
        assert not any("authorization" in request for request in other_server.files[path].requests)
