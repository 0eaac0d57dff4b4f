"""The whole way of a data set: files packed as the real ones, a server, a manifest, the hub, the loader."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Members = dict[str, bytes]
KINDS = {".tar.gz": "tar", ".tgz": "tar", ".tar.bz2": "tar", ".zip": "zip", ".gz": "gzip"}


def packed(name: str, members: Members) -> bytes:
    """The members as a file of this name holds them: an archive, or the only member."""
    if name.endswith(".zip"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return buffer.getvalue()
    if name.endswith((".tar.gz", ".tgz", ".tar.bz2")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return bz2.compress(buffer.getvalue()) if name.endswith("bz2") else gzip.compress(buffer.getvalue(), mtime=0)
    (content,) = members.values()
    return gzip.compress(content, mtime=0) if name.endswith(".gz") else content


def unpacked(folder: Path, files: dict[str, Members]) -> Path:
    """The members in a folder, as a person has them who unpacked by hand."""
    for members in files.values():
        for name, content in members.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server on this machine that gives the files of a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(folder))

        def log_message(self, format: str, *given: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def loaded_through_the_hub(
    loader: str,
    files: dict[str, Members],
    split: str,
    folder: Path,
    monkeypatch: Any,
    *,
    inner: Any = None,
    **settings: Any,
) -> Any:
    """The data set that `hub.load_data` gives for these files, fetched from a server into a store of its own.

    `inner` says which members of archives are archives themselves, as in a manifest.
    """
    from numzoo import hub

    monkeypatch.setenv("NUMZOO_HOME", str(folder / "home"))
    (folder / "site").mkdir()
    with serving(folder / "site") as address:
        records = []
        for name, members in files.items():
            content = packed(name, members)
            (folder / "site" / name).write_bytes(content)
            record = {
                "name": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "format": "data",
                "sources": [f"{address}/{name}"],
            }
            kind = next((kind for suffix, kind in KINDS.items() if name.endswith(suffix)), None)
            how = {"kind": kind, **({"inner": inner} if inner else {})}
            records.append(record if kind is None else {**record, "unpack": how})
        entry = {"files": records, "license": "CC0-1.0", "source": "https://example.org/", "loader": loader}
        manifest = folder / "manifest.json"
        manifest.write_text(json.dumps({"schema": 1, "models": {}, "data": {"made": entry}}))
        return hub.load_data("made", split=split, registry=manifest, progress=False, **settings)
