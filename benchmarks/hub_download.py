"""A file from a server on this machine, whole and verified: numzoo beside curl, huggingface_hub and pooch.

The server sends from memory, as fast as it is asked; in the slow rows each connection gets 20 MB/s, as from far away.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from rounds import HERE, ask, finish, options

MB = 10**6
ROWS = {
    "256 MB, fast server": (256, 0, 1),
    "100 MB, slow server": (100, 20, 1),
    "100 MB, two slow mirrors": (100, 20, 2),
}
SIDES = ("numzoo", "numzoo chunks", "curl", "curl sha256sum", "huggingface_hub", "pooch")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and servers go then too
    parser = options(__doc__)
    parser.add_argument(
        "--only", default="", metavar="WORD", help="only rows with this word in their names: fast, slow"
    )
    given = parser.parse_args()
    chosen = {name: row for name, row in ROWS.items() if given.only in name}
    rows: dict[str, dict[str, list[float]]] = {name: {side: [] for side in SIDES} for name in chosen}
    for name, (size, rate, mirrors) in chosen.items():
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            body = Path(folder) / "body"
            digest = _write(body, size * MB)
            servers = [_serve(body, rate) for _ in range(mirrors)]
            try:
                addresses = [server.stdout.readline().strip() for server in servers if server.stdout]
                for _ in range(given.rounds):
                    for side in SIDES:
                        python = sys.executable if side.startswith("numzoo") else given.peer_python
                        # Made and removed here, so that nothing is left behind by a side that is ended from outside.
                        with tempfile.TemporaryDirectory(dir=".") as home:
                            asked = [side, home, digest, size * MB, body, *addresses]
                            if figures := ask(python, "hub_download_side.py", *asked, threads=given.threads):
                                rows[name][side].append(figures["seconds"] * 1e3)
            finally:
                for server in servers:
                    server.kill()
                    server.wait()
    finish(rows, "numzoo", "milliseconds", given.json)


def _write(path: Path, size: int) -> str:
    import random

    block, hasher = random.Random(0).randbytes(MB), hashlib.sha256()
    with path.open("wb") as file:
        for number in range(size // MB):
            piece = number.to_bytes(8, "big") + block[8:]
            file.write(piece)
            hasher.update(piece)
    return hasher.hexdigest()


def _serve(body: Path, rate: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "hub_download_server.py"), str(body), str(rate)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main()
