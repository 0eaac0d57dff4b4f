"""One side of hub_download.py: fetch the file once into the empty folder that it is given, and print how long that took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    side, place, digest, size, body, *addresses = sys.argv[1:]
    os.environ.update(NUMZOO_HOME=place, HF_HOME=place, HF_HUB_DISABLE_PROGRESS_BARS="1", POOCH_LOG_LEVEL="ERROR")
    fetch = {
        "numzoo": numzoo,
        "numzoo chunks": numzoo_chunks,
        "curl": curl,
        "curl sha256sum": curl_sha256sum,
        "huggingface_hub": huggingface,
        "pooch": pooch_retrieve,
    }[side](Path(place), digest, int(size), Path(body), addresses)
    began = time.perf_counter()
    fetch()
    print(json.dumps({"seconds": time.perf_counter() - began}))


def numzoo(folder: Path, digest: str, size: int, body: Path, addresses: list[str]) -> Callable[[], object]:
    import requests  # noqa: F401 (what is imported is not measured, on any side)

    from numzoo.hub.download.obtain import obtain
    from numzoo.hub.registry.record import FileRecord

    record = FileRecord(digest, bytes=size, sources=tuple(addresses), name="file")
    return lambda: obtain(record)


def numzoo_chunks(folder: Path, digest: str, size: int, body: Path, addresses: list[str]) -> Callable[[], object]:
    import requests  # noqa: F401

    from numzoo.hub.download.obtain import obtain
    from numzoo.hub.registry.chunks import chunk_digests
    from numzoo.hub.registry.record import FileRecord

    record = FileRecord(digest, bytes=size, sources=tuple(addresses), name="file", chunks=chunk_digests(body))
    return lambda: obtain(record)


def curl(folder: Path, digest: str, size: int, body: Path, addresses: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(["curl", "-sS", "-f", "-o", str(folder / "file"), addresses[0]], check=True)


def curl_sha256sum(folder: Path, digest: str, size: int, body: Path, addresses: list[str]) -> Callable[[], object]:
    def fetch() -> None:
        curl(folder, digest, size, body, addresses)()
        found = subprocess.run(["sha256sum", str(folder / "file")], check=True, capture_output=True, text=True).stdout
        assert found.startswith(digest)

    return fetch


def huggingface(folder: Path, digest: str, size: int, body: Path, addresses: list[str]) -> Callable[[], object]:
    from huggingface_hub.file_download import http_get

    def fetch() -> None:
        with open(folder / "file", "wb") as file:
            http_get(addresses[0], file, expected_size=size)

    return fetch


def pooch_retrieve(folder: Path, digest: str, size: int, body: Path, addresses: list[str]) -> Callable[[], object]:
    import pooch
    import requests  # noqa: F401

    return lambda: pooch.retrieve(addresses[0], f"sha256:{digest}", fname="file", path=folder, progressbar=False)


if __name__ == "__main__":
    main()
