"""What the person's network asks for: proxies, certificates, mirrors, a rate limit, or no network at all."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests

from numzoo.hub.download import throttle
from numzoo.hub.download.mirrors import mirrored
from numzoo.hub.download.obtain import obtain
from numzoo.hub.download.sources.answers import _asked_wait
from numzoo.hub.download.throttle import parse_rate
from numzoo.hub.errors import OfflineError, UsageError

# Proxies and certificates


@pytest.mark.parametrize(("exempt", "through"), [("", True), ("example.org", True), ("127.0.0.1", False), ("*", False)])
def test_a_proxy_is_used_except_for_whom_it_is_not_meant(
    exempt: str,
    through: bool,
    server: Any,
    proxy: Any,
    contents: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@{proxy.address}")
    monkeypatch.setenv("no_proxy", exempt)
    address = server.add("/file", body)
    assert contents(obtain(record_of(body, address), patience=hasty)) == body
    assert proxy.asked == ([f"GET {address} HTTP/1.1"] if through else [])
    assert len(proxy.logins) == int(through)
    assert "proxy-authorization" not in server.files["/file"].requests[0] or through


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_https_goes_through_a_proxy_with_certificates_of_ones_own(
    variable: str,
    server: Any,
    proxy: Any,
    certificate: Path,
    contents: Any,
    body: bytes,
    record_of: Any,
    sharing: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    monkeypatch.setenv(variable, str(certificate))
    server.secure(certificate)
    address = server.add("/file", body)
    assert contents(obtain(record_of(body, address), patience=sharing)) == body
    assert {line.split()[0] for line in proxy.asked} == {"CONNECT"}


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_that_are_not_there_are_told(
    variable: str, certificate: Path, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(certificate.with_name("missing.pem")))
    with pytest.raises(UsageError, match=rf"{variable} names .*missing\.pem"):
        obtain(record_of(body, "https://127.0.0.1:9/file"), patience=hasty)


# Mirrors


_RULE = "https://example.org/a/=https://mirror.example/b/"
_REWRITTEN = [
    (["https://example.org/a/x"], ["https://mirror.example/b/x", "https://example.org/a/x"]),
    (["https://example.org/c"], ["https://example.org/c"]),
    (
        ["https://example.org/a/x", "https://mirror.example/b/x"],
        ["https://mirror.example/b/x", "https://example.org/a/x"],
    ),
    (
        ["https://example.org/a/1 + https://example.org/a/2"],
        [
            "https://mirror.example/b/1 + https://mirror.example/b/2",
            "https://example.org/a/1 + https://example.org/a/2",
        ],
    ),
]


@pytest.mark.parametrize(("sources", "wanted"), _REWRITTEN)
def test_a_mirror_goes_before_the_place_that_it_mirrors(
    sources: list[str], wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mirrored(sources) == tuple(sources)
    monkeypatch.setenv("NUMZOO_MIRROR", _RULE)
    assert mirrored(sources) == tuple(wanted)


def test_mirrors_of_the_configuration_file_come_after_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-config.toml").write_text('[mirrors]\n"https://example.org/" = ["https://one/", "https://two/"]\n')
    monkeypatch.setenv("NUMZOO_MIRROR", "https://example.org/=https://zero/")
    wanted = ("https://zero/x", "https://one/x", "https://two/x", "https://example.org/x")
    assert mirrored(["https://example.org/x"]) == wanted


@pytest.mark.parametrize(
    "rule", ["x", "https://example.org=https://m/", "http://example.org/=https://m/", "https://a/="]
)
def test_a_rule_that_is_none_is_refused(
    rule: str, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMZOO_MIRROR", rule)
    with pytest.raises(UsageError, match="NUMZOO_MIRROR"):
        obtain(record_of(body, "https://example.org/x"), patience=hasty)


@pytest.mark.parametrize("behaviour", ["honest", "lie", "hang_up", "page"])
def test_a_mirror_is_asked_first_and_believed_no_more_than_others(
    behaviour: str,
    server: Any,
    certificate: Path,
    other_server: Any,
    contents: Any,
    body: bytes,
    record_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.secure(certificate)
    own, copy = server.add("/file", body), other_server.add("/copy/file", body, behaviour)
    monkeypatch.setenv("NUMZOO_MIRROR", f"{server.root}/={copy.removesuffix('file')}")
    assert contents(obtain(record_of(body, own), patience=hasty)) == body
    assert other_server.files["/copy/file"].requests
    assert bool(server.files["/file"].requests) == (behaviour != "honest")


# Limits and waits


@pytest.mark.parametrize(
    ("text", "rate"), [("2M", 2e6), ("500k", 5e5), ("1.5Mi", 1572864), ("800000", 8e5), ("5 MB/s", 5e6), ("1g", 1e9)]
)
def test_a_rate_is_understood(text: str, rate: float) -> None:
    assert parse_rate(text, "it") == rate


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "2T", "1e9", "M", "2 M M"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2M"):
        parse_rate(text, "it")


def test_the_limit_holds_for_all_transfers_together(
    server: Any, body: bytes, record_of: Any, manifest_of: Any, command: Any
) -> None:
    """Two files of 300,001 bytes at once, at 1 MB/s: not before 0.6 seconds, by either way of saying so."""
    first = record_of(body, server.add("/first", body), name="first")
    second = record_of(body[::-1], server.add("/second", body[::-1]), name="second")
    began = time.monotonic()
    ended = command("--registry", manifest_of(first, second), "pull", "data:files", "--limit-rate", "1M")
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.split()) == 2
    assert time.monotonic() - began > 0.5


def test_a_limit_slower_than_the_stall_is_no_stall(
    server: Any, body: bytes, record_of: Any, hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setenv("NUMZOO_RATE_LIMIT", "20k")
    small = body[:10_000]
    began = time.monotonic()
    obtain(record_of(small, server.add("/file", small)), patience=replace(hasty, stall=0.2))
    assert time.monotonic() - began > 0.4
    assert len(server.files["/file"].requests) == 1


def test_the_command_lines_limit_goes_before_the_environments_and_that_before_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rate() -> float | None:
        limit = throttle.current()
        return None if limit is None else limit.rate

    assert rate() is None
    (tmp_path / "no-config.toml").write_text('rate_limit = "5 MB"\n')
    assert rate() == 5e6
    monkeypatch.setenv("NUMZOO_RATE_LIMIT", "3M")
    assert rate() == 3e6
    assert throttle.current() is throttle.current()
    throttle.set_limit(2e6)
    assert rate() == 2e6
    throttle.set_limit(None)
    monkeypatch.setenv("NUMZOO_RATE_LIMIT", "none")
    assert rate() is None


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        (formatdate(time.time() + 86400, usegmt=True), 43200, 86400),
        (formatdate(0, usegmt=True), 0, 0),
        ("soon", 0, 0),
        ("9" * 400, 1, 1e9),
        ("-1", 0, 0),
        ("Fri, 99 Foo 2099 99:99:99 GMT", 0, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, least: float, most: float) -> None:
    response = requests.Response()
    response.headers["Retry-After"] = text
    assert least <= _asked_wait(response) <= most


# Offline


@pytest.mark.parametrize("by_variable", [True, False])
@pytest.mark.parametrize("proxied", [True, False])
def test_offline_no_connection_reaches_a_server(
    by_variable: bool, proxied: bool, server: Any, body: bytes, record_of: Any, manifest_of: Any, command: Any
) -> None:
    """A whole process, whose every connection would be counted."""
    record = record_of(body, server.add("/file", body), "hf:owner/name@main/file")
    manifest = manifest_of(record)
    variables = {"HF_ENDPOINT": server.root, "HF_TOKEN": "secret"}
    if proxied:
        variables |= {"http_proxy": server.root, "https_proxy": server.root, "all_proxy": server.root}
    given = ["--registry", manifest, "pull", "data:files"]
    extra = {"NUMZOO_OFFLINE": "1"} if by_variable else {}
    ended = command(*([] if by_variable else ["--offline"]), *given, **variables, **extra)
    assert ended.returncode == 6, ended.stderr
    assert server.connections == 0
    online = command(*given, **variables, no_proxy="*")
    assert online.returncode == 0, online.stderr
    assert server.connections == 1
    again = command("--offline", *given, **variables)
    assert (again.returncode, again.stdout) == (0, online.stdout)
    assert server.connections == 1


def test_an_offline_miss_names_each_source_once(body: bytes, record_of: Any) -> None:
    source = "https://nowhere.example/file"
    with pytest.raises(OfflineError) as caught:
        obtain(record_of(body, source), offline=True)
    assert str(caught.value).count(source) == 1
