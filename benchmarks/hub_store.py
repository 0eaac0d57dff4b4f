"""Verified files from the cache: 100 MB hashed, 1 GB of safetensors opened with and without its hash; what starting costs.

sha256 alone is the yardstick. pooch hashes at every use, as numzoo does without its notes; huggingface_hub and safetensors'
own open hash nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rounds import CHECKOUT, ask, finish, options

from numzoo.hub.checkpoint import write_safetensors
from numzoo.hub.store.cache import Cache

MEGABYTE = 1_000_000
SETTLED = 6.0  # a file that changed in the last five seconds is hashed whatever its note says
ROWS = {
    "100 MB verified": {"numzoo": "numzoo-small", "sha256 alone": "hash-small", "pooch": "pooch-small"},
    "1 GB opened and hashed": {
        "numzoo": "numzoo-large",
        "sha256 alone": "hash-large",
        "pooch + safe_open": "pooch-large",
    },
    "1 GB opened, not hashed": {
        "numzoo": "numzoo-remembered",
        "huggingface_hub + safe_open": "huggingface-large",
        "safe_open": "safetensors-large",
        "load_file": "load-file-large",
    },
}
STARTS = {
    "import numzoo": ["-c", "import numzoo"],
    "numzoo --help": ["-m", "numzoo", "--help"],
    "numzoo ls": ["-m", "numzoo", "ls"],
    "import pooch": ["-c", "import pooch"],
    "import huggingface_hub, its download": ["-c", "from huggingface_hub import hf_hub_download"],
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--folder", type=Path, help="where 2.2 GB of files may lie meanwhile")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        prepare(folder)
        os.environ["NUMZOO_HOME"] = str(folder / "home")
        seconds: dict[str, dict[str, list[float]]] = {row: {} for row in ROWS}
        memory: dict[str, dict[str, list[float]]] = {row: {} for row in ROWS}
        for _ in range(given.rounds):
            for row, sides in ROWS.items():
                for side, task in sides.items():
                    own = side.startswith("numzoo") or side == "sha256 alone"
                    python = sys.executable if own else given.peer_python
                    figures = ask(python, "hub_store_side.py", task, folder, threads=given.threads)
                    if figures is not None:
                        seconds[row].setdefault(side, []).append(figures["seconds"] * 1000)
                        memory[row].setdefault(side, []).append(figures["mebibytes"])
    finish(seconds, "numzoo", "milliseconds", given.json)
    for row, sides in memory.items():
        grown = ", ".join(f"{side} {statistics.median(values):.0f}" for side, values in sides.items())
        print(f"{row}: peak memory grew by MiB: {grown}")
        if "sha256 alone" in sides:
            pairs = zip(seconds[row]["numzoo"], seconds[row]["sha256 alone"], strict=True)
            print(f"{row}: numzoo / sha256 alone, round by round: {', '.join(f'{a / b:.3f}' for a, b in pairs)}")
    starting = {
        name: {"seconds": starts(command, given)} for name, command in {"bare": ["-c", "pass"], **STARTS}.items()
    }
    bare = statistics.median(starting["bare"]["seconds"])
    for name, row in starting.items():
        print(f"{name}: {statistics.median(row['seconds']) * 1000:.0f} ms, bare Python {bare * 1000:.0f} ms of them")


def prepare(folder: Path) -> None:
    """A file of 100 MB and a checkpoint of 1 GB, as blobs, as plain files and in Hugging Face's layout."""
    generator = np.random.default_rng(0)
    (folder / "small.bin").write_bytes(generator.bytes(100 * MEGABYTE))
    large = folder / "large.safetensors"
    array = generator.standard_normal((1000, 5000), np.float32)
    write_safetensors(large, {f"layers.{layer}.weight": array + layer for layer in range(50)})
    store = Cache(folder / "home")
    for path in (folder / "small.bin", large):
        with open(path, "rb") as file:
            hasher = hashlib.sha256()
            while block := file.read(1 << 20):
                hasher.update(block)
        shutil.copyfile(path, folder / "copy")
        store.publish(folder / "copy", hasher.hexdigest())
    snapshot = folder / "huggingface" / "models--any--name" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    os.link(large, snapshot / "large.safetensors")
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0" * 40)
    time.sleep(SETTLED)


def starts(command: list[str], given: object) -> list[float]:
    """Seconds of whole processes."""
    python = given.peer_python if "pooch" in command[-1] or "huggingface" in command[-1] else sys.executable  # type: ignore[attr-defined]
    seconds = []
    for _ in range(3 * given.rounds):  # type: ignore[attr-defined]
        start = time.perf_counter()
        subprocess.run(
            [python, *command], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.DEVNULL, check=False
        )
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
