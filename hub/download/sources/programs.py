"""Running pip, npm and apt-get: the person's own index, registry, proxy, certificates and logins apply, as these read them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from numzoo.hub.errors import HubError, NetworkError, NotFoundError, StorageError

__all__ = ["failure", "run"]

_UNREACHABLE = re.compile(
    r"connection|retrying|timed? ?out|temporary failure|name or service|getaddrinfo|proxy|ssl|certificate|unreachable|"
    r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|\b50[0-9]\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"no matching distribution|could not find a version", re.IGNORECASE)
_UNKNOWN_SURELY = re.compile(
    r"\b(?:E404|ETARGET)\b|^E: (?:Unable to locate package|Version '.*' was not found)", re.MULTILINE
)
_DISK = re.compile(
    r"no space left|disk quota exceeded|file too large|read-only file system|\b(?:ENOSPC|EDQUOT|EFBIG|EROFS)\b",
    re.IGNORECASE,
)
_NOISE = ("[notice]", "npm error A complete log of this run")


def run(command: Sequence[str], folder: Path, timeout: float, variables: Mapping[str, str] | None = None) -> str | None:
    """Run a program in `folder`, nothing on its input; give None if it succeeded, and else its output.

    Temporary files of the program go to `folder` too, because /tmp may be small. Raises NotFoundError where there is no
    such program and NetworkError where it takes longer than `timeout` seconds.
    """
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder), **(variables or {})}
    try:
        ended = subprocess.run(
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise NotFoundError(f"{Path(command[0]).name} is not installed or not on the PATH.") from None
    except subprocess.TimeoutExpired:
        raise NetworkError(f"{Path(command[0]).name} was stopped after {timeout:g} seconds.") from None
    return ended.stdout.decode("utf-8", "replace") if ended.returncode else None


def failure(program: str, package: str, output: str) -> HubError:
    """The error for a program that could not fetch a package, of a class that its output suggests."""
    told = f"{program} could not fetch {package}. It said: {_last_lines(output)}"
    if _DISK.search(output):
        return StorageError(f"{told}. Free some space, or set NUMZOO_HOME to a folder on another disk.")
    if _UNKNOWN_SURELY.search(output) or (_UNKNOWN.search(output) and not _UNREACHABLE.search(output)):
        return NotFoundError(told)
    return NetworkError(told)


def _last_lines(output: str, count: int = 4) -> str:
    """The last lines that say something, with no password of an address in them."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(_NOISE)]
    return re.sub(r"://[^/@\s]+@", "://***@", " | ".join(lines[-count:]))[-1000:]
