"""Tokens go to the origin they are for and nowhere else: no other server, no message, no traceback, no log."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.cli.main import main
from numzoo.hub.download.obtain import obtain
from numzoo.hub.download.sources.tokens import token_for, variable_for
from numzoo.hub.errors import HubError, StorageError, UsageError

_SECRET = "tok_VERYSECRET0123456789"


def _port(site: Any) -> int:
    return int(site.root.rpartition(":")[2])


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of tokens beside the configuration file, empty and private."""
    monkeypatch.setenv("NUMZOO_CONFIG", str(tmp_path / "settings" / "config.toml"))
    path = tmp_path / "settings" / "tokens"
    path.parent.mkdir()
    path.touch(0o600)
    return path


_NAMES = [
    ("example.org", 443, "NUMZOO_TOKEN_EXAMPLE_ORG"),
    ("files.my-lab.org", 443, "NUMZOO_TOKEN_FILES_MY__LAB_ORG"),
    ("127.0.0.1", 8080, "NUMZOO_TOKEN_127_0_0_1_8080"),
]


@pytest.mark.parametrize(("host", "port", "name"), _NAMES)
def test_a_host_has_a_variable_of_its_own(host: str, port: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert variable_for(host, port) == name
    monkeypatch.setenv(name, _SECRET)
    assert token_for(f"https://{host}:{port}/file") == _SECRET


@pytest.mark.parametrize(
    "address",
    [
        "https://a-b.org/x",  # a.b.org and a-b.org are two hosts
        "https://a_b.org/x",
        "https://evil.a.b.org/x",
        "https://a.b.org.evil.net/x",
        "https://a.b.org:8443/x",
        "http://a.b.org:443/x",
        "https://[::1]/x",
    ],
)
def test_another_origin_gets_no_token(address: str, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMZOO_TOKEN_A_B_ORG", _SECRET)
    token_file.write_text(f"a.b.org {_SECRET}\n")
    assert token_for("https://a.b.org/x") == token_for("https://A.B.org:443/y") == _SECRET
    assert token_for(address) is None


@pytest.mark.parametrize("by_file", [True, False])
@pytest.mark.parametrize("secure", [True, False])
def test_a_token_is_sent_to_its_origin_and_not_to_where_that_redirects(
    by_file: bool,
    secure: bool,
    server: Any,
    other_server: Any,
    certificate: Path,
    token_file: Path,
    body: bytes,
    record_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if secure:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        server.secure(certificate)
        other_server.secure(certificate)
    if by_file:
        token_file.write_text(f"# mine\n\n127.0.0.1:{_port(server)}   {_SECRET}\n")
    else:
        monkeypatch.setenv(variable_for("127.0.0.1", _port(server)), _SECRET)
    record = record_of(body, server.add("/file", b"", "redirect", to=other_server.add("/there", body)))
    obtain(record, patience=hasty)
    assert server.files["/file"].requests[0]["authorization"] == f"Bearer {_SECRET}"
    assert "authorization" not in other_server.files["/there"].requests[0]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_of_tokens_that_others_can_read_is_refused(
    mode: int, server: Any, token_file: Path, body: bytes, record_of: Any, hasty: Any
) -> None:
    token_file.write_text(f"127.0.0.1:{_port(server)} {_SECRET}\n")
    token_file.chmod(mode)
    with pytest.raises(StorageError, match=r"Others can read.*chmod 600") as caught:
        obtain(record_of(body, server.add("/file", body)), patience=hasty)
    assert _SECRET not in str(caught.value)
    assert server.files["/file"].requests == []


@pytest.mark.parametrize("token", ["two words", "new\nline", "umläut", "nul\0byte"])
@pytest.mark.parametrize("variable", ["NUMZOO_TOKEN_EXAMPLE_ORG", "HF_TOKEN"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(
    variable: str, token: str, monkeypatch: pytest.MonkeyPatch, body: bytes, record_of: Any, hasty: Any
) -> None:
    given: dict[str, str] = {variable: token}
    monkeypatch.setattr("os.environ", {**__import__("os").environ, **given})
    source = "https://example.org/x" if "EXAMPLE" in variable else "hf:owner/name@main/x"
    with pytest.raises(UsageError, match=variable) as caught:
        obtain(record_of(body, source), patience=hasty)
    assert token not in str(caught.value)


_PROVOKED: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 401}),
    ("status", {"status": 403}),
    ("status", {"status": 404}),
    ("status", {"status": 418}),
    ("status", {"status": 503}),
    ("hang_up", {}),
    ("always_cut", {}),
    ("lie", {}),
    ("page", {}),
    ("longer", {}),
    ("packed_badly", {}),
    ("unasked_range", {}),
    ("redirect", {"to": "http://example.com/file"}),
    ("redirect", {"to": "http://127.0.0.1:9/file"}),
    ("redirect", {"to": "/file"}),
    ("redirect", {"to": "http://[broken"}),
    ("honest", {}),
]


@pytest.mark.parametrize("json_asked", [True, False])
def test_no_error_shows_a_token_nor_the_login_of_a_proxy(
    json_asked: bool,
    server: Any,
    body: bytes,
    record_of: Any,
    manifest_of: Any,
    hasty: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every error, with the traceback that --debug shows, and every library's log at its most talkative."""
    monkeypatch.setattr("numzoo.hub.download.sources.Patience", lambda: hasty)
    monkeypatch.setenv("HF_TOKEN", _SECRET)
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    monkeypatch.setenv(variable_for("127.0.0.1", _port(server)), _SECRET)
    shown, codes = "", set()
    with caplog.at_level(logging.DEBUG):
        for number, (behaviour, settings) in enumerate(_PROVOKED):
            address = server.add(f"/{number}", body, behaviour, **settings)
            server.add(f"/owner/name/resolve/main/{number}", body, behaviour, **settings)
            record = record_of(body, address, f"hf:owner/name@main/{number}", name=f"file{number}")
            given = ["--json"] if json_asked else []
            codes.add(main(["--debug", *given, "--registry", manifest_of(record), "pull", "data:files"]))
            captured = capfd.readouterr()
            shown += captured.out + captured.err
            assert server.files[f"/{number}"].requests[0]["authorization"] == f"Bearer {_SECRET}"
        for login in ("http://me:pa55word@127.0.0.1:9", "http://me:pa55word@[broken", "me:pa55word@nowhere:x"):
            monkeypatch.setenv("http_proxy", login)
            record = record_of(body[1:], server.add("/behind", body[1:]), name="behind")
            codes.add(main(["--debug", "--registry", manifest_of(record), "pull", "data:files"]))
            captured = capfd.readouterr()
            shown += captured.out + captured.err
    assert codes >= {0, 3, 4, 5, 7}
    assert 1 not in codes, shown
    assert "Traceback" in shown
    for secret in (_SECRET, "pa55word"):
        assert secret not in shown
        assert secret not in caplog.text


def test_no_token_is_kept_in_an_error_or_written_to_the_store(
    server: Any, body: bytes, record_of: Any, hasty: Any, cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable_for("127.0.0.1", _port(server)), _SECRET)
    with pytest.raises(HubError) as caught:
        obtain(record_of(body, server.add("/file", body, "always_cut")), patience=hasty)
    assert _SECRET not in json.dumps([repr(caught.value), repr(caught.value.args)])
    written = [path.read_bytes() for path in cache.root.rglob("*") if path.is_file()]
    assert written
    assert not any(_SECRET.encode() in data for data in written)


def test_no_option_takes_a_token() -> None:
    from numzoo.hub.cli.main import make_parser

    def options(parser: Any) -> set[str]:
        found = {option for action in parser._actions for option in action.option_strings}
        for action in parser._actions:
            if isinstance(action.choices, dict):
                for inner in action.choices.values():
                    found |= options(inner)
        return found

    assert not [option for option in options(make_parser()) if "token" in option or "password" in option]
