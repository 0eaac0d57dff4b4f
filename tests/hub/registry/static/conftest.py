"""A registry in a folder, published to by the functions that the command line calls, and served on loopback."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from numzoo.hub.configuration import RegistrySettings
from numzoo.hub.registry.static.layout import Folder
from numzoo.hub.registry.static.publishing import Published, publish, put_entry
from numzoo.hub.registry.static.signing import PrivateKey, new_key


class Zoo:
    """One registry: `publish(name, body)` puts an entry into it; `save` and `restore` keep copies of the whole folder."""

    def __init__(self, root: Path, key: PrivateKey) -> None:
        self.root, self.key, self.folder = root, key, Folder(root)

    def entry(self, body: bytes = b"weights", **fields: Any) -> dict[str, Any]:
        (self.root.parent / "made").write_bytes(body)
        added = self.folder.add(self.root.parent / "made")
        file = {
            "sha256": added.sha256,
            "bytes": added.bytes,
            "format": "safetensors",
            "sources": ["blob:w.safetensors"],
        }
        return {
            "model": "vision.models.lenet",
            "task": "image-classification",
            "files": [file],
            "license": "Apache-2.0",
            "source": "https://acme.example",
            **fields,
        }

    def publish(
        self,
        name: str = "acme/net.v1",
        body: bytes = b"weights",
        *,
        keys: Any = None,
        days: int | None = None,
        **fields: Any,
    ) -> Published:
        def change(document: dict[str, Any]) -> None:
            put_entry(document, "models", name, self.entry(body, **fields), replace=False)
            model, _, tag = name.partition(".")
            document.setdefault("defaults", {})[model] = tag

        return publish(self.folder, change, keys=[self.key] if keys is None else keys, days=days)

    def edit(self, change: Callable[[dict[str, Any]], None], **settings: Any) -> Published:
        return publish(self.folder, change, **{"keys": [self.key], **settings})

    def save(self, name: str) -> None:
        shutil.copytree(self.root, self.root.parent / name)

    def restore(self, name: str) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(self.root.parent / name, self.root)

    def settings(self, address: str | None = None, **fields: Any) -> RegistrySettings:
        given = {"keys": (self.key.public,), **fields}
        return RegistrySettings("acme", address or str(self.root), **given)


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    """A signed registry with one entry, ``acme/net.v1``."""
    made = Zoo(tmp_path / "zoo", new_key(tmp_path / "key"))
    made.publish()
    return made


@pytest.fixture
def other_key(tmp_path: Path) -> PrivateKey:
    """A key that nobody accepts."""
    return new_key(tmp_path / "other")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain web server for a folder, like any other."""

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address at which a folder is served meanwhile."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def address(zoo: Zoo) -> Iterator[str]:
    """Where the registry is served."""
    with serve(zoo.root) as served:
        yield served


@pytest.fixture
def served() -> Callable[[Path], contextlib.AbstractContextManager[str]]:
    """Serve another folder: `with served(folder) as address`."""
    return serve
