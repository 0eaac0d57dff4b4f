"""Many processes, sudden deaths and a lying mirror: no wrong file is ever published, and checked chunks are used again.

The suite plays one round of each kind: with and without chunk digests, one stream each or several connections to both
mirrors. NUMZOO_CRASH_ROUNDS=200 plays many.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

_ROUNDS = int(os.environ.get("NUMZOO_CRASH_ROUNDS", "1"))
_PROCESSES = 8
_CHUNK = 50_000

_WORKER = """
import contextlib
import sys
with contextlib.suppress(ImportError):  # Locks that lie, as on some network file systems: nothing may rest on them.
    import fcntl
    fcntl.flock = fcntl.lockf = lambda *_: None
from numzoo.hub.download.obtain import obtain
from numzoo.hub.errors import NetworkError
from numzoo.hub.registry.record import Chunks, FileRecord
from numzoo.hub.download.sources import Patience

kind, sha256, size, chunk, digests, *sources = sys.argv[1:]
patience = Patience(pause=0.01)
if kind == "shared":
    from numzoo.hub.download.sources import answers
    answers._BLOCK = 1 << 14
    patience = Patience(pause=0.01, solo=0.0, worth=0.0, connections=3, span=20_000, hedge=0.3)
chunks = Chunks(int(chunk), tuple(digests.split(","))) if digests else None
record = FileRecord(sha256, bytes=int(size), sources=tuple(sources), chunks=chunks, name="weights.bin")
print("go", flush=True)
sys.stdin.readline()
obtain(record, patience=patience)
"""


def _start(record: Any, kind: str = "alone") -> subprocess.Popen[str]:
    digests = ",".join(record.chunks.sha256) if record.chunks else ""
    arguments = [kind, record.sha256, str(record.bytes), str(_CHUNK), digests, *record.sources]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _go(workers: list[subprocess.Popen[str]]) -> None:
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "go\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()


def _end(workers: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    ended = [(worker, worker.communicate(timeout=120)[1]) for worker in workers]
    return [(worker.returncode, errors) for worker, errors in ended]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("kind", ["alone", "shared"])
@pytest.mark.parametrize("chunk", [None, _CHUNK])
@pytest.mark.parametrize("seed", range(_ROUNDS))
def test_killed_processes_leave_no_wrong_file(
    seed: int, chunk: int | None, kind: str, server: Any, body: bytes, record_of: Any, cache: Any, contents: Any
) -> None:
    chance, lock = random.Random(seed), threading.Lock()
    workers: list[subprocess.Popen[str]] = []
    killed: list[int] = []

    def sometimes_kill() -> None:
        """Called by the server after every block that it has sent: so a worker dies in the middle of its work."""
        with lock:
            if len(killed) < _PROCESSES - 2 and chance.random() < 0.15:
                victim = chance.choice(workers)
                killed.append(victim.pid)
                with contextlib.suppress(ProcessLookupError):
                    victim.send_signal(signal.SIGKILL)

    liar = server.add("/liar", body, "lie", every=120_000, watch=sometimes_kill)
    good = server.add("/good", body, watch=sometimes_kill)
    record = record_of(body, liar, good, chunk=chunk)
    if kind == "shared":  # The first source has to be one that is worth it; the liar is among the mirrors.
        record = record_of(body, good, liar, chunk=chunk)
    workers.extend(_start(record, kind) for _ in range(_PROCESSES))
    _go(workers)
    for code, errors in _end(workers):
        assert code in (0, -signal.SIGKILL), errors
    assert killed
    for entry in cache.entries():
        assert hashlib.sha256(entry.path.read_bytes()).hexdigest() == entry.sha256

    # Whoever comes last finds the good chunks of the dead, and clears up after them.
    cache.remove(record.sha256)
    server.files["/liar"].settings.clear()
    last = record_of(body, server.add("/last", body), chunk=chunk)
    left = _reusable(cache.parts, body, chunk)
    from numzoo.hub.download.obtain import obtain

    assert contents(obtain(last)) == body
    assert list(cache.parts.iterdir()) == []
    if chunk is not None:
        assert server.files["/last"].sent <= len(body) - left


def _reusable(parts: Path, body: bytes, chunk: int | None) -> int:
    """How many bytes of the leftovers are right, chunk by chunk."""
    if chunk is None or not parts.exists():
        return 0
    leftovers = [path.read_bytes() for path in parts.glob("*.part")]
    starts = range(0, len(body), chunk)
    right = [at for at in starts if any(data[at : at + chunk] == body[at : at + chunk] for data in leftovers)]
    return sum(len(body[at : at + chunk]) for at in right)


def test_processes_that_fetch_the_same_file_all_succeed(
    server: Any, body: bytes, record_of: Any, cache: Any, contents: Any
) -> None:
    record = record_of(body, server.add("/file", body))
    workers = [_start(record) for _ in range(4)]
    _go(workers)
    assert _end(workers) == [(0, "")] * 4
    assert contents(record.sha256) == body
    assert list(cache.parts.iterdir()) == []


def test_threads_that_fetch_the_same_file_all_succeed(
    server: Any, body: bytes, record_of: Any, cache: Any, contents: Any
) -> None:
    from numzoo.hub.download.obtain import obtain

    record = record_of(body, server.add("/file", body), chunk=_CHUNK)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(obtain(record))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [record.sha256] * 6
    assert contents(record.sha256) == body
    assert list(cache.parts.iterdir()) == []
