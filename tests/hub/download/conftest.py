"""For the tests of downloads: a certificate, a proxy, and the command line in a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate that nobody has signed but its owner, with its key; no variable names it yet."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    key, signed = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(signed)]
    subprocess.run(command, check=True, capture_output=True)
    signed.write_text(signed.read_text() + key.read_text())
    return signed


class Proxy:
    """A proxy for http and, by CONNECT, for https; it writes down the first line of every request and its login."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.logins: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            first, _, rest = head.partition(b"\r\n")
            self.asked.append(first.decode())
            self.logins += [line for line in rest.decode().split("\r\n") if line.lower().startswith("proxy-auth")]
            method, target, version = first.decode().split()
            if method == "CONNECT":
                host, _, port = target.partition(":")
                with socket.create_connection((host, int(port))) as server:
                    client.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
                    self._both_ways(client, server)
                return
            host, _, path = target.removeprefix("http://").partition("/")
            name, _, port = host.partition(":")
            with socket.create_connection((name, int(port))) as server:
                server.sendall(f"{method} /{path} {version}\r\n".encode() + rest)
                self._both_ways(client, server)

    def _both_ways(self, client: socket.socket, server: socket.socket) -> None:
        def copy(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        there = threading.Thread(target=copy, args=(client, server), daemon=True)
        there.start()
        copy(server, client)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy that lives as long as the test."""
    running = Proxy()
    yield running
    running.close()


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own: `command("pull", "x", NUMZOO_OFFLINE="1")`."""

    def run(*arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **variables}
        return subprocess.run(
            [sys.executable, "-m", "numzoo.hub.cli.main", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def manifest_of(tmp_path: Path) -> Callable[..., str]:
    """Write a manifest with one data set, `files`, of some records; give its path."""
    import json

    def write(*records: Any) -> str:
        files = [
            {"name": each.name, "sha256": each.sha256, "bytes": each.bytes, "format": "bin", "sources": each.sources}
            for each in records
        ]
        entry = {"files": files, "license": "CC0-1.0", "source": "https://example.org/"}
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps({"schema": 1, "models": {}, "data": {"files": entry}}))
        return str(path)

    return write
