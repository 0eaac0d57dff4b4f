"""Every way in which a server may misbehave ends in the right bytes or in a typed error that says what happened."""

from __future__ import annotations

import gzip
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.obtain import obtain
from numzoo.hub.download.sources.redirects import check_address, new_session, open_following
from numzoo.hub.errors import (
    HubError,
    IntegrityError,
    LicenseError,
    NetworkError,
    NotFoundError,
    StorageError,
    UsageError,
)

_RIGHT = [
    ("honest", {}, 1),
    ("cut_once", {}, 2),
    ("without_length", {}, 1),
    ("length_beyond_reason", {}, 1),
    ("without_length_cut_once", {}, 2),
    ("chunked", {}, 2),
    ("changed_file", {}, 2),
    ("changed_file_ignoring_if_range", {}, 3),
    ("changed_file_without_tag", {}, 3),
    ("packed", {}, 1),
    ("status", {"status": 503, "times": 2}, 3),
    ("status", {"status": 429, "times": 1, "headers": {"Retry-After": "9999"}}, 2),
]

_CUT_THEN = [("ignore_range", 2), ("wrong_content_range", 3), ("no_content_range", 3), ("refuse_range", 3)]

_WRONG = [
    ("always_cut", {}, NetworkError, "broke off after 1000 of 300001 bytes"),
    ("page", {}, IntegrityError, "a web page ('Quota exceeded')"),
    ("page", {"honest_type": False, "length": False}, IntegrityError, "a web page ('Quota exceeded')"),
    ("page", {"honest_type": False}, IntegrityError, "offers 89 bytes"),
    ("lie", {}, IntegrityError, "but sha256 "),
    ("longer", {}, IntegrityError, "offers 300005 bytes, but the file has 300001"),
    ("longer", {"length": False}, IntegrityError, "More than the 300001 bytes"),
    ("shorter", {}, IntegrityError, "offers 1000 bytes"),
    ("packed_badly", {}, IntegrityError, "damaged"),
    ("packed_bomb", {}, IntegrityError, "More than the 300001 bytes"),
    ("status", {"status": 404}, NotFoundError, "status 404"),
    ("status", {"status": 403}, LicenseError, "status 403"),
    ("status", {"status": 500}, NetworkError, "status 500"),
    ("status", {"status": 418}, NetworkError, "status 418"),
    ("hang_up", {}, NetworkError, "4 attempts"),
    ("unasked_range", {}, NetworkError, "from 100"),
    ("redirect", {"to": "/file"}, NetworkError, "more than 5 times"),
    ("redirect", {"to": "ftp://127.0.0.1/file"}, NetworkError, "only https"),
    ("redirect", {"to": "http://example.com/file"}, NetworkError, "only https"),
]


@pytest.mark.parametrize(("behaviour", "settings", "requests"), _RIGHT)
def test_what_can_be_mended_ends_in_the_right_bytes(
    behaviour: str,
    settings: dict[str, Any],
    requests: int,
    server: Any,
    cache: Any,
    contents: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
) -> None:
    record = record_of(body, server.add("/file", body, behaviour, **settings))
    sha256 = obtain(record, cache=cache, patience=hasty)
    assert contents(sha256) == body
    assert len(server.files["/file"].requests) == requests
    assert list(cache.parts.iterdir()) == []


@pytest.mark.parametrize(("then", "requests"), _CUT_THEN)
def test_a_resume_that_is_not_honoured_starts_over(
    then: str, requests: int, server: Any, cache: Any, contents: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    server.add("/spare", body, then)
    address = server.add("/file", body, "cut_once", after=server.files["/spare"].answer)
    sha256 = obtain(record_of(body, address), cache=cache, patience=hasty)
    assert contents(sha256) == body
    asked = server.files["/file"].requests
    assert asked[1]["range"] == f"bytes={len(body) // 2}-"
    assert len(asked) == requests


@pytest.mark.parametrize(("behaviour", "settings", "kind", "phrase"), _WRONG)
def test_what_cannot_be_mended_is_a_typed_error(
    behaviour: str,
    settings: dict[str, Any],
    kind: type[HubError],
    phrase: str,
    server: Any,
    cache: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
) -> None:
    record = record_of(body, server.add("/file", body, behaviour, **settings))
    with pytest.raises(kind) as caught:
        obtain(record, cache=cache, patience=hasty)
    assert type(caught.value) is kind
    assert phrase in str(caught.value)
    assert "weights.bin" in str(caught.value)
    assert list(cache.entries()) == []


@pytest.mark.parametrize(("behaviour", "settings", "kind", "phrase"), _WRONG)
def test_a_good_mirror_makes_up_for_a_bad_one(
    behaviour: str,
    settings: dict[str, Any],
    kind: type[HubError],
    phrase: str,
    server: Any,
    cache: Any,
    contents: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
) -> None:
    bad, good = server.add("/file", body, behaviour, **settings), server.add("/good", body)
    sha256 = obtain(record_of(body, bad, good), cache=cache, patience=hasty)
    assert contents(sha256) == body
    assert list(cache.parts.iterdir()) == []


@pytest.mark.parametrize("behaviour", ["empty_range", "cut_then_wrong_range", "always_cut"])
@pytest.mark.parametrize("chunk", [None, 50_000])
def test_a_server_that_leads_nowhere_is_given_up(
    behaviour: str,
    chunk: int | None,
    server: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("numzoo.hub.download.sources.web._PROGRESS", 100_000)
    with pytest.raises(NetworkError, match="4 attempts"):
        obtain(record_of(body, server.add("/file", body, behaviour), chunk=chunk), patience=hasty)
    assert len(server.files["/file"].requests) < 12


def test_a_file_of_unknown_size_stops_before_the_disk_is_full(
    server: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 1000))
    monkeypatch.setattr("numzoo.hub.store.parts._UNKNOWN_STEP", 100_000)
    record = record_of(body, server.add("/file", body, "without_length"), bytes=None)
    with pytest.raises(StorageError, match=r"needs 100\.0 kB more"):
        obtain(record, patience=hasty)


def test_a_transfer_that_stands_still_is_taken_up_again(
    server: Any, cache: Any, contents: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    record = record_of(body, server.add("/file", body, "stall_once"))
    assert contents(obtain(record, cache=cache, patience=replace(hasty, stall=0.5))) == body
    assert server.files["/file"].requests[1]["range"] == "bytes=20000-"


@pytest.mark.parametrize(("behaviour", "settings"), [("hang_up", {}), ("status", {"status": 503})])
def test_a_source_that_gives_nothing_is_left_early_for_another(
    behaviour: str, settings: dict[str, Any], server: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    dead, good = server.add("/dead", body, behaviour, **settings), server.add("/good", body)
    obtain(record_of(body, dead, good), patience=hasty)
    assert len(server.files["/dead"].requests) == 2


def test_a_trickle_counts_as_standing_still(server: Any, cache: Any, body: bytes, record_of: Any) -> None:
    from numzoo.hub.download.sources import Patience

    patience = Patience(stall=0.3, attempts=2, pause=0.001)
    record = record_of(body, server.add("/file", body, "trickle"))
    with pytest.raises(NetworkError, match=r"Only \d+ bytes came|gave no answer"):
        obtain(record, cache=cache, patience=patience)


def test_a_file_that_is_itself_packed_is_kept_as_it_is(
    server: Any, cache: Any, contents: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    packed = gzip.compress(body)
    record = record_of(packed, server.add("/file.gz", packed, "called_packed"))
    assert contents(obtain(record, cache=cache, patience=hasty)) == packed


def test_an_unchanged_file_is_resumed_on_condition_of_its_tag(
    server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    obtain(record_of(body, server.add("/file", body, "cut_once")), cache=cache, patience=hasty)
    first, second = server.files["/file"].requests
    assert first["accept-encoding"] == second["accept-encoding"] == "identity"
    assert "range" not in first
    assert second["if-range"] == '"first"'
    assert server.files["/file"].sent == len(body)


def test_a_weak_tag_is_no_condition_for_a_range(
    server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    """It stands for versions that mean the same and have other bytes (RFC 9110, section 13.1.5)."""
    record = record_of(body, server.add("/file", body, "cut_once"))
    server.files["/file"].etag = 'W/"first"'
    assert obtain(record, cache=cache, patience=hasty) == record.sha256
    _, second = server.files["/file"].requests
    assert "range" in second
    assert "if-range" not in second


def test_a_tag_is_told_to_nobody_but_the_server_that_gave_it(
    server: Any, other_server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    def gone(handler: Any, served: Any) -> None:
        handler.head(404, {"Content-Length": "0"})

    sources = server.add("/file", body, "cut_once", after=gone), other_server.add("/file", body)
    other_server.files["/file"].etag = '"another"'
    record = record_of(body, *sources)
    assert obtain(record, cache=cache, patience=hasty) == record.sha256
    (asked,) = other_server.files["/file"].requests
    assert asked["range"] == f"bytes={len(body) // 2}-"
    assert "if-range" not in asked


def test_a_size_that_nobody_knows_is_no_obstacle(
    server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    record = record_of(body, server.add("/file", body, "cut_once"), bytes=None)
    assert obtain(record, cache=cache, patience=hasty) == record.sha256


@pytest.mark.parametrize(
    "behaviour", ["honest", "cut_once", "changed_file", "changed_file_ignoring_if_range", "changed_file_without_tag"]
)
def test_a_file_without_a_digest_is_never_put_together_from_two_versions(
    behaviour: str, server: Any, contents: Any, body: bytes, record_of: Any, sharing: Any
) -> None:
    record = record_of(body, server.add("/file", body, behaviour), sha256=None, bytes=None)
    assert contents(obtain(record, patience=sharing, trust_first_use=True)) == body


def test_a_file_without_a_digest_is_not_shared(server: Any, body: bytes, record_of: Any, sharing: Any) -> None:
    """Spans of two mirrors might be of two versions, and nothing would tell."""
    record = record_of(body, server.add("/file", body), server.add("/other", body[::-1]), sha256=None)
    obtain(record, patience=sharing, trust_first_use=True)
    assert server.files["/other"].requests == []
    assert len(server.files["/file"].requests) == 1


@pytest.mark.parametrize(("hops", "fine"), [(5, True), (6, False)])
def test_five_redirects_are_followed_and_a_sixth_is_not(
    hops: int, fine: bool, server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    server.add("/0", body)
    for hop in range(1, hops + 1):
        server.add(f"/{hop}", b"", "redirect", to=f"/{hop - 1}")
    record = record_of(body, f"{server.root}/{hops}")
    if fine:
        assert obtain(record, cache=cache, patience=hasty) == record.sha256
    else:
        with pytest.raises(NetworkError, match="more than 5"):
            obtain(record, cache=cache, patience=hasty)


def test_no_token_and_no_cookie_leaves_the_origin(
    server: Any, other_server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    there = other_server.add("/elsewhere", body)
    server.add("/renamed", b"", "redirect", to=there)
    server.add("/owner/name/resolve/main/file.bin", b"", "redirect", to="/renamed")
    record = record_of(body, "hf:owner/name@main/file.bin")
    assert obtain(record, cache=cache, patience=hasty) == record.sha256
    [first] = server.files["/owner/name/resolve/main/file.bin"].requests
    [second] = server.files["/renamed"].requests
    [outside] = other_server.files["/elsewhere"].requests
    assert first["authorization"] == second["authorization"] == "Bearer hf_secret"
    assert "authorization" not in outside
    assert "cookie" not in second
    assert set(outside) <= {"host", "accept", "accept-encoding", "user-agent", "connection"}


def test_a_login_of_a_netrc_file_is_not_sent(
    server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    obtain(record_of(body, server.add("/file", body)), cache=cache, patience=hasty)
    assert "authorization" not in server.files["/file"].requests[0]


def test_a_token_is_in_no_message(
    server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    server.add("/owner/name/resolve/main/file.bin", b"", "status", status=401)
    with pytest.raises(LicenseError, match="HF_TOKEN") as caught:
        obtain(record_of(body, "hf:owner/name@main/file.bin"), cache=cache, patience=hasty)
    assert "hf_secret" not in str(caught.value)


def test_a_signature_in_a_redirect_is_in_no_message(
    server: Any, cache: Any, body: bytes, record_of: Any, hasty: Any
) -> None:
    gone = "http://127.0.0.1:9/file?X-Signature=secret"
    record = record_of(body, server.add("/file", b"", "redirect", to=gone))
    with pytest.raises(NetworkError) as caught:
        obtain(record, cache=cache, patience=hasty)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


class _Redirecting:
    """A session whose every address redirects to the next one of a list; the last answers."""

    def __init__(self, *locations: str) -> None:
        self._locations = list(locations)

    def get(self, address: str, **_: Any) -> Any:
        import requests

        response = requests.Response()
        response.status_code, response.raw = 200, None
        if self._locations:
            response.status_code = 302
            response.headers["Location"] = self._locations.pop(0)
        response.close = lambda: None  # type: ignore[method-assign]
        return response

    def merge_environment_settings(self, *_: Any) -> dict[str, Any]:
        return {"proxies": {}}


_ADDRESSES = {"public.example": "93.184.215.14", "inside.example": "10.1.2.3", "here.example": "127.0.0.1"}
_HOPS = [
    ("https://public.example/a", "https://public.example/b", True),
    ("https://public.example/a", "https://8.8.8.8/b", True),
    ("https://public.example/a", "http://public.example/b", False),
    ("https://public.example/a", "http://127.0.0.1/b", False),
    ("https://public.example/a", "https://127.0.0.1/b", False),
    ("https://public.example/a", "https://localhost/b", False),
    ("https://public.example/a", "https://[::1]/b", False),
    ("https://public.example/a", "https://[::ffff:10.0.0.1]/b", False),
    ("https://public.example/a", "https://10.0.0.1/b", False),
    ("https://public.example/a", "https://169.254.169.254/latest", False),
    ("https://public.example/a", "https://inside.example/b", False),
    ("https://public.example/a", "https://here.example/b", False),
    ("https://public.example/a", "file:///etc/passwd", False),
    ("https://public.example/a", "https://user:password@public.example/b", False),
    ("https://inside.example/a", "https://10.9.9.9/b", True),
    ("https://inside.example/a", "https://here.example/b", False),
    ("http://127.0.0.1:1/a", "http://localhost:2/b", True),
    ("http://127.0.0.1:1/a", "https://public.example/b", True),
]


@pytest.mark.parametrize(("start", "target", "allowed"), _HOPS)
def test_a_redirect_never_leads_from_outside_to_inside(
    start: str, target: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (_ADDRESSES[host], port))]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    session: Any = _Redirecting(target)
    if allowed:
        assert open_following(session, start, {}, None, (1, 1)).status_code == 200
    else:
        with pytest.raises(NetworkError):
            open_following(session, start, {}, None, (1, 1))


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/x",
        "ftp://example.com/x",
        "https:///x",
        "https://user:pw@example.com/x",
        "https://[::1/x",
        "x",
    ],
)
def test_an_address_that_is_not_https_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_address(address)
    assert "pw" not in str(caught.value)


def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    settings = new_session().merge_environment_settings("https://public.example", {}, None, None, None)
    assert settings["proxies"]["https"] == "http://proxy.example:3128"


def test_a_certificate_of_nobody_is_refused_until_it_is_named(
    server: Any,
    certificate: Path,
    contents: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.secure(certificate)
    record = record_of(body, server.add("/file", body, "cut_once"))
    with pytest.raises(NetworkError, match=r"certificate of 127\.0\.0\.1 was refused: self.signed.*REQUESTS_CA_BUNDLE"):
        obtain(record, patience=hasty)
    assert server.files["/file"].requests == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert contents(obtain(record, patience=hasty)) == body


def test_https_never_falls_to_http(
    server: Any,
    other_server: Any,
    certificate: Path,
    body: bytes,
    record_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server.secure(certificate)
    record = record_of(body, server.add("/file", b"", "redirect", to=other_server.add("/plain", body)))
    with pytest.raises(NetworkError, match="from https to http"):
        obtain(record, patience=hasty)
    assert other_server.files["/plain"].requests == []
