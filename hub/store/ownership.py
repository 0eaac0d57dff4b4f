"""Who is writing a file: names for processes, and whether the process of a name still lives.

An owner is `<place>-<process id>-<start>`. The place is this machine since it was last started and, on Linux, this
container (a process id means nothing outside of its own). The start tells a process from a later one of the same
number.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from pathlib import Path

__all__ = ["alive", "owner"]


def owner() -> str:
    """The name of this process; it has neither a dot nor a path separator."""
    return f"{_place()}-{os.getpid()}-{_start(os.getpid()) or 0}"


def alive(name: str) -> bool | None:
    """Whether the process of this name lives; None where that cannot be known from here."""
    fields = name.split("-")
    if len(fields) != 3 or fields[0] != _place() or not (fields[1].isdigit() and fields[2].isdigit()):
        return None
    process, start = int(fields[1]), int(fields[2])
    if process == os.getpid():
        return start == (_start(process) or 0)
    if sys.platform.startswith("linux"):
        if _start(os.getpid()) is None:
            return None  # No /proc: nothing can be said of anybody.
        return _start(process) == start
    if os.name != "posix":
        return None  # os.kill would end the process there.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _start(process: int) -> int | None:
    """When the process began, in ticks since the machine did; None if there is no such process or it is a zombie."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _place() -> str:
    facts = [os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")]
    for source in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        try:
            facts.append(Path(source).read_text(encoding="ascii", errors="replace").strip())
        except OSError:
            continue
    with contextlib.suppress(OSError):
        facts.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32(chr(10).join(facts).encode()):08x}"
