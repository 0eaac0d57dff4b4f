"""How many threads the kernels use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import SettingError

# Turns of a waiting thread's loop (some nanoseconds each) before it sleeps. GNU OpenMP's own 300,000 cost dear where
# anything else runs, since the thread that is waited for has lost its core to the one that spins; few turns cost where
# nothing does, since waking a sleeper is slow. docs/performance.md has the figures.
SPINS = 3_000

_threads = 0


@contextmanager
def brief_spinning() -> Iterator[None]:
    """Let GNU OpenMP, should it be loaded inside, spin only briefly, unless the environment says how it is to wait."""
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)


def current() -> int:
    """The threads each kernel uses: as set, else NUMZOO_THREADS, OMP_NUM_THREADS, or this process's cores."""
    global _threads
    if not _threads:
        _threads = _named("NUMZOO_THREADS") or _named("OMP_NUM_THREADS") or available_cores()
    return _threads


def set_current(threads: int) -> None:
    """Use this many threads from now on."""
    global _threads
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise SettingError(f"set_threads: threads is {threads!r}; give a whole number, 1 or more")
    _threads = threads


def available_cores() -> int:
    """The cores this process may use: its affinity, and the processor quota of its container where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, min(cores, quota)) if quota else cores


def _named(variable: str) -> int:
    """The number in an environment variable. OpenMP allows a list there (one per nesting level); its first counts."""
    text = os.environ.get(variable, "").split(",")[0].strip()
    if not text:
        return 0
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise SettingError(f"{variable} is {text!r}; give a whole number, 1 or more, or unset it")


def _quota(file: Path) -> int:
    """Whole cores that a version-2 control group grants (rounded up), or 0 for no limit."""
    try:
        quota, period = file.read_text().split()[:2]
        return -(-int(quota) // int(period)) if quota != "max" else 0
    except (OSError, ValueError, ZeroDivisionError):
        return 0
