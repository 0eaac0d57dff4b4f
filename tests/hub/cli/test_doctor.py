"""``numzoo doctor``: what it finds, what it says to do, and that looking changes nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.doctor import machine, network, storage
from numzoo.hub.doctor.finding import Finding
from numzoo.hub.store.cache import Cache

Run = Callable[..., Any]


@pytest.fixture
def doctor(numzoo: Run) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run it and give its exit code and its findings by name (the last of a name)."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        ended = numzoo("doctor", "--json", *arguments)
        return ended.code, {found["what"]: found for found in ended.json["findings"]}

    return run


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pip alone, which takes a while."""
    monkeypatch.setattr(network, "_index", lambda: [Finding("package index", "ok", "not asked")])


def _html(handler: Any, served: Any) -> None:
    handler.head(200, {"Content-Type": "text/html", "Content-Length": str(len(served.body))})
    handler.give(served, served.body)


def _manifest(tmp_path: Path, address: str) -> Path:
    document = {
        "schema": 1,
        "models": {},
        "samples": {
            "one": {
                "files": [{"sha256": "0" * 64, "format": "png", "sources": [address]}],
                "license": "MIT",
                "source": "https://example.org/",
            }
        },
    }
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    return tmp_path / "manifest.json"


def test_a_sound_machine_is_ok_and_nothing_is_left_behind(numzoo: Run, doctor: Any, tmp_path: Path) -> None:
    code, found = doctor("--offline")
    assert code == 0
    assert {found[what]["state"] for what in ("python", "numpy", "registry", "cache", "disk", "certificates")} == {"ok"}
    assert str(tmp_path / "numzoo-home") in found["cache"]["detail"]
    assert found["network"]["detail"] == "switched off (--offline)"
    assert list(tmp_path.iterdir()) == []
    for line in numzoo("doctor", "--offline").out.splitlines():
        assert re.match(r"(\S.{12}  (ok  |warn|fail)  \S| {21}-> )", line), line


def test_offline_opens_no_socket(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(network, "_index", refuse)
    assert doctor("--offline")[1]["network"]["state"] == "ok"
    monkeypatch.setenv("NUMZOO_OFFLINE", "1")
    assert "NUMZOO_OFFLINE" in doctor()[1]["network"]["detail"]


WRONG: dict[str, tuple[dict[str, str], str, str, int, str]] = {
    "no folder": ({"NUMZOO_HOME": "{here}/file/below"}, "cache", "fail", 8, "Set NUMZOO_HOME"),
    "no limit": ({"NUMZOO_CACHE_LIMIT": "much"}, "cache limit", "fail", 2, "a size such as 20GB"),
    "a bad configuration": ({"NUMZOO_CONFIG": "{here}/file"}, "configuration", "fail", 5, "Mend {here}/file"),
    "no certificates": ({"REQUESTS_CA_BUNDLE": "{here}/gone.pem"}, "certificates", "fail", 4, "REQUESTS_CA_BUNDLE"),
    "no certificate": ({"SSL_CERT_FILE": "{here}/file"}, "certificates", "fail", 4, "PEM form"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_needed_and_fails_ends_with_a_code_and_a_way_out(
    kind: str, doctor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, what, state, code, mend = WRONG[kind]
    (tmp_path / "file").write_text("not = [what is wanted")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(here=tmp_path))
    ended, found = doctor("--offline")
    assert (ended, found[what]["state"]) == (code, state)
    assert mend.format(here=tmp_path) in found[what]["mend"]


def test_a_read_only_cache_is_a_warning_if_it_holds_something(
    doctor: Any, cache: Cache, body: bytes, record_of: Any, tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    from numzoo.hub.download.fetch import Fetch

    (tmp_path / "mine").write_bytes(body)
    Fetch(progress=False).path(record_of(body, f"file:{tmp_path / 'mine'}"))
    read_only(cache.root)
    code, found = doctor("--offline")
    assert (code, found["cache"]["state"]) == (0, "warn")
    assert "nothing can be added: Permission denied" in found["cache"]["detail"]


def test_an_empty_cache_that_is_read_only_fails(doctor: Any, cache: Cache, read_only: Callable[[Path], None]) -> None:
    cache.root.mkdir()
    read_only(cache.root)
    code, found = doctor("--offline")
    assert (code, found["cache"]["state"]) == (8, "fail")


def test_a_cache_beyond_its_limit_is_a_warning(
    doctor: Any, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.path("0" * 64).parent.mkdir(parents=True)
    cache.path("0" * 64).write_bytes(bytes(2000))
    monkeypatch.setenv("NUMZOO_CACHE_LIMIT", "1kB")
    code, found = doctor("--offline")
    assert (code, found["cache limit"]["state"]) == (0, "warn")
    assert found["cache limit"]["mend"] == "numzoo cache prune"


@pytest.mark.parametrize(("kind", "state"), [("ext4", "ok"), ("xfs", "ok"), ("tmpfs", "warn"), ("overlay", "warn")])
def test_a_file_system_that_does_not_last_is_a_warning(
    kind: str, state: str, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_kind", lambda _: kind)
    assert doctor("--offline")[1]["file system"]["state"] == state


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells what is mounted")
def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    assert storage._kind(Path("/proc/self")) == "proc"
    assert storage._kind(Path("/")) != "proc"


def test_little_room_is_a_warning(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**12, 10**12 - 5, 5))
    code, found = doctor("--offline")
    assert (code, found["disk"]["state"], "5 B free" in found["disk"]["detail"]) == (0, "warn", True)


def test_another_registry_is_looked_at_too(doctor: Any, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    code, found = doctor("--offline", "--registry", tmp_path / "manifest.json")
    assert (code, found["registry"]["state"], found["network"]["state"]) == (5, "fail", "ok")
    assert "manifest.json" in found["registry"]["detail"]


def test_a_look_that_breaks_is_a_finding_and_the_others_still_happen(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(machine, "onednn", broken)
    code, found = doctor("--offline")
    assert (code, found["oneDNN"]["state"], found["oneDNN"]["detail"]) == (1, "fail", "RuntimeError: the sky fell")
    assert found["disk"]["state"] == "ok"


@pytest.mark.usefixtures("no_pip")
def test_servers_answer_or_are_a_warning(doctor: Any, server: Any, tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, server.root + "/file")
    code, found = doctor("--registry", manifest)
    assert (code, found["server"]["state"]) == (0, "ok")
    server.close()
    code, found = doctor("--registry", manifest)
    assert (code, found["server"]["state"]) == (0, "warn")
    assert "cannot be reached" in found["server"]["detail"]
    assert server.files == {}


@pytest.mark.usefixtures("no_pip")
@pytest.mark.parametrize(
    ("address", "state", "code"),
    [("http://me:secret@127.0.0.1:1/", "warn", 0), ("http://", "fail", 4), ("http://host:port", "fail", 4)],
)
def test_proxies_are_tried_and_no_password_is_shown(
    address: str, state: str, code: int, numzoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    ended = numzoo("doctor", "--json", "--registry", _manifest(tmp_path, "file:one"))
    found = {each["what"]: each for each in ended.json["findings"]}
    assert (ended.code, found["proxy"]["state"]) == (code, state)
    assert "secret" not in ended.out + ended.err


@pytest.mark.parametrize("serves", [True, False])
def test_the_package_index_is_asked_through_pip(
    serves: bool, numzoo: Run, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.root.replace("://", "://me:secret@") + "/simple")
    if serves:
        page = b'<!DOCTYPE html><html><body><a href="numpy-2.0.0-py3-none-any.whl">numpy-2.0.0-py3-none-any.whl</a></body></html>'
        server.add("/simple/numpy/", page)
        server.files["/simple/numpy/"].answer = _html
    ended = numzoo("doctor", "--json", "--registry", _manifest(tmp_path, "file:one"))
    found = {each["what"]: each for each in ended.json["findings"]}
    assert (ended.code, found["package index"]["state"]) == (0, "ok" if serves else "warn"), found["package index"]
    assert "secret" not in ended.out + ended.err
