"""One side of hub_store.py: `hub_store_side.py TASK FOLDER` prints seconds and the growth of peak memory as JSON.

Every task is done five times and the fastest counts; before it whatever it needs is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TURNS = 5


def main() -> None:
    task, folder = sys.argv[1], Path(sys.argv[2])
    run = globals()[task.replace("-", "_")](folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(TURNS):
        start = time.perf_counter()
        kept = run()
        seconds.append(time.perf_counter() - start)
        del kept
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": min(seconds), "mebibytes": grown}))


def _large(folder: Path) -> Path:
    return folder / "large.safetensors"


def _small(folder: Path) -> Path:
    return folder / "small.bin"


def _hash(path: Path) -> str:
    with open(path, "rb", buffering=0) as file:
        if hasattr(hashlib, "file_digest"):
            return hashlib.file_digest(file, "sha256").hexdigest()
        hasher = hashlib.sha256()
        while block := file.read(1 << 20):
            hasher.update(block)
        return hasher.hexdigest()


def hash_small(folder: Path) -> Callable[[], Any]:
    return lambda: _hash(_small(folder))


def hash_large(folder: Path) -> Callable[[], Any]:
    return lambda: _hash(_large(folder))


def numzoo_small(folder: Path) -> Callable[[], Any]:
    from numzoo.hub.store.cache import Cache

    (sha256,) = (entry.sha256 for entry in Cache().entries() if entry.bytes == _small(folder).stat().st_size)
    return lambda: Cache().open_verified(sha256, remember=False).close()


def _numzoo_large(folder: Path, remember: bool) -> Callable[[], Any]:
    from numzoo.hub.checkpoint import read_checkpoint
    from numzoo.hub.store.cache import Cache

    (sha256,) = (entry.sha256 for entry in Cache().entries() if entry.bytes == _large(folder).stat().st_size)

    def run() -> Any:
        with Cache().open_verified(sha256, remember=remember) as file:
            arrays = read_checkpoint(file)
            file.check_unchanged()
        return arrays

    if remember:
        run()  # the note
    return run


def numzoo_large(folder: Path) -> Callable[[], Any]:
    return _numzoo_large(folder, False)


def numzoo_remembered(folder: Path) -> Callable[[], Any]:
    return _numzoo_large(folder, True)


def _pooch(path: Path) -> Callable[[], Any]:
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    known = f"sha256:{_hash(path)}"
    return lambda: pooch.retrieve(f"https://192.0.2.1/{path.name}", known, path.name, path.parent)


def pooch_small(folder: Path) -> Callable[[], Any]:
    return _pooch(_small(folder))


def pooch_large(folder: Path) -> Callable[[], Any]:
    from safetensors import numpy, safe_open  # noqa: F401 (imported before the clock runs)

    retrieve = _pooch(_large(folder))

    def run() -> Any:
        with safe_open(retrieve(), "np") as file:
            return {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)

    return run


def huggingface_large(folder: Path) -> Callable[[], Any]:
    from huggingface_hub import hf_hub_download
    from safetensors import safe_open

    def run() -> Any:
        path = hf_hub_download("any/name", "large.safetensors", local_files_only=True, cache_dir=folder / "huggingface")
        with safe_open(path, "np") as file:
            return {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)

    return run


def safetensors_large(folder: Path) -> Callable[[], Any]:
    from safetensors import safe_open

    def run() -> Any:
        with safe_open(_large(folder), "np") as file:
            return {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)

    return run


def load_file_large(folder: Path) -> Callable[[], Any]:
    from safetensors.numpy import load_file

    return lambda: load_file(_large(folder))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    main()
