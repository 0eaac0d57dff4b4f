"""A second file with the same bytes: shared with the first where the disk can share safely, and copied elsewhere.

Btrfs, XFS and APFS-like file systems share blocks until one side is written to, so a write to either leaves the other
alone. A hard link would not do: it is one file with two names, and another program may yet write to its own.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

__all__ = ["clone", "duplicate"]

_FICLONE = 0x40049409  # linux/fs.h


def clone(source: Path, target: Path) -> bool:
    """Make `target`, a new file that shares the blocks of `source`; False, and no file, where that cannot be done."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        reader = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(reader).st_mode):
            return False
        with open(target, "xb") as writer:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader)
        return True
    except OSError:
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
        return False
    finally:
        os.close(reader)


def duplicate(source: Path, target: Path) -> None:
    """Make `target` a file of its own with the bytes of `source`, whole or not at all; what was there is replaced.

    Permissions are those that the umask leaves. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.urandom(6).hex()}.part")
    try:
        if not clone(source, temporary):
            with open(source, "rb") as reader, open(temporary, "xb") as writer:
                while block := reader.read(1 << 20):
                    writer.write(block)
                writer.flush()
                os.fsync(writer.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
