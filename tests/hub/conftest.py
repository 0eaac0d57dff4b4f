"""Shared by the hub's tests: a store of one's own, records, and a loopback server that misbehaves on demand."""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import hashlib
import http.server
import os
import random
import re
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.download.sources import Patience
from numzoo.hub.registry.record import Chunks, FileRecord
from numzoo.hub.store.cache import Cache

Answer = Callable[["Handler", "Served"], None]


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the person's own caches, tokens, proxies or project."""
    monkeypatch.setenv("NUMZOO_CONFIG", str(tmp_path / "no-config.toml"))
    for name in ("NUMZOO_OFFLINE", "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_CACHE", "NUMZOO_MIRROR", "NUMZOO_RATE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMZOO_HOME", str(tmp_path / "numzoo-home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface-home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def cache() -> Cache:
    """The store below NUMZOO_HOME, which is a folder of this test's own."""
    return Cache()


@pytest.fixture
def permissions_hold() -> Iterator[None]:
    """Let files' permissions bind this process even where root runs the tests (Linux: two capabilities less)."""
    if os.name != "posix":
        pytest.skip("permissions are POSIX's")
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("root may do everything here")
    library = ctypes.CDLL(None, use_errno=True)
    header, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert library.capget(header, before) == 0
    without = (ctypes.c_uint32 * 6)(*before)
    without[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH are no longer in effect
    assert library.capset(header, without) == 0
    try:
        yield
    finally:
        assert library.capset(header, before) == 0


@pytest.fixture
def read_only(permissions_hold: None) -> Iterator[Callable[[Path], None]]:
    """Take the right to write from a folder and all below it, until the test has ended."""
    folders: list[Path] = []

    def close(folder: Path) -> None:
        for path in [*folder.rglob("*"), folder]:
            path.chmod(0o555 if path.is_dir() else 0o444)
            if path.is_dir():
                folders.append(path)

    yield close
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def contents(cache: Cache) -> Callable[[str], bytes]:
    """The bytes of a blob, checked: `contents(sha256)`."""

    def read(sha256: str) -> bytes:
        with cache.open_verified(sha256) as file:
            return file.read()

    return read


@pytest.fixture(scope="session")
def body() -> bytes:
    """300,001 bytes that no compression and no chance can guess."""
    return random.Random(7).randbytes(300_001)


@pytest.fixture
def hasty() -> Patience:
    """As little waiting as tests need."""
    return Patience(connect=5.0, stall=30.0, attempts=4, pause=0.001, longest_pause=0.01)


@pytest.fixture
def sharing(hasty: Patience, monkeypatch: pytest.MonkeyPatch) -> Patience:
    """As `hasty`, and every file of more than 20,000 bytes is shared among three connections after the first block."""
    monkeypatch.setattr("numzoo.hub.download.sources.answers._BLOCK", 1 << 14)
    return replace(hasty, solo=0.0, worth=0.0, connections=3, span=20_000, hedge=0.3)


@pytest.fixture
def record_of() -> Callable[..., FileRecord]:
    """Make the record of some bytes: `record_of(body, *sources, chunk=None, **other_fields)`."""

    def make(body: bytes, *sources: str, chunk: int | None = None, **fields: Any) -> FileRecord:
        digests = (
            tuple(hashlib.sha256(body[at : at + chunk]).hexdigest() for at in range(0, len(body), chunk))
            if chunk
            else ()
        )
        given: dict[str, Any] = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "sources": sources,
            "chunks": Chunks(chunk, digests) if chunk else None,
            "name": "weights.bin",
        }
        return FileRecord(**{**given, **fields})

    return make


@dataclass
class Served:
    """One file of the server: its bytes, how they are given, and what was asked for so far."""

    body: bytes
    answer: Answer
    etag: str = '"first"'
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the behaviour of the file that is asked for."""

    protocol_version = "HTTP/1.1"
    site: Server

    def do_GET(self) -> None:
        served = self.site.files.get(self.path)
        self.close_connection = True
        if served is None:
            self.head(404, {"Content-Length": "0"})
            return
        served.requests.append({name.lower(): value for name, value in self.headers.items()})
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # Some tests kill the client.
            served.answer(self, served)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def give(self, served: Served, data: bytes) -> None:
        """Send bytes in small blocks, and tell whoever watches."""
        for at in range(0, len(data), 16384):
            self.wfile.write(data[at : at + 16384])
            served.sent += len(data[at : at + 16384])
            if (watch := served.settings.get("watch")) is not None:
                watch()

    def asked_range(self) -> tuple[int, int | None] | None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        return None if found is None else (int(found[1]), int(found[2]) + 1 if found[2] else None)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server:
    """A loopback server: `add` a path with a behaviour (a method of `Behaviours`) and use the address it gives."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.closing = threading.Event()
        self._scheme = "http"
        self.connections = 0
        handler = type("SiteHandler", (Handler,), {"site": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.verify_request = self._count  # type: ignore[method-assign]
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def root(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def add(self, path: str, body: bytes, behaviour: str = "honest", **settings: Any) -> str:
        self.files[path] = Served(body, getattr(Behaviours, behaviour), settings=settings)
        return self.root + path

    def _count(self, *_: Any) -> bool:
        """Called for every connection that anybody opens."""
        self.connections += 1
        return True

    def secure(self, certificate: Path) -> None:
        """Speak https from now on, with the certificate and key of one file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "https"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that lives as long as the test."""
    site = Server()
    yield site
    site.close()


@pytest.fixture
def other_server() -> Iterator[Server]:
    """Another origin."""
    site = Server()
    yield site
    site.close()


class Behaviours:
    """How a server may answer; each is given the handler and the file."""

    @staticmethod
    def honest(handler: Handler, served: Served) -> None:
        asked = handler.asked_range()
        condition = handler.headers.get("If-Range")
        if asked is None or condition not in (None, served.etag):
            length = {"Content-Length": str(len(served.body)), "ETag": served.etag, "Accept-Ranges": "bytes"}
            handler.head(200, length)
            handler.give(served, served.body)
            return
        start, end = asked
        if start >= len(served.body):
            handler.head(416, {"Content-Range": f"bytes */{len(served.body)}", "Content-Length": "0"})
            return
        piece = served.body[start:end]
        place = f"bytes {start}-{start + len(piece) - 1}/{len(served.body)}"
        handler.head(206, {"Content-Range": place, "Content-Length": str(len(piece)), "ETag": served.etag})
        handler.give(served, piece)

    @staticmethod
    def cut_once(handler: Handler, served: Served) -> None:
        if len(served.requests) > 1:
            after: Answer = served.settings.get("after", Behaviours.honest)
            after(handler, served)
            return
        handler.head(200, {"Content-Length": str(len(served.body)), "ETag": served.etag})
        handler.give(served, served.body[: len(served.body) // 2])

    @staticmethod
    def always_cut(handler: Handler, served: Served) -> None:
        handler.head(200, {"Content-Length": str(len(served.body))})
        handler.give(served, served.body[:1000])

    @staticmethod
    def length_beyond_reason(handler: Handler, served: Served) -> None:
        handler.head(200, {"Content-Length": "9" * 5000})
        handler.give(served, served.body)

    @staticmethod
    def without_length(handler: Handler, served: Served) -> None:
        handler.head(200, {})
        handler.give(served, served.body)

    @staticmethod
    def without_length_cut_once(handler: Handler, served: Served) -> None:
        if len(served.requests) > 1:
            Behaviours.honest(handler, served)
            return
        handler.head(200, {})
        handler.give(served, served.body[:70_000])

    @staticmethod
    def chunked(handler: Handler, served: Served) -> None:
        handler.head(200, {"Transfer-Encoding": "chunked"})
        pieces = [served.body[at : at + 50_000] for at in range(0, len(served.body), 50_000)]
        if len(served.requests) == 1:
            pieces = pieces[:2]  # ... and no final chunk: broken off
        for piece in pieces:
            handler.give(served, b"%x\r\n" % len(piece) + piece + b"\r\n")
        if len(served.requests) > 1:
            handler.give(served, b"0\r\n\r\n")

    @staticmethod
    def ignore_range(handler: Handler, served: Served) -> None:
        handler.head(200, {"Content-Length": str(len(served.body))})
        handler.give(served, served.body)

    @staticmethod
    def wrong_content_range(handler: Handler, served: Served) -> None:
        if handler.asked_range() is None:
            Behaviours.ignore_range(handler, served)
            return
        piece = served.body[5:]
        place = f"bytes 5-{len(served.body) - 1}/{len(served.body)}"
        handler.head(206, {"Content-Range": place, "Content-Length": str(len(piece)), "ETag": served.etag})
        handler.give(served, piece)

    @staticmethod
    def empty_range(handler: Handler, served: Served) -> None:
        """Ranges begin where they should, and hold nothing."""
        asked = handler.asked_range()
        if asked is None:
            Behaviours.cut_once(handler, served)
            return
        handler.head(206, {"Content-Range": f"bytes {asked[0]}-{asked[0]}/{len(served.body)}", "Content-Length": "0"})

    @staticmethod
    def cut_then_wrong_range(handler: Handler, served: Served) -> None:
        """Always half of the file, and ranges that are not what was asked for: nothing ever comes of it."""
        if handler.asked_range() is not None:
            Behaviours.wrong_content_range(handler, served)
            return
        handler.head(200, {"Content-Length": str(len(served.body))})
        handler.give(served, served.body[: len(served.body) // 2])

    @staticmethod
    def no_content_range(handler: Handler, served: Served) -> None:
        if handler.asked_range() is None:
            Behaviours.ignore_range(handler, served)
            return
        handler.head(206, {"Content-Length": str(len(served.body))})
        handler.give(served, served.body)

    @staticmethod
    def refuse_range(handler: Handler, served: Served) -> None:
        if handler.asked_range() is None:
            Behaviours.ignore_range(handler, served)
            return
        handler.head(416, {"Content-Length": "0"})

    @staticmethod
    def changed_file(handler: Handler, served: Served) -> None:
        """The first answer, which broke off, was of another version: the old tag, other bytes."""
        if len(served.requests) == 1:
            handler.head(200, {"Content-Length": str(len(served.body)), "ETag": '"old"'})
            handler.give(served, bytes(len(served.body) // 2))
            return
        Behaviours.honest(handler, served)

    @staticmethod
    def changed_file_ignoring_if_range(handler: Handler, served: Served) -> None:
        if len(served.requests) == 1:
            Behaviours.changed_file(handler, served)
            return
        del handler.headers["If-Range"]
        Behaviours.honest(handler, served)

    @staticmethod
    def changed_file_without_tag(handler: Handler, served: Served) -> None:
        """As `changed_file`, but nothing tells: only the digest will."""
        if len(served.requests) == 1:
            handler.head(200, {"Content-Length": str(len(served.body))})
            handler.give(served, bytes(len(served.body) // 2))
            return
        Behaviours.honest(handler, served)

    @staticmethod
    def packed(handler: Handler, served: Served) -> None:
        data = gzip.compress(served.body)
        handler.head(200, {"Content-Length": str(len(data)), "Content-Encoding": "gzip"})
        handler.give(served, data)

    @staticmethod
    def packed_badly(handler: Handler, served: Served) -> None:
        handler.head(200, {"Content-Length": "4000", "Content-Encoding": "gzip"})
        handler.give(served, served.body[:4000])

    @staticmethod
    def packed_bomb(handler: Handler, served: Served) -> None:
        data = gzip.compress(bytes(5_000_000))
        handler.head(200, {"Content-Length": str(len(data)), "Content-Encoding": "gzip"})
        handler.give(served, data)

    @staticmethod
    def called_packed(handler: Handler, served: Served) -> None:
        """A .gz file, sent as it is, but declared as packed for transport."""
        handler.head(200, {"Content-Length": str(len(served.body)), "Content-Encoding": "gzip"})
        handler.give(served, served.body)

    @staticmethod
    def stall_in_ranges(handler: Handler, served: Served) -> None:
        """Whole files come; of each range a little."""
        if handler.asked_range() is None:
            Behaviours.honest(handler, served)
            return
        start, end = handler.asked_range() or (0, None)
        piece = served.body[start:end]
        place = f"bytes {start}-{start + len(piece) - 1}/{len(served.body)}"
        handler.head(206, {"Content-Range": place, "Content-Length": str(len(piece))})
        handler.give(served, piece[:10])
        handler.wfile.flush()
        handler.site.closing.wait(60)

    @staticmethod
    def whole_or(handler: Handler, served: Served) -> None:
        """The whole file comes as it should; ranges as the setting `ranges` has it."""
        served.settings["honest"] = Behaviours.honest
        (Behaviours.honest if handler.asked_range() is None else served.settings["ranges"])(handler, served)

    @staticmethod
    def lie_in_ranges(handler: Handler, served: Served) -> None:
        """The whole file is right; its ranges are not."""
        (Behaviours.honest if handler.asked_range() is None else Behaviours.lie)(handler, served)

    @staticmethod
    def another_version_in_ranges(handler: Handler, served: Served) -> None:
        """Each range is said to be of another version."""
        served.etag = f'"{len(served.requests)}"'
        Behaviours.honest(handler, served)

    @staticmethod
    def stall_once(handler: Handler, served: Served) -> None:
        if len(served.requests) > 1:
            Behaviours.honest(handler, served)
            return
        handler.head(200, {"Content-Length": str(len(served.body))})
        handler.give(served, served.body[:20_000])
        handler.wfile.flush()
        handler.site.closing.wait(60)

    @staticmethod
    def trickle(handler: Handler, served: Served) -> None:
        handler.head(200, {"Content-Length": str(len(served.body))})
        for byte in served.body:
            handler.wfile.write(bytes([byte]))
            if handler.site.closing.wait(0.05):
                return

    @staticmethod
    def page(handler: Handler, served: Served) -> None:
        data = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head><body>Sorry.</body></html>"
        headers = {"Content-Type": "text/html; charset=utf-8"} if served.settings.get("honest_type", True) else {}
        if served.settings.get("length", True):
            headers["Content-Length"] = str(len(data))
        handler.head(200, headers)
        handler.give(served, data)

    @staticmethod
    def lie(handler: Handler, served: Served) -> None:
        changed = bytearray(served.body)
        for at in range(0, len(changed), served.settings.get("every", 100_000)):
            changed[at] ^= 1
        Behaviours.honest(handler, Served(bytes(changed), served.answer, settings=served.settings))

    @staticmethod
    def longer(handler: Handler, served: Served) -> None:
        data = served.body + b"more"
        handler.head(200, {"Content-Length": str(len(data))} if served.settings.get("length", True) else {})
        handler.give(served, data)

    @staticmethod
    def shorter(handler: Handler, served: Served) -> None:
        handler.head(200, {"Content-Length": "1000"})
        handler.give(served, served.body[:1000])

    @staticmethod
    def status(handler: Handler, served: Served) -> None:
        times = served.settings.get("times", 10**9)
        if len(served.requests) > times:
            Behaviours.honest(handler, served)
            return
        handler.head(served.settings["status"], {"Content-Length": "0", **served.settings.get("headers", {})})

    @staticmethod
    def after(handler: Handler, served: Served) -> None:
        """The file is missing, which is told when something else has happened."""
        served.settings["event"].wait(20)
        handler.head(404, {"Content-Length": "0"})

    @staticmethod
    def hang_up(handler: Handler, served: Served) -> None:
        handler.connection.close()

    @staticmethod
    def unasked_range(handler: Handler, served: Served) -> None:
        piece = served.body[100:]
        handler.head(
            206,
            {
                "Content-Range": f"bytes 100-{len(served.body) - 1}/{len(served.body)}",
                "Content-Length": str(len(piece)),
            },
        )
        handler.give(served, piece)

    @staticmethod
    def redirect(handler: Handler, served: Served) -> None:
        handler.head(302, {"Location": served.settings["to"], "Content-Length": "0", "Set-Cookie": "spy=1; Path=/"})
